"""The connections to one server, on a reactor without sockets: bound, queue, idle time."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from corsgate.errors import ConnectFailed, ConnectionReset, QueueFull, UpstreamBusy
from corsgate.upstream.waiter import Taken
from tests.upstream.playing import CLOSE, HEAD, LIMITS, Playing, ask, request


class BoundTests(SynchronousTestCase):
    def test_bound(self) -> None:
        """No more connections are made than there may be; who waits gets the next free one."""
        playing = Playing(max_connections=2)
        one, two = playing.use(2)
        waiting = [playing.pool.take(LIMITS) for _ in range(3)]
        self.assertEqual((playing.begun, playing.pool.waiting), (0, 3))
        for link, taken, connection in (
            (1, waiting[0], two),
            (0, waiting[1], one),
            (1, waiting[2], two),
        ):
            self.assertNoResult(taken)
            playing.links[link].answer()
            got = self.successResultOf(taken)
            self.assertEqual((got.connection, got.fresh), (connection, False))
            ask(got.connection)
        self.assertEqual((playing.pool.connections, playing.pool.waiting), (2, 0))

    def test_queue_full(self) -> None:
        """Where as many wait as may, the next is refused at once."""
        playing = Playing(max_connections=1, max_queue=2)
        playing.use(1)
        waiting = [playing.pool.take(LIMITS) for _ in range(2)]
        self.failureResultOf(playing.pool.take(LIMITS), QueueFull)
        for each in waiting:
            self.assertNoResult(each)

    def test_queue_timeout(self) -> None:
        """Who has waited for too long is told, within a second, and the next still waits."""
        playing = Playing(max_connections=1, queue_timeout_s=5)
        playing.use(1)
        first = playing.pool.take(LIMITS)
        playing.wait(3)
        second = playing.pool.take(LIMITS)
        playing.wait(1)
        self.assertNoResult(first)
        playing.wait(2)
        self.failureResultOf(first, UpstreamBusy)
        self.assertNoResult(second)
        playing.links[0].answer()
        self.successResultOf(second)

    def test_timed_out_together(self) -> None:
        """One that is cancelled when another times out with it is told just once."""
        playing = Playing(max_connections=1, queue_timeout_s=5)
        playing.use(1)
        first, second = (playing.pool.take(LIMITS) for _ in range(2))
        first.addErrback(lambda _: second.cancel())
        playing.wait(7)
        self.successResultOf(first)
        self.failureResultOf(second, CancelledError)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_left(self) -> None:
        """Who leaves the queue costs no connection and keeps none from the next."""
        playing = Playing(max_connections=1)
        playing.use(1)
        first, second = (playing.pool.take(LIMITS) for _ in range(2))
        first.cancel()
        self.failureResultOf(first, CancelledError)
        playing.links[0].answer()
        self.successResultOf(second)
        self.assertEqual((playing.begun, len(playing.links)), (0, 1))

    def test_all_left(self) -> None:
        """If all leave, the free connection becomes idle, and nothing is left to time out."""
        playing = Playing(max_connections=1, idle_timeout_s=5)
        (connection,) = playing.use(1)
        waiting = [playing.pool.take(LIMITS) for _ in range(3)]
        for each in waiting:
            each.cancel()
            self.failureResultOf(each, CancelledError)
        self.assertEqual(playing.pool.waiting, 0)
        playing.links[0].answer()
        self.assertIs(playing.pool.take_idle(), connection)
        playing.links[0].lose()
        self.assertTrue(playing.deadlines.empty)
        self.assertEqual(playing.clock.getDelayedCalls(), [])


class PlaceTests(SynchronousTestCase):
    """A place that comes free is not lost, however that happens."""

    def waiting(self, count: int) -> tuple[Playing, list[Deferred[Taken]]]:
        """Return a pool of one connection, in use, and who wait for it."""
        playing = Playing(max_connections=1)
        playing.use(1)
        return playing, [playing.pool.take(LIMITS) for _ in range(count)]

    def test_lost(self) -> None:
        """A connection that is lost makes room for another, which is the waiter's."""
        playing, (waiter,) = self.waiting(1)
        playing.links[0].lose()
        self.assertEqual(playing.begun, 1)
        playing.accept()
        self.assertTrue(self.successResultOf(waiter).fresh)

    def test_closed_by_the_server(self) -> None:
        """One that may not be used again counts until its socket is gone."""
        playing, (waiter,) = self.waiting(1)
        playing.links[0].answer(CLOSE)
        self.assertFalse(playing.links[0].open)
        self.assertEqual((playing.begun, playing.pool.connections), (0, 1))
        playing.links[0].lose()
        playing.accept()
        self.successResultOf(waiter)

    def test_refused(self) -> None:
        """A connection that can't be made fails its own waiter; the next one tries anew."""
        playing, waiting = self.waiting(3)
        playing.links[0].lose()
        for waiter in waiting:
            self.assertNoResult(waiter)
            playing.refuse()
            self.failureResultOf(waiter, ConnectFailed)
        self.assertEqual((playing.begun, playing.pool.connections), (0, 0))

    def test_left_while_connecting(self) -> None:
        """Who leaves while its connection is being made makes room for the next."""
        playing, (first, second) = self.waiting(2)
        playing.links[0].lose()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.assertEqual(playing.pool.connections, 1)
        self.assertEqual(playing.begun, 1)
        playing.wait(4)
        self.failureResultOf(second, ConnectFailed)
        self.assertEqual(playing.pool.connections, 0)
        self.assertEqual(playing.clock.getDelayedCalls(), [])

    def test_long_queue(self) -> None:
        """With a server that can't even be tried, the longest queue fails in turn."""
        playing = Playing(max_connections=1, max_queue=5000)
        playing.use(1)
        failed: list[int] = []

        def note(_: Failure, number: int) -> None:
            failed.append(number)

        for number in range(5000):
            playing.pool.take(LIMITS).addErrback(note, number)

        def broken(*_: object, **__: object) -> None:
            raise OSError("no sockets left")

        playing.clock.connectTCP = broken  # type: ignore[method-assign]  # a failing reactor
        playing.links[0].lose()
        self.assertEqual(failed, list(range(5000)))
        self.assertEqual((playing.pool.connections, playing.pool.waiting), (0, 0))
        self.assertEqual(playing.clock.getDelayedCalls(), [])

    def test_left_before_connecting(self) -> None:
        """One that leaves when the one before it fails, in the same turn, is passed over."""
        playing, (first, second, third) = self.waiting(3)
        first.addErrback(lambda _: second.cancel())
        begin = playing.clock.connectTCP

        def once(*_: object, **__: object) -> None:
            playing.clock.connectTCP = begin  # type: ignore[method-assign]  # it works again
            raise OSError("no sockets left")

        playing.clock.connectTCP = once  # type: ignore[method-assign]  # a failing reactor
        playing.links[0].lose()
        self.successResultOf(first)
        self.failureResultOf(second, CancelledError)
        playing.accept()
        self.successResultOf(third)
        self.assertEqual(playing.pool.connections, 1)

    def test_replaced(self) -> None:
        """A request that is sent anew keeps its place before all who wait."""
        playing = Playing(max_connections=1)
        (connection,) = playing.use(1)
        playing.links[0].answer()
        self.assertIs(playing.pool.take_idle(), connection)
        asked: Deferred[Any] = request(connection, HEAD, None, LIMITS)
        asked.addErrback(lambda failure: failure.trap(ConnectionReset))
        asked.addCallback(lambda _: playing.pool.replace(connection, LIMITS))
        waiter = playing.pool.take(LIMITS)
        playing.links[0].lose()
        self.assertEqual((playing.begun, playing.pool.connections), (1, 1))
        playing.accept()
        taken: Taken = self.successResultOf(asked)
        self.assertTrue(taken.fresh)
        self.assertNoResult(waiter)
        ask(taken.connection)
        playing.links[1].answer()
        self.successResultOf(waiter)


