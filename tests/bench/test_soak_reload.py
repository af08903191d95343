"""``bench/soak_reload.py``: the files that it writes are what it takes them for."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from bench.soak_reload_config import EVERY_BROKEN, KINDS, Files, Ports, Step
from corsgate.config.model.values import Config
from corsgate.config.parse import parse_config
from corsgate.cors.check import CORS_RULES
from corsgate.errors import ConfigError

TURNS = 2 * EVERY_BROKEN * len(KINDS)


class FilesTests(SynchronousTestCase):
    """Each file differs from the last one in one respect, or is broken."""

    def setUp(self) -> None:
        """Write the first one."""
        directory = Path(self.mktemp())
        directory.mkdir()
        ports = Ports(plain=1001, tls=1002, extra=1003, boxes=(2001, 2002, 2003))
        self.files = Files(directory, ports)

    def load(self) -> Config:
        """Return the configuration of the file that was written last."""
        return parse_config(
            self.files.config.read_text("utf-8"),
            file="gate.toml",
            environ={},
            read_file=lambda name: Path(name).read_bytes(),
            cors_rules=CORS_RULES,
            has_http2=True,
        )

    def seen(self, config: Config) -> tuple[object, ...]:
        """Return what clients see of each of `KINDS`."""
        cors = config.routes[0].cors
        assert cors is not None
        return (
            [route.prefix for route in config.routes],
            (cors.allow_origins, cors.max_age_s),
            [server.origin for server in config.routes[0].upstream.servers],
            [each.chain_pem for each in config.listeners[-1].certificates],
            [listener.endpoint for listener in config.listeners],
        )

    def assert_broken(self, step: Step) -> None:
        """Assert that the file has one fault, which names the step's mark."""
        with self.assertRaises(ConfigError) as caught:
            self.load()
        (fault,) = caught.exception.faults
        self.assertIn(step.mark, str(fault))

    def test_each_change(self) -> None:
        """Each of `KINDS` changes alone, in turn; each fifth file has a fault with its mark."""
        before, kinds = self.seen(self.load()), []
        for number in range(1, TURNS + 1):
            step = self.files.change()
            self.assertEqual(step.number, number)
            if number % EVERY_BROKEN == 0:
                self.assertEqual(step.kind, "broken")
                self.assert_broken(step)
                continue
            after = self.seen(self.load())
            pairs = zip(KINDS, before, after, strict=True)
            self.assertEqual([kind for kind, old, new in pairs if old != new], [step.kind])
            before = after
            kinds.append(step.kind)
        self.assertEqual(kinds[: len(KINDS)], list(KINDS))
        self.assertEqual(kinds, [*KINDS] * (len(kinds) // len(KINDS)))
