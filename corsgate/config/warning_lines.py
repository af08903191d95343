"""Format the warnings about a configuration as lines, and combine repeated ones."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from corsgate.errors import Fault

MAX_ALIKE = 20
"""The maximum number of lines that differ only in names and numbers. The rest are counted."""

_MAX_KEYS = 3
_VALUE = re.compile(r"\"[^\"]*\"|'[^']*'|upstream \S+|[0-9]+")


def warning_lines(warnings: Iterable[Fault]) -> list[str]:
    """Return the warnings as lines.

    Warnings that differ only in their keys become one line, which lists the first keys and counts
    the others. Of warnings that differ only in names and numbers, the first `MAX_ALIKE` are shown
    and the rest are counted.

    Args:
        warnings: The warnings, in the order to show them.
    """
    same: dict[tuple[str, str], list[Fault]] = {}
    for warning in warnings:
        same.setdefault((warning.problem, warning.fix), []).append(warning)
    lines: list[str] = []
    shown: Counter[str] = Counter()
    left_out: dict[str, list[Fault]] = {}
    for (problem, fix), found in same.items():
        kind = _VALUE.sub("*", f"{problem}; {fix}")
        shown[kind] += 1
        if shown[kind] > MAX_ALIKE:
            left_out.setdefault(kind, []).extend(found)
        else:
            lines.append(f"{found[0]}{_more(found[1:])}")
    lines += [f"{found[0]}{_more(found[1:])}" for found in left_out.values()]
    return lines


def _more(warnings: list[Fault]) -> str:
    """Return a note with the number and places of further warnings; empty for none."""
    if not warnings:
        return ""
    places = [
        warning.key if warning.line is None else f"line {warning.line}"
        for warning in warnings[:_MAX_KEYS]
    ]
    rest = ", ..." if len(warnings) > _MAX_KEYS else ""
    return f" (and {len(warnings)} more like it: {', '.join(filter(None, places))}{rest})"
