"""Probes that could not be sent, which say nothing of a server."""

from __future__ import annotations

import errno

from twisted.internet.error import ConnectionRefusedError
from twisted.trial.unittest import SynchronousTestCase

from corsgate.balance.balancer import Balancer
from corsgate.config.model.balancing import Balancing, HealthCheck
from corsgate.config.model.values import Server, Upstream
from corsgate.transport.deadlines import Deadlines
from corsgate.transport.shortage import no_descriptor
from corsgate.upstream.probe import Prober
from tests.transport.test_shortage import FailingReactor


class Unsent(SynchronousTestCase):
    def up_after(self, *errors: Exception) -> bool:
        """Return whether a server is up after probes that failed in these ways."""
        reactor = FailingReactor(*errors)
        health = HealthCheck(path="/", interval_s=1.0, timeout_s=0.5, rise=1, fall=1)
        server = Server(scheme="http", host="10.0.0.1", port=80)
        upstream = Upstream(name="a", servers=(server,), balancing=Balancing(health=health))
        balancer = Balancer(upstream.servers, upstream.balancing, lambda: 0.0, 0.0)
        prober = Prober(reactor, Deadlines(reactor), upstream, balancer, None, lambda: 0.5)
        prober.start()
        while reactor.errors:
            reactor.advance(0.1)
        reactor.pump([0, 0, 0])
        prober.stop()
        return balancer.pick(reactor.seconds(), b"") is not None

    def test_no_descriptor(self) -> None:
        """A probe for which the gate has no descriptor counts for nothing."""
        self.assertTrue(self.up_after(*[no_descriptor()] * 8))

    def test_refused(self) -> None:
        """One that is refused counts."""
        self.assertFalse(self.up_after(*[ConnectionRefusedError(errno.ECONNREFUSED)] * 8))
