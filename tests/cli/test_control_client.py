"""Which daemon a command asks."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from corsgate.cli import control_client
from corsgate.cli.control_client import NoDaemon, chosen, configured_file, running, what_runs
from corsgate.daemon.control import control_address


class ChosenTests(SynchronousTestCase):
    """`chosen`, without a process id."""

    def setUp(self) -> None:
        """Be in an empty directory, where some daemons run."""
        before = os.getcwd()
        self.addCleanup(os.chdir, before)
        directory = Path(self.mktemp())
        directory.mkdir()
        os.chdir(directory)
        self.pids: list[int] = []
        self.users: dict[int, int] = {}
        self.patch(control_client, "running", lambda: self.pids)
        self.patch(control_client, "user_of", lambda pid: self.users.get(pid, os.geteuid()))

    def problem(self) -> str:
        """Return why none was chosen."""
        return str(self.assertRaises(NoDaemon, chosen, None, None))

    def test_the_only_one(self) -> None:
        """The only daemon is asked, but the one that is named takes precedence."""
        self.pids = [4194305]
        self.assertEqual(chosen(None, None), 4194305)
        self.assertEqual(chosen(7, None), 7)
        Path("x.pid").write_text("8\n", "ascii")
        self.assertEqual(chosen(None, "x.pid"), 8)
        Path("twistd.pid").write_text("9\n", "ascii")
        self.assertEqual(chosen(None, None), 9)

    def test_none(self) -> None:
        """Without any, the error says how to start one."""
        self.assertIn(
            "no corsgate daemon is running in this network namespace of this machine",
            self.problem(),
        )

    def test_several(self) -> None:
        """Of several, each is listed."""
        self.pids = [4194305, 4194306]
        self.assertEqual(
            self.problem(),
            "several corsgate daemons are running; choose one:"
            "\n  --pid 4194305   (ended)\n  --pid 4194306   (ended)",
        )

    def test_other_users(self) -> None:
        """A user's own daemon is chosen among those of others; root may ask any."""
        self.pids, self.users = [4194305, 4194306], {4194305: 4242}
        self.patch(os, "geteuid", lambda: 4243)
        self.users[4194306] = 4243
        self.assertEqual(chosen(None, None), 4194306)
        self.users[4194306] = 4242
        self.assertIn("process 4194305) belongs to another user", self.problem())
        self.patch(os, "geteuid", lambda: 0)
        self.assertIn("several", self.problem())

    def test_pidfiles(self) -> None:
        """A file that was named has to have a process id."""
        for name, text, words in (
            ("none", None, "none can't be read"),
            ("bad", "x", "bad does not contain a process id"),
            ("twistd.pid", "", "twistd.pid does not contain a process id"),
        ):
            if text is not None:
                Path(name).write_text(text, "ascii")
            error = self.assertRaises(NoDaemon, chosen, None, name)
            self.assertIn(words, str(error))


class RunningTests(SynchronousTestCase):
    """`running` and what is said of a process."""

    def test_running(self) -> None:
        """A socket counts if the process that it is named after listens."""
        mine = os.getpid()
        self.assertNotIn(mine, running())
        with socket.socket(socket.AF_UNIX) as own, socket.socket(socket.AF_UNIX) as squatter:
            own.bind(control_address(mine))
            own.listen()
            squatter.bind(control_address(os.getppid()))
            squatter.listen()
            found = running()
        self.assertIn(mine, found)
        self.assertNotIn(os.getppid(), found)

    def test_configured_file(self) -> None:
        """The file of a command line is found, and nothing else of it is shown."""
        for line, wanted in (
            ("python /bin/twistd -n corsgate --config /etc/gate.toml", "/etc/gate.toml"),
            ("python /bin/twistd -n corsgate --config=a.toml", "a.toml"),
            ("python -m corsgate run gate.toml", "gate.toml"),
            ("python /venv/bin/corsgate run -c gate.conf", "gate.conf"),
            ("python -c program.toml corsgate --upstream http://box", ""),
            ("python -m corsgate run http://box --auth digest:a:b.toml", ""),
            ("python -m corsgate run http://box --auth=digest:a:b.toml", ""),
            ("python server.py x.toml", ""),
            ("corsgate", ""),
            ("", ""),
        ):
            words = [word.encode() for word in line.split(" ")]
            self.assertEqual(configured_file(words), wanted, line)
        self.assertEqual(configured_file([b"corsgate", b"-c", b"a\x1b\xff\n"]), "a\\x1b\\ufffd\\n")

    def test_what_runs(self) -> None:
        """A process is described by its file and directory."""
        self.assertIn("without a file, started in /", what_runs(os.getpid()))
        self.assertEqual(what_runs(4194305), "(ended)")
