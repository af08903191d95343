"""Where the events of an event stream end (HTML, #parsing-an-event-stream)."""

from __future__ import annotations

import re

# The end of an empty line, which ends an event. Lines end with CR LF, LF or CR.
_EVENT_END = re.compile(rb"\r(?:(?<=\r\r)|(?<=\n\r))\n?|\n(?:(?<=\n\n)|(?<=\n\r\n)|(?<=\r\r\n))")
_KEPT = 3


class EventTracker:
    """Follows an event stream, to find where its events end.

    A stream that ends there loses no event. If a stream ends within an event, browsers drop it.
    """

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        # The last bytes, as many as may belong to an empty line. A stream begins on a new line, and
        # outside an event.
        self._tail = b"\n\n"

    @property
    def at_boundary(self) -> bool:
        """Whether the stream may end here: no event has begun since the last one ended."""
        return self._tail.endswith((b"\n\n", b"\r\r", b"\n\r", b"\n\r\n", b"\r\r\n"))

    def feed(self, data: bytes) -> None:
        """Follow bytes of the stream."""
        self._tail = (self._tail + data[-_KEPT:])[-_KEPT:]

    def first_end(self, data: bytes) -> int:
        """Return where the first event ends in the bytes that follow.

        Args:
            data: These bytes, at least one; `feed` must still be called with them.

        Returns:
            The number of bytes up to there, at least one; -1 if no event ends in them.
        """
        tail = self._tail
        found = _EVENT_END.search(tail + data, len(tail))
        return -1 if found is None else found.end() - len(tail)
