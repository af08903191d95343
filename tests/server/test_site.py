"""The site: connections past a bound are cut, and none is counted for ever."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Limits
from corsgate.server.admission import Admission
from corsgate.server.site import GateSite
from corsgate.transport.deadlines import Deadlines
from tests.certificates import Authority
from tests.server.support import LEFT, Leaf, Wire, answer

HELLO = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
HERE = IPv4Address("TCP", "192.0.2.1", 5000)


class SiteTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Begin with sites that take two connections of a client, and three in all."""
        self.clock = Clock()
        self.deadlines = Deadlines(self.clock)
        self.limits = Limits(max_connections=3, max_connections_per_client=2)
        self.admission = Admission(self.deadlines, self.limits)
        self.requests: list[Any] = []

    def site(self) -> GateSite:
        """Return a site, one of several that count together."""
        return GateSite(
            Leaf(self.requests.append),
            deadlines=self.deadlines,
            limits=self.limits,
            record=lambda _: None,
            reactor=self.clock,
            admission=self.admission,
        )

    def connect(self, factory: Any, address: IPv4Address = HERE) -> tuple[Any, Wire]:
        """Return a connection's protocol and its transport."""
        protocol, wire = factory.buildProtocol(address), Wire(lenient=True)
        protocol.makeConnection(wire)
        return protocol, wire

    def busy(self, factory: Any) -> tuple[Any, Wire]:
        """Return a connection on which a request is in flight, with its transport."""
        protocol, wire = self.connect(factory)
        protocol.dataReceived(HELLO)
        return protocol, wire

    def test_refused(self) -> None:
        """A connection past a bound is cut before a byte is read, and the others go on."""
        site = self.site()
        (first, wire), _ = self.busy(site), self.busy(site)
        refused, cut = self.connect(site)
        self.assertTrue(cut.disconnected)
        refused.dataReceived(HELLO)
        refused.connectionLost(LEFT)
        self.assertEqual((cut.value(), len(self.requests)), (b"", 2))
        answer(self.requests[0])
        first.dataReceived(HELLO)
        self.assertTrue(wire.open)
        self.assertEqual((len(self.requests), self.admission.connections), (3, 2))

    def test_makes_room(self) -> None:
        """Past a bound an idle connection gives way, which then counts no longer."""
        site = self.site()
        (first, wire), (_, busy) = self.connect(site), self.busy(site)
        second, there = self.connect(site)
        self.assertFalse(wire.open)
        self.assertTrue(busy.open and there.open)
        self.assertEqual(self.admission.connections, 2)
        first.connectionLost(LEFT)
        self.assertEqual(self.admission.connections, 2)
        second.connectionLost(LEFT)
        self.assertEqual(self.admission.connections, 1)

    def test_refused_in_tls(self) -> None:
        """So is one that would speak TLS, without a handshake."""
        site = self.site()
        context = Authority.make().context("localhost")
        factory = TLSMemoryBIOFactory(context, False, site)
        for _ in range(2):
            self.busy(site)
        _, cut = self.connect(factory)
        self.assertTrue(cut.disconnected)
        self.assertEqual(cut.value(), b"")
        self.assertEqual(self.admission.connections, 2)

    def test_count_together(self) -> None:
        """The bounds are those of all sites together."""
        one, other = self.site(), self.site()
        for site in (one, other):
            self.assertTrue(self.busy(site)[1].open)
        for site in (one, other):
            self.assertFalse(self.connect(site)[1].open)

    def test_come_and_go(self) -> None:
        """However many come and go, in whichever state, the count ends at zero."""
        site = self.site()
        for number in range(3000):
            protocol, wire = self.connect(site, IPv4Address("TCP", f"192.0.2.{number % 200}", 1))
            self.assertTrue(wire.open)
            if number % 3:
                protocol.dataReceived(HELLO[: number % len(HELLO)] if number % 2 else HELLO)
            if number % 5 == 0:
                protocol.abortConnection()
            protocol.connectionLost(LEFT)
        self.assertEqual((self.admission.connections, self.admission.clients), (0, 0))
        self.assertTrue(self.deadlines.empty)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_drain(self) -> None:
        """Draining leaves no count of refusals behind, nor the timer that would tell of it."""
        site = self.site()
        there = [self.connect(site)[0] for _ in range(3)]
        drained = site.drain()
        for protocol in there:
            protocol.connectionLost(LEFT)
        self.successResultOf(drained)
        self.assertEqual(self.clock.getDelayedCalls(), [])
