"""An upstream made ready to be asked."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.internet.defer import Deferred, fail
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from corsgate.gate.upstream_runtime import LOGOUT_S, Common, make_upstream
from corsgate.interfaces import ILogOut
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

    def test_expectations(self) -> None:
        """What is known of servers that ignore Expect outlives a reload."""
        clock = MemoryReactorClock()
        common = Common(reactor=clock, deadlines=Deadlines(clock), rng=bytes)
        configured = parse(LISTEN + UPSTREAM).upstreams["a"]
        before = make_upstream(configured, common)
        self.assertIs(make_upstream(configured, common, before).expectations, before.expectations)

    def test_logout_is_bounded(self) -> None:
        """A server that does not respond to a logout is waited for no longer than 5 s."""
        clock = MemoryReactorClock()
        configured = parse(LISTEN + UPSTREAM).upstreams["a"]
        common = Common(reactor=clock, deadlines=Deadlines(clock), rng=bytes)
        upstream = make_upstream(configured, common)
        said = logged(self)
        signer: Any = Leaving()
        left = attrs.evolve(upstream, credentials=signer).stop()
        clock.advance(LOGOUT_S - 0.1)
        self.assertNoResult(left)
        clock.advance(0.1)
        self.successResultOf(left)
        self.assertEqual(said(), ["upstream a: logging out took too long"])
        signer.left = fail(ZeroDivisionError())
        self.successResultOf(attrs.evolve(upstream, credentials=signer).stop())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_removed(self) -> None:
        """The logout of an upstream that a reload removes may wait for its requests."""
        clock = MemoryReactorClock()
        configured = parse(LISTEN + UPSTREAM).upstreams["a"]
        common = Common(reactor=clock, deadlines=Deadlines(clock), rng=bytes)
        upstream = make_upstream(configured, common)
        said = logged(self)
        signer: Any = Leaving()
        attrs.evolve(upstream, credentials=signer).remove()
        clock.advance(100 * LOGOUT_S)
        self.assertNoResult(signer.left)
        self.assertEqual(said(), [])
        signer.left.errback(ZeroDivisionError())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

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


@implementer(ILogOut)
class Leaving:
    """Credentials that never log out, or fail to."""

    def __init__(self) -> None:
        self.left: Deferred[None] = Deferred()

    def log_out(self) -> Deferred[None]:
        """Return what the test gives."""
        return self.left
