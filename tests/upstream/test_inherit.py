"""What upstreams go on with after a reload: names, probes and slots."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.balance.balancer import Balancer
from corsgate.balance.slots import Slots, Turn
from corsgate.config.model.balancing import Balancing, HealthCheck
from corsgate.config.model.values import BasicCredentials, PoolLimits, Secret, Server, Upstream
from corsgate.transport.deadlines import Deadlines
from corsgate.upstream.agent import UpstreamAgent
from corsgate.upstream.discovery import Discovery
from corsgate.upstream.probe import Prober
from tests.upstream.test_discovery import HOST, FakeLookup

SERVER = Server(scheme="http", host="10.0.0.1", port=80)
HEALTH = HealthCheck(path="/", interval_s=10.0, timeout_s=5.0)
UPSTREAM = Upstream(name="a", servers=(SERVER,), balancing=Balancing(health=HEALTH))


class NameTests(SynchronousTestCase):
    """`Discovery.inherit`."""

    def make(self, *discovered: Any) -> Discovery:
        """Return one that has not asked."""
        lookup = FakeLookup(api_internal=("10.0.0.1", "10.0.0.2"))
        return Discovery(self.clock, (), discovered, lookup, lambda _: None, self.fail)

    def test_known(self) -> None:
        """What DNS said stays known, with the template's own settings of now."""
        self.clock = Clock()
        old = self.make(HOST)
        old.start()
        weighty = attrs.evolve(HOST, template=attrs.evolve(HOST.template, weight=7))
        new = self.make(weighty)
        new.inherit(old)
        found = [(each.host, each.weight, each.name) for each in new.servers]
        self.assertEqual(found, [("10.0.0.1", 7, "api.internal"), ("10.0.0.2", 7, "api.internal")])
        self.successResultOf(new.when_asked())
        other = attrs.evolve(HOST, template=attrs.evolve(HOST.template, host="other.internal"))
        newest = self.make(other)
        newest.inherit(old)
        self.assertEqual(list(newest.servers), [])
        self.assertNoResult(newest.when_asked())
        old.stop()


class ProbeTests(SynchronousTestCase):
    """`Prober.hand_over`."""

    def make(self, upstream: Upstream, before: Balancer | None = None) -> tuple[Prober, Balancer]:
        """Return a prober and its balancer."""
        now = self.reactor.seconds()
        balancer = Balancer(upstream.servers, upstream.balancing, lambda: 0.0, now)
        if before is not None:
            balancer.inherit(before, upstream.servers, now)
        deadlines = Deadlines(self.reactor)
        return Prober(self.reactor, deadlines, upstream, balancer, None, lambda: 0.5), balancer

    def setUp(self) -> None:
        """Start one."""
        self.reactor = MemoryReactorClock()
        self.old, self.balancer = self.make(UPSTREAM)
        self.old.start()

    def test_due(self) -> None:
        """The next probe is due when it was, however often there is a reload."""
        prober, balancer = self.old, self.balancer
        for _ in range(5):
            self.reactor.advance(0.09)
            new, newer = self.make(attrs.evolve(UPSTREAM, preserve_host=True), balancer)
            prober.hand_over(new)
            new.start()
            prober, balancer = new, newer
        self.assertEqual(len(self.reactor.tcpClients), 0)
        self.reactor.advance(0.06)
        self.assertEqual(len(self.reactor.tcpClients), 1)
        prober.stop()

    def test_running(self) -> None:
        """A probe that runs goes on, and its result counts in the new balancer."""
        self.reactor.advance(0.51)
        self.assertEqual(len(self.reactor.tcpClients), 1)
        heir, balancer = self.make(attrs.evolve(UPSTREAM), self.balancer)
        self.old.hand_over(heir)
        heir.start()
        probed: list[bool] = []
        balancer.probed = lambda state, passed, *rest: probed.append(passed)  # type: ignore[method-assign]
        self.reactor.advance(5.1)
        self.assertEqual(probed, [False])
        heir.stop()

    def test_other_probe(self) -> None:
        """One that asks something else is given up, and the new one is sent soon."""
        self.reactor.advance(0.51)
        rules = attrs.evolve(UPSTREAM.balancing, health=attrs.evolve(HEALTH, path="/other"))
        heir, _ = self.make(attrs.evolve(UPSTREAM, balancing=rules), self.balancer)
        self.old.hand_over(heir)
        heir.start()
        self.reactor.advance(0.51)
        self.assertEqual(len(self.reactor.tcpClients), 2)
        heir.stop()


class PoolTests(SynchronousTestCase):
    """`UpstreamAgent.inherit`: whose connections are still good."""

    def kept(self, changed: Upstream) -> bool:
        """Return whether the pool of a server is kept after a change."""
        reactor = MemoryReactorClock()
        old = UpstreamAgent(reactor, Deadlines(reactor), UPSTREAM)
        new = UpstreamAgent(reactor, Deadlines(reactor), changed)
        new.inherit(old, changed.servers)
        return list(new.pools.values()) == list(old.pools.values())

    def test_kept(self) -> None:
        """Only where all that makes and authenticates them is equal."""
        pool = PoolLimits()
        basic = BasicCredentials(username="u", password=Secret("p"))
        for changes, kept in (
            ({}, True),
            ({"preserve_host": True}, True),
            ({"balancing": Balancing()}, True),
            ({"servers": (attrs.evolve(SERVER, weight=3, base_path="/x"),)}, True),
            ({"pool": attrs.evolve(pool, max_connections=2000)}, True),
            ({"pool": attrs.evolve(pool, max_connections=2)}, False),
            ({"credentials": basic}, False),
            ({"server_name": "other.test"}, False),
            ({"verify": False}, False),
            ({"strict_responses": True}, False),
            ({"servers": (attrs.evolve(SERVER, name="named.test"),)}, False),
        ):
            changed: dict[str, Any] = changes
            self.assertEqual(self.kept(attrs.evolve(UPSTREAM, **changed)), kept, changes)


class SlotTests(SynchronousTestCase):
    """`Slots.rebound`."""

    def test_more(self) -> None:
        """Those who wait may connect where there is more room."""
        slots: Slots[str, str] = Slots(most=1, most_waiting=9)
        self.assertIs(slots.ask("a", 1.0), Turn.CONNECT)
        for waiter in "bcd":
            self.assertIs(slots.ask(waiter, 1.0), Turn.WAIT)
        self.assertEqual(slots.rebound(most=3, most_waiting=9, most_tunnels=0), ["b", "c"])
        self.assertEqual((slots.connections, slots.waiting), (3, 1))
