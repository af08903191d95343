"""Connections that are pinned to a client's, on a reactor without sockets."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Limits
from corsgate.errors import QueueFull
from corsgate.upstream.connection import UpstreamConnection
from corsgate.upstream.pins import Pins
from corsgate.upstream.waiter import Taken
from tests.server.support import Collector
from tests.upstream.playing import CLOSE, HEAD, LIMITS, OK, Link, Playing, request

TOKEN = (
    b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=x\r\n"
    b"WWW-Authenticate: NTLM TlRM\r\nContent-Length: 0\r\n\r\n"
)


class PinsTests(SynchronousTestCase):
    """Who gets a connection that was bound, and until when."""

    def bound(
        self, playing: Playing, pins: Pins | None, answer: bytes = OK, *, binds: bool = True
    ) -> tuple[UpstreamConnection, Link]:
        """Return a fresh connection that has carried a request, and the server's side of it."""
        taking: Deferred[Taken] = playing.pool.take(LIMITS)
        link = playing.accept()
        connection = self.successResultOf(taking).connection
        self.send(connection, pins, binds=binds)
        link.answer(answer)
        return connection, link

    def send(self, connection: UpstreamConnection, pins: Pins | None, *, binds: bool) -> None:
        """Send a request; its response is taken whole."""
        limits = Limits(keep_alive_timeout_s=20)
        asked = request(connection, HEAD, None, limits, pins, binds)
        asked.addCallback(lambda response: response.deliverBody(Collector()))

    def test_kept(self) -> None:
        """It is kept for its client, again and again, and counts all the while."""
        playing, pins = Playing(max_connections=2), Pins()
        connection, link = self.bound(playing, pins)
        for _ in range(3):
            self.assertIsNone(playing.pool.take_idle())
            self.assertIsNone(playing.pool.take_pinned(Pins()))
            self.assertEqual(playing.pool.connections, 1)
            self.assertIs(playing.pool.take_pinned(pins), connection)
            self.assertIsNone(playing.pool.take_pinned(pins))
            self.send(connection, pins, binds=False)
            link.answer()
        self.assertTrue(link.open)

    def test_challenge(self) -> None:
        """A token in a challenge binds it, without the request's doing."""
        playing, pins = Playing(), Pins()
        connection, _ = self.bound(playing, pins, TOKEN, binds=False)
        self.assertIsNone(playing.pool.take_idle())
        self.assertIs(playing.pool.take_pinned(pins), connection)

    def test_nobody_to_keep_it_for(self) -> None:
        """It is closed where its client may keep none, or has left."""
        left = Pins()
        left.close()
        for pins in (None, left):
            for answer, binds in ((OK, True), (TOKEN, False)):
                playing = Playing()
                _, link = self.bound(playing, pins, answer, binds=binds)
                self.assertFalse(link.open)
                self.assertIsNone(playing.pool.take_idle())

    def test_client_leaves(self) -> None:
        """It is closed when its client leaves, and frees its place."""
        playing, pins = Playing(), Pins()
        _, link = self.bound(playing, pins)
        pins.close()
        self.assertFalse(link.open)
        link.lose()
        self.assertEqual((playing.pool.connections, pins.idle), (0, {}))
        self.assertTrue(playing.deadlines.empty)

    def test_server_closes(self) -> None:
        """One that the server has closed, or said that it will, is forgotten."""
        playing, pins = Playing(), Pins()
        _, link = self.bound(playing, pins)
        link.lose()
        self.assertEqual((playing.pool.connections, pins.idle), (0, {}))
        _, link = self.bound(playing, pins, CLOSE)
        self.assertEqual((link.open, pins.idle), (False, {}))

    def test_idle_limit(self) -> None:
        """It idles no longer than its client may, even before the sweep has come to it."""
        playing, pins = Playing(), Pins()
        _, link = self.bound(playing, pins)
        playing.wait(19)
        self.assertTrue(link.open)
        playing.wait(2)
        self.assertFalse(link.open)
        self.assertIsNone(playing.pool.take_pinned(pins))
        _, link = self.bound(playing, pins)
        playing.clock.rightNow += 20
        self.assertIsNone(playing.pool.take_pinned(pins))
        self.assertFalse(link.open)

    def test_pool_closes(self) -> None:
        """The end of the pool is theirs: at once while idle, else after the exchange."""
        playing, pins = Playing(), Pins()
        _, idle = self.bound(playing, pins)
        other = Pins()
        connection, busy = self.bound(playing, other)
        self.assertIs(playing.pool.take_pinned(other), connection)
        self.send(connection, other, binds=False)
        playing.pool.close()
        self.assertEqual((idle.open, busy.open), (False, True))
        busy.answer()
        self.assertEqual((busy.open, pins.idle, other.idle), (False, {}, {}))

    def test_second(self) -> None:
        """A client has one to each server: another takes its place."""
        playing, pins = Playing(), Pins()
        _, first = self.bound(playing, pins)
        connection, second = self.bound(playing, pins)
        self.assertEqual((first.open, second.open), (False, True))
        first.lose()
        self.assertIs(playing.pool.take_pinned(pins), connection)

    def test_makes_way(self) -> None:
        """Whoever waits gets the place of the one that has been idle for longest."""
        playing = Playing(max_connections=3)
        clients = [Pins() for _ in range(3)]
        links = [self.bound(playing, pins)[1] for pins in clients]
        self.assertEqual([link.open for link in links], [True] * 3)
        taken = playing.pool.take_pinned(clients[0])
        assert taken is not None
        self.send(taken, clients[0], binds=False)
        waiting = [playing.pool.take(LIMITS)]
        self.assertEqual([link.open for link in links], [True, False, True])
        waiting.append(playing.pool.take(LIMITS))
        self.assertEqual([link.open for link in links], [True, False, False])
        # One that is in use when somebody comes makes way once it is idle.
        waiting.append(playing.pool.take(LIMITS))
        links[0].answer()
        self.assertFalse(links[0].open)
        for link, taking in zip(links, waiting, strict=True):
            link.lose()
            playing.accept()
            self.successResultOf(taking)
        self.assertEqual(playing.pool.connections, 3)

    def test_makes_way_without_a_queue(self) -> None:
        """Where nobody may wait, the next who comes finds room."""
        playing, pins = Playing(max_connections=1, max_queue=0), Pins()
        _, link = self.bound(playing, pins)
        self.failureResultOf(playing.pool.take(LIMITS), QueueFull)
        self.assertFalse(link.open)
        link.lose()
        taking = playing.pool.take(LIMITS)
        playing.accept()
        self.successResultOf(taking)
