"""Reads response heads that people paste from ``curl -i`` or developer tools."""

from __future__ import annotations

import re

from corsgate.cors.names import TOKEN
from corsgate.errors import BadValue
from corsgate.explain.trace import Answer
from corsgate.message.headers import Header

_STATUS = re.compile(r"(?:HTTP/[0-9.]+ +)?([1-9][0-9]{2})(?: .*)?")
_EXAMPLE = 'start with the status line, such as "HTTP/1.1 200 OK"'


def read_heads(text: str) -> list[Answer]:
    """Return the responses in a text.

    Args:
        text: One or more heads, each with its status line. A ``<`` at the start of a line, which
            ``curl -v`` prints, is ignored. Without a status line, the status is 200.

    Raises:
        BadValue: A line is neither a status line nor a field.
    """
    found: list[tuple[int, list[Header]]] = []
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip().removeprefix("<").strip()
        if not line:
            continue
        status = _STATUS.fullmatch(line)
        if status is not None:
            found.append((int(status[1]), []))
            continue
        name, colon, value = line.partition(":")
        field = name.strip().encode("latin-1", "replace")
        if not colon or not TOKEN.fullmatch(field):
            raise BadValue(f"line {number} is not a response header", _EXAMPLE)
        if not found:
            found.append((200, []))
        found[-1][1].append((field, value.strip().encode("utf-8", "replace")))
    return [Answer(status=status, headers=tuple(fields)) for status, fields in found]
