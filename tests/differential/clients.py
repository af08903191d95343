"""The clients before the gate: one writes bytes, the other frames of HTTP/2."""

from __future__ import annotations

from collections import defaultdict

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

from tests.differential.script import Data, Framed, Headers, Raw, Reset

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
WINDOW_BYTES = 1 << 24
"""How much the client takes of each response and of all of them, without saying more."""

_INITIAL_WINDOW = 4


class FrameWriter:
    """Makes a client's frames of HTTP/2; what it has compressed is the connection's own."""

    def __init__(self) -> None:
        self._encoder = Encoder()
        self._greeted = False

    def write(self, frames: tuple[Framed, ...]) -> bytes:
        """Return frames as bytes, behind the preface where they are the first ones."""
        data = b"".join(map(self._one, frames))
        if self._greeted:
            return data
        self._greeted = True
        settings = SettingsFrame(0, {_INITIAL_WINDOW: WINDOW_BYTES})
        window = WindowUpdateFrame(0, WINDOW_BYTES)
        return PREFACE + settings.serialize() + window.serialize() + data

    def _one(self, framed: Framed) -> bytes:
        if isinstance(framed, Raw):
            return framed.data
        if isinstance(framed, Reset):
            return RstStreamFrame(framed.stream, 8).serialize()
        frame: Frame
        if isinstance(framed, Headers):
            frame = HeadersFrame(framed.stream, self._encoder.encode(framed.fields))
            frame.flags.add("END_HEADERS")
        else:
            assert isinstance(framed, Data)
            frame = DataFrame(framed.stream, framed.data)
        if framed.end:
            frame.flags.add("END_STREAM")
        return frame.serialize()


def read_frames(data: bytes) -> bytes:
    """Return what the gate's frames say, as text: each stream by itself, then the connection.

    How fields are compressed, bodies cut into frames and windows opened is left out: it may change
    without a difference to anybody.
    """
    decoder = Decoder()
    streams: dict[int, list[bytes]] = defaultdict(list)
    whole: list[bytes] = []
    block, at = b"", 0
    while at + 9 <= len(data):
        frame, size = Frame.parse_frame_header(memoryview(data[at : at + 9]))
        frame.parse_body(memoryview(data[at + 9 : at + 9 + size]))
        at += 9 + size
        said = streams[frame.stream_id] if frame.stream_id else whole
        if isinstance(frame, HeadersFrame | ContinuationFrame):
            block += frame.data
            if "END_HEADERS" in frame.flags:
                fields = decoder.decode(block, raw=True)
                said.append(b"HEADERS")
                said += [bytes(name) + b": " + bytes(value) for name, value in fields]
                block = b""
        elif isinstance(frame, DataFrame):
            if frame.data and said[-1].startswith(b"DATA "):
                said[-1] += frame.data
            elif frame.data:
                said.append(b"DATA " + frame.data)
        else:
            said += _control(frame)
        if "END_STREAM" in frame.flags:
            said.append(b"END")
    lines = [b"stream %d\n%b" % (number, b"\n".join(streams[number])) for number in sorted(streams)]
    return b"\n".join([*lines, *whole, data[at:]])


def _control(frame: Frame) -> list[bytes]:
    """Return what a frame says that is neither a head nor part of a body."""
    if isinstance(frame, RstStreamFrame):
        return [b"RST_STREAM %d" % frame.error_code]
    if isinstance(frame, GoAwayFrame):
        detail: bytes = frame.additional_data
        return [b"GOAWAY %d %d %b" % (frame.last_stream_id, frame.error_code, detail)]
    if isinstance(frame, PingFrame):
        return [b"PING " + frame.opaque_data + b" ACK" * ("ACK" in frame.flags)]
    if isinstance(frame, SettingsFrame):
        said = "ACK" if "ACK" in frame.flags else str(sorted(frame.settings.items()))
        return [b"SETTINGS " + said.encode()]
    return []
