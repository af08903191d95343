"""A configuration that is made ready changes nothing, and takes over what is the same."""

from __future__ import annotations

from unittest.mock import patch

from corsgate.config.model.values import Config
from corsgate.errors import ConfigError
from corsgate.gate.upstream_runtime import UpstreamRuntime
from tests.peers import Upstream, request
from tests.support import LISTEN, Gate, GateTestCase, parse

ADMIN = "[admin]\n"
LESS = "max_requests = 7\n"


def toml(
    upstream: Upstream, more: str = "", listen: str = LISTEN, first: str = "", other: str = ""
) -> Config:
    """Return a configuration with two upstreams, which may differ."""
    return parse(
        f'{listen}[upstreams.a]\nservers = ["{upstream.url}"]\n{first}'
        f'[upstreams.b]\nservers = ["{upstream.url}"]\n{other}'
        f'[routes."/v1"]\nupstream = "a"\n[routes."/v2"]\nupstream = "b"\n{more}'
    )


class SnapshotTests(GateTestCase):
    """`make_snapshot`, as `GateService.prepare` calls it."""

    async def fronted(self) -> tuple[Upstream, Gate]:
        """Return an upstream and a gate before it."""
        upstream = await self.upstream()
        return upstream, self.serve_config(toml(upstream))

    async def test_nothing_changes(self) -> None:
        """Until it is swapped in, the gate is as it was; an unchanged upstream is the same."""
        upstream, gate = await self.fronted()
        service = gate.service
        runtime, listeners = service.runtime, service.listeners
        snapshot = service.prepare(toml(upstream, other=LESS))
        self.assertIs(service.runtime, runtime)
        self.assertEqual(service.listeners, listeners)
        made = snapshot.runtime.upstreams
        self.assertIs(made["a"], service.upstreams["a"])
        self.assertIsNot(made["b"], service.upstreams["b"])
        self.assertEqual((snapshot.added, snapshot.leaving), ([], []))

    async def test_listeners(self) -> None:
        """It has the sockets to open, with their numbers in the file, and those that leave."""
        upstream, gate = await self.fronted()
        before = gate.service.listeners[0]
        added = 'listen = ["tcp:0:interface=127.0.0.1", "tcp:0:interface=127.0.0.2"]\n'
        snapshot = gate.service.prepare(toml(upstream, listen=added))
        self.assertEqual([snapshot.sockets[1][0]], snapshot.added)
        self.assertEqual(snapshot.numbers, [1])
        moved = 'listen = ["tcp:0:interface=127.0.0.2"]\n'
        snapshot = gate.service.prepare(toml(upstream, listen=moved))
        self.assertEqual([site for site, _ in snapshot.leaving], [before])

    async def test_all_faults(self) -> None:
        """What can't be served is a fault, and leaves nothing behind."""
        upstream, gate = await self.fronted()
        listen = 'listen = ["systemd:domain=INET:index=0"]\n'
        with self.assertRaises(ConfigError) as caught:
            gate.service.prepare(toml(upstream, listen=listen))
        self.assertIn("listen[0]", str(caught.exception))
        await gate.reload(toml(upstream))

    async def test_admin_toggled(self) -> None:
        """With [admin] everything counts, without it nothing; what is known of servers stays."""
        upstream, gate = await self.fronted()
        service = gate.service
        client = await self.connect(gate)
        (state,) = service.upstreams["a"].balancer.states.values()
        pools = dict(service.upstreams["a"].agent.pools)
        counted = []
        for more in (ADMIN, "", ADMIN):
            await gate.reload(toml(upstream, more))
            client.send(request(target=b"/v1/x"))
            self.assertEqual((await client.response()).status, 200)
            self.assertIs(next(iter(service.upstreams["a"].balancer.states.values())), state)
            self.assertEqual(service.upstreams["a"].agent.pools, pools)
            self.assertEqual(state.counters is not None, bool(more))
            counted.append(service.counters.route("/v1").total)
        self.assertEqual(counted, [1, 1, 2])
        self.assertEqual(service.counters.route("/v1").in_flight, 0)
        self.assertEqual(len(upstream.connections), 1)

    async def test_a_bug(self) -> None:
        """An upstream that fails to go on does not keep the others, or the rest, from it."""
        upstream, gate = await self.fronted()
        first = gate.service.upstreams["a"]
        both = toml(upstream, first=LESS, other=LESS)
        started: list[str] = []

        def start(made: UpstreamRuntime) -> None:
            if made.name == "a":
                raise ZeroDivisionError
            started.append(made.name)

        with patch.object(UpstreamRuntime, "start", start):
            await gate.reload(both)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertIsNot(gate.service.upstreams["a"], first)
        self.assertIs(gate.service.config, both)
        self.assertEqual(started, ["b"])
