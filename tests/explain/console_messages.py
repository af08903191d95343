"""The console messages of browsers, read from ``console_messages.txt``."""

from __future__ import annotations

import re
from pathlib import Path

import attrs

from corsgate.explain.block_causes import Cause

_FILE = Path(__file__).with_suffix(".txt")
_HEAD = re.compile(r"\[(seen|source): (.+?)\] (\S+)(?: (\S+))?")


@attrs.frozen
class Said:
    """One message.

    Attributes:
        seen: Whether a real browser printed it.
        place: Which browser that was, or where the source of its text is.
        cause: The cause.
        url: The URL of the call; empty if the message does not have it.
        text: The message.
    """

    seen: bool
    place: str
    cause: Cause
    url: str
    text: str


def console_messages() -> list[Said]:
    """Return all messages of the file.

    Raises:
        AssertionError: A part of the file has no valid head.
    """
    found = []
    for part in _FILE.read_text("utf-8").strip().split("\n\n")[1:]:
        head, _, text = part.partition("\n")
        fields = _HEAD.fullmatch(head)
        if fields is None or not text:
            raise AssertionError(part)
        kind, place, cause, url = fields.groups("")
        found.append(Said(kind == "seen", place, Cause(cause), url, text))
    return found
