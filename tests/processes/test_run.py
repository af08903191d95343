"""``corsgate run`` as a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.peers import request
from tests.support import APP, FROM_APP, LISTEN
from tests.twistd import Daemon, DaemonTestCase


class RunTestCase(DaemonTestCase):
    """A test case whose gates are started by ``corsgate run``."""

    def run_gate(self, *arguments: str) -> Daemon:
        """Return a gate on its way up."""
        daemon = Daemon(command=[sys.executable, "-m", "corsgate", "run", *arguments])
        self.addCleanup(daemon.kill)
        return daemon


class FileTests(RunTestCase):
    """With a configuration file."""

    async def test_serves_a_file(self) -> None:
        """It serves a file, named by ``--config`` or as the argument, and ends at SIGTERM."""
        upstream = await self.upstream()
        path = Path(self.mktemp() + ".toml").absolute()
        path.write_text(
            f'{LISTEN}[upstreams.a]\nservers = ["{upstream.url}"]\n[routes."/"]\nupstream = "a"\n'
            f'cors = {{ allow_origins = ["{APP.decode()}"] }}\n',
            "utf-8",
        )
        for arguments in (("--config", str(path)), (str(path),)):
            gate = self.run_gate(*arguments)
            client = await self.client(gate)
            client.send(request(headers=[FROM_APP]))
            self.assertEqual((await client.response()).status, 200)
            gate.signal("TERM")
            self.assertEqual(await gate.ended(), 0, gate.said)
            self.assertIn("stopping: no new connections", gate.said)
