"""An upstream made ready to be asked."""

from __future__ import annotations

import attrs
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.gate.upstream_runtime import Common, make_upstream
from corsgate.message.head import ResponseHead
from corsgate.transport.deadlines import Deadlines
from tests.gate.fakes import logged
from tests.support import LISTEN, parse

UPSTREAM = """
[upstreams.a]
servers = ["http://10.0.0.1", "http://10.0.0.2"]
[routes."/"]
upstream = "a"
"""

ACCOUNTS = """
[upstreams.a]
servers = ["http://10.0.0.1"]
credentials_by_origin = { "http://a" = "one", "http://b" = "two", "http://c" = "one" }
[credentials.one]
type = "digest"
username = "one"
password = "p"
[credentials.two]
type = "header"
name = "X-Key"
value = "k"
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

    def test_accounts(self) -> None:
        """They share all but what signs and its refusals; equal credentials share these, too."""
        clock = MemoryReactorClock()
        common = Common(reactor=clock, deadlines=Deadlines(clock), rng=bytes)
        configured = parse(LISTEN + ACCOUNTS).upstreams["a"]
        upstream = make_upstream(configured, common)
        one, two, same = upstream.accounts.values()
        self.assertIs(one, same)
        for account in (one, two):
            for name in ("agent", "client", "balancer", "counters", "watchers", "prober"):
                self.assertIs(getattr(account, name), getattr(upstream, name), name)
        self.assertIsNot(one.credentials, two.credentials)
        self.assertEqual(upstream.own_fields, {b"authorization", b"x-key"})
        said = logged(self)
        refused = ResponseHead(401, b"", [(b"WWW-Authenticate", b"Basic")])
        one.credential_refusals.note("http://10.0.0.1", refused)
        self.assertIn("upstream a (http://a), server http://10.0.0.1: ", said()[0])
        again = make_upstream(attrs.evolve(configured, preserve_host=True), common, upstream)
        kept = again.accounts[b"http://a"]
        self.assertIs(kept.credentials, one.credentials)
        self.assertIs(kept.credential_refusals, one.credential_refusals)
