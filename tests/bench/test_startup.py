"""The measurement of a start."""

from __future__ import annotations

import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from bench.startup import start
from tests.support import LISTEN


class StartupTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Make a directory whose path is short enough for a socket."""
        directory = tempfile.TemporaryDirectory(prefix="corsgate-")
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def start(self, toml: str) -> float:
        """Return the CPU time of a start with a configuration."""
        file = Path(self.directory, "corsgate.toml")
        file.write_text(toml, "utf-8")
        return start(str(file), self.directory).cpu_s

    def test_starts(self) -> None:
        """A gate that starts has taken some CPU time."""
        upstream = '[upstreams.a]\nservers = ["http://127.0.0.1:1"]\n'
        self.assertGreater(self.start(f'{LISTEN}{upstream}[routes."/"]\nupstream = "a"\n'), 0)

    def test_does_not_start(self) -> None:
        """One that doesn't ends the measurement with its fault."""
        error = self.assertRaises(SystemExit, self.start, "odd = 1\n")
        self.assertIn("STATUS=did not start: ", str(error.code))
