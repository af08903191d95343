"""The clients of the soak with reloads: several kinds, each at a steady rate, with all outcomes."""

from __future__ import annotations

import asyncio
import hashlib
import os
import ssl
from base64 import b64encode
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from itertools import count
from typing import Final

import attrs

from bench.soak_reload_box import fields_of, frame, read_frame
from bench.soak_reload_config import ORIGIN, Ports
from bench.soak_reload_http2 import Http2

PATIENCE_S: Final = 15.0
"""A request that takes longer is lost, in seconds."""
LIFE_S: Final = 20.0
"""For how many seconds an event stream or a WebSocket is kept open."""
UPLOAD_PIECES: Final = 8
UPLOAD_PIECE: Final = bytes(range(256)) * 128
UPLOAD_PAUSE_S: Final = 0.25
"""The pause before each piece. An upload takes two seconds, so that reloads happen during it."""
_GOING_AWAY: Final = 1001
"""RFC 6455 7.4.1."""

Opener = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


class ClosedIdle(Exception):
    """A reused connection ended without a response byte, so the request is resent."""


class Lost(Exception):
    """A request, a stream or a socket ended in a wrong way; the message says how."""


class Wrong(Exception):
    """A response is complete, but not the right one for its request."""


@attrs.define
class Tally:
    """The outcomes of everything.

    Attributes:
        done: Complete responses, streams and sockets, by kind of client.
        lost: Those that were not completed, by kind and reason.
        wrong: Responses that differ from the expected ones, by kind and difference.
        again: Requests that were resent, because an idle connection was closed as they were sent.
        refused: Expected refusals of connections, on the listener that is added and removed.
        sent_away: WebSockets that were closed with 1001, as by a drain.
    """

    done: Counter[str] = attrs.Factory(Counter)
    lost: Counter[str] = attrs.Factory(Counter)
    wrong: Counter[str] = attrs.Factory(Counter)
    again: int = 0
    refused: int = 0
    sent_away: int = 0


