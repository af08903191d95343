"""Check the exact bytes of the request line, because llhttp is lenient about it."""

from __future__ import annotations

import re

from corsgate.cors.names import TOKEN
from corsgate.errors import TargetError
from corsgate.message.framing import request_framing

LINE_END = b"\r\n"
EMPTY_LINES = re.compile(rb"(?:\r\n)*")
"""Empty lines are allowed before a request line (RFC 9112 2.2)."""

STAND_IN = b"POST"
"""llhttp gets this instead of the method, because it knows only some forty methods. The framing of
a request depends on the method only for CONNECT (RFC 9112 6.3)."""


class RequestLine:
    """Collects the bytes of a head until its first line ends, and parses its method.

    llhttp accepts any number of spaces as one, and skips any CR or LF before a request. It also
    accepts RTSP and ICE, without reporting which of the three protocols it found.

    Attributes:
        method: The method; empty until the space after it has arrived.
    """

    __slots__ = ("_bytes", "_ended", "_judged", "method")

    def __init__(self) -> None:
        self.method = b""
        self._bytes = bytearray()
        # How many of them are part of a method that is incomplete.
        self._judged = 0
        self._ended = False

    def __bool__(self) -> bool:
        return bool(self._bytes)

    def take(self, piece: bytes) -> bytes:
        """Add the next piece of a head. Empty lines before the request line are skipped.

        Args:
            piece: Bytes of the head only.

        Returns:
            The bytes for llhttp, with `STAND_IN` as the method. CONNECT is kept, because its
            target has another form.

        Raises:
            TargetError: The line does not begin with a method and a space.
        """
        if self._ended:
            return piece
        collected = self._bytes
        collected += piece
        if self.method:
            self._ended = b"\n" in piece
            return piece
        if collected.startswith(b"\r"):
            empty = EMPTY_LINES.match(collected)
            del collected[: 0 if empty is None else empty.end()]
        if collected.startswith((b"\r", b"\n")):
            if collected == b"\r":
                # The next byte decides.
                return b""
            raise TargetError("there is a bare CR or LF before a request")
        judged = self._judged
        end = collected.find(b" ", judged)
        part = collected[judged : None if end < 0 else end]
        if end == 0 or (part and not TOKEN.fullmatch(part)):
            raise TargetError("the request line does not begin with a method and a space")
        if end < 0:
            self._judged = len(collected)
            return b""
        self.method = method = bytes(collected[:end])
        rest = collected[end:]
        self._ended = b"\n" in rest
        return (method if method == b"CONNECT" else STAND_IN) + rest

    def is_exactly(self, target: bytes, version: str) -> bool:
        """Return whether the line is exactly the method, target and version (RFC 9112 3)."""
        return self._bytes.startswith(
            b"%b %b HTTP/%b\r\n" % (self.method, target, version.encode())
        )

    def clear(self) -> None:
        """Forget the line, since its head is complete."""
        self.method = b""
        self._bytes.clear()
        self._judged = 0
        self._ended = False


def head_before(length: int | None) -> bytes:
    """Return a head for a new llhttp parser that will parse a request's body.

    llhttp stops at each offer to switch protocols and leaves the body unparsed. A new parser that
    gets a head with the same framing can parse it.

    Args:
        length: The body's length in bytes, or `CHUNKED`.
    """
    return b"%b / HTTP/1.1\r\nHost: _\r\n%b\r\n" % (STAND_IN, request_framing(STAND_IN, length))
