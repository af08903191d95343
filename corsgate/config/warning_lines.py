"""The warnings of a configuration as lines, few however often one and the same thing is there."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from corsgate.errors import Fault

MAX_ALIKE = 20
"""How many lines differ in nothing but names and numbers."""

_MAX_KEYS = 3
_VALUE = re.compile(r"\"[^\"]*\"|'[^']*'|upstream \S+|[0-9]+")


def warning_lines(warnings: Iterable[Fault]) -> list[str]:
    """Return a line for each warning.

    Those that say the same of several keys are one line, which names the first keys and counts the
    others. Of those that differ in nothing but names and numbers only some are shown, and the rest
    are counted.

    Args:
        warnings: In the order in which they are shown.
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
    """Return how many warnings there are beside the one that is shown, and where; or nothing."""
    if not warnings:
        return ""
    places = [
        warning.key if warning.line is None else f"line {warning.line}"
        for warning in warnings[:_MAX_KEYS]
    ]
    rest = ", ..." if len(warnings) > _MAX_KEYS else ""
    return f" (and {len(warnings)} more like it: {', '.join(filter(None, places))}{rest})"
