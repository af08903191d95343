"""Clients that ask for more than their turn."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.server.http1.channel import PER_TURN
from tests.server.support import Served, answer

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class TurnsTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Serve a client that sends two thousand requests in one read."""
        self.served = Served(render=answer)
        self.served.send(GET * 2000)

    def test_turn(self) -> None:
        """So many are answered, then others have their turn; nothing more is read meanwhile."""
        self.assertEqual(len(self.served.requests), PER_TURN)
        self.assertFalse(self.served.wire.reading)
        self.assertTrue(self.served.wire.open)
        self.served.clock.advance(0)
        self.assertEqual(len(self.served.requests), 2000)
        self.assertTrue(self.served.wire.reading)

    def test_slow_client(self) -> None:
        """A turn that comes while the client doesn't keep up waits for that."""
        self.served.wire.pacing.pauseProducing()
        self.served.clock.advance(0)
        self.assertEqual(len(self.served.requests), PER_TURN)
        self.served.wire.pacing.resumeProducing()
        self.served.clock.advance(0)
        self.assertEqual(len(self.served.requests), 2000)

    def test_lost(self) -> None:
        """What a client that is gone had asked for is not answered."""
        self.served.leave()
        self.assertEqual(self.served.clock.getDelayedCalls(), [])
        self.assertEqual(len(self.served.requests), PER_TURN)

    def test_drain(self) -> None:
        """A gate that is told to end answers one more, and says that it is the last."""
        self.served.wire.take()
        self.served.site.drain()
        self.served.clock.advance(0)
        self.assertEqual(len(self.served.requests), PER_TURN + 1)
        self.assertIn(b"Connection: close\r\n", self.served.wire.take())
