"""A client of HTTP/2 that sends what a test wants, right or wrong, to a connection in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs
from hpack import Decoder, Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from corsgate.config.model.values import Limits
from corsgate.message.headers import Header, HeaderIndex, HeaderList, index_headers
from corsgate.server.http2.connection import make_http2
from corsgate.server.http2.frames import PREFACE
from corsgate.server.request import GateRequest
from corsgate.shortcuts import ALL, Shortcuts
from tests.server.support import LEFT, Serving

PSEUDO: HeaderList = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"a.test")]
INITIAL_WINDOW_SIZE = 4
HEADER_TABLE_SIZE = 1


@attrs.define
class Answer:
    """What has come on one stream."""

    status: int = 0
    headers: HeaderList = attrs.Factory(list)
    interim: list[tuple[int, HeaderList]] = attrs.Factory(list)
    body: bytes = b""
    trailers: HeaderList | None = None
    ended: bool = False
    reset: int | None = None
    frames: int = 0

    @property
    def fields(self) -> HeaderIndex:
        """The head's values by name."""
        return index_headers(self.headers)


class Http2Client(Serving):
    """A connection over a `Wire`, and its client.

    Args:
        limits: The site's.
        render: Called with each request; by default it waits for the test.
        settings: The client's settings, which it sends at once.
        greets: Whether it does.
        shortcuts: Which ones the site takes.

    Attributes:
        answers: What has come, by stream.
        control: The frames that have come for the connection as a whole.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        render: Callable[[GateRequest], None] | None = None,
        settings: Mapping[int, int] | None = None,
        *,
        greets: bool = True,
        shortcuts: Shortcuts = ALL,
    ) -> None:
        super().__init__(limits, render, shortcuts)
        self.answers: dict[int, Answer] = defaultdict(Answer)
        self.control: list[Frame] = []
        self.encoder = Encoder()
        self._decoder = Decoder()
        self._unread = b""
        self._next = 1
        self._block: tuple[int, bytes, bool] | None = None
        self.connection = make_http2(self.site.context)
        self.connection.makeConnection(self.wire)
        if greets:
            self.raw(PREFACE)
            self.settings(settings or {})

    @property
    def goaways(self) -> list[tuple[int, int]]:
        """The last stream and the error code of each GOAWAY."""
        return [
            (frame.last_stream_id, frame.error_code)
            for frame in self.control
            if isinstance(frame, GoAwayFrame)
        ]

    @property
    def open(self) -> bool:
        """Whether the connection has not been closed."""
        return self.wire.open

    def raw(self, data: bytes) -> None:
        """Send bytes, and read what comes."""
        self.connection.dataReceived(data)
        self.read()

    def send(self, *frames: Frame) -> None:
        """Send frames, in one read."""
        self.raw(b"".join(frame.serialize() for frame in frames))

    def settings(self, settings: Mapping[int, int], *, ack: bool = False) -> None:
        """Send SETTINGS."""
        self.send(SettingsFrame(0, settings=dict(settings), flags=["ACK"] if ack else []))

    def head(
        self, number: int, headers: Iterable[Header], *, end: bool = True, huffman: bool = True
    ) -> Frame:
        """Return a HEADERS frame with a whole block."""
        frame = HeadersFrame(number, self.encoder.encode(list(headers), huffman=huffman))
        frame.flags.add("END_HEADERS")
        if end:
            frame.flags.add("END_STREAM")
        return frame

    def number(self) -> int:
        """Return the number of a new stream."""
        self._next += 2
        return self._next - 2

    def request(
        self,
        path: bytes = b"/",
        headers: Iterable[Header] = (),
        *,
        method: bytes = b"GET",
        end: bool = True,
    ) -> int:
        """Send a request's head; answer its stream."""
        number = self.number()
        pseudo = [(b":method", method), *PSEUDO[1:], (b":path", path)]
        self.send(self.head(number, [*pseudo, *headers], end=end))
        return number

    def block(self, fields: HeaderList, *, end: bool = True) -> int:
        """Open a stream by a block of just these fields; return it."""
        number = self.number()
        self.send(self.head(number, fields, end=end))
        return number

    def data(self, number: int, data: bytes, *, end: bool = False) -> None:
        """Send a piece of a body, in frames of at most 16 KiB."""
        pieces = [data[at : at + 16384] for at in range(0, len(data), 16384)] or [b""]
        for piece in pieces:
            frame = DataFrame(number, piece)
            if end and piece is pieces[-1]:
                frame.flags.add("END_STREAM")
            self.send(frame)

    def reset(self, number: int, code: int = 8) -> None:
        """Reset a stream."""
        self.send(RstStreamFrame(number, code))

    def window(self, number: int, size: int) -> None:
        """Open a window; 0 is the connection's."""
        self.send(WindowUpdateFrame(number, size))

    def ping(self) -> None:
        """Send a PING."""
        self.send(PingFrame(0, b"01234567"))

    def leave(self) -> None:
        """Close the connection."""
        self.connection.connectionLost(LEFT)

    def credit(self, number: int) -> int:
        """Return how far a window was opened; 0 is the connection's."""
        return sum(
            frame.window_increment
            for frame in self.control
            if isinstance(frame, WindowUpdateFrame) and frame.stream_id == number
        )

    def read(self) -> None:
        """Take what the connection has written."""
        self._unread += self.wire.take()
        while len(self._unread) >= 9:
            frame, size = Frame.parse_frame_header(memoryview(self._unread[:9]))
            if len(self._unread) < 9 + size:
                return
            frame.parse_body(memoryview(self._unread[9 : 9 + size]))
            self._unread = self._unread[9 + size :]
            self._take(frame)

    def _take(self, frame: Any) -> None:
        if isinstance(frame, HeadersFrame):
            self._block = (frame.stream_id, b"", "END_STREAM" in frame.flags)
        if isinstance(frame, HeadersFrame | ContinuationFrame):
            assert self._block is not None
            number, data, end = self._block
            self._block = (number, data + frame.data, end)
            if "END_HEADERS" in frame.flags:
                self._take_block(*self._block)
        elif isinstance(frame, DataFrame):
            answer = self.answers[frame.stream_id]
            assert answer.status
            assert not answer.ended
            answer.body += frame.data
            answer.frames += 1
            answer.ended = "END_STREAM" in frame.flags
        elif isinstance(frame, RstStreamFrame):
            self.answers[frame.stream_id].reset = frame.error_code
        else:
            self.control.append(frame)

    def _take_block(self, number: int, data: bytes, end: bool) -> None:
        fields = [(bytes(name), bytes(value)) for name, value in self._decoder.decode(data, True)]
        answer = self.answers[number]
        assert not answer.ended
        answer.ended = end
        if answer.status:
            answer.trailers = fields
            return
        name, value = fields.pop(0)
        assert name == b":status"
        if int(value) < 200:
            answer.interim.append((int(value), fields))
        else:
            answer.status, answer.headers = int(value), fields
