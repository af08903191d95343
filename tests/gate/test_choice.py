"""What the choice of a server goes by."""

from __future__ import annotations

from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.gate.choice import FREE, Choice, choice_of
from corsgate.upstream.pins import Pins
from tests.gate.fakes import FakeRequest, compiled


class ChoiceTests(SynchronousTestCase):
    """`choice_of`."""

    def setUp(self) -> None:
        """Make a request."""
        self.clock = MemoryReactorClock()
        self.request: Any = FakeRequest(self.clock, headers=[(b"X-User", b"ann")])

    def test_free(self) -> None:
        """By default any server will do."""
        upstream = compiled(self.clock).upstream
        self.assertTrue(upstream.chooses_freely)
        self.assertEqual(choice_of(self.request, upstream, Pins()), FREE)

    def test_hashed(self) -> None:
        """A key of the request, where the upstream shares out by one."""
        lines = 'balance = "hash"\nhash_on = "header:X-User"'
        upstream = compiled(self.clock, upstream=lines).upstream
        self.assertFalse(upstream.chooses_freely)
        self.assertEqual(choice_of(self.request, upstream, None).key, b"ann")

    def test_sticky(self) -> None:
        """The server that a cookie of the gate's names."""
        upstream = compiled(self.clock, upstream='sticky = { cookie = "node" }').upstream
        assert upstream.sticky is not None
        self.assertFalse(upstream.chooses_freely)
        origin = next(iter(upstream.balancer.states))
        cookie = upstream.sticky.set_cookie(origin, b"/", secure=False)
        assert cookie is not None
        self.request.index[b"cookie"] = [cookie.partition(b";")[0]]
        self.assertEqual(choice_of(self.request, upstream, None).sticks_to, origin)

    def test_cookie(self) -> None:
        """A server that is new to the client gets it back by a cookie, over TLS a secure one."""
        route = compiled(self.clock, upstream='sticky = { cookie = "node" }')
        known, new = (state.server for state in route.upstream.balancer.states.values())
        choice = Choice(sticks_to=known.origin)
        self.assertIsNone(choice.cookie(route, known, b"http://gate.example"))
        for origin, secure in ((b"http://gate.example", False), (b"https://gate.example", True)):
            cookie = choice.cookie(route, new, origin)
            assert cookie is not None
            self.assertEqual((cookie[:5], b"; Secure" in cookie), (b"node=", secure))

    def test_pinned(self) -> None:
        """The server that a connection is pinned to."""
        upstream = compiled(self.clock).upstream
        pool = list(upstream.agent.pools.values())[1]
        pins = Pins()
        connection: Any = None
        pins.idle[pool] = connection
        self.assertEqual(choice_of(self.request, upstream, pins).pinned_to, pool.origin)
