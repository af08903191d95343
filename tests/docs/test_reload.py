"""``docs/howto/reload.md``: its command has these options, and its lines are those of the log."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.cli.control_client import DEFAULT_PIDFILE
from corsgate.cli.reload import parser
from tests.log_texts import logged
from tests.prose import Prose

PAGE = Prose.read("docs/howto/reload.md")


class ReloadTests(SynchronousTestCase):
    """The page."""

    def test_command(self) -> None:
        """The command takes a process id, or a file with one."""
        (command,) = PAGE.commands()
        words, _, rest = command.partition("#")
        given = parser().parse_args(words.split()[2:])
        self.assertEqual(given.pid, 4711)
        self.assertIn("--pidfile FILE", rest)
        self.assertIn(f"`{DEFAULT_PIDFILE}`", PAGE.text)

    def test_log(self) -> None:
        """The lines about a failure are ones that the source can log."""
        (block,) = PAGE.blocks("text")
        failures = [line for line in block.splitlines() if "failed" in line]
        self.assertEqual(len(failures), 1)
        for line in failures:
            self.assertTrue(any(each.stands_in(line) for each in logged()), line)
