"""Split a client's bytes into HTTP/2 frames, without interpreting them (RFC 9113 4)."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from struct import Struct
from typing import NamedTuple

from corsgate.errors import ConnectionFault

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""The start of the connection preface, which a client sends first (RFC 9113 3.4)."""

MAX_FRAME_BYTES = 16 * 1024
"""The largest frame accepted or sent; every peer must accept this size (RFC 9113 4.2)."""

MAX_WINDOW = 2**31 - 1
"""The largest flow-control window, and the largest stream identifier."""

HEADER_BYTES = 9
"""The length of a frame's header."""


class Kind(IntEnum):
    """The frame types known here (RFC 9113 6)."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


class Code(IntEnum):
    """The error codes that the gate sends (RFC 9113 7)."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    ENHANCE_YOUR_CALM = 11
    HTTP_1_1_REQUIRED = 13


ACK = 0x1
"""The flag of SETTINGS and PING that acknowledges another."""

END_STREAM = 0x1
"""The flag of DATA and HEADERS that ends its side of the stream."""

END_HEADERS = 0x4
"""The flag of HEADERS and CONTINUATION that ends a field block."""

PADDED = 0x8
"""The flag of DATA and HEADERS whose payload has padding."""

PRIORITY = 0x20
"""The flag of HEADERS whose payload begins with five bytes of priority."""

PRIORITY_BYTES = 5
"""The size of that priority: a stream dependency and a weight (RFC 9113 6.2)."""


class Frame(NamedTuple):
    """One frame, of which only the header has been parsed.

    Attributes:
        kind: Its type, which may be one that `Kind` doesn't have.
        flags: Its flags.
        stream_id: Its stream; 0 for the connection as a whole.
        size: The length of its payload in bytes.
        raw: The complete frame, including the header.
    """

    kind: int
    flags: int
    stream_id: int
    size: int
    raw: bytes


_HEADER = Struct("!HBBBL")
_new = tuple.__new__


class FrameReader:
    """Splits a connection's bytes into frames, independent of how they were received."""

    __slots__ = ("_at", "_data", "_preface")

    def __init__(self) -> None:
        # The received bytes, and the index of the next frame in them.
        self._data = b""
        self._at = 0
        self._preface = PREFACE

    @property
    def partial(self) -> bool:
        """Whether an incomplete frame has been received."""
        return self._at < len(self._data)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Return the frames that are now complete.

        If the caller stops iterating, the next call returns the remaining frames first.

        Args:
            data: Bytes from the client.

        Raises:
            ConnectionFault: The bytes are not HTTP/2, or a frame is larger than the limit.
        """
        if self._at < len(self._data):
            data = self._data[self._at :] + data
        at = 0
        if self._preface:
            at = min(len(self._preface), len(data))
            if data[:at] != self._preface[:at]:
                raise ConnectionFault(Code.PROTOCOL_ERROR, "this is not HTTP/2")
            self._preface = self._preface[at:]
        self._data, self._at = data, at
        while len(data) - at >= HEADER_BYTES:
            size = int.from_bytes(data[at : at + 3])
            if size > MAX_FRAME_BYTES:
                raise ConnectionFault(Code.FRAME_SIZE_ERROR, f"{size} bytes are too large")
            end = at + HEADER_BYTES + size
            if len(data) < end:
                return
            raw = data[at:end]
            self._at = at = end
            stream_id = int.from_bytes(raw[5:9]) & MAX_WINDOW
            # The named tuple's own constructor would cost another call.
            yield _new(Frame, (raw[3], raw[4], stream_id, size, raw))


def frame_bytes(kind: int, flags: int, stream_id: int, payload: bytes | memoryview) -> bytes:
    """Return the bytes of a frame (RFC 9113 4.1)."""
    size = len(payload)
    return b"".join((_HEADER.pack(size >> 8, size & 255, kind, flags, stream_id), payload))
