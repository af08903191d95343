"""The soak's load: GETs at a steady rate, even if earlier ones have no response yet."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import attrs

PATIENCE_S: Final = 10.0
"""After how many seconds a client gives up, which is longer than any proxy may take."""


@attrs.frozen(kw_only=True)
class Outcome:
    """The outcome of one request.

    Attributes:
        sent_s: When it was sent, in seconds after the start.
        took_s: How many seconds it took.
        status: The response's status; 0 without a response.
        server: The name of the server that responded; empty without a response.
    """

    sent_s: float
    took_s: float
    status: int
    server: str


@attrs.define
class Load:
    """A client that reuses connections, and opens as many as it needs.

    Attributes:
        port: The proxy's port on 127.0.0.1.
        rate: Requests per second.
        outcomes: The outcomes, in the order in which requests ended.
    """

    port: int
    rate: int
    outcomes: list[Outcome] = attrs.Factory(list)
    _idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = attrs.Factory(list)

    async def run(self, seconds: float) -> None:
        """Send requests for some seconds, and wait for the last of them."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        tasks = []
        for number in range(int(seconds * self.rate)):
            await asyncio.sleep(start + number / self.rate - loop.time())
            tasks.append(loop.create_task(self._request(start)))
        await asyncio.gather(*tasks)
        for _, writer in self._idle:
            writer.close()

    async def _request(self, start: float) -> None:
        loop = asyncio.get_running_loop()
        sent = loop.time()
        status, server = 0, ""
        try:
            async with asyncio.timeout(PATIENCE_S):
                status, server = await self._exchange()
        except (OSError, EOFError, TimeoutError, ValueError):
            pass  # The status stays 0.
        ended = loop.time()
        self.outcomes.append(
            Outcome(sent_s=sent - start, took_s=ended - sent, status=status, server=server)
        )

    async def _exchange(self) -> tuple[int, str]:
        """Return the status of a response, and its body."""
        if self._idle:
            reader, writer = self._idle.pop()
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(b"GET /soak HTTP/1.1\r\nHost: localhost\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            fields = _fields(head)
            body = await reader.readexactly(int(fields[b"content-length"]))
        except BaseException:
            writer.close()
            raise
        if fields.get(b"connection") == b"close":
            writer.close()
        else:
            self._idle.append((reader, writer))
        return int(head.split(b" ", 2)[1]), body.decode("latin-1")


def _fields(head: bytes) -> Mapping[bytes, bytes]:
    """Return the fields of a head, which must have no repeated ones."""
    pairs = (line.partition(b":") for line in head.split(b"\r\n")[1:] if line)
    fields = {name.strip().lower(): value.strip() for name, _, value in pairs}
    if b"content-length" not in fields:
        raise ValueError("the soak's responses have a length")
    return fields
