"""Finds out whether a descriptor leads to the journal, a terminal, or anything else."""

from __future__ import annotations

import os
from collections.abc import Mapping

from corsgate.gate.log_style import Place


def is_journal(descriptor: int, environ: Mapping[str, str]) -> bool:
    """Return whether a descriptor leads to systemd's journal.

    Args:
        descriptor: A file descriptor, such as 1 for standard output.
        environ: The environment of the process.

    Source: ``$JOURNAL_STREAM`` in systemd.exec(5). The numbers are compared because a child process
    inherits the variable, but its output may be redirected.
    """
    stream = environ.get("JOURNAL_STREAM", "")
    try:
        found = os.fstat(descriptor)
    except OSError:
        return False
    return stream == f"{found.st_dev}:{found.st_ino}"


def marked(text: str, descriptor: int, environ: Mapping[str, str], priority: int = 3) -> str:
    """Return text with a priority before each line if a descriptor leads to the journal.

    Args:
        text: One line or more.
        descriptor: The descriptor to which the text will be written.
        environ: The environment of the process.
        priority: The journal's priority, as in syslog(3); by default that of an error.
    """
    if not is_journal(descriptor, environ):
        return text
    return "\n".join([f"<{priority}>{line}" for line in text.splitlines()])


def place_of(descriptor: int, environ: Mapping[str, str]) -> Place:
    """Return the destination of a descriptor.

    Args:
        descriptor: A file descriptor, such as 1 for standard output.
        environ: The environment of the process.

    Source: https://no-color.org for ``NO_COLOR``, which must not be empty.
    """
    if is_journal(descriptor, environ):
        return Place.JOURNAL
    if not os.isatty(descriptor):
        return Place.FILE
    is_plain = environ.get("NO_COLOR") or environ.get("TERM", "dumb") in ("", "dumb")
    return Place.TERMINAL if is_plain else Place.COLOR_TERMINAL
