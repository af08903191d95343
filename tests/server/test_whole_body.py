"""A short body is collected, and one that is too large is reported."""

from __future__ import annotations

from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from corsgate.server.request_body import RequestBody
from corsgate.server.whole_body import WholeBody


class WholeBodyTests(SynchronousTestCase):
    """`WholeBody`."""

    def setUp(self) -> None:
        """Start collecting a body of at most 10 bytes."""
        self.events: list[object] = []
        self.body = RequestBody(None, 100, lambda: None)
        self.body.limit = 10
        self.body.start(WholeBody(self.events.append, lambda: self.events.append("too large")))

    def test_complete(self) -> None:
        """Its pieces are joined once it has ended."""
        for piece in (b"abc", b"def"):
            self.body.data_received(piece)
        self.assertEqual(self.events, [])
        self.body.ended()
        self.assertEqual(self.events, [b"abcdef"])

    def test_empty(self) -> None:
        """A body without a byte is empty."""
        self.body.ended()
        self.assertEqual(self.events, [b""])

    def test_too_large(self) -> None:
        """One byte too many ends it."""
        self.body.data_received(b"x" * 11)
        self.body.ended()
        self.assertEqual(self.events, ["too large"])

    def test_lost(self) -> None:
        """Nothing is reported if the client leaves."""
        self.body.data_received(b"abc")
        self.body.fail(Failure(ConnectionDone()))
        self.assertEqual(self.events, [])
