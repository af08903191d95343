"""What ``corsgate adopt`` prints: short lines, with colours on a terminal."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from corsgate.adopt.checklist import Check
from corsgate.adopt.findings import Finding, Mark
from corsgate.adopt.probes import Probe, Reply

_COLOURS = {"good": "32", "bad": "31", "note": "33", "dim": "2", "strong": "1"}
_SIGNS = {"good": ("\u2713", "ok"), "bad": ("\u2717", "NO"), "note": ("\u2022", "-")}
_MARKS = {Mark.FINE: "good", Mark.NOTE: "note", Mark.HURDLE: "note"}


class Console:
    """Prints lines.

    Args:
        out: The stream to print to; None for standard output.
    """

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._colours = self._out.isatty() and "NO_COLOR" not in os.environ
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
        self._print(f"  {probe.words:<44} {self._in('dim', reply.words)}")

    def step(self, what: str, outcome: str) -> None:
        """Print a step other than a probe, with its outcome."""
        self._print(f"  {what:<44} {self._in('dim', outcome)}")

    def finding(self, found: Finding) -> None:
        """Print a finding."""
        self._print(f"  {self._sign(_MARKS[found.mark])} {found.topic:<11} {found.words}")

    def check(self, check: Check) -> None:
        """Print a line of the checklist, and the fix if it failed."""
        kind = "good" if check.is_fine else "bad"
        self._print(f"  {self._sign(kind)} {check.title:<44} {self._in('dim', check.words)}")
        if not check.is_fine and check.fix:
            self._print(f"      -> {check.fix}")

    def _sign(self, kind: str) -> str:
        return self._in(kind, _SIGNS[kind][self._plain])

    def _in(self, colour: str, words: str) -> str:
        return f"\x1b[{_COLOURS[colour]}m{words}\x1b[0m" if self._colours else words

    def _print(self, words: str) -> None:
        print(words, file=self._out, flush=True)
