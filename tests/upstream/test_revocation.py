"""Connections taken back for clients that wait, on a reactor without sockets."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from corsgate.balance.rates import CONTENDED_GRACE_S
from corsgate.errors import QueueFull, TunnelsFull
from corsgate.message.head import RequestHead
from corsgate.upstream.revocation import RECHECK_S
from corsgate.upstream.waiter import Taken
from tests.upstream.playing import HEAD, LIMITS, Playing, request

OFFER = [(b"Host", b"a"), (b"Upgrade", b"websocket"), (b"Connection", b"Upgrade")]
SWITCH = b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


class Exchange:
    """One that stalls since a time that a test sets.

    Args:
        playing: Where it takes its connection.
        client: Whose it is.
    """

    offers = ()

    def __init__(self, playing: Playing, client: str | None) -> None:
        self.client_key = client
        self.since_s: float | None = None
        self.connection: Any = None
        self.asked: Deferred[Any] | None = None
        self.error: Any = None
        self.revoked = 0
        self._playing = playing
        idle = playing.pool.take_idle(self)
        if idle is not None:
            self._got(Taken(idle, fresh=False))
        else:
            taking = playing.pool.take(LIMITS, self)
            taking.addCallbacks(self._got, self._failed)

    def stalled_s(self, now: float) -> float:
        """Return how long it has stalled."""
        return 0.0 if self.since_s is None else now - self.since_s

    def revoke(self) -> None:
        """Cut the connection."""
        self.revoked += 1
        assert self.asked is not None
        self.asked.cancel()

    def _got(self, taken: Taken) -> None:
        self.connection = taken.connection
        asked: Deferred[Any] = request(self.connection, HEAD, None, LIMITS)
        self.asked = asked
        asked.addErrback(lambda _: None)

    def _failed(self, failure: Any) -> None:
        self.error = failure.value


class RevocationTests(SynchronousTestCase):
    def begin(self, clients: str, **bounds: Any) -> tuple[Playing, list[Exchange]]:
        """Return a pool that is full of exchanges, each of the client of its letter."""
        playing = Playing(max_connections=len(clients), **bounds)
        held = []
        for client in clients:
            held.append(Exchange(playing, client))
            playing.accept()
        return playing, held

    def stall(self, playing: Playing, *exchanges: Exchange) -> None:
        """Let these stall from now on, one after the other."""
        for exchange in exchanges:
            exchange.since_s = playing.clock.seconds()
            playing.clock.advance(0.01)

    def revoked(self, held: list[Exchange]) -> list[int]:
        """Return which of them were cut."""
        return [number for number, exchange in enumerate(held) if exchange.revoked]

    def lose(self, playing: Playing, *numbers: int) -> None:
        """Let the sockets of these go, which were cut."""
        for number in numbers:
            self.assertTrue(playing.links[number].wire.disconnected)
            playing.links[number].lose()

    def test_most_stalled(self) -> None:
        """Whoever waits gets what stalled longest, in the next turn, and nothing else is cut."""
        playing, held = self.begin("aaaa")
        self.stall(playing, held[2], held[0], held[1])
        playing.clock.advance(5)
        self.assertEqual(self.revoked(held), [])
        victim = Exchange(playing, "b")
        playing.clock.advance(0)
        self.assertEqual(self.revoked(held), [2])
        playing.clock.advance(0.2)
        self.assertEqual(self.revoked(held), [2])
        self.lose(playing, 2)
        playing.accept()
        self.assertIsNotNone(victim.connection)
        self.assertIs(victim.connection.holder, victim)

    def test_grace(self) -> None:
        """What has not stalled for long is cut once it has, on time."""
        playing, held = self.begin("aaaa")
        self.stall(playing, held[1])
        Exchange(playing, "b")
        playing.clock.advance(0)
        playing.clock.advance(CONTENDED_GRACE_S - 0.02)
        self.assertEqual(self.revoked(held), [])
        playing.clock.advance(0.02)
        self.assertEqual(self.revoked(held), [1])

    def test_nothing_stalls(self) -> None:
        """What the upstream takes long for isn't cut; one that comes to stall later is."""
        playing, held = self.begin("aaaa")
        Exchange(playing, "b")
        playing.clock.pump([RECHECK_S] * 20)
        self.assertEqual(self.revoked(held), [])
        self.stall(playing, held[3])
        playing.clock.pump([RECHECK_S] * 4)
        self.assertEqual(self.revoked(held), [3])

    def test_own_waiters(self) -> None:
        """However many of its requests wait, nothing is cut for whoever holds most."""
        playing, held = self.begin("aaab")
        self.stall(playing, *held)
        for client in "aaaabb":
            Exchange(playing, client)
        playing.clock.pump([RECHECK_S] * 20)
        self.assertEqual(self.revoked(held), [0])
        self.lose(playing, 0)
        playing.accept()
        playing.clock.pump([RECHECK_S] * 20)
        # Each has two, and so it stays.
        self.assertEqual(self.revoked(held), [0])

    def test_one_each(self) -> None:
        """One is cut for each that waits, together, as far as that is fair."""
        playing, held = self.begin("aaaaaa")
        self.stall(playing, *held)
        playing.clock.advance(1)
        for client in "bcbb":
            Exchange(playing, client)
        playing.clock.advance(0)
        # Two each: a third one would leave the first client with fewer.
        self.assertEqual(len(self.revoked(held)), 3)

    def test_largest_without_stalls(self) -> None:
        """Where nothing of the largest stalls, the next one over its share gives."""
        playing, held = self.begin("aaaaabbbbc")
        self.stall(playing, held[6], held[9])
        playing.clock.advance(1)
        Exchange(playing, "d")
        playing.clock.advance(0)
        self.assertEqual(self.revoked(held), [6])

    def test_unknown(self) -> None:
        """Clients that can't be told apart lose nothing, and get as others do."""
        playing, held = self.begin("aa")
        for exchange in held:
            exchange.client_key = None
        unknown = Playing(max_connections=2)
        mine = [Exchange(unknown, None) for _ in range(2)]
        for _ in mine:
            unknown.accept()
        self.stall(unknown, *mine)
        Exchange(unknown, "a")
        unknown.clock.pump([RECHECK_S] * 20)
        self.assertEqual(self.revoked(mine), [])
        playing, held = self.begin("aa")
        self.stall(playing, *held)
        Exchange(playing, None)
        playing.clock.pump([RECHECK_S] * 4)
        self.assertEqual(self.revoked(held), [0])

    def test_nobody_waits_any_more(self) -> None:
        """Once the queue is empty nothing is cut, and no timer runs."""
        playing, held = self.begin("aa", idle_timeout_s=5)
        self.stall(playing, held[0])
        victim = Exchange(playing, "b")
        playing.links[1].answer()
        self.assertIsNotNone(victim.connection)
        playing.clock.advance(5)
        self.assertEqual(self.revoked(held), [])
        for link in playing.links:
            link.lose()
        self.assertEqual(playing.clock.getDelayedCalls(), [])

    def test_not_kept(self) -> None:
        """A connection that is idle, or lost, knows nothing of whom it served."""
        playing, (first, second) = self.begin("aa")
        self.assertIs(first.connection.holder, first)
        playing.links[0].lose()
        assert second.asked is not None
        second.asked.addCallback(lambda response: response.deliverBody(_Sink()))
        playing.links[1].answer()
        self.assertEqual([first.connection.holder, second.connection.holder], [None, None])

    def test_queue_full(self) -> None:
        """A newcomer takes the place of the newest of those that one client has in the queue."""
        playing, _ = self.begin("a", max_queue=3)
        waiting = [Exchange(playing, "a") for _ in range(3)]
        refused = Exchange(playing, "a")
        self.assertIsInstance(refused.error, QueueFull)
        victim = Exchange(playing, "b")
        self.assertIsNone(victim.error)
        self.assertEqual([bool(each.error) for each in waiting], [False, False, True])
        self.assertIsInstance(waiting[2].error, QueueFull)
        for _ in range(2):
            playing.links[0].answer()
        self.assertEqual([each.connection is None for each in (*waiting, victim)], [0, 1, 1, 0])


