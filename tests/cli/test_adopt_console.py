"""What ``corsgate adopt`` prints, on terminals of several widths and elsewhere."""

from __future__ import annotations

import io
import os
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from corsgate.adopt.checklist import Check
from corsgate.cli.adopt_console import Console

WORDS = "404, readable; the box sends the same error without the gate"


class Terminal(io.StringIO):
    """Text that goes to a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        """Say that it does."""
        return True


class ConsoleTests(SynchronousTestCase):
    """Lines for people."""

    def printed(self, out: io.StringIO, columns: int) -> list[str]:
        """Return the lines of one check and its fix."""
        check = Check(title="GET from http://localhost:4200", words=WORDS, is_fine=False, fix=WORDS)
        with mock.patch.dict(os.environ, COLUMNS=str(columns), NO_COLOR="1"):
            Console(out).check(check)
        return out.getvalue().splitlines()

    def test_wraps_on_a_terminal(self) -> None:
        """No word is cut at the terminal's edge; what follows is below the first words."""
        lines = self.printed(Terminal(), 80)
        self.assertTrue(all(len(line) <= 80 for line in lines), lines)
        self.assertEqual(" ".join(" ".join(lines).split()).count(WORDS), 2)
        self.assertEqual(lines[0].index("404"), lines[1].index(lines[1].split()[0]))
        narrow = self.printed(Terminal(), 40)
        self.assertEqual(" ".join(" ".join(narrow).split()).count(WORDS), 2)

    def test_does_not_wrap_elsewhere(self) -> None:
        """A file or a program gets whole lines."""
        self.assertEqual(len(self.printed(io.StringIO(), 20)), 2)
