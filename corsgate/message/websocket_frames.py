"""Finds where the frames of a WebSocket end (RFC 6455 5.2), and makes Close frames."""

from __future__ import annotations

from typing import Final

GOING_AWAY: Final = 1001
"""The status of an endpoint that goes away, such as a server that stops (RFC 6455 7.4.1)."""

MASK_BYTES: Final = 4
"""The length of a masking key."""

MAX_HEADER_BYTES: Final = 14
"""The length of the longest header: two bytes, an extended length and a masking key."""

_CONTROL = 8
_CLOSE = 8
_MAX_CONTROL_BYTES = 125
_FIN = 0x80
_MASKED = 0x80


class FrameTracker:
    """Follows one direction of a WebSocket, to find where its frames end.

    Only headers are read; payloads are skipped by counting. Extensions don't change that: a
    compressed message has frames like any other, and control frames are never compressed (RFC 7692
    6.1).

    Args:
        masked: Whether frames of this direction are masked: those of clients are, and those of
            servers are not (RFC 6455 5.1).

    Attributes:
        broken: Whether a header was malformed. The frames after it can't be found.
        closed: Whether a complete Close frame has passed, so that no frame may follow.
    """

    __slots__ = ("_first", "_head", "_in_message", "_left", "_masked", "broken", "closed")

    def __init__(self, *, masked: bool) -> None:
        self.broken = self.closed = False
        self._masked = masked
        # The part of a header that has arrived.
        self._head = b""
        # How many bytes of the frame's payload are missing.
        self._left = 0
        # The frame's first byte: its FIN bit and opcode.
        self._first = 0
        self._in_message = False

    @property
    def at_boundary(self) -> bool:
        """Whether a frame may begin here: the last one has ended, and it was not a Close frame."""
        return not (self._left or self._head or self.broken or self.closed)

    @property
    def between_messages(self) -> bool:
        """Whether the last message has also ended.

        A Close frame may come between two fragments of a message (RFC 6455 5.4). But then the
        message is lost, and some peers treat that as a protocol error.
        """
        return self.at_boundary and not self._in_message

    def feed(self, data: bytes, *, stop: bool = False) -> int:
        """Follow bytes.

        Args:
            data: Bytes of this direction, following those of the last call.
            stop: Whether to stop after the first frame that ends a message in these bytes.

        Returns:
            The number of bytes that were followed: all, unless `stop` is set and such a frame ends
            before the last one.
        """
        size, at = len(data), self._left
        if at > size or self.broken or self.closed:
            # In the middle of a large frame, which is the usual case; or the end can't be found.
            self._left = max(at - size, 0)
            return size
        if at:
            self._left = 0
            self._frame_ended()
            if self.closed or (stop and not self._in_message):
                return at if stop else size
        while at < size:
            came = len(self._head)
            head = self._head + data[at : at + MAX_HEADER_BYTES - came]
            length, payload = read_header(head, masked=self._masked)
            if length > len(head):
                self._head = head
                return size
            if payload < 0:
                self.broken, self._head = True, b""
                return size
            self._head = b""
            self._first = head[0]
            at += length - came + payload
            if at > size:
                self._left = at - size
                return size
            self._frame_ended()
            if self.closed or (stop and not self._in_message):
                return at if stop else size
        return size

    def _frame_ended(self) -> None:
        first = self._first
        if not first & _CONTROL:
            self._in_message = not first & _FIN
        elif first & 0xF == _CLOSE:
            self.closed = True


def read_header(data: bytes, *, masked: bool) -> tuple[int, int]:
    """Read the header of a frame.

    Args:
        data: At least its first byte.
        masked: Whether the frame must be masked.

    Returns:
        The header's length and the payload's, both in bytes. A header that is longer than `data`
        is incomplete. The payload's length is -1 if the header is malformed.
    """
    if len(data) < 2:
        return 2, 0
    first, second = data[0], data[1]
    size = second & 0x7F
    if bool(second & _MASKED) != masked:
        return 2, -1
    if first & _CONTROL and (size > _MAX_CONTROL_BYTES or not first & _FIN):
        # A control frame is short and never in fragments (RFC 6455 5.5).
        return 2, -1
    extended = 0 if size < 126 else 2 if size == 126 else 8
    length = 2 + extended + (MASK_BYTES if masked else 0)
    if len(data) < length:
        return length, 0
    if extended:
        size = int.from_bytes(data[2 : 2 + extended])
        if size >> 63 or size < (126 if extended == 2 else 0x10000):
            # The first bit is reserved, and the length must have its shortest form.
            return length, -1
    return length, size


def close_frame(code: int, mask: bytes = b"") -> bytes:
    """Return a Close frame without a reason.

    Args:
        code: The status (RFC 6455 7.4).
        mask: The masking key of a frame to a server, 4 unpredictable bytes (RFC 6455 5.3); empty
            for a frame to a client.
    """
    payload = code.to_bytes(2)
    if not mask:
        return bytes((_FIN | _CLOSE, len(payload))) + payload
    masked = bytes(byte ^ key for byte, key in zip(payload, mask, strict=False))
    return bytes((_FIN | _CLOSE, _MASKED | len(payload))) + mask + masked