class TunnelTests(SynchronousTestCase):
    def switch(self, playing: Playing) -> tuple[Deferred[Any], Any]:
        """Return a handshake that the server has agreed to, and its link."""
        taking = playing.pool.take(LIMITS)
        link = playing.accept()
        head = RequestHead(method=b"GET", target=b"/", headers=OFFER)
        connection = self.successResultOf(taking).connection
        asked: Deferred[Any] = request(connection, head, None, LIMITS)
        link.answer(SWITCH)
        return asked, link

    def test_apart(self) -> None:
        """A tunnel leaves its place to whoever waits; its end frees none."""
        playing = Playing(max_connections=1, max_tunnels=10)
        tunnels = [self.switch(playing) for _ in range(3)]
        self.assertEqual((playing.pool.connections, playing.pool.tunnels), (0, 3))
        playing.use(1)
        waiter = playing.pool.take(LIMITS)
        for _, link in tunnels:
            link.lose()
        self.assertEqual((playing.pool.connections, playing.pool.tunnels), (1, 0))
        self.assertNoResult(waiter)

    def test_for_a_waiter(self) -> None:
        """The place that a tunnel leaves is the waiter's."""
        playing = Playing(max_connections=1)
        taking = playing.pool.take(LIMITS)
        link = playing.accept()
        waiter = playing.pool.take(LIMITS)
        head = RequestHead(method=b"GET", target=b"/", headers=OFFER)
        request(self.successResultOf(taking).connection, head, None, LIMITS)
        link.answer(SWITCH)
        playing.accept()
        self.successResultOf(waiter)

    def test_full(self) -> None:
        """A server that switches past the bound is cut, and whoever asked is told."""
        playing = Playing(max_connections=1, max_tunnels=1)
        first, _ = self.switch(playing)
        self.assertIsNotNone(self.successResultOf(first).tunnel)
        second, link = self.switch(playing)
        self.failureResultOf(second, TunnelsFull)
        self.assertTrue(link.wire.disconnected)
        link.lose()
        self.assertEqual((playing.pool.connections, playing.pool.tunnels), (0, 1))


class _Sink:
    """Takes a body and forgets it."""

    def makeConnection(self, transport: object) -> None:
        """Begin."""

    def dataReceived(self, data: bytes) -> None:
        """Forget it."""

    def connectionLost(self, reason: object) -> None:
        """End."""
