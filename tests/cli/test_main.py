"""The ``corsgate`` command itself: its first argument, and how every command ends."""

from __future__ import annotations

import os
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from corsgate import cli
from corsgate.cli import COMMANDS, schema
from tests.cli.commands import corsgate
from tests.tree import ROOT, outside

PATIENCE_S = 60.0


class MainTests(SynchronousTestCase):
    """What is not a command gets a hint, and no traceback."""

    def test_nothing(self) -> None:
        """Without arguments, the help is shown as an error."""
        done = corsgate()
        self.assertEqual((done.status, done.out), (2, ""))
        for name, command in COMMANDS.items():
            self.assertIn(name, done.err)
            self.assertIn(command.help.split(",")[0], " ".join(done.err.split()))

    def test_unknown(self) -> None:
        """A word that is not a command gets the likely one, in one line."""
        for word, hint in {
            "rum": "did you mean run?",
            "explian": "did you mean explain?",
            "http://localhost:8000": "corsgate run http://localhost:8000 --allow ORIGIN",
            "gate.toml": "corsgate run gate.toml",
            "frobnicate": "the commands are run, adopt, ",
            "a\x1b[2Jb": "'a\\x1b[2Jb' is not a command",
        }.items():
            done = corsgate(word)
            self.assertEqual((word, done.status, done.out), (word, 2, ""))
            self.assertIn(hint, done.err)
            self.assertEqual(done.err.count("\n"), 1)

    def test_options_of_other_commands(self) -> None:
        """An option that another command has, or that is mistyped, gets the right name."""
        for words, hint in {
            ("run", "http://localhost:1", "--origin", "http://x"): "did you mean --allow?",
            ("run", "http://localhost:1", "--alow=http://x"): "did you mean --allow?",
            ("explain", "http://x", "--orgin=http://y"): "did you mean --origin?",
            ("adopt", "http://x", "--origin", "a", "--allow", "b"): "did you mean --origin?",
        }.items():
            done = corsgate(*words)
            self.assertEqual((done.status, done.out), (2, ""))
            self.assertIn(hint, done.err)
        self.assertNotIn("did you mean", corsgate("run", "http://x", "--frobnicate").err)

    def test_reader_leaves(self) -> None:
        """A reader that ends early, such as ``head``, leaves no traceback."""
        # The output is larger than a pipe holds, and much smaller than that.
        for words in (("schema",), ("schema", "--help"), ("frobnicate",)):
            read, write = os.pipe()
            os.close(read)
            try:
                done = subprocess.run(
                    [sys.executable, "-m", "corsgate", *words],
                    cwd=ROOT,
                    env=outside(),
                    stdin=subprocess.DEVNULL,
                    stdout=write,
                    stderr=subprocess.PIPE,
                    timeout=PATIENCE_S,
                    check=False,
                )
            finally:
                os.close(write)
            self.assertNotIn(b"Traceback", done.stderr)
            self.assertNotIn(b"BrokenPipe", done.stderr)
            if words == ("schema",):
                self.assertEqual((done.returncode, done.stderr), (141, b""))

    def test_interrupt(self) -> None:
        """Ctrl-C leaves no traceback either."""

        def interrupted(argv: object) -> int:
            raise KeyboardInterrupt

        self.patch(schema, "main", interrupted)
        self.assertEqual(cli.main(["schema"]), 130)

    def test_full_disk(self) -> None:
        """If the output can't be written, the command says why, once and without a traceback."""
        # The schema is larger than Python's buffer, the version is smaller.
        for words in ("schema", "--version"):
            with open("/dev/full", "wb") as full:
                done = subprocess.run(
                    [sys.executable, "-m", "corsgate", words],
                    cwd=ROOT,
                    env={**outside(), "PYTHONUNBUFFERED": ""},
                    stdin=subprocess.DEVNULL,
                    stdout=full,
                    stderr=subprocess.PIPE,
                    timeout=PATIENCE_S,
                    check=False,
                )
            wanted = b"the output can't be written: No space left on device\n"
            self.assertEqual((done.returncode, done.stderr), (2, wanted))
