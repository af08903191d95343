"""The first line of a request's head as it stood on the wire, which llhttp is lenient about."""

from __future__ import annotations

import re

from corsgate.cors.names import TOKEN
from corsgate.errors import TargetError
from corsgate.message.framing import request_framing

LINE_END = b"\r\n"
EMPTY_LINES = re.compile(rb"(?:\r\n)*")
"""What may stand before a request line (RFC 9112 2.2)."""

STAND_IN = b"POST"
"""What llhttp gets in place of a method. How a request is framed depends on no method but CONNECT
(RFC 9112 6.3), and llhttp knows some forty of them."""


class RequestLine:
    """Collects the bytes of a head until its first line has ended, and reads its method.

    llhttp takes any number of spaces for one, skips any CR or LF before a request, and knows RTSP
    and ICE as well, without saying which of the three protocols it saw.

    Attributes:
        method: The method; empty until the space behind it has come.
    """

    __slots__ = ("_bytes", "_ended", "_judged", "method")

    def __init__(self) -> None:
        self.method = b""
        self._bytes = bytearray()
        # How many of them are part of a method that has not ended.
        self._judged = 0
        self._ended = False

    def __bool__(self) -> bool:
        return bool(self._bytes)

    def take(self, piece: bytes) -> bytes:
        """Take the next piece of a head; empty lines before the request line are skipped.

        Args:
            piece: What was read, none of it from behind the head.

        Returns:
            What llhttp is to get instead: `STAND_IN` where the method is, unless that is CONNECT,
            whose target has another form.

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
        """Return whether a method, this target and this version are all of it (RFC 9112 3)."""
        return self._bytes.startswith(
            b"%b %b HTTP/%b\r\n" % (self.method, target, version.encode())
        )

    def clear(self) -> None:
        """Forget the line: its head is complete."""
        self.method = b""
        self._bytes.clear()
        self._judged = 0
        self._ended = False


def head_before(length: int | None) -> bytes:
    """Return a head for a parser of llhttp's that is to go on with a request's body.

    llhttp stops at each offer to switch protocols, and leaves the body unread. A new parser that
    gets the same framing reads on.

    Args:
        length: The body's length in bytes, or `CHUNKED`.
    """
    return b"%b / HTTP/1.1\r\nHost: _\r\n%b\r\n" % (STAND_IN, request_framing(STAND_IN, length))
