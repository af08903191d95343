"""A configuration made ready to serve."""

from __future__ import annotations

from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.errors import ConfigError
from corsgate.gate.runtime import Runtime, make_runtime
from corsgate.message.target import segments
from corsgate.shortcuts import ALL, Shortcuts
from corsgate.transport.deadlines import Deadlines
from tests.support import LISTEN, parse

TWO = """
[upstreams.a]
servers = ["http://10.0.0.1", "http://10.0.0.2"]
[upstreams.b]
servers = ["http://10.0.1.1"]
[routes."/a"]
upstream = "a"
methods = ["GET"]
[routes."/b"]
upstream = "b"
cors_report_only = { allow_origins = ["https://app.example"] }
"""


class RuntimeTests(SynchronousTestCase):
    """`make_runtime` and what it makes."""

    def make(self, toml: str, shortcuts: Shortcuts = ALL) -> Runtime:
        """Make a configuration ready."""
        self.clock = MemoryReactorClock()
        return make_runtime(
            parse(LISTEN + toml),
            reactor=self.clock,
            deadlines=Deadlines(self.clock),
            rng=bytes,
            file="gate.toml",
            pseudonym=b"corsgate-0",
            shortcuts=shortcuts,
        )

    def test_routes(self) -> None:
        """What a route needs is worked out once, and is what the table finds."""
        runtime = self.make(TWO)
        a, b = runtime.table.routes
        self.assertIs(runtime.table.find(b"", segments(b"/a/x")), a)
        self.assertEqual((a.label, a.methods), ("/a", frozenset((b"GET",))))
        self.assertEqual((b.label, b.methods, b.policy), ("/b", None, None))
        self.assertIsNotNone(b.report_only)
        self.assertIs(a.upstream, runtime.upstreams["a"])
        self.assertEqual(len(runtime.upstreams), 2)

    def test_kinds(self) -> None:
        """Routes are of one kind if they make the same of the same fields, wherever they are."""
        policy = 'cors = { allow_origins = ["https://app.example"] }'
        other = 'cors = { allow_origins = ["https://other.example"] }'
        routes = (
            policy,
            f"{policy}\nstrip_prefix = true",
            other,
            f'{policy}\nmethods = ["GET"]',
            f'{policy}\npass_headers = ["X-Real-IP"]',
            f"{policy}\nallow_framing = true",
        )
        upstream = TWO.partition("[routes")[0]
        toml = "".join(
            f'[routes."/{at}"]\nupstream = "a"\n{keys}\n' for at, keys in enumerate(routes)
        )
        toml += f'[routes."/b"]\nupstream = "b"\n{policy}\n'
        kinds = [route.kind for route in self.make(upstream + toml).table.routes]
        self.assertIs(kinds[0], kinds[1])
        self.assertEqual(len({id(kind) for kind in kinds}), len(kinds) - 1)

    def test_opens_nothing(self) -> None:
        """Nothing is connected to, listened on or waited for before the start."""
        self.make(TWO)
        clock: Any = self.clock
        self.assertEqual(
            (clock.tcpClients, clock.tcpServers, clock.getDelayedCalls()), ([], [], [])
        )

    def test_bad_certificates(self) -> None:
        """Certificates that can't be used are a fault of the upstream's."""
        toml = TWO.replace('["http://10.0.1.1"]', '["https://10.0.1.1"]\nca_file = "/none"', 1)
        error = self.assertRaises(ConfigError, self.make, toml)
        self.assertIn("upstreams.b", str(error))