class Http1:
    """One HTTP/1.1 connection.

    Args:
        reader: The stream of incoming data.
        writer: The stream of outgoing data.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.closed = False
        self._used = False

    async def ask(self, method: str, target: str, *pieces: bytes) -> tuple[int, bytes]:
        """Return the status and the body of the response to a request.

        Raises:
            ClosedIdle: The connection was closed before the request arrived.
            Lost: There is no complete response.
            Wrong: The response lacks the required CORS header.
        """
        head = b""
        try:
            await self.send(method, target, *pieces)
            head = await self.head()
            fields = fields_of(head)
            body = await self.reader.readexactly(int(fields[b"content-length"]))
        except (asyncio.IncompleteReadError, OSError) as error:
            began = head or getattr(error, "partial", b"")
            self.close()
            if self._used and not began:
                raise ClosedIdle from None
            raise Lost(f"{type(error).__name__} after {len(head)} byte(s)") from None
        self._used = True
        if fields.get(b"connection") == b"close":
            self.close()
        check_cors(fields)
        return int(head.split(b" ", 2)[1]), body

    async def send(self, method: str, target: str, *pieces: bytes, more: str = "") -> None:
        """Send a request, its body piece by piece."""
        length = sum(map(len, pieces))
        size = f"Content-Length: {length}\r\n" if pieces else ""
        head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nOrigin: {ORIGIN}\r\n{size}{more}"
        self.writer.write(f"{head}\r\n".encode())
        for piece in pieces:
            await asyncio.sleep(UPLOAD_PAUSE_S)
            self.writer.write(piece)
            await self.writer.drain()

    async def head(self) -> bytes:
        """Return the head of the response."""
        return await self.reader.readuntil(b"\r\n\r\n")

    def close(self) -> None:
        """Close the connection."""
        self.closed = True
        self.writer.close()


def check_cors(fields: Mapping[bytes, bytes]) -> None:
    """Raise Wrong for a response that the page of `ORIGIN` could not read."""
    if fields.get(b"access-control-allow-origin") != ORIGIN.encode():
        raise Wrong("no Access-Control-Allow-Origin")


class Clients:
    """All clients of one gate.

    Args:
        ports: The gate's ports.
        authority: The path of the CA certificate of the gate.
    """

    def __init__(self, ports: Ports, authority: str) -> None:
        self._ports = ports
        self._tls = ssl.create_default_context(cafile=authority)
        self._http2 = ssl.create_default_context(cafile=authority)
        self._http2.set_alpn_protocols(["h2"])
        self._numbers = count()
        self._stopped = False
        self.tally = Tally()

    async def run(self, seconds: float) -> None:
        """Send requests for some seconds, and wait until all have ended."""
        loop = asyncio.get_running_loop()
        loop.call_later(seconds, self._stop)
        plain, tls = self._to(self._ports.plain), self._to(self._ports.tls, self._tls)
        work = [
            *(self._asking("keep-alive", plain, 0.05, keep=True) for _ in range(6)),
            *(self._asking("new connections", plain, 0.05, keep=False) for _ in range(2)),
            *(self._asking("TLS keep-alive", tls, 0.05, keep=True) for _ in range(2)),
            self._asking("TLS new connections", tls, 0.2, keep=False),
            self._asking("changing listener", self._to(self._ports.extra), 0.1, keep=True),
            self._asking("changing route", plain, 0.1, keep=True, path="/extra"),
            *(self._over_http2() for _ in range(2)),
            *(self._repeat("uploads", 0.1, lambda: self._upload(plain)) for _ in range(2)),
            self._repeat("TLS uploads", 0.1, lambda: self._upload(tls)),
            *(self._repeat("event streams", 0.1, lambda: self._stream(plain)) for _ in range(3)),
            *(self._repeat("WebSockets", 0.1, lambda: self._socket(plain)) for _ in range(3)),
            self._repeat("TLS WebSockets", 0.1, lambda: self._socket(tls)),
        ]
        await asyncio.gather(*work)

    def _stop(self) -> None:
        self._stopped = True

    def _to(self, port: int, tls: ssl.SSLContext | None = None) -> Opener:
        name = None if tls is None else "localhost"
        return lambda: asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=name)

    async def _account(self, kind: str, work: Awaitable[object]) -> bool:
        """Do something once and record its outcome; return whether it succeeded."""
        tally = self.tally
        try:
            async with asyncio.timeout(LIFE_S + PATIENCE_S):
                await work
        except ClosedIdle:
            tally.again += 1
        except Wrong as error:
            tally.wrong[f"{kind}: {error}"] += 1
        except ConnectionRefusedError:
            if kind == "changing listener":
                tally.refused += 1
            else:
                tally.lost[f"{kind}: refused"] += 1
        except (Lost, OSError, TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
            tally.lost[f"{kind}: {str(error) or type(error).__name__}"] += 1
        else:
            tally.done[kind] += 1
            return True
        return False

    async def _repeat(self, kind: str, pause_s: float, work: Callable[[], Awaitable[None]]) -> None:
        while not self._stopped:
            await self._account(kind, work())
            await asyncio.sleep(pause_s)

    async def _asking(
        self, kind: str, connect: Opener, pause_s: float, *, keep: bool, path: str = "/api"
    ) -> None:
        """Send requests one by one, on the same connection or a new one for each."""
        connection: Http1 | None = None
        allowed = (200, 404) if path == "/extra" else (200,)

        async def once() -> None:
            nonlocal connection
            if connection is None or connection.closed:
                connection = Http1(*await connect())
            target = f"{path}/{next(self._numbers)}"
            status, body = await connection.ask("GET", target)
            if status not in allowed:
                raise Wrong(f"status {status}: {body[:200]!r}")
            if status == 200 and body != target.encode():
                raise Wrong("another request's response")

        while not self._stopped:
            # After ClosedIdle, resend immediately.
            before = self.tally.again
            good = await self._account(kind, once())
            if connection is not None and not (good and keep):
                connection.close()
            if self.tally.again == before:
                await asyncio.sleep(pause_s)
        if connection is not None:
            connection.close()

    async def _upload(self, connect: Opener) -> None:
        connection = Http1(*await connect())
        try:
            pieces = [UPLOAD_PIECE] * UPLOAD_PIECES
            whole = b"".join(pieces)
            status, body = await connection.ask("PUT", f"/api/{next(self._numbers)}", *pieces)
            wanted = b"%d %b" % (len(whole), hashlib.sha256(whole).hexdigest().encode())
            if (status, body) != (200, wanted):
                raise Wrong(f"status {status}: {body[:200]!r}")
        finally:
            connection.close()

    async def _stream(self, connect: Opener) -> None:
        """Read an event stream for a while, or until the end of the load."""
        connection = Http1(*await connect())
        clock, wanted = asyncio.get_running_loop().time, 0
        until = clock() + LIFE_S
        try:
            await connection.send("GET", "/events")
            head = await connection.head()
            if not head.startswith(b"HTTP/1.1 200"):
                raise Wrong(repr(head[:40]))
            check_cors(fields_of(head))
            while clock() < until and not self._stopped:
                size = await connection.reader.readuntil(b"\r\n")
                piece = await connection.reader.readexactly(int(size, 16) + 2)
                for event in piece.decode().split():
                    if event == "data:":
                        continue
                    if int(event) != wanted:
                        raise Wrong(f"event {event} instead of {wanted}")
                    wanted += 1
        except asyncio.IncompleteReadError:
            raise Lost("ended by the gate") from None
        finally:
            connection.close()

    async def _socket(self, connect: Opener) -> None:
        """Exchange messages over a WebSocket for a while, or until the end of the load."""
        connection = Http1(*await connect())
        clock = asyncio.get_running_loop().time
        until = clock() + LIFE_S
        key = b64encode(os.urandom(16)).decode()
        more = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        try:
            await connection.send("GET", "/socket", more=f"{more}Sec-WebSocket-Key: {key}\r\n")
            head = await connection.head()
            if not head.startswith(b"HTTP/1.1 101"):
                raise Wrong(repr(head[:40]))
            while clock() < until and not self._stopped:
                sent = b"%d" % next(self._numbers)
                connection.writer.write(frame(1, sent, mask=os.urandom(4)))
                opcode, payload = await read_frame(connection.reader)
                if opcode == 8 and int.from_bytes(payload[:2]) == _GOING_AWAY:
                    self.tally.sent_away += 1
                    return
                if (opcode, payload) != (1, sent):
                    raise Wrong(f"{payload!r} for {sent!r}")
                await asyncio.sleep(0.2)
        except asyncio.IncompleteReadError:
            raise Lost("cut by the gate") from None
        finally:
            connection.close()

    async def _over_http2(self) -> None:
        """Send requests over HTTP/2 connections, one connection after the other."""
        connect = self._to(self._ports.tls, self._http2)
        connection: Http2 | None = None

        async def once(connection: Http2) -> None:
            target = f"/api/{next(self._numbers)}"
            try:
                status, fields, body = await connection.get(target, ORIGIN)
            except EOFError as error:
                raise (ClosedIdle if not error.args else Lost(str(error))) from None
            check_cors(fields)
            if (status, body) != (200, target.encode()):
                raise Wrong(f"status {status}: {body[:200]!r}")

        while not self._stopped:
            try:
                if connection is None or connection.leaving:
                    if connection is not None:
                        await connection.close()
                    connection = Http2(*await connect())
            except OSError as error:
                self.tally.lost[f"HTTP/2: {error}"] += 1
                await asyncio.sleep(0.1)
                continue
            await asyncio.gather(*(self._account("HTTP/2", once(connection)) for _ in range(3)))
            await asyncio.sleep(0.1)
        if connection is not None:
            await connection.close()
