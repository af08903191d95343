"""What clients sent, as lines of the log show it, and how often there may be one."""

from __future__ import annotations

from corsgate.wire.pace import INTERVAL_S, Pace, Paces

__all__ = ["INTERVAL_S", "MAX_SHOWN", "Pace", "Paces", "shown", "shown_bytes"]

MAX_SHOWN = 200
"""How many characters of what a client sent a line has."""


def shown(text: str) -> str:
    """Answer text cut short, all in it that could end a line escaped."""
    return ascii(text[:MAX_SHOWN])[1:-1]


def shown_bytes(values: list[bytes] | None) -> str:
    """Answer the values of a field as `shown` does, or ``-`` where there are none."""
    return shown(b", ".join(values or ()).decode("latin-1")) or "-"
