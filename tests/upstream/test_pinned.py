"""Idle connections that belong to the gate's credentials, on a reactor without sockets."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from corsgate.errors import PinnedConnectionLost
from corsgate.upstream.connection import UpstreamConnection
from corsgate.upstream.pins import OwnPin, Pins
from corsgate.upstream.sending import CarriedHead
from corsgate.upstream.waiter import Taken
from tests.server.support import Collector
from tests.upstream.playing import HEAD, LIMITS, Link, Playing, request


class OwnPinTests(SynchronousTestCase):
    """A connection that belongs to credentials of the gate."""

    def send(self, connection: UpstreamConnection, pin: OwnPin) -> None:
        """Send a request; its response is taken whole."""
        asked = request(connection, HEAD, None, LIMITS, pin, True)
        asked.addCallback(lambda response: response.deliverBody(Collector()))
        asked.addErrback(lambda _: None)

    def own(self, playing: Playing) -> tuple[OwnPin, UpstreamConnection, Link]:
        """Return a connection that an attempt still holds, and that is idle."""
        self.returned: list[OwnPin] = []
        pin = OwnPin(self.returned.append)
        taking: Deferred[Taken] = playing.pool.take(LIMITS)
        link = playing.accept()
        connection = self.successResultOf(taking).connection
        self.send(connection, pin)
        link.answer()
        return pin, connection, link

    def test_held(self) -> None:
        """While an attempt holds it, it neither closes for others nor is returned."""
        playing = Playing(max_connections=1, max_queue=1)
        pin, connection, link = self.own(playing)
        self.assertTrue(pin.usable and pin.kept)
        waiting = playing.pool.take(LIMITS)
        self.assertTrue(link.open)
        self.assertEqual(self.returned, [])
        playing.pool.close()
        self.assertTrue(link.open and pin.usable)
        pin.release(keep=True)
        link.lose()
        self.assertTrue(pin.lost and not pin.usable)
        self.assertEqual(self.returned, [])
        playing.accept()
        self.assertIsNot(self.successResultOf(waiting).connection, connection)

    def test_returned(self) -> None:
        """It is returned once it is idle and nobody holds it, in either order."""
        playing = Playing(max_connections=1)
        pin, connection, link = self.own(playing)
        pin.release(keep=True)
        self.assertEqual(self.returned, [pin])
        self.assertIs(playing.pool.take_pinned(pin), connection)
        self.send(connection, pin)
        self.assertFalse(pin.usable)
        link.answer()
        self.assertEqual(self.returned, [pin, pin])

    def test_not_kept(self) -> None:
        """It closes where nobody knows what the server takes it for."""
        playing = Playing(max_connections=1)
        pin, _, link = self.own(playing)
        pin.release(keep=False)
        self.assertFalse(link.open)
        self.assertTrue(pin.lost)

    def test_settled(self) -> None:
        """One may wait until it is idle, or lost."""
        playing = Playing(max_connections=2)
        for ends in (Link.answer, Link.lose):
            pin, connection, link = self.own(playing)
            self.successResultOf(pin.when_settled())
            playing.pool.take_pinned(pin)
            self.send(connection, pin)
            settling = pin.when_settled()
            self.assertNoResult(settling)
            ends(link)
            self.successResultOf(settling)
            self.assertEqual(pin.lost, ends is Link.lose)

    def test_cancelled(self) -> None:
        """Whoever waits may leave."""
        playing = Playing(max_connections=2)
        pin, connection, link = self.own(playing)
        playing.pool.take_pinned(pin)
        self.send(connection, pin)
        settling = pin.when_settled().addErrback(lambda _: "left")
        settling.cancel()
        self.assertEqual(self.successResultOf(settling), "left")
        link.answer()
        self.assertTrue(pin.usable)

    def test_idle_for_too_long(self) -> None:
        """It closes after the pool's own idle time."""
        playing = Playing(max_connections=1, idle_timeout_s=3)
        pin, _, link = self.own(playing)
        playing.wait(4)
        self.assertFalse(pin.usable)
        playing.wait(2)
        self.assertFalse(link.open)

    def test_handed_on(self) -> None:
        """A waiting request with the same credentials goes on with it, and is signed anew."""
        for is_same in (True, False):
            playing = Playing(max_connections=1)
            pin, connection, link = self.own(playing)
            pin.authenticated = True
            waiting = OwnPin(self.returned.append if is_same else lambda _: None)
            carried = CarriedHead(HEAD, LIMITS, pins=waiting, binds=True)
            carried.pool, carried.body, carried.result = playing.pool, None, Deferred()
            carried.connect_alone()
            pin.release(keep=True)
            self.assertEqual(link.open, is_same)
            if is_same:
                self.failureResultOf(carried.result, PinnedConnectionLost)
                self.assertTrue(waiting.authenticated and waiting.usable and waiting.kept)
                self.assertFalse(pin.usable)
                self.assertIs(playing.pool.take_pinned(waiting), connection)
            else:
                self.assertNoResult(carried.result)
                self.assertEqual(playing.begun, 1)
                self.assertFalse(waiting.authenticated)

    def test_others_get_its_place(self) -> None:
        """A request without these credentials never gets the connection."""
        playing = Playing(max_connections=1)
        pin, _, link = self.own(playing)
        carried = CarriedHead(HEAD, LIMITS, pins=Pins())
        carried.pool, carried.body, carried.result = playing.pool, None, Deferred()
        carried.connect(playing.pool.take(LIMITS))
        self.assertTrue(link.open)
        pin.release(keep=True)
        self.assertFalse(link.open)
        self.assertEqual(playing.begun, 1)
