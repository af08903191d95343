"""What a use of the credentials can record, and what becomes of its place."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.credentials.guard import Guard
from corsgate.credentials.place import Place
from corsgate.errors import ConnectFailed, ConnectionReset, CredentialsRejected, UpstreamBusy

SERVER, OTHER = "http://10.0.0.11", "http://10.0.0.12"


class PlaceTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Make a guard that knows nothing yet."""
        self.clock = Clock()
        self.guard = Guard("box", self.clock)

    def ask(self, server: str = SERVER) -> Deferred[Place]:
        """Ask for a place."""
        return Deferred.fromCoroutine(self.guard.admit(server))

    def admit(self, server: str = SERVER) -> Place:
        """Return a place that is free."""
        return self.successResultOf(self.ask(server))

    def test_place_is_given_back_once(self) -> None:
        """A place that ends has one verdict: the first."""
        place = self.admit()
        place.rejected()
        place.rejected()
        place.accepted()
        place.end()
        self.admit()
        self.assertNoResult(self.ask())
        self.assertEqual(self.guard.proven, {})

    def test_statuses(self) -> None:
        """A status is a verdict: 401 rejects, what a gateway sends says nothing."""
        for status, proves, leaves in (
            (401, False, 1),
            (503, False, 2),
            (429, False, 2),
            (200, True, 64),
            (101, True, 64),
            (404, True, 64),
            (403, True, 64),
        ):
            with self.subTest(status=status):
                self.guard = Guard("box", self.clock)
                place = self.admit()
                place.responded(status)
                place.end()
                self.assertEqual(SERVER in self.guard.proven, proves)
                asked = [self.ask() for _ in range(64)]
                self.assertEqual(sum(each.called for each in asked), leaves)

    def test_failures(self) -> None:
        """A request that never reached the server makes room at once, any other one soon."""
        for error, room in ((ConnectFailed(), 1), (UpstreamBusy(), 1), (ConnectionReset(), 0)):
            with self.subTest(error=error):
                self.guard = Guard("box", self.clock)
                first, _, third = self.admit(), self.admit(), self.ask()
                first.failed(error)
                first.end()
                self.assertEqual(third.called, room)
                self.clock.advance(1)
                self.successResultOf(third)

    def test_challenged(self) -> None:
        """Who is to send once more goes before those that wait, unless a block has begun."""
        places, waiting = [self.admit(), self.admit()], self.ask()
        for place in places:
            place.challenged()
            self.assertTrue(place.is_current)
        self.assertNoResult(waiting)
        places[0].challenged()
        places[1].challenged()
        self.assertEqual([each.is_current for each in places], [False, False])
        self.failureResultOf(waiting, CredentialsRejected)

    def test_challenged_alone(self) -> None:
        """Where none waits, a place is given back: others may be due first for another reason."""
        places = [self.admit(), self.admit()]
        places[0].challenged()
        self.assertFalse(places[0].is_current)
        self.admit()
        self.assertTrue(self.guard.would_wait(SERVER))

    def test_many_challenged(self) -> None:
        """No more are sent once more than may fail before a block."""
        places, waiting = [self.admit(), self.admit()], self.ask()
        self.clock.advance(1)
        places.append(self.successResultOf(waiting))
        last = self.ask()
        for place in places:
            place.challenged()
        self.assertEqual([each.is_current for each in places], [True, False, False])
        self.assertNoResult(last)
        places[0].challenged()
        self.failureResultOf(last, CredentialsRejected)

    def test_challenged_then_accepted(self) -> None:
        """The verdict on the request that is sent once more is the one that counts."""
        place, waiting = self.admit(), [self.ask() for _ in range(3)]
        place.challenged()
        place.accepted()
        self.assertFalse(place.is_current)
        for each in waiting:
            self.successResultOf(each)

    def test_challenged_by_a_proven_server(self) -> None:
        """Where a server has accepted the credentials, a challenge is nothing to count."""
        self.admit().accepted()
        place = self.admit()
        place.challenged(is_stale=True)
        self.assertFalse(place.is_current)
        self.assertIn(SERVER, self.guard.proven)

    def test_doubts(self) -> None:
        """Expired nonces at a proven server are no failures; at another one four block it."""
        self.admit().accepted()
        for _ in range(20):
            self.admit().doubted(is_stale=True)
        self.assertTrue(self.guard.is_proven(SERVER))
        many = [self.admit() for _ in range(20)]
        for place in many:
            place.doubted()
        # It has to accept the credentials again; until then not all are sent at once.
        self.assertFalse(self.guard.is_proven(SERVER))
        self.assertIsNone(self.guard.block(SERVER))
        asked = [self.ask() for _ in range(3)]
        self.successResultOf(asked[0])
        self.assertNoResult(asked[2])
        self.successResultOf(asked[1]).accepted()
        self.successResultOf(asked[2])
        for _ in range(4):
            self.admit(OTHER).doubted()
        self.failureResultOf(self.ask(OTHER), CredentialsRejected)
