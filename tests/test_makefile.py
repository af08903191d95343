"""What ``make run`` installs and says, and what a bare Debian lacks for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.programs import require

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_S = 60


class RunTests(SynchronousTestCase):
    """The target ``run``, in an environment that isn't there yet."""

    def make(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run make and return what it says; nothing is installed in the checkout."""
        self.venv = Path(self.mktemp()).resolve()
        command = [require("make", "make"), "--no-print-directory", f"VENV={self.venv}"]
        return subprocess.run(
            [*command, *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def python(self, *lines: str) -> str:
        """Return the path of a program in place of Python, of lines for the shell."""
        path = Path(self.mktemp()).resolve()
        path.write_text("\n".join(("#!/bin/sh", *lines, "")))
        path.chmod(0o755)
        return f"PYTHON={path}"

    def assert_stops(self, said: str, *arguments: str) -> None:
        """Assert that make ends with a message, of one line before its own, and makes nothing."""
        done = self.make(*arguments)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(said, done.stderr.splitlines()[0])
        self.assertFalse(self.venv.exists())

    def test_without_python(self) -> None:
        """The package that has it is named."""
        self.assert_stops("sudo apt install python3-venv", "run", "PYTHON=no-such-python")

    def test_old_python(self) -> None:
        """The version is named, and how to choose another Python."""
        old = self.python("exit 1")
        self.assert_stops("corsgate needs Python 3.11 or later", "run", old)
        self.assert_stops("make run PYTHON=python3.11", "run", old)

    def test_without_venv(self) -> None:
        """A Debian without python3-venv has no ensurepip; half an environment is not made."""
        bare = self.python(
            'case "$*" in *ensurepip*) echo "No module named ensurepip" >&2; exit 1;; esac',
            f'exec {sys.executable} "$@"',
        )
        self.assert_stops("on Debian: sudo apt install python3-venv", "run", bare)

    def test_installs_what_it_needs(self) -> None:
        """The demo needs no tests; what is installed for these is enough for it, too."""
        run, test = self.make("--dry-run", "run").stdout, self.make("--dry-run", "test").stdout
        self.assertIn("--editable .\n", run)
        self.assertNotIn("[test]", run)
        self.assertIn("--editable '.[test]'", test)
        self.assertIn(".runnable", test)
        self.assertIn("about 30 s", run)

    def test_arguments(self) -> None:
        """ARGS go to the demo."""
        said = self.make("--dry-run", "run", "ARGS=--app-port 4201").stdout
        self.assertIn("-m corsgate demo --app-port 4201\n", said)
