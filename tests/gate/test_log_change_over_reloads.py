"""The access log over reloads: opened again, moved, and left as it is after a fault."""

from __future__ import annotations

import json
import os
from pathlib import Path

import attrs

from corsgate.errors import ConfigError
from corsgate.gate.service import GateService
from tests.gate.fakes import logged
from tests.peers import reactor, request
from tests.support import LISTEN, GateTestCase, parse

TOML = (
    f'{LISTEN}[upstreams.a]\nservers = ["http://127.0.0.1:1"]\n'
    '[routes."/"]\nupstream = "a"\n[limits]\nmax_buffered_log_bytes = "64KiB"\n'
)


class ChangeTests(GateTestCase):
    """`LogChange`, as a reload uses it."""

    def setUp(self) -> None:
        """Serve with a log of its own directory."""
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.path = self.directory / "log"
        config = attrs.evolve(parse(TOML), access_log=str(self.path))
        self.service = GateService(config, reactor, rng=os.urandom, file="gate.toml")
        self.service.privilegedStartService()
        self.service.startService()
        self.addCleanup(self.stop)
        self.port = self.service.ports[0].getHost().port  # type: ignore[attr-defined]

    async def stop(self) -> None:
        """Stop it, once, so that all lines are written."""
        if not self.service.draining:
            await self.service.stopService()

    def opened(self) -> list[Path]:
        """Return the files that the process has opened."""
        links = Path("/proc/self/fd").iterdir()
        return [Path(os.readlink(each)) for each in links if each.is_symlink()]

    async def ask_once(self) -> None:
        """Send a request and wait for its response."""
        client = await self.connect_to(self.port)
        client.send(request())
        self.assertEqual((await client.response()).status, 502)

    async def reload(self, **changes: object) -> None:
        """Put a configuration in force."""
        config = attrs.evolve(self.service.config, **changes)  # type: ignore[arg-type]
        await self.service.swap(self.service.prepare(config))

    async def assert_keeps(self, old: Path, reason: str) -> None:
        """Expect that a reload fails, and that lines go on into the old file."""
        before = self.service.config
        with self.assertRaises(ConfigError) as caught:
            await self.reload()
        self.assertEqual([fault.key for fault in caught.exception.faults], ["access_log"])
        self.assertIn(reason, str(caught.exception))
        self.assertIs(self.service.config, before)
        await self.ask_once()
        await self.stop()
        self.assertEqual(len(old.read_text().splitlines()), 1)

    async def test_opened_again(self) -> None:
        """Once its file was renamed and a reload has come, lines go on in a new file."""
        await self.ask_once()
        old = self.path.with_name("log.1")
        self.path.rename(old)
        await self.ask_once()
        said = logged(self)
        await self.reload()
        self.assertIn("the access log was reopened", said())
        await self.ask_once()
        await self.stop()
        self.assertEqual([len(each.read_text().splitlines()) for each in (old, self.path)], [2, 1])
        self.assertEqual(self.path.stat().st_mode & 0o037, 0)

    async def test_moved(self) -> None:
        """A reload may name another file, another format, and no log at all."""
        await self.ask_once()
        other = self.directory / "other"
        await self.reload(access_log=str(other), log_format="combined")
        await self.ask_once()
        await self.reload(access_log="off")
        await self.ask_once()
        await self.reload(access_log=str(self.path), log_format="json")
        await self.ask_once()
        await self.stop()
        lines = self.path.read_text().splitlines()
        self.assertEqual([json.loads(line)["status"] for line in lines], [502, 502])
        (line,) = other.read_text().splitlines()
        self.assertIn('HTTP/1.1" 502', line)

    async def test_directory_gone(self) -> None:
        """Where a new file can't be opened, the old one stays."""
        old = self.directory.with_name(f"{self.directory.name}.gone")
        self.directory.rename(old)
        await self.assert_keeps(old / "log", "No such file or directory")

    async def test_no_file(self) -> None:
        """A FIFO that nobody reads is a fault, and not waited for."""
        old = self.path.with_name("log.1")
        self.path.rename(old)
        os.mkfifo(self.path)
        await self.assert_keeps(old, "it is a FIFO without a reader")

    async def test_discarded(self) -> None:
        """A file that was opened for a reload that fails is closed, and the log stays."""
        other = self.directory / "other"
        for before in (str(self.path), "off"):
            await self.reload(access_log=before)
            config = attrs.evolve(self.service.config, access_log=str(other))
            snapshot = self.service.prepare(config)
            self.assertIn(other, self.opened())
            snapshot.discard()
            self.assertNotIn(other, self.opened())
        await self.stop()
        self.assertEqual(other.read_text(), "")
