"""Tests of `corsgate.credentials.single_flight`."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from corsgate.credentials.single_flight import SingleFlight


class SingleFlightTests(SynchronousTestCase):
    """`SingleFlight`."""

    def setUp(self) -> None:
        """Make work that ends when the test says so."""
        self.flight: SingleFlight[int] = SingleFlight()
        self.started: list[Deferred[int]] = []

    async def work(self) -> int:
        """Return what the test gives."""
        self.started.append(Deferred())
        return await self.started[-1]

    def test_shared(self) -> None:
        """All get the result of one piece of work; who comes later begins another."""
        self.assertFalse(self.flight.is_running)
        waiting = [self.flight.join(self.work) for _ in range(3)]
        self.assertEqual(len(self.started), 1)
        self.assertTrue(self.flight.is_running)
        self.started[0].callback(5)
        self.assertFalse(self.flight.is_running)
        self.assertEqual([self.successResultOf(each) for each in waiting], [5, 5, 5])
        self.assertNoResult(self.flight.join(self.work))
        self.assertEqual(len(self.started), 2)

    def test_failure(self) -> None:
        """All get the failure, and the next one tries again."""
        waiting = [self.flight.join(self.work) for _ in range(2)]
        self.started[0].errback(ZeroDivisionError())
        for each in waiting:
            self.failureResultOf(each, ZeroDivisionError)
        self.flight.join(self.work)
        self.assertEqual(len(self.started), 2)

    def test_one_gives_up(self) -> None:
        """Others still get the result, and so does who comes after all have given up."""
        first, second = self.flight.join(self.work), self.flight.join(self.work)
        first.cancel()
        self.failureResultOf(first, CancelledError)
        second.cancel()
        self.failureResultOf(second, CancelledError)
        third = self.flight.join(self.work)
        self.started[0].callback(5)
        self.assertEqual(self.successResultOf(third), 5)
        self.assertEqual(len(self.started), 1)

    def test_at_once(self) -> None:
        """Work that never waits is fine."""

        async def now() -> int:
            return 7

        for _ in range(2):
            self.assertEqual(self.successResultOf(self.flight.join(now)), 7)

    def test_joined_by_one_that_gets_the_result(self) -> None:
        """Who asks again as the result comes begins new work."""
        again: list[Deferred[int]] = []
        first = self.flight.join(self.work)
        first.addCallback(lambda _: again.append(self.flight.join(self.work)))
        self.started[0].callback(1)
        self.assertEqual((len(self.started), len(again)), (2, 1))
        self.assertNoResult(again[0])

    def test_result_of_one_cancels_another(self) -> None:
        """A lost HTTP/2 connection may take others with it as one gets the result."""
        first, second, third = (self.flight.join(self.work) for _ in range(3))
        first.addCallback(lambda _: second.cancel())
        self.started[0].callback(5)
        self.successResultOf(first)
        self.failureResultOf(second, CancelledError)
        self.assertEqual(self.successResultOf(third), 5)

    def test_joined_while_it_starts(self) -> None:
        """A task that leads to another call before it waits is not started twice, and can end."""
        inner: list[Deferred[int]] = []

        async def nested() -> int:
            inner.append(self.flight.join(self.work))
            outer.append(self.flight.is_running)
            return await self.work()

        outer: list[bool] = []
        waiter = self.flight.join(nested)
        self.assertEqual((outer, len(self.started)), ([True], 1))
        waiter.cancel()
        self.failureResultOf(waiter, CancelledError)
        self.flight.cancel()
        self.failureResultOf(inner[0], CancelledError)
        self.assertFalse(self.flight.is_running)

    def test_cancelled(self) -> None:
        """Cancelling the work ends the wait."""
        waiter = self.flight.join(self.work)
        self.flight.cancel()
        self.failureResultOf(waiter, CancelledError)
        self.flight.cancel()
