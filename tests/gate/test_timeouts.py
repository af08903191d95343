"""Whose fault it is that a route's timeout is over, by a clock."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.balance.balancer import Balancer
from corsgate.balance.state import ServerState
from corsgate.config.model.balancing import Balancing
from corsgate.config.model.values import Limits, Server
from corsgate.errors import UpstreamTimedOut
from corsgate.gate.forwarding import Forwarding
from corsgate.server.request_body import RequestBody
from corsgate.server.request_log import RequestLog
from corsgate.transport.deadlines import Deadlines

TIMEOUT_S = 10.0


class BlameTests(SynchronousTestCase):
    def begin(self, body: RequestBody | None = None) -> ServerState:
        """Have a request sent to a server that says nothing; return what is known of that."""
        self.clock = Clock()
        rules = Balancing()
        servers = [Server(scheme="http", host=f"10.0.0.{number}", port=80) for number in (1, 2)]
        balancer = Balancer(servers, rules, lambda: 0.0, 0.0)
        plan: Any = SimpleNamespace(
            limits=Limits(timeout_s=TIMEOUT_S),
            upstream=SimpleNamespace(
                balancer=balancer,
                clock=self.clock,
                ejecting=frozenset(rules.eject.on),
                key=None,
                sticky=None,
            ),
        )
        request: Any = SimpleNamespace(
            arrived_s=0.0,
            body=body,
            channel=SimpleNamespace(site=SimpleNamespace(deadlines=Deadlines(self.clock))),
            log=RequestLog(),
        )
        attempts: Any = SimpleNamespace(send=lambda _: Deferred(), pins=None, binds=False)
        forwarding = Forwarding(request, plan, attempts)

        async def run() -> None:
            try:
                await forwarding.run()
            finally:
                forwarding.end(None)

        self.running: Deferred[None] = Deferred.fromCoroutine(run())
        (state,) = (each for each in balancer.states.values() if each.running)
        return state

    def pass_time(self, seconds: int) -> None:
        """Have time pass, second by second, so that all is swept."""
        self.clock.pump([1.0] * seconds)

    def assert_failures(self, state: ServerState, failures: int) -> None:
        """Assert that the request has ended, and how many count against its server."""
        self.failureResultOf(self.running, UpstreamTimedOut)
        self.assertEqual((state.circuit.failures, state.running), (failures, 0))

    def test_silent(self) -> None:
        """It is a server's that had the request all the time."""
        state = self.begin()
        self.pass_time(9)
        self.assertNoResult(self.running)
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
