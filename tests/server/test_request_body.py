"""A client's body on its way in."""

from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from corsgate.errors import BodyTooLarge
from corsgate.server.request_body import RequestBody
from tests.server.support import Receiver


def body(length: int | None = None) -> RequestBody:
    """Return a body with a bound of ten bytes and nobody to hear of changes."""
    return RequestBody(length, 10, lambda: None)


class Halting(Receiver):
    """A receiver that pauses its body with every piece."""

    def __init__(self, source: RequestBody) -> None:
        super().__init__()
        self.source = source

    def body_data(self, data: bytes) -> None:
        """Note a piece, and pause."""
        super().body_data(data)
        self.source.pause()


class RequestBodyTests(SynchronousTestCase):
    def test_early(self) -> None:
        """What came before the receiver is handed on at once, the end too, and once."""
        source, receiver = body(), Receiver()
        source.data_received(b"a")
        source.data_received(b"b")
        source.ended()
        source.start(receiver)
        self.assertEqual((receiver.data, receiver.ended, receiver.failures), (b"ab", 1, []))
        source.resume()
        self.assertEqual(receiver.ended, 1)

    def test_tiny_pieces(self) -> None:
        """What is kept takes no more memory for having come in tiny pieces."""
        source = RequestBody(None, 65536, lambda: None)
        # Each an object of its own, as what a client sends is.
        pieces = (number.to_bytes(2) for number in range(32768))
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        for piece in pieces:
            source.data_received(piece)
        self.assertLess(tracemalloc.get_traced_memory()[0], 2 * 65536)
        receiver = Receiver()
        source.start(receiver)
        self.assertEqual((len(receiver.data), receiver.data[:4]), (65536, b"\0\0\0\1"))

    def test_limit_passed_later(self) -> None:
        """The piece that goes past the limit isn't handed on, and nothing follows."""
        source, receiver = body(), Receiver()
        source.limit = 3
        source.start(receiver)
        for piece in (b"ab", b"cd", b"e"):
            source.data_received(piece)
        source.ended()
        self.assertEqual((receiver.data, receiver.ended), (b"ab", 0))
        self.assertIsInstance(receiver.failures[0], BodyTooLarge)
        self.assertEqual(len(receiver.failures), 1)

    def test_limit_passed_already(self) -> None:
        """A body that came whole with its head is held to the limit as well."""
        source, receiver = body(), Receiver()
        source.data_received(b"abcd")
        source.ended()
        source.limit = 3
        source.start(receiver)
        self.assertEqual((receiver.data, receiver.ended), (b"", 0))
        self.assertIsInstance(receiver.failures[0], BodyTooLarge)

    def test_limit_met(self) -> None:
        """A body of just the limit's length passes."""
        source, receiver = body(), Receiver()
        source.data_received(b"abc")
        source.limit = 3
        source.ended()
        source.start(receiver)
        self.assertEqual((receiver.data, receiver.ended), (b"abc", 1))

    def test_failure_is_kept(self) -> None:
        """A receiver that comes after the failure hears of it, and of the first one only."""
        source, receiver = body(), Receiver()
        source.fail(Failure(ValueError("a")))
        source.fail(Failure(KeyError("b")))
        source.start(receiver)
        self.assertEqual([str(each) for each in receiver.failures], ["a"])

    def test_discarded(self) -> None:
        """A receiver that gave the body up hears no more, and all of it is read over."""
        source, receiver = body(), Receiver()
        source.start(receiver)
        source.pause()
        source.discard()
        self.assertTrue(source.wants_data)
        source.data_received(b"x" * 100)
        source.fail(Failure(ValueError()))
        source.ended()
        self.assertEqual((receiver.data, receiver.ended, receiver.failures), (b"", 0, []))

    def test_taken_whole(self) -> None:
        """One that is complete can be taken at once, by one who then is its receiver."""
        body = RequestBody(6, 1024, lambda: None)
        for piece in (b"abc", b"def"):
            body.data_received(piece)
        self.assertIsNone(body.take_whole())
        body.ended()
        self.assertEqual((body.take_whole(), body.held, body.started), (b"abcdef", 0, True))
        self.assertIsNone(body.take_whole())

    def test_not_taken_whole(self) -> None:
        """One that has failed, or that somebody takes, can't be taken at once."""
        failed = RequestBody(3, 1024, lambda: None)
        failed.data_received(b"abc")
        failed.limit = 2
        taken = RequestBody(3, 1024, lambda: None)
        taken.data_received(b"abc")
        taken.start(Receiver())
        for body in (failed, taken):
            body.ended()
            self.assertIsNone(body.take_whole())

    def test_started(self) -> None:
        """It counts as begun once somebody may have taken a part of it."""
        for begin in (lambda s: s.start(Receiver()), lambda s: s.discard()):
            source = body()
            self.assertFalse(source.started)
            begin(source)
            self.assertTrue(source.started)

    @given(st.lists(st.sampled_from(["data", "pause", "resume", "start"]), max_size=40))
    def test_whatever_the_order(self, steps: list[str]) -> None:
        """However it is paused and resumed: all of it, in order, then one end, never while paused.

        A paused body doesn't want to be read, and an unpaused one holds nothing back.
        """
        source, receiver, sent, begun = body(), Receiver(), b"", False
        for number, step in enumerate(steps):
            before = receiver.data
            if step == "data":
                piece = b"%d;" % number
                sent += piece
                source.data_received(piece)
            elif step == "start":
                if not begun:
                    source.start(receiver)
                begun = True
            else:
                getattr(source, step)()
            paused = "pause" in steps[: number + 1] and not _resumed(steps[: number + 1])
            if begun:
                self.assertEqual(source.wants_data, not paused)
                self.assertEqual(receiver.data, before if paused else sent)
        if not begun:
            source.start(receiver)
        source.resume()
        source.ended()
        self.assertEqual((receiver.data, receiver.ended), (sent, 1))

    def test_paused_by_each_piece(self) -> None:
        """A receiver may pause while it takes a piece; the end waits too."""
        source = body()
        receiver = Halting(source)
        source.start(receiver)
        source.data_received(b"a")
        source.data_received(b"b")
        source.ended()
        self.assertEqual((receiver.data, receiver.ended), (b"a", 0))
        source.resume()
        self.assertEqual((receiver.data, receiver.ended), (b"ab", 0))
        source.resume()
        self.assertEqual((receiver.data, receiver.ended), (b"ab", 1))


def _resumed(steps: list[str]) -> bool:
    """Return whether the last of pause and resume was resume."""
    moves = [step for step in steps if step in ("pause", "resume")]
    return moves[-1:] == ["resume"]