class IdleTests(SynchronousTestCase):
    def test_newest_first(self) -> None:
        """The connection that was used last is used next."""
        playing = Playing()
        connections = playing.use(3)
        for number in (1, 2, 0):
            playing.links[number].answer()
        taken = [playing.pool.take_idle() for _ in range(4)]
        self.assertEqual(taken, [connections[0], connections[2], connections[1], None])

    def test_idle_timeout(self) -> None:
        """An idle connection is closed when its time is over; the time starts with each use."""
        playing = Playing(idle_timeout_s=4)
        (connection,) = playing.use(1)
        for _ in range(3):
            playing.links[0].answer()
            playing.wait(3)
            self.assertIs(playing.pool.take_idle(), connection)
            ask(connection)
        playing.links[0].answer()
        playing.wait(5)
        self.assertFalse(playing.links[0].open)
        self.assertIsNone(playing.pool.take_idle())

    def test_past_its_time(self) -> None:
        """One that is past its time isn't used, even if the sweep has not come to it."""
        playing = Playing(idle_timeout_s=0.5)
        playing.use(1)
        playing.links[0].answer()
        playing.clock.advance(0.6)
        self.assertTrue(playing.links[0].open)
        self.assertIsNone(playing.pool.take_idle())
        self.assertFalse(playing.links[0].open)

    def test_closed_idle(self) -> None:
        """One that the server closed is forgotten."""
        playing = Playing()
        playing.use(2)
        for number in (0, 1):
            playing.links[number].answer()
            playing.links[number].lose()
        self.assertIsNone(playing.pool.take_idle())
        self.assertEqual(playing.pool.connections, 0)

    def test_close(self) -> None:
        """A pool that is closed closes what is idle, serves who waits, then closes the rest."""
        playing = Playing(max_connections=2)
        playing.use(2)
        playing.links[0].answer()
        playing.pool.close()
        self.assertEqual([link.open for link in playing.links], [False, True])
        waiter = playing.pool.take(LIMITS)
        playing.links[1].answer()
        ask(self.successResultOf(waiter).connection)
        self.assertTrue(playing.links[1].open)
        playing.links[1].answer()
        self.assertFalse(playing.links[1].open)
