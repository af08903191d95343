"""The access log is rotated while requests come: no line is lost, doubled or torn."""

from __future__ import annotations

from pathlib import Path

from tests.processes.case import ProcessTestCase
from tests.processes.load import Load
from tests.processes.logs import targets
from tests.programs import output, require
from tests.prose import Prose
from tests.support import LISTEN
from tests.twistd import Daemon

ROTATIONS = 5
BETWEEN = 200
"""Requests between two rotations."""


class Rotation(ProcessTestCase):
    """A file is renamed, SIGHUP follows, and the lines go on in a new one."""

    async def loaded(self) -> tuple[Daemon, Load]:
        """Return a daemon that writes to `log`, under load."""
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.log = self.directory / "access.log"
        upstream = await self.upstream()
        daemon = self.configured(
            f'{LISTEN}access_log = "{self.log}"\n'
            f'[upstreams.a]\nservers = ["{upstream.url}"]\n[routes."/"]\nupstream = "a"\n'
        )
        port = await daemon.port()
        load = Load(upstream, lambda: port)
        load.start()
        return daemon, load

    async def assert_complete(self, daemon: Daemon, load: Load) -> None:
        """End both, and assert that each request has its line, in one file."""
        await load.more(BETWEEN)
        await load.stop()
        daemon.signal("TERM")
        self.assertEqual(await daemon.ended(), 0, daemon.said)
        self.assertEqual((load.unanswered, load.wrong, set(load.statuses)), ([], [], {200}))
        files = sorted(self.directory.glob("access.log*"))
        self.assertEqual(len(files), ROTATIONS + 1)
        self.assertEqual([file.name for file in files if not targets(file)], [])
        sent = [b"/%d" % number for number in range(1, load.answered + 1)]
        self.assertEqual(sorted(targets(*files)), sorted(sent))

    async def test_rename(self) -> None:
        """Renamed by hand."""
        daemon, load = await self.loaded()
        for number in range(ROTATIONS):
            await load.more(BETWEEN)
            self.log.rename(self.directory / f"access.log.{number}")
            daemon.signal("HUP")
            await load.when(self.log.exists)
        await self.assert_complete(daemon, load)

    async def test_logrotate(self) -> None:
        """By logrotate, with the configuration of docs/howto/operations.md."""
        logrotate = require("logrotate", "logrotate")
        daemon, load = await self.loaded()
        config, state = self.directory / "logrotate.conf", self.directory / "state"
        # logrotate refuses a configuration that others may write to.
        config.touch(0o600)
        (text,) = Prose.read("docs/howto/operations.md").blocks("logrotate")
        text = text.replace("/var/log/corsgate/access.log", str(self.log))
        text = text.replace("systemctl reload corsgate", f"kill -HUP {daemon.process.pid}")
        config.write_text(text)
        for _ in range(ROTATIONS):
            await load.more(BETWEEN)
            said = await output(logrotate, ["--force", "--state", str(state), str(config)])
            self.assertEqual(said, "")
            await load.when(self.log.exists)
        await self.assert_complete(daemon, load)
