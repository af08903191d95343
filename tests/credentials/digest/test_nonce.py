"""What a request and its nonces know of each other; `test_server` has how they are used."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.credentials.digest.nonce import Nonce, Turn
from tests.credentials.digest.boxes import offer


class TurnTests(SynchronousTestCase):
    def test_hopeless(self) -> None:
        """A request is hopeless once it was refused, and its nonce's login is known to be wrong."""
        used = Nonce(offer=offer(b"n1"), made_at=0.0, seen=1)
        turn = Turn(used=used)
        self.assertFalse(turn.is_hopeless)
        used.is_rejected = True
        self.assertFalse(turn.is_hopeless)
        turn.own = Nonce(offer=offer(b"n2"), made_at=0.0, seen=2)
        self.assertTrue(turn.is_hopeless)
        self.assertFalse(Turn(own=turn.own).is_hopeless)
