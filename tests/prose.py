"""The commands that documents show, so that each can be run."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator

import attrs

from tests.tree import ROOT, TWISTD


@attrs.frozen(kw_only=True)
class Prose:
    """A document in Markdown."""

    text: str

    @classmethod
    def read(cls, path: str) -> Prose:
        """Return a document of the checkout."""
        return cls(text=(ROOT / path).read_text(encoding="utf-8"))

    def blocks(self, *languages: str) -> Iterator[str]:
        """Return the content of each fenced block of these languages."""
        for match in re.finditer(r"(?ms)^```(\w+)\n(.*?)^```$", self.text):
            if match[1] in languages:
                yield match[2]

    def commands(self) -> list[str]:
        """Return each command: a line of ``sh``, a line after ``$`` of ``console``."""
        found = [line for block in self.blocks("sh") for line in block.splitlines() if line.strip()]
        return found + [command for command, _ in self.dialogues()]

    def dialogues(self) -> list[tuple[str, str]]:
        """Return each command of a ``console`` block with the output that is shown for it."""
        return [
            (match[1], match[2])
            for block in self.blocks("console")
            for match in re.finditer(r"(?m)^\$ (.*)\n((?:(?!\$ ).*\n)*)", block)
        ]


def split(command: str) -> tuple[dict[str, str], list[str]]:
    """Return the variables before a command, and its words with ours for the programs' names."""
    words = shlex.split(command)
    environ = {}
    while re.match(r"\w+=", words[0]):
        name, _, value = words.pop(0).partition("=")
        environ[name] = value
    programs = {
        ".venv/bin/twistd": list(TWISTD),
        ".venv/bin/corsgate": [sys.executable, "-m", "corsgate"],
    }
    return environ, [*programs[words[0]], *words[1:]]
