"""A request's body on its way in over HTTP/2: its length, its end, and the room for more of it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.limits import Limits
from corsgate.errors import MalformedRequest
from corsgate.message.framing import CHUNKED
from corsgate.server.http2.receive_queue import ReceiveQueue
from corsgate.server.http2.receive_window import ReceiveWindow
from corsgate.server.memory_budget import MemoryBudget, Tally
from corsgate.server.request_body import RequestBody
from tests.server.support import Receiver


def open_body(receive_queue: ReceiveQueue, length: int = CHUNKED) -> RequestBody:
    """Return the body that begins to come in."""
    tally = Tally()
    window = ReceiveWindow(8, MemoryBudget(Limits()), lambda: ("a", tally))
    return receive_queue.open(length, window, lambda: None)


class LeavingReceiver(Receiver):
    """One whose stream ends with the first piece."""

    def __init__(self, receive_queue: ReceiveQueue) -> None:
        super().__init__()
        self._receive_queue = receive_queue

    def body_data(self, data: bytes) -> None:
        """Let go of the body, as a stream does that is cut."""
        self._receive_queue.close()


class InboxTests(SynchronousTestCase):
    def test_no_body(self) -> None:
        """A request without a body is owed nothing."""
        receive_queue = ReceiveQueue(ended=True)
        self.assertEqual((receive_queue.awaited, receive_queue.take_credit()), (False, 0))

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
            receive_queue = ReceiveQueue(ended=False)
            body = open_body(receive_queue, 3)
            try:
                for piece in pieces[:-1]:
                    receive_queue.put(piece, len(piece), ended=False)
                receive_queue.put(pieces[-1], len(pieces[-1]), ended=not trailers)
                if trailers:
                    receive_queue.put_trailers([(b"x-sum", b"1")])
            except MalformedRequest:
                self.assertFalse(kept, pieces)
                self.assertFalse(body.complete)
            else:
                self.assertTrue(kept, pieces)
                self.assertTrue(body.complete and receive_queue.ended)
                self.assertEqual(body.trailers, [(b"x-sum", b"1")] if trailers else [])

    def test_credit(self) -> None:
        """Once half a window has been taken, padding included, as much more may come."""
        receive_queue, receiver = ReceiveQueue(ended=False), Receiver()
        body = open_body(receive_queue)
        receive_queue.put(b"abc", 4, ended=False)
        self.assertEqual(receive_queue.take_credit(), 0)
        body.start(receiver)
        body.pause()
        self.assertEqual(receive_queue.take_credit(), 0)
        body.resume()
        self.assertEqual((receive_queue.take_credit(), receive_queue.take_credit()), (4, 0))
        receive_queue.put(b"abc", 3, ended=False)
        self.assertEqual(receive_queue.take_credit(), 0)
        receive_queue.put(b"a", 1, ended=True)
        self.assertEqual(receive_queue.take_credit(), 0)

    def test_awaited(self) -> None:
        """It is the client's turn while it has room, was asked, and somebody may take it."""
        receive_queue = ReceiveQueue(ended=False)
        body = open_body(receive_queue)
        self.assertTrue(receive_queue.awaited)
        receive_queue.put(b"a" * 8, 8, ended=False)
        self.assertFalse(receive_queue.awaited)
        body.start(Receiver())
        receive_queue.take_credit()
        self.assertTrue(receive_queue.awaited)
        body.discard()
        self.assertFalse(receive_queue.awaited)

    def test_not_asked_for(self) -> None:
        """A client that waits for 100 Continue is not late."""
        receive_queue = ReceiveQueue(ended=False)
        body = open_body(receive_queue)
        body.expect_continue(lambda: None)
        self.assertFalse(receive_queue.awaited)
        body.ask()
        self.assertTrue(receive_queue.awaited)

    def test_leaves_with_the_last_piece(self) -> None:
        """The stream may end while its last piece is taken."""
        receive_queue = ReceiveQueue(ended=False)
        body = open_body(receive_queue)
        body.start(LeavingReceiver(receive_queue))
        receive_queue.put(b"a", 1, ended=True)
        self.assertTrue(body.complete)
        self.assertIsNone(receive_queue.body)
