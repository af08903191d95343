"""What clients sent, as lines of the log show it."""

from __future__ import annotations

MAX_SHOWN = 200
"""How many characters of what a client sent a line has."""


def shown(text: str) -> str:
    """Return text cut short, all in it that could end a line escaped."""
    return ascii(text[:MAX_SHOWN])[1:-1]


def shown_bytes(values: list[bytes] | None) -> str:
    """Return the values of a field as `shown` does, or ``-`` where there are none."""
    return shown(b", ".join(values or ()).decode("latin-1")) or "-"
