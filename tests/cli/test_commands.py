"""Tests of `corsgate.cli`: how every command ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import TestCase

from corsgate import cli
from corsgate.cli import schema

TIMEOUT_S = 60


class EndTests(TestCase):
    """The end of a command that is not its own choice."""

    def test_closed_pipe(self) -> None:
        """A reader that has enough, such as ``head``, ends a command without a traceback."""
        reading, writing = os.pipe()
        os.close(reading)
        try:
            ended = subprocess.run(  # Our own command.
                [sys.executable, "-m", "corsgate", "schema"],
                stdout=writing,
                stderr=subprocess.PIPE,
                cwd=Path(cli.__file__).parents[2],
                timeout=TIMEOUT_S,
                check=False,
            )
        finally:
            os.close(writing)
        self.assertEqual((ended.returncode, ended.stderr), (141, b""))

    def test_interrupt(self) -> None:
        """So does Ctrl-C."""

        def interrupted(argv: object) -> int:
            raise KeyboardInterrupt

        self.patch(schema, "main", interrupted)
        self.assertEqual(cli.main(["schema"]), 130)
