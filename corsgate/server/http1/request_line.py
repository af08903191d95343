"""The first line of a request's head as it stood on the wire, which llhttp is lenient about."""

from __future__ import annotations

import re

from corsgate.cors.names import KNOWN_METHODS

LINE_END = b"\r\n"
EMPTY_LINES = re.compile(rb"(?:\r\n)*")
"""What may stand before a request line (RFC 9112 2.2)."""


class RequestLine:
    """Collects the bytes of a head until its first line has ended.

    llhttp takes any number of spaces for one, skips any CR or LF before a request, and knows RTSP
    and ICE as well, without saying which of the three protocols it saw.
    """

    __slots__ = ("_bytes", "_ended")

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._ended = False

    def __bool__(self) -> bool:
        return bool(self._bytes)

    def take(self, piece: bytes) -> bool:
        """Take the next piece of a head; empty lines before the request line are skipped.

        Returns:
            Whether the head can still be well-formed: False where a bare CR or LF stands before it.
        """
        if self._ended:
            return True
        collected = self._bytes
        collected += piece
        if collected.startswith(b"\r"):
            empty = EMPTY_LINES.match(collected)
            del collected[: 0 if empty is None else empty.end()]
            piece = bytes(collected)
        self._ended = b"\n" in piece
        if collected.startswith(b"\r"):
            # The next byte decides.
            return collected == b"\r"
        return not collected.startswith(b"\n")

    def is_exactly(self, method: bytes, target: bytes, version: str) -> bool:
        """Return whether the line is made of these parts and nothing else (RFC 9112 3)."""
        return self._bytes.startswith(b"%b %b HTTP/%b\r\n" % (method, target, version.encode()))

    def has_misplaced_blank(self) -> bool:
        """Return whether the line begins with a blank, or has a tab behind its method."""
        method, tab, _ = self._bytes.partition(b"\t")
        blank = self._bytes.startswith((b" ", b"\t"))
        return blank or (bool(tab) and bytes(method) in KNOWN_METHODS)

    def clear(self) -> None:
        """Forget the line: its head is complete."""
        self._bytes.clear()
        self._ended = False
