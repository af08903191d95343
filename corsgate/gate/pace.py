"""Lines of the log about what clients do: so few that nobody can flood it."""

from __future__ import annotations

import attrs

INTERVAL_S = 1.0
"""The shortest time between two lines."""

MAX_SHOWN = 200
"""How many characters of what a client sent a line has."""


@attrs.define
class Pace:
    """Says when a line may be written, and counts what had none."""

    _told_s: float | None = None
    _untold: int = 0

    def due(self, now: float) -> str | None:
        """Answer the end of the line that may be written now; None for no line.

        Args:
            now: The reactor's seconds.
        """
        if self._told_s is not None and now - self._told_s < INTERVAL_S:
            self._untold += 1
            return None
        more = f" ({self._untold} more since the last such line)" if self._untold else ""
        self._told_s, self._untold = now, 0
        return more


def shown(text: str) -> str:
    """Answer text cut short, all in it that could end a line escaped."""
    return ascii(text[:MAX_SHOWN])[1:-1]


def shown_bytes(values: list[bytes] | None) -> str:
    """Answer the values of a field as `shown` does, or ``-`` where there are none."""
    return shown(b", ".join(values or ()).decode("latin-1")) or "-"
