"""An HTTP/2 connection of the soak's clients, on asyncio's streams."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.exceptions import ProtocolError

_HEAD_BYTES = 9
_GOAWAY = 7
"""RFC 9113 4.1 and 6.8."""


class _Stream:
    """A request that waits for its response."""

    def __init__(self) -> None:
        self.fields: dict[bytes, bytes] = {}
        self.body = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Http2:
    """One connection that many requests share.

    Args:
        reader: The stream of incoming data.
        writer: The stream of outgoing data.

    Attributes:
        leaving: Whether the peer accepts no new requests, or the connection is lost.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.leaving = False
        self._reader, self._writer = reader, writer
        self._h2 = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        self._h2.initiate_connection()
        self._streams: dict[int, _Stream] = {}
        self._last: int | None = None
        self._came = b""
        self._flush()
        self._task = asyncio.create_task(self._read())

    async def get(self, target: str, origin: str) -> tuple[int, Mapping[bytes, bytes], bytes]:
        """Return the status, the fields and the body of the response to a GET.

        Raises:
            EOFError: There is no response. Without an argument, the peer did not process the
                request, so it may be resent (RFC 9113 6.8).
        """
        if self.leaving:
            raise EOFError
        number = self._h2.get_next_available_stream_id()
        stream = self._streams[number] = _Stream()
        fields = [
            (":method", "GET"),
            (":scheme", "https"),
            (":authority", "localhost"),
            (":path", target),
            ("origin", origin),
        ]
        try:
            self._h2.send_headers(number, fields, end_stream=True)
            self._flush()
            await stream.done
        finally:
            self._streams.pop(number, None)
        status = int(stream.fields[b":status"])
        return status, stream.fields, stream.body

    async def close(self) -> None:
        """Close the connection."""
        self.leaving = True
        with contextlib.suppress(ProtocolError):
            self._h2.close_connection()
            self._flush()
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._writer.close()

    def _flush(self) -> None:
        self._writer.write(self._h2.data_to_send())

    async def _read(self) -> None:
        with contextlib.suppress(OSError, ProtocolError):
            while data := await self._reader.read(65536):
                for event in self._h2.receive_data(self._without_goaway(data)):
                    self._take(event)
                self._flush()
        self.leaving = True
        for number, stream in list(self._streams.items()):
            self._fail(number, stream, "the connection ended")

    def _without_goaway(self, data: bytes) -> bytes:
        """Return the complete frames so far except GOAWAY, after which h2 accepts nothing.

        But the responses to earlier requests still follow.
        """
        self._came += data
        frames = b""
        while len(self._came) >= _HEAD_BYTES:
            end = _HEAD_BYTES + int.from_bytes(self._came[:3])
            if len(self._came) < end:
                break
            frame, self._came = self._came[:end], self._came[end:]
            if frame[3] == _GOAWAY:
                self._leave(int.from_bytes(frame[_HEAD_BYTES : _HEAD_BYTES + 4]))
            else:
                frames += frame
        return frames

    def _leave(self, last: int) -> None:
        self.leaving, self._last = True, last
        for number, stream in list(self._streams.items()):
            if self._unseen(number):
                self._fail(number, stream, "")

    def _take(self, event: Event) -> None:
        stream_id = getattr(event, "stream_id", None) or 0
        found = self._streams.get(stream_id)
        if found is not None:
            self._take_of(stream_id, found, event)

    def _take_of(self, stream_id: int, stream: _Stream, event: Event) -> None:
        if isinstance(event, ResponseReceived):
            stream.fields = {bytes(name): bytes(value) for name, value in event.headers}
        elif isinstance(event, DataReceived):
            stream.body += event.data
            self._h2.acknowledge_received_data(event.flow_controlled_length or 0, stream_id)
        elif isinstance(event, StreamReset):
            self._fail(stream_id, stream, f"reset with {event.error_code}")
        elif isinstance(event, StreamEnded) and not stream.done.done():
            stream.done.set_result(None)

    def _unseen(self, number: int) -> bool:
        return self._last is not None and number > self._last

    def _fail(self, number: int, stream: _Stream, why: str) -> None:
        if not stream.done.done():
            unseen = self._unseen(number)
            stream.done.set_exception(EOFError() if unseen else EOFError(why))
