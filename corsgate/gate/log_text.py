"""Text from clients, made safe for lines of the log."""

from __future__ import annotations

MAX_SHOWN = 200
"""The maximum number of characters from a client in a line."""


def shown(text: str) -> str:
    """Return text cut short, with everything escaped that could end a line."""
    return ascii(text[:MAX_SHOWN])[1:-1]


def shown_bytes(values: list[bytes] | None) -> str:
    """Return the values of a field as `shown` does; ``-`` if there are none."""
    return shown(b", ".join(values or ()).decode("latin-1")) or "-"


def printable(text: str, *, ascii_only: bool = False) -> str:
    r"""Return text with all unprintable characters escaped, such as ``\x1b``.

    Then nothing in it can end a line, move a terminal's cursor, or change the direction of the
    text around it.

    Args:
        text: Any text, also with unpaired surrogates.
        ascii_only: Whether characters beyond ASCII are also escaped.
    """
    if text.isprintable() and (not ascii_only or text.isascii()):
        return text
    return "".join(
        [
            char
            if char.isprintable() and (not ascii_only or char.isascii())
            else char.encode("unicode_escape").decode("ascii")
            for char in text
        ]
    )


def cut(text: str, most: int) -> str:
    """Return text of at most `most` characters; three dots mark a cut.

    Args:
        text: Any text.
        most: The maximum number of characters, at least 3.
    """
    return text if len(text) <= most else text[: most - 3] + "..."


def sender(origins: list[bytes] | None, reason: str) -> str:
    """Return the origin of a refused call, for the end of a line with the reason.

    Args:
        origins: The values of the request's Origin fields.
        reason: Why the call was refused.

    Returns:
        A suffix such as `` (from https://app.example)``; empty if there is no origin, or if the
        reason contains it.
    """
    origin = cut(printable(b", ".join(origins or ()).decode("latin-1"), ascii_only=True), MAX_SHOWN)
    return f" (from {origin})" if origin and f"'{origin}'" not in reason else ""
