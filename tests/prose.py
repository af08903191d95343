"""The commands that documents show, so that each can be run."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

import attrs

from tests.tree import ROOT, TWISTD

_Method = TypeVar("_Method", bound=Callable[..., object])

_FENCED: Final = re.compile(r"(?ms)^( *)```.*?^\1```$")


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

    def section(self, title: str) -> Prose:
        """Return the text below a heading of level 2, up to the next one.

        Raises:
            AssertionError: There is no such heading.
        """
        for each in self.text.split("\n## ")[1:]:
            heading, _, text = each.partition("\n")
            if heading == title:
                return Prose(text=text)
        raise AssertionError(f"no heading {title}")

    def commands(self) -> list[str]:
        """Return each command: a line of ``sh``, a line after ``$`` of ``console``."""
        whole = (block.replace("\\\n", " ") for block in self.blocks("sh"))
        found = [line for block in whole for line in block.splitlines() if line.strip()]
        return found + [command for command, _ in self.dialogues()]

    def dialogues(self) -> list[tuple[str, str]]:
        """Return each command of a ``console`` block with the output that is shown for it."""
        return [
            (match[1], match[2])
            for block in self.blocks("console")
            for match in re.finditer(r"(?m)^\$ (.*)\n((?:(?!\$ ).*\n)*)", block)
        ]

    def languages(self) -> set[str]:
        """Return the languages of all fenced blocks; empty for one that names none.

        Raises:
            AssertionError: A block is fenced in a way that `blocks` does not see.
        """
        opened = re.findall(r"(?m)^```(.*)$", self.text)[::2]
        fences = re.findall(r"(?m)^ *(?:```|~~~)", self.text)
        assert len(fences) == 2 * len(opened), "a block is fenced by ~~~, or indented"
        return set(opened)

    def unfenced(self) -> str:
        """Return the text without its fenced blocks."""
        return _FENCED.sub("", self.text)

    def links(self) -> list[str]:
        """Return where each link and picture leads."""
        return re.findall(r"\]\(([^)\s]+)\)", self.unfenced())

    def anchors(self) -> set[str]:
        """Return the names of all headings, as links to them have it."""
        titles = re.findall(r"(?m)^#+ (.+)$", self.unfenced())
        return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}

    def unclaimed(self, patterns: Sequence[str]) -> list[str]:
        """Return the commands that match no pattern from their first letter on."""
        return [
            command
            for command in self.commands()
            if not any(re.match(pattern, command) for pattern in patterns)
        ]


def claims(*patterns: str) -> Callable[[_Method], _Method]:
    """Mark a test as the one for the commands that match a pattern from their first letter on."""

    def mark(method: _Method) -> _Method:
        method.claims = (*getattr(method, "claims", ()), *patterns)  # type: ignore[attr-defined]  # What the marks are for.
        return method

    return mark


def claims_of(*cases: type) -> list[str]:
    """Return the patterns of all marked tests of some classes."""
    return [
        pattern
        for case in cases
        for test in vars(case).values()
        for pattern in getattr(test, "claims", ())
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
        "corsgate": [sys.executable, "-m", "corsgate"],
        ".venv/bin/corsgate": [sys.executable, "-m", "corsgate"],
    }
    return environ, [*programs[words[0]], *words[1:]]
