"""Reloads that are asked for one after the other, and all at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import capturedLogs

from corsgate.daemon.loading import Loader, look
from corsgate.daemon.reload import Reloader, ReloadOutcome
from corsgate.gate.service import GateService
from tests.gate.fakes import logged as lines_logged
from tests.peers import reactor
from tests.support import LISTEN, GateTestCase

TOML = (
    'access_log = "off"\n' + LISTEN + '[upstreams.a]\nservers = ["http://127.0.0.1:9"]\n'
    'credentials = "box"\n[credentials.box]\ntype = "basic"\nusername = "admin"\n'
    'password = { file = "%s" }\n[routes."/v1"]\nupstream = "a"\n'
)


class ReloaderTests(GateTestCase):
    """`Reloader`, with a gate that serves a file."""

    def setUp(self) -> None:
        """Start it."""
        self.path, self.secret = Path(self.mktemp()).absolute(), Path(self.mktemp()).absolute()
        self.secret.write_text("first-secret")
        self.write(TOML % self.secret)
        loader = Loader(str(self.path), reactor)
        loaded = loader.load()
        self.gate = GateService(loaded.fitted, reactor, rng=bytes, file=str(self.path))
        self.gate.privilegedStartService()
        self.gate.startService()
        self.addCleanup(self.stop)
        self.reloader = Reloader(self.gate, reactor, lambda: 5.0, loader, loaded)

    def stop(self) -> Any:
        """Stop it, once."""
        return None if self.gate.draining else self.gate.stopService()

    def write(self, toml: str) -> None:
        """Write the file."""
        self.path.write_text(toml, "utf-8")

    async def reload(self) -> tuple[ReloadOutcome, str]:
        """Return the outcome of a reload, and what was logged."""
        with capturedLogs() as events:
            outcome = await self.reloader.reload("SIGHUP")
        lines = [str(each["log_format"]).format(**each) for each in events if each["log_format"]]
        return outcome, "\n".join(lines)

    async def test_nothing(self) -> None:
        """The same file again changes nothing."""
        outcome, said = await self.reload()
        self.assertEqual((outcome.time_s, outcome.trigger), (5.0, "SIGHUP"))
        self.assertEqual((outcome.faults, outcome.changes), ((), ()))
        self.assertIn("nothing changed", said)
        self.assertEqual((self.reloader.succeeded, self.reloader.failed), (1, 0))

    async def test_changes(self) -> None:
        """What has changed is in force, in the outcome and in the log."""
        self.write(TOML.replace("/v1", "/v2") % self.secret)
        outcome, said = await self.reload()
        self.assertEqual([route.prefix for route in self.gate.config.routes], ["/v2"])
        self.assertEqual(len(outcome.changes), 2)
        for change in outcome.changes:
            self.assertIn(change, said)
        self.assertIs(self.reloader.last, outcome)

    async def test_secret(self) -> None:
        """A secret's file is read again, and never shown."""
        before = self.gate.upstreams["a"].credentials
        self.secret.write_text("second-secret")
        outcome, said = await self.reload()
        self.assertIsNot(self.gate.upstreams["a"].credentials, before)
        self.assertEqual(len(outcome.changes), 1)
        for secret in ("first-secret", "second-secret"):
            self.assertNotIn(secret, said + str(outcome))

    async def test_secrets_only(self) -> None:
        """Only the secrets are read again, beside a configuration that has become faulty."""
        before = self.gate.upstreams["a"].credentials
        self.write("faulty")
        self.secret.write_text("second-secret")
        outcome = await self.reloader.reload("a secret has changed", secrets_only=True)
        self.assertEqual((outcome.faults, len(outcome.changes)), ((), 1))
        self.assertIsNot(self.gate.upstreams["a"].credentials, before)
        self.assertEqual(self.reloader.secret_files, {str(self.secret): look(str(self.secret))})
        self.assertIs(self.reloader.last, outcome)

    async def test_secrets_only_after_a_failure(self) -> None:
        """It does not hide that the configuration file is faulty."""
        self.write("faulty")
        failed, _ = await self.reload()
        self.secret.write_text("second-secret")
        await self.reloader.reload("a secret has changed", secrets_only=True)
        self.assertIs(self.reloader.last, failed)
        self.assertEqual((self.reloader.succeeded, self.reloader.failed), (1, 1))
        self.write(TOML % self.secret)
        outcome, _ = await self.reload()
        self.assertIs(self.reloader.last, outcome)

    async def test_secrets_only_fails(self) -> None:
        """A secret that is gone keeps the old one in force."""
        before = self.gate.upstreams["a"].credentials
        known = self.reloader.secret_files
        self.secret.unlink()
        outcome = await self.reloader.reload("a secret has changed", secrets_only=True)
        self.assertIn("can't be read", outcome.faults[0])
        self.assertIs(self.gate.upstreams["a"].credentials, before)
        self.assertEqual(self.reloader.secret_files, known)

    async def test_asked_with_secrets_only(self) -> None:
        """A full reload that is asked for at the same time is a full one."""
        self.reloader.reload("SIGHUP")
        both = [
            self.reloader.reload("a secret has changed", secrets_only=True),
            self.reloader.reload("SIGHUP"),
        ]
        self.write(TOML.replace("/v1", "/v2") % self.secret)
        await gatherResults(both)
        self.assertEqual([route.prefix for route in self.gate.config.routes], ["/v2"])
        await self.reloader.reload("a secret has changed", secrets_only=True)
        self.assertEqual([route.prefix for route in self.gate.config.routes], ["/v2"])

    async def test_faults(self) -> None:
        """All faults are reported, and the old configuration stays."""
        before = self.gate.config
        self.write(TOML.replace("upstream =", "upsteam =") % "/none")
        outcome, said = await self.reload()
        self.assertGreaterEqual(len(outcome.faults), 2)
        for fault in outcome.faults:
            self.assertIn(fault, said)
        self.assertIs(self.gate.config, before)
        self.assertEqual((self.reloader.succeeded, self.reloader.failed), (0, 1))
        self.write(TOML % self.secret)
        outcome, _ = await self.reload()
        self.assertEqual(outcome.faults, ())

    async def test_log_fault(self) -> None:
        """An access log that can't be opened keeps a reload from happening."""
        self.write(TOML.replace('"off"', '"/none/a.log"') % self.secret)
        outcome, _ = await self.reload()
        self.assertIn("access_log", outcome.faults[0])
        log = Path(self.mktemp()).absolute()
        self.write(TOML.replace('"off"', f'"{log}"') % self.secret)
        outcome, _ = await self.reload()
        self.assertEqual((outcome.faults, log.exists()), ((), True))

    async def test_rotated_with_a_fault(self) -> None:
        """A fault in the file does not keep a renamed log from being opened again."""
        log = Path(self.mktemp()).absolute()
        logging = TOML.replace('"off"', f'"{log}"') % self.secret
        self.write(logging)
        await self.reload()
        log.rename(log.with_suffix(".1"))
        self.write(logging.replace("upstream =", "upsteam ="))
        outcome, said = await self.reload()
        self.assertTrue(outcome.faults)
        self.assertIn("the access log was reopened", said)
        self.assertTrue(log.exists())

    async def test_asked_together(self) -> None:
        """Those who ask while one runs share the next one, which began after they asked."""
        began: list[int] = []
        self.reloader.began.append(lambda: began.append(1))
        first = self.reloader.reload("SIGHUP")
        others = [self.reloader.reload(each) for each in ("SIGHUP", "corsgate reload", "SIGHUP")]
        self.write(TOML.replace("/v1", "/v2") % self.secret)
        one = await first
        rest: Any = await gatherResults(others)
        self.assertEqual(len(began), 2)
        self.assertEqual({id(each) for each in rest}, {id(rest[0])})
        self.assertIsNot(one, rest[0])
        self.assertEqual(rest[0].trigger, "SIGHUP, corsgate reload")
        self.assertEqual([route.prefix for route in self.gate.config.routes], ["/v2"])

    async def test_stopping(self) -> None:
        """A gate that is stopping doesn't reload."""
        await self.gate.stopService()
        outcome, _ = await self.reload()
        self.assertIn("stopping", outcome.faults[0])

    async def test_announced(self) -> None:
        """A callback that fails keeps no reload from ending."""
        ended: list[ReloadOutcome] = []
        self.reloader.began.append(lambda: 1 / 0)  # type: ignore[arg-type]
        self.reloader.ended.append(ended.append)
        outcome = await self.reloader.reload("SIGHUP")
        self.assertEqual(ended, [outcome])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_without_file(self) -> None:
        """Without a file, the log says that there is nothing to reload."""
        reloader = Reloader(self.gate, reactor, lambda: 5.0)
        before = self.gate.config
        said = lines_logged(self)
        asked: Deferred[ReloadOutcome] = reloader.reload("SIGHUP")
        self.assertEqual(self.successResultOf(asked).faults, ())
        self.assertIs(self.gate.config, before)
        self.assertIn("there is no configuration file", said()[0])
