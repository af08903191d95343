"""An upstream made ready to be asked."""

from __future__ import annotations

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.gate.upstream_runtime import Common, make_upstream
from corsgate.transport.deadlines import Deadlines
from tests.gate.fakes import logged
from tests.support import LISTEN, parse

UPSTREAM = """
[upstreams.a]
servers = ["http://10.0.0.1", "http://10.0.0.2"]
[routes."/"]
upstream = "a"
"""


class UpstreamRuntimeTests(SynchronousTestCase):
    """`make_upstream` and what it makes."""

    def test_change(self) -> None:
        """Other servers are known to all that has to know them, and logged."""
        clock = MemoryReactorClock()
        configured = parse(LISTEN + UPSTREAM).upstreams["a"]
        upstream = make_upstream(
            configured, Common(reactor=clock, deadlines=Deadlines(clock), rng=bytes)
        )
        said = logged(self)
        kept = next(iter(upstream.balancer.states.values()))
        upstream.change((kept.server,))
        self.assertEqual(list(upstream.balancer.states.values()), [kept])
        self.assertEqual(len(upstream.agent.pools), 1)
        self.assertEqual(said(), ["upstream a: its servers are http://10.0.0.1"])

    def test_expectations(self) -> None:
        """What is known of servers that ignore Expect outlives a reload."""
        clock = MemoryReactorClock()
        common = Common(reactor=clock, deadlines=Deadlines(clock), rng=bytes)
        configured = parse(LISTEN + UPSTREAM).upstreams["a"]
        before = make_upstream(configured, common)
        self.assertIs(make_upstream(configured, common, before).expectations, before.expectations)
