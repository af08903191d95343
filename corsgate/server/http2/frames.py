"""A client's bytes cut into HTTP/2 frames, before anything is made of them (RFC 9113 4)."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

from corsgate.errors import ConnectionFault

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client's bytes begin with (RFC 9113 3.4)."""

MAX_FRAME_BYTES = 16 * 1024
"""The largest frame that is taken and sent; what every peer takes (RFC 9113 4.2)."""

MAX_WINDOW = 2**31 - 1
"""The largest flow-control window, and the largest stream identifier."""

HEADER_BYTES = 9
"""The length of a frame's header."""


class Kind(IntEnum):
    """The types of frames that are looked at here (RFC 9113 6)."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
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
"""The flag of SETTINGS and PING that answers another."""

END_HEADERS = 0x4
"""The flag of HEADERS and CONTINUATION that ends a field block."""


class Frame(NamedTuple):
    """One frame, unread except for its header.

    Attributes:
        kind: Its type, perhaps one that `Kind` does not know.
        flags: Its flags.
        stream_id: Its stream; 0 for the connection as a whole.
        size: The length of its payload in bytes.
        raw: The frame as it came, header included.
    """

    kind: int
    flags: int
    stream_id: int
    size: int
    raw: bytes


class FrameReader:
    """Cuts a connection's bytes into frames, however they were split on their way."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._preface = PREFACE

    @property
    def partial(self) -> bool:
        """Whether a frame has begun to come and not ended."""
        return bool(self._data)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Return the frames that are whole now.

        Args:
            data: What the client sent.

        Raises:
            ConnectionFault: It is no HTTP/2, or a frame is larger than was agreed on.
        """
        self._data += data
        if self._preface:
            size = min(len(self._preface), len(self._data))
            if self._data[:size] != self._preface[:size]:
                raise ConnectionFault(Code.PROTOCOL_ERROR, "this is no HTTP/2")
            del self._data[:size]
            self._preface = self._preface[size:]
        while len(self._data) >= HEADER_BYTES:
            size = int.from_bytes(self._data[:3])
            if size > MAX_FRAME_BYTES:
                raise ConnectionFault(Code.FRAME_SIZE_ERROR, f"a frame of {size} bytes came")
            end = HEADER_BYTES + size
            if len(self._data) < end:
                return
            raw = bytes(self._data[:end])
            del self._data[:end]
            yield Frame(raw[3], raw[4], int.from_bytes(raw[5:9]) & MAX_WINDOW, size, raw)
