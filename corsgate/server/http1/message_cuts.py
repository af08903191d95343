"""Find where messages end in a read, so that each starts in a new piece."""

from __future__ import annotations

from corsgate.server.http1.request_line import EMPTY_LINES, LINE_END

HEAD_END = b"\r\n\r\n"

# Each cut costs a call, and a body may consist entirely of empty lines.
_MOST_CUTS = 64


class MessageCuts:
    """Cuts reads so that no piece has parts of two messages.

    A head ends with an empty line, and so does a chunked body. So it is enough to cut after each
    empty line, without parsing chunk sizes.

    Attributes:
        given_up: Whether this read had too many empty lines within a chunked body, so that cutting
            stopped. Its last piece may contain the start of another message.
    """

    __slots__ = ("_cuts", "_next_tail", "_tail", "given_up")

    def __init__(self) -> None:
        self.given_up = False
        self._cuts = 0
        # The last bytes of the previous read, if an empty line may start in them.
        self._tail = self._next_tail = b""

    def begin_read(self) -> None:
        """Start with a new read."""
        self.given_up = False
        self._cuts = 0
        self._tail, self._next_tail = self._next_tail, b""

    def end_read(self, data: bytes) -> None:
        """Keep the last bytes, which may be the start of an empty line."""
        self._next_tail = (self._tail + data[-3:])[-3:]

    def next(self, data: bytes, at: int, *, in_body: bool, in_line: bool) -> int:
        """Return the index of the end of the piece that starts at an index.

        Args:
            data: The bytes of the read.
            at: The index of the start.
            in_body: Whether that is in a chunked body, rather than in or before a head.
            in_line: Whether the first line of the head has begun.
        """
        if at == 0 and self._tail:
            across = (self._tail + data[:3]).find(HEAD_END)
            if across >= 0:
                return across + len(HEAD_END) - len(self._tail)
        begin = at
        if in_body:
            self._cuts += 1
            self.given_up = self._cuts > _MOST_CUTS
            if self.given_up:
                return len(data)
        elif not in_line and data.startswith(LINE_END, at):
            empty = EMPTY_LINES.match(data, at)
            # The last line end may be the first half of the head's end.
            begin = at if empty is None else max(at, empty.end() - len(LINE_END))
        found = data.find(HEAD_END, begin)
        return len(data) if found < 0 else found + len(HEAD_END)
