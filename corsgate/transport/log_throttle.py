"""Limit log lines about clients, so that no client can flood the log."""

from __future__ import annotations

from collections.abc import Hashable

import attrs
from twisted.python.failure import Failure

INTERVAL_S = 1.0
"""The minimum time between two lines of a kind, in seconds."""


@attrs.define
class Throttle:
    """Decides when a line may be written, and counts the events without one.

    Attributes:
        interval_s: The minimum time between two lines, in seconds.
    """

    interval_s: float = INTERVAL_S
    _told_s: float | None = None
    _untold: int = 0

    def due(self, now: float) -> str | None:
        """Return the end of the line that may be written now; None for no line.

        Args:
            now: The reactor's seconds.
        """
        if self._told_s is not None and now - self._told_s < self.interval_s:
            self.skip()
            return None
        more = f" ({self._untold} more since the last such line)" if self._untold else ""
        self._told_s, self._untold = now, 0
        return more

    def skip(self) -> None:
        """Count an event that gets no line, whenever the last line was."""
        self._untold += 1


@attrs.define
class LogThrottle:
    """A `Throttle` for each kind of line."""

    _throttles: dict[Hashable, Throttle] = attrs.field(factory=dict)

    def due(self, kind: Hashable, now: float) -> str | None:
        """Return the end of the line that may be written now; None for no line.

        Args:
            kind: One of a few kinds, which no client may choose.
            now: The reactor's seconds.
        """
        pace = self._throttles.get(kind)
        if pace is None:
            pace = self._throttles[kind] = Throttle()
        return pace.due(now)


def place_of(failure: Failure) -> tuple[str, int]:
    """Return the file and the line in which an exception was raised."""
    traceback = failure.value.__traceback__ if failure.value is not None else None
    if traceback is None:
        return (failure.type.__name__ if failure.type is not None else "", 0)
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return (traceback.tb_frame.f_code.co_filename, traceback.tb_lineno)
