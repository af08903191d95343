"""``corsgate run``: the command line. `tests.processes.test_run` runs it as a process."""

from __future__ import annotations

from tests.cli.commands import CommandTestCase, corsgate


class UsageTests(CommandTestCase):
    """What it does not run."""

    def test_nothing(self) -> None:
        """Without a URL or a file it has nothing to run."""
        done = corsgate("run")
        self.assertEqual(done.status, 2)
