"""Whose fault it is that a route's timeout is over, by a clock."""

from __future__ import annotations

import gc
from typing import Any
from weakref import ref

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.balance.state import ServerState
from corsgate.gate.exchange import Exchange
from corsgate.server.request_body import RequestBody
from tests.gate.fakes import ASKING, FakeRequest, FakeServers, compiled

TIMEOUT_S = 10.0


class BlameTests(SynchronousTestCase):
    def begin(self, body: RequestBody | None = None) -> ServerState:
        """Have a request sent to a server that says nothing; return what is known of that."""
        self.clock = MemoryReactorClock()
        limits = f'limits = {{ timeout = "{TIMEOUT_S:g}s" }}'
        route = compiled(self.clock, FakeServers(), route=limits)
        self.request = FakeRequest(self.clock, b"POST", (), body)
        request: Any = self.request
        Exchange(request, route, ASKING).start()
        states = route.upstream.balancer.states.values()
        (state,) = (each for each in states if each.running)
        return state

    def pass_time(self, seconds: int) -> None:
        """Have time pass, second by second, so that all is swept."""
        self.clock.pump([1.0] * seconds)

    def assert_failures(self, state: ServerState, failures: int) -> None:
        """Assert that the request has ended, and how many count against its server."""
        self.assertEqual(self.request.status, 504)
        self.assertEqual(self.request.log.outcome, "no response came within the route's timeout")
        self.assertEqual((state.circuit.failures, state.running), (failures, 0))

    def test_silent(self) -> None:
        """It is a server's that had the request all the time."""
        state = self.begin()
        self.pass_time(9)
        self.assertIsNone(self.request.status)
        self.pass_time(2)
        self.assert_failures(state, 1)

    def test_upload_in_time(self) -> None:
        """And one's that had all of an upload in time."""
        body = RequestBody(3, 100, lambda: None)
        state = self.begin(body)
        self.pass_time(3)
        body.complete = True
        self.pass_time(8)
        self.assert_failures(state, 1)

    def test_slow_upload(self) -> None:
        """It is none's where the client left it next to no time, or sends still."""
        for is_complete in (True, False):
            body = RequestBody(3, 100, lambda: None)
            state = self.begin(body)
            self.pass_time(9)
            body.complete = is_complete
            self.pass_time(2)
            self.assert_failures(state, 0)

    def test_in_time(self) -> None:
        """A response in time ends the look, and nothing is left to the collector."""
        clock, servers = MemoryReactorClock(), FakeServers()
        route = compiled(clock, servers, route='limits = { timeout = "10s" }')
        request: Any = FakeRequest(clock)
        exchange = Exchange(request, route, ASKING)
        exchange.start()
        self.assertFalse(request.channel.context.deadlines.empty)
        servers.respond()
        self.assertTrue(request.channel.context.deadlines.empty)
        clock.advance(20)
        self.assertEqual((request.status, request.ended), (200, True))
        gone = ref(request)
        request.on_lost = None  # as a request does whose response has ended
        is_collecting = gc.isenabled()
        gc.disable()
        try:
            del exchange, request
            self.assertIsNone(gone())
        finally:
            if is_collecting:
                gc.enable()
