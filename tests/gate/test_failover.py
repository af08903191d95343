"""What follows on an attempt that failed, by a clock."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.balance.state import ServerState
from corsgate.errors import ConnectFailed, ConnectionReset, WeakChallenge
from corsgate.gate.failover import Failover, report
from tests.gate.fakes import compiled, logged


class FailoverTests(SynchronousTestCase):
    """`Failover`."""

    def make(self, method: bytes = b"GET", count: int = 3, upstream: str = "") -> None:
        """Make the failover of a request that may be repeated for ten seconds."""
        self.clock = MemoryReactorClock()
        self.upstream = compiled(self.clock, count=count, upstream=upstream).upstream
        self.states = list(self.upstream.balancer.states.values())
        self.failover = Failover(self.upstream, method, 10.0)

    def next(
        self, failed: ServerState, cause: str | None = "connect", *, sent: bool = False
    ) -> Deferred[ServerState | None]:
        """Ask for the server that is next."""
        return Deferred.fromCoroutine(
            self.failover.next(failed, cause, b"", sent=sent, replayable=True)
        )

    def test_at_once(self) -> None:
        """What reached nobody may go anywhere, and at once."""
        self.make(b"POST")
        another = self.successResultOf(self.next(self.states[0]))
        self.assertIn(another, self.states[1:])
        self.assertEqual(self.failover.shown, [f"{self.states[0].server.origin} connect"])

    def test_after_a_while(self) -> None:
        """What a server may have acted on waits, and takes a part of the budget until it ends."""
        self.make()
        waiting = self.next(self.states[0], "reset", sent=True)
        self.assertEqual(self.upstream.balancer.budget.running, 1)
        self.clock.advance(1)
        self.assertIn(self.successResultOf(waiting), self.states[1:])
        for _ in range(2):
            self.failover.end()
            self.assertEqual(self.upstream.balancer.budget.running, 0)

    def test_never(self) -> None:
        """What may act twice is not repeated, nor what failed by a cause that is not listed."""
        self.make(b"POST")
        self.assertIsNone(self.successResultOf(self.next(self.states[0], "reset", sent=True)))
        self.assertIsNone(self.successResultOf(self.next(self.states[0], "502", sent=True)))

    def test_all_tried(self) -> None:
        """A server that had it does not get it again."""
        self.make(count=2)
        another = self.successResultOf(self.next(self.states[0]))
        assert another is not None
        self.assertIsNone(self.successResultOf(self.next(another)))

    def test_bound(self) -> None:
        """Only so many servers are asked at all."""
        self.make(count=5, upstream="max_tries = 2")
        another = self.successResultOf(self.next(self.states[0]))
        assert another is not None
        self.assertIsNone(self.successResultOf(self.next(another)))


class ReportTests(SynchronousTestCase):
    """`report`."""

    def test_kinds(self) -> None:
        """A line per second and kind of failure, which ends where what a server said would."""
        route, said = compiled(MemoryReactorClock()), logged(self)
        for _ in range(3):
            report(route, "1-1", ConnectFailed("a\nb"))
        report(route, "1-2", ConnectionReset("c"))
        self.assertEqual(said(), ["request 1-1 on route /v1: a\\nb", "request 1-2 on route /v1: c"])

    def test_server(self) -> None:
        """The line has the server, once."""
        route, said = compiled(MemoryReactorClock()), logged(self)
        state, *_ = route.upstream.balancer.states.values()
        report(route, "1", WeakChallenge("it offers MD5"), state)
        report(route, "2", ConnectFailed(f"{state.server.origin}: refused"), state)
        start = f"on route /v1: {state.server.origin}: "
        self.assertEqual(said(), [f"request 1 {start}it offers MD5", f"request 2 {start}refused"])
