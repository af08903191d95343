"""What ``corsgate adopt`` prints: short lines, with colours on a terminal."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from typing import TextIO

from corsgate.adopt.checklist import Check
from corsgate.adopt.findings import Finding, Mark
from corsgate.adopt.probes import Probe, Reply

_COLOURS = {"good": "32", "bad": "31", "note": "33", "dim": "2", "strong": "1"}
_SIGNS = {"good": ("\u2713", "ok"), "bad": ("\u2717", "NO"), "note": ("\u2022", "-")}
_MARKS = {Mark.FINE: "good", Mark.NOTE: "note", Mark.HURDLE: "note"}


_LEAST_ROOM = 24
"""How many characters a line has beside a label at least, however narrow the terminal."""


class Console:
    """Prints lines.

    Args:
        out: The stream to print to; None for standard output.
    """

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        has_terminal = self._out.isatty()
        self._colours = has_terminal and not os.environ.get("NO_COLOR")
        self._width = shutil.get_terminal_size().columns if has_terminal else None
        encoding = (self._out.encoding or "ascii").lower()
        self._plain = not encoding.replace("-", "").startswith("utf8")

    def title(self, words: str) -> None:
        """Print a heading."""
        self._print(f"\n{self._in('strong', words)}")

    def line(self, words: str) -> None:
        """Print a line."""
        self._print(words)

    def probe(self, probe: Probe, reply: Reply) -> None:
        """Print a probe with its outcome."""
        self._row(f"  {probe.words:<44} ", reply.words, "dim")

    def step(self, what: str, outcome: str) -> None:
        """Print a step other than a probe, with its outcome."""
        self._row(f"  {what:<44} ", outcome, "dim")

    def finding(self, found: Finding) -> None:
        """Print a finding."""
        self._row(f" {found.topic:<11} ", found.words, sign=_MARKS[found.mark])

    def check(self, check: Check) -> None:
        """Print a line of the checklist, and the fix if it failed."""
        kind = "good" if check.is_fine else "bad"
        self._row(f" {check.title:<44} ", check.words, "dim", sign=kind)
        if not check.is_fine and check.fix:
            self._row("      -> ", check.fix)

    def _row(self, label: str, words: str, colour: str = "", *, sign: str = "") -> None:
        """Print words after a label, on a terminal in lines that fit beside it."""
        start, margin = label, len(label)
        if sign:
            shown = _SIGNS[sign][self._plain]
            start, margin = f"  {self._in(sign, shown)}{label}", 2 + len(shown) + len(label)
        lines = [words]
        if self._width is not None:
            room = max(self._width - margin, _LEAST_ROOM)
            lines = textwrap.wrap(words, room, break_on_hyphens=False) or [""]
        for number, line in enumerate(lines):
            before = start if number == 0 else " " * margin
            self._print(f"{before}{self._in(colour, line)}")

    def _in(self, colour: str, words: str) -> str:
        if not self._colours or not colour:
            return words
        return f"\x1b[{_COLOURS[colour]}m{words}\x1b[0m"

    def _print(self, words: str) -> None:
        print(words, file=self._out, flush=True)
