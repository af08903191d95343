"""A request's body on its way in over HTTP/2: its length, its end, and the room for more of it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.errors import MalformedRequest
from corsgate.message.framing import CHUNKED
from corsgate.server.http2.receive_queue import Inbox
from corsgate.server.request_body import RequestBody
from tests.server.support import Receiver


def open_body(inbox: Inbox, length: int = CHUNKED) -> RequestBody:
    """Return the body that begins to come in."""
    body = inbox.open(length, lambda: None)
    assert body is not None
    return body


class LeavingReceiver(Receiver):
    """One whose stream ends with the first piece."""

    def __init__(self, inbox: Inbox) -> None:
        super().__init__()
        self._inbox = inbox

    def body_data(self, data: bytes) -> None:
        """Let go of the body, as a stream does that is cut."""
        self._inbox.body = None


class InboxTests(SynchronousTestCase):
    def test_no_body(self) -> None:
        """A request without a body is owed nothing."""
        inbox = Inbox(8, ended=True)
        self.assertIsNone(inbox.open(None, lambda: None))
        self.assertEqual((inbox.awaited, inbox.take_credit()), (False, 0))

    def test_length(self) -> None:
        """A body is as long as was said, however it comes and ends (RFC 9113 8.1.1)."""
        for pieces, trailers, kept in (
            ((b"ab", b"c"), False, True),
            ((b"abc", b""), False, True),
            ((b"abc",), True, True),
            ((b"ab",), False, False),
            ((b"ab",), True, False),
            ((b"ab", b"cd"), False, False),
        ):
            inbox = Inbox(8, ended=False)
            body = open_body(inbox, 3)
            try:
                for piece in pieces[:-1]:
                    inbox.put(piece, len(piece), ended=False)
                inbox.put(pieces[-1], len(pieces[-1]), ended=not trailers)
                if trailers:
                    inbox.put_trailers([(b"x-sum", b"1")])
            except MalformedRequest:
                self.assertFalse(kept, pieces)
                self.assertFalse(body.complete)
            else:
                self.assertTrue(kept, pieces)
                self.assertTrue(body.complete and inbox.ended)
                self.assertEqual(body.trailers, [(b"x-sum", b"1")] if trailers else [])

    def test_credit(self) -> None:
        """Once half a window has been taken, padding included, as much more may come."""
        inbox, receiver = Inbox(8, ended=False), Receiver()
        body = open_body(inbox)
        inbox.put(b"abc", 4, ended=False)
        self.assertEqual(inbox.take_credit(), 0)
        body.start(receiver)
        body.pause()
        self.assertEqual(inbox.take_credit(), 0)
        body.resume()
        self.assertEqual((inbox.take_credit(), inbox.take_credit()), (4, 0))
        inbox.put(b"abc", 3, ended=False)
        self.assertEqual(inbox.take_credit(), 0)
        inbox.put(b"a", 1, ended=True)
        self.assertEqual(inbox.take_credit(), 0)

    def test_awaited(self) -> None:
        """It is the client's turn while it has room, was asked, and somebody may take it."""
        inbox = Inbox(8, ended=False)
        body = open_body(inbox)
        self.assertTrue(inbox.awaited)
        inbox.put(b"a" * 8, 8, ended=False)
        self.assertFalse(inbox.awaited)
        body.start(Receiver())
        inbox.take_credit()
        self.assertTrue(inbox.awaited)
        body.discard()
        self.assertFalse(inbox.awaited)

    def test_not_asked_for(self) -> None:
        """A client that waits for 100 Continue is not late."""
        inbox = Inbox(8, ended=False)
        body = open_body(inbox)
        body.expect_continue(lambda: None)
        self.assertFalse(inbox.awaited)
        body.ask()
        self.assertTrue(inbox.awaited)

    def test_leaves_with_the_last_piece(self) -> None:
        """The stream may end while its last piece is taken."""
        inbox = Inbox(8, ended=False)
        body = open_body(inbox)
        body.start(LeavingReceiver(inbox))
        inbox.put(b"a", 1, ended=True)
        self.assertTrue(body.complete)
        self.assertIsNone(inbox.body)
