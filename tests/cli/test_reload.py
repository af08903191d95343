"""corsgate reload, with daemons that twistd runs."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from subprocess import PIPE, Popen

from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import SkipTest

from corsgate.cli import control_client
from corsgate.cli.reload import reloads_on_hangup
from corsgate.daemon.control import control_address
from tests.cli.commands import corsgate
from tests.peers import reactor
from tests.support import LISTEN
from tests.tree import ROOT, outside
from tests.twistd import DaemonTestCase

TWISTD = ("/usr/bin/twistd", "corsgate")
TOML = LISTEN + '[upstreams.a]\nservers = ["http://127.0.0.1:9"]\n[routes."/v1"]\nupstream = "a"\n'


class ReloadTests(DaemonTestCase):
    """The command, and what it says."""

    async def test_daemon(self) -> None:
        """It reports changes, faults and that nothing has changed."""
        path = Path(self.mktemp()).absolute()
        path.write_text(TOML)
        daemon = self.daemon("--config", str(path))
        await daemon.started()
        pid = str(daemon.process.pid)
        done = corsgate("reload", "--pid", pid)
        self.assertEqual((done.out, done.err, done.status), ("nothing changed\n", "", 0))
        path.write_text(TOML.replace("/v1", "/v2"))
        pidfile = Path(self.mktemp()).absolute()
        pidfile.write_text(f"{pid}\n")
        done = corsgate("reload", "--pidfile", str(pidfile))
        self.assertEqual(done.status, 0)
        self.assertIn('+ routes."/v2"', done.out)
        path.write_text(TOML.replace("servers", "sevrers"))
        done = corsgate("reload", "--pid", pid)
        self.assertEqual((done.out, done.status), ("", 1))
        self.assertIn("sevrers", done.err)
        self.assertIn("the old configuration stays in force", done.err)
        await daemon.when(lambda: f"reload: {done.err.splitlines()[0]}" in daemon.messages)

    async def test_other_user(self) -> None:
        """Another user gets an error that names the process."""
        if os.geteuid() != 0:
            raise SkipTest("only root can become another user")
        path = Path(self.mktemp()).absolute()
        path.write_text(TOML)
        daemon = self.daemon("--config", str(path))
        await daemon.started()
        pid = daemon.process.pid
        program = (
            "import os, sys\nfrom corsgate.cli.reload import main\n"
            f"os.setuid(65534)\nsys.exit(main(['--pid', '{pid}']))"
        )
        environ = {**outside(), "PYTHONPATH": str(ROOT)}
        _, err, status = await getProcessOutputAndValue(
            sys.executable, ["-c", program], env=environ, path=str(ROOT), reactor=reactor
        )
        wanted = f"access to process {pid} is denied"
        self.assertIn(wanted, err.decode())
        self.assertEqual(status, 2)

    async def test_other_process(self) -> None:
        """A process that is not a daemon is not signalled, which would end it."""
        path = Path(self.mktemp()).absolute()
        path.write_text("access_log")
        status = corsgate("reload", "--pid", str(os.getpid()))
        self.assertEqual(status.status, 2)
        self.assertIn("is not a corsgate daemon", status.err)

    def test_daemons(self) -> None:
        """SIGHUP is only for a Python that runs corsgate, by itself or under twistd or twist."""
        handles = "import signal, sys; signal.signal(1, lambda *_: print(1)); print(0, flush=True)"
        waits = f"{handles}; sys.stdin.read()"
        for name, program, arguments, is_daemon in (
            (sys.executable, waits, ("/usr/bin/twistd", "-n", "corsgate"), True),
            (sys.executable, waits, ("-m", "twisted", "corsgate", "--config", "a.toml"), True),
            (sys.executable, waits, ("corsgate",), False),
            (sys.executable, waits, ("corsgate", "/usr/bin/twistd"), False),
            (sys.executable, waits, ("/usr/bin/twistd", "web"), False),
            ("vim", waits, ("/usr/bin/twistd", "corsgate"), False),
            (sys.executable, "print(0, flush=True); import sys; sys.stdin.read()", TWISTD, False),
        ):
            with Popen(
                [name, "-c", program, *arguments],
                executable=sys.executable,
                stdin=PIPE,
                stdout=PIPE,
                text=True,
            ) as process:
                assert process.stdout is not None
                process.stdout.readline()
                self.assertEqual(reloads_on_hangup(process.pid), is_daemon, arguments)
                out, _ = process.communicate("")
            self.assertEqual(out, "")
        self.assertFalse(reloads_on_hangup(process.pid))

    def test_run(self) -> None:
        """So is ``corsgate run``, by the command's path or by ``-m``, and no other command."""
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        waits = (
            "import signal, sys; signal.signal(1, lambda *_: print(1)); print(0, flush=True); "
            "sys.stdin.read()"
        )
        for name in ("corsgate", "corsgate.py", "editor"):
            (folder / name).write_text(waits, "ascii")
        command = str(folder / "corsgate")
        for arguments, is_daemon in (
            ((command, "run", "a.toml"), True),
            (("-m", "corsgate", "run", "a.toml"), True),
            (("-P", command, "run", "--config", "a.toml"), True),
            ((command, "check", "run"), False),
            (("-m", "corsgate", "explain"), False),
            ((str(folder / "editor"), "corsgate", "run"), False),
        ):
            with Popen(
                [sys.executable, *arguments], cwd=folder, stdin=PIPE, stdout=PIPE, text=True
            ) as process:
                assert process.stdout is not None
                process.stdout.readline()
                self.assertEqual(reloads_on_hangup(process.pid), is_daemon, arguments)
                process.communicate("")

    async def test_squatted(self) -> None:
        """Who has taken the socket's name before is not believed; the log says how to reload."""
        path = Path(self.mktemp()).absolute()
        path.write_text(TOML)
        squat = (
            "import os, socket; squatter = socket.socket(socket.AF_UNIX); "
            "squatter.bind(f'\\0corsgate-control-{os.getpid()}'); squatter.listen()"
        )
        with socket.socket(socket.AF_UNIX) as squatter:
            # In the daemon's own process: the name is taken, whoever has it.
            daemon = self.daemon("--config", str(path), prepare=squat)
            await daemon.started()
            await daemon.when(lambda: "only SIGHUP can" in daemon.said)
            self.assertIn(f"@corsgate-control-{daemon.process.pid}", daemon.said)
            pid = os.getpid()
            squatter.bind(control_address(pid))
            squatter.listen()
            self.patch(control_client, "user_of", lambda pid: os.geteuid() + 1)
            done = corsgate("reload", "--pid", str(pid))
        self.assertEqual(done.status, 2)
        self.assertIn(f"process {pid} belongs to process {pid} of user {os.geteuid()}", done.err)
        self.assertNotIn("Traceback", daemon.said)

    def test_no_process(self) -> None:
        """Without a process or a process id there is nobody to ask."""
        empty = Path(self.mktemp())
        empty.write_text("x")
        for arguments, words in (
            (("--pid", "4194305"), "there is no process"),
            (("--pidfile", "/none"), "can't be read"),
            (("--pidfile", str(empty)), "does not contain a process id"),
            (("--pid", "0"), "'0' is not a process id: the service is not running"),
            (("--pid", "x"), "'x' is not a process id\n"),
            (("--pid", "-1"), "'-1' is not a process id"),
            (("--pid", "9" * 30), "is not a process id"),
        ):
            done = corsgate("reload", *arguments)
            self.assertEqual(done.status, 2, arguments)
            self.assertIn(words, done.err)
