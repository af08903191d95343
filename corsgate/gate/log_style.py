"""The format of the log's lines, chosen by `log_format` or by their destination."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

import attrs

ESCAPES = {
    "bold": "\x1b[1m",
    "dim": "\x1b[2m",
    "red": "\x1b[31m",
    "bold red": "\x1b[1;31m",
    "green": "\x1b[32m",
    "yellow": "\x1b[33m",
    "cyan": "\x1b[36m",
}
"""The escape sequences for colours (ECMA-48 8.3.117, SGR), which all terminals support."""

_END = "\x1b[0m"


class Place(Enum):
    """A destination of lines, in the terms that decide their format."""

    JOURNAL = "journal"
    """systemd's journal, which records the time itself, and reads the priority from ``<N>``."""
    TERMINAL = "terminal"
    """A terminal without colours."""
    COLOR_TERMINAL = "colour terminal"
    """A terminal with colours."""
    FILE = "file"
    """A file, a pipe, or another program."""

    @property
    def is_terminal(self) -> bool:
        """Whether a person reads the lines as they appear."""
        return self in (Place.TERMINAL, Place.COLOR_TERMINAL)

    def paint(self, color: str, text: str) -> str:
        """Return text in a colour if the place has colours.

        Args:
            color: A key of `ESCAPES`, or empty for none.
            text: Printable text.
        """
        if self is not Place.COLOR_TERMINAL or not color or not text:
            return text
        return f"{ESCAPES[color]}{text}{_END}"


@attrs.frozen
class OutputLines:
    """Standard output, for parts of the daemon that write lines to it.

    Attributes:
        put: Writes a line, given without its line end; it never blocks.
        place: Where the lines go.
        lost: Returns how many lines were lost since the start.
    """

    put: Callable[[str], None]
    place: Place
    lost: Callable[[], int] = lambda: 0


def line_format(log_format: str, place: Place) -> str:
    """Return the format of the access log's lines.

    Args:
        log_format: As in the configuration; ``auto`` for the default of the place.
        place: Where the lines go.

    Returns:
        ``json``, ``text`` or ``combined``.
    """
    if log_format != "auto":
        return log_format
    return "json" if place is Place.FILE else "text"


def daemon_format(log_format: str, place: Place) -> str:
    """Return the format of the daemon's own log lines, ``json`` or ``text``.

    Args:
        log_format: As for `line_format`; ``combined`` only applies to the access log.
        place: Where the lines go.
    """
    return "json" if line_format(log_format, place) == "json" else "text"
