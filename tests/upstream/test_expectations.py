"""Which servers are asked for 100 Continue."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.credentials.servers import MAX_SERVERS
from corsgate.message.head import ResponseHead
from corsgate.upstream.expectations import FRESH_S, IGNORED_S, Expectations
from corsgate.upstream.held_body import WAIT_S, HeldBody
from tests.server.support import Body
from tests.upstream.playing import Written

A, B = "http://10.0.0.1", "http://10.0.0.2"


class ExpectationsTests(SynchronousTestCase):
    """`Expectations`."""

    def setUp(self) -> None:
        """Know no server."""
        self.clock = Clock()
        self.known = Expectations(self.clock)

    def hold(self, server: str) -> HeldBody:
        """Return a held body."""
        held = self.known.hold(Body(3), server)
        assert held is not None
        return held

    def ignore(self, server: str) -> HeldBody:
        """Have a server ignore Expect."""
        held = self.hold(server)
        held.startProducing(Written())
        self.clock.advance(WAIT_S)
        return held

    def test_by_server(self) -> None:
        """A server that ignored Expect isn't asked again; another one is."""
        self.ignore(A)
        self.assertIsNone(self.known.hold(Body(3), A))
        self.assertIsNotNone(self.known.hold(Body(3), B))

    def test_rejected(self) -> None:
        """Nor is one that has rejected it."""
        held = self.hold(A)
        held.startProducing(Written())
        held.responded(417)
        self.assertIsNone(self.known.hold(Body(3), A))

    def test_forgotten(self) -> None:
        """It is asked again after an hour: it may only have been slow."""
        self.ignore(A)
        self.clock.advance(IGNORED_S - 1)
        self.assertIsNone(self.known.hold(Body(3), A))
        self.clock.advance(1)
        self.assertIsNotNone(self.known.hold(Body(3), A))

    def test_heeded(self) -> None:
        """It is asked again once it has sent 100 Continue, however late."""
        self.ignore(A).informed(ResponseHead(100, b"", []))
        self.assertIsNotNone(self.known.hold(Body(3), A))

    def test_responded_in_time(self) -> None:
        """A server that responds within a second, with whatever status, is asked again."""
        held = self.hold(A)
        held.startProducing(Written())
        held.responded(401)
        self.clock.advance(WAIT_S)
        self.assertIsNotNone(self.known.hold(Body(3), A))

    def test_challenges(self) -> None:
        """A server's challenge may have lapsed after a while; one that sends none has none."""
        self.assertFalse(self.known.may_lapse(A))
        self.known.challenged(A)
        self.clock.advance(FRESH_S - 1)
        self.assertFalse(self.known.may_lapse(A))
        self.clock.advance(1)
        self.assertTrue(self.known.may_lapse(A))
        self.assertFalse(self.known.may_lapse(B))
        self.known.challenged(A)
        self.assertFalse(self.known.may_lapse(A))

    def test_unsigned(self) -> None:
        """An unsigned request's body waits for a challenge even where nothing can be asked."""
        self.assertTrue(self.hold(A).asks)
        self.assertIsNone(self.known.hold(Body(3), A, may_ask=False))
        self.ignore(A)
        for server, may_ask in ((A, True), (A, False), (B, False)):
            held = self.known.hold(Body(3), server, is_signed=False, may_ask=may_ask)
            assert held is not None
            self.assertFalse(held.asks)

    def test_late_challenge(self) -> None:
        """A server that challenges too late is asked again, and its 100 Continue proves little."""
        self.ignore(A)
        self.known.challenged_late(A)
        for is_signed, server, is_wary in (
            (True, A, True),
            (False, A, True),
            (True, B, False),
            (False, B, True),
        ):
            body = Body(3)
            held = self.known.hold(body, server, is_signed=is_signed)
            assert held is not None
            held.startProducing(Written())
            held.informed(ResponseHead(100, b"", []))
            self.assertEqual(held.is_released, not is_wary, (is_signed, server))
            held.stopProducing()

    def test_bounded(self) -> None:
        """A bounded number is remembered: the oldest is forgotten first."""
        for number in range(MAX_SERVERS):
            self.known.challenged(f"http://{number}")
        self.known.challenged("http://0")
        self.known.challenged(A)
        self.clock.advance(FRESH_S)
        self.assertEqual(
            [self.known.may_lapse(each) for each in ("http://0", "http://1", "http://2", A)],
            [True, False, True, True],
        )
