"""``corsgate --help``, and that of each command."""

from __future__ import annotations

import shlex
from contextlib import chdir
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from corsgate.cli import COMMANDS
from tests.cli.commands import corsgate
from tests.cli.servers import Server
from tests.learn.test_minimal import RECORD
from tests.tree import ROOT

APP = "https://app.example.com"
STATUSES = {"check": 0, "explain": 1, "learn": 0, "diff": 1, "schema": 0, "completion": 0}


class HelpTests(SynchronousTestCase):
    """What the help says."""

    def test_names_each_command(self) -> None:
        """The general help lists every command."""
        done = corsgate("--help")
        self.assertEqual((done.status, done.err), (0, ""))
        for name, command in COMMANDS.items():
            self.assertIn(name, done.out)
            self.assertIn(command.help, " ".join(done.out.split()))

    def test_each_has_an_example(self) -> None:
        """The help of each command has its exit statuses and an example."""
        for name in COMMANDS:
            done = corsgate(name, "--help")
            self.assertEqual((name, done.status, done.err), (name, 0, ""))
            self.assertIn(f"example:\n  corsgate {name}", done.out)
            if name != "demo":  # It runs until it is stopped.
                self.assertIn("exit status: 0", done.out)

    def test_examples_run(self) -> None:
        """Each example runs unchanged, given a record and a server to learn from."""
        server = Server(lambda method, path: (200, {"Access-Control-Allow-Origin": APP}))
        self.addCleanup(server.stop)
        record = Path(self.mktemp()).resolve()
        record.write_text(RECORD, encoding="utf-8")
        for name, status in STATUSES.items():
            _, _, example = corsgate(name, "--help").out.partition("example:\n")
            for line in example.splitlines():
                words = line.replace("recorded.har", str(record))
                words = words.replace("https://api.example.com", server.url)
                _, *command = shlex.split(words.partition(" > ")[0])
                with chdir(ROOT):
                    done = corsgate(*command)
                self.assertEqual((command, done.status, done.err), (command, status, ""))
