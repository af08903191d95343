"""Where messages end in what is read, so that each begins with a piece of its own."""

from __future__ import annotations

from corsgate.server.http1.request_line import EMPTY_LINES, LINE_END

HEAD_END = b"\r\n\r\n"

# Each cut costs a call, and a body may be made of nothing but empty lines.
_MOST_CUTS = 64


class MessageCuts:
    """Cuts reads, so that no piece has parts of two messages.

    A head, and a body in chunks too, ends with an empty line. So a cut behind each empty line is
    enough, without reading the chunks' sizes.

    Attributes:
        given_up: Whether this read has had so many empty lines within a body in chunks that it is
            cut no more: its last piece may hold the beginning of another message.
    """

    __slots__ = ("_cuts", "_next_tail", "_tail", "given_up")

    def __init__(self) -> None:
        self.given_up = False
        self._cuts = 0
        # The last bytes of the read before, where they may be the beginning of an end.
        self._tail = self._next_tail = b""

    def begin_read(self) -> None:
        """Begin with another read."""
        self.given_up = False
        self._cuts = 0
        self._tail, self._next_tail = self._next_tail, b""

    def end_read(self, data: bytes) -> None:
        """Keep what may be the beginning of the end of what is being read."""
        self._next_tail = (self._tail + data[-3:])[-3:]

    def next(self, data: bytes, at: int, *, in_body: bool, in_line: bool) -> int:
        """Return where the piece ends that begins at a place.

        Args:
            data: The read.
            at: The place in it.
            in_body: Whether that is in a body in chunks, rather than in or before a head.
            in_line: Whether the head's first line has begun.
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
            # Its last line end may be half of the head's end.
            begin = at if empty is None else max(at, empty.end() - len(LINE_END))
        found = data.find(HEAD_END, begin)
        return len(data) if found < 0 else found + len(HEAD_END)
