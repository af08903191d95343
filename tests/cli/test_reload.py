"""corsgate reload, with daemons that twistd runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from twisted.internet.utils import getProcessOutputAndValue

from tests.cli.commands import corsgate
from tests.peers import reactor
from tests.support import LISTEN
from tests.tree import ROOT, outside
from tests.twistd import DaemonTestCase

TOML = LISTEN + '[upstreams.a]\nservers = ["http://127.0.0.1:9"]\n[routes."/v1"]\nupstream = "a"\n'


class ReloadTests(DaemonTestCase):
    """The command, and what it says."""

    async def reload(self, *arguments: str) -> tuple[str, str, int]:
        """Return what the command printed, and its exit status."""
        command = ["-m", "corsgate", "reload", *arguments]
        environ = {**outside(), "PYTHONPATH": str(ROOT)}
        found = await getProcessOutputAndValue(
            sys.executable, command, env=environ, path=str(ROOT), reactor=reactor
        )
        out, err, status = found
        return out.decode(), err.decode(), status

    async def test_daemon(self) -> None:
        """It reports changes, faults and that nothing has changed."""
        path = Path(self.mktemp()).absolute()
        path.write_text(TOML)
        daemon = self.daemon("--config", str(path))
        await daemon.port()
        pid = str(daemon.process.pid)
        self.assertEqual(await self.reload("--pid", pid), ("nothing changed\n", "", 0))
        path.write_text(TOML.replace("/v1", "/v2"))
        pidfile = Path(self.mktemp()).absolute()
        pidfile.write_text(f"{pid}\n")
        out, _, status = await self.reload("--pidfile", str(pidfile))
        self.assertEqual(status, 0)
        self.assertIn('+ routes."/v2"', out)
        path.write_text(TOML.replace("servers", "sevrers"))
        out, err, status = await self.reload("--pid", pid)
        self.assertEqual((out, status), ("", 1))
        self.assertIn("sevrers", err)
        self.assertIn("the old configuration stays in force", err)
        self.assertIn(err.splitlines()[0], "\n".join(daemon.messages))

    async def test_other_process(self) -> None:
        """A process that is no daemon is not signalled, which would end it."""
        path = Path(self.mktemp()).absolute()
        path.write_text("access_log")
        status = corsgate("reload", "--pid", str(os.getpid()))
        self.assertEqual(status.status, 2)
        self.assertIn("can't be asked", status.err)

    def test_no_process(self) -> None:
        """Without a process or a process id there is nobody to ask."""
        empty = Path(self.mktemp())
        empty.write_text("x")
        for arguments, words in (
            (("--pid", "4194305"), "there is no process"),
            (("--pidfile", "/none"), "can't be read"),
            (("--pidfile", str(empty)), "no process id in it"),
        ):
            done = corsgate("reload", *arguments)
            self.assertEqual(done.status, 2, arguments)
            self.assertIn(words, done.err)
