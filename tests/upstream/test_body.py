"""Bodies that are there as a whole, and those that nobody wants."""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IConsumer
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import ResponseDone
from twisted.web.iweb import IBodyProducer
from zope.interface.verify import verifyObject

from corsgate.message.head import ResponseHead
from corsgate.upstream.body import KeptBody, drain, peek, read_beginning
from corsgate.upstream.response import UpstreamResponse
from tests.upstream.playing import Source, Written


class KeptBodyTests(SynchronousTestCase):
    def test_written(self) -> None:
        """It is written at once, as often as somebody asks."""
        body = verified(KeptBody(b"abc"))
        for _ in range(2):
            consumer = Written()
            verifyObject(IConsumer, consumer)
            self.assertIsNone(self.successResultOf(body.startProducing(consumer)))
            self.assertEqual(consumer.pieces, [b"abc"])

    def test_taken(self) -> None:
        """It can be taken as a whole, and is still there afterwards."""
        body = KeptBody(b"abc")
        self.assertEqual([body.take_whole(), body.take_whole()], [b"abc", b"abc"])
        self.assertTrue(body.replayable)
        self.assertEqual(body.length, 3)


class DrainTests(SynchronousTestCase):
    def drained(self, *pieces: bytes) -> Source:
        """Return what a response was told to do whose body was read and forgotten."""
        source = Source()
        response = UpstreamResponse(source, ResponseHead(200, b"OK", []), -1)
        drain(response, 10)
        for piece in pieces:
            response.body_data(piece)
            response.flush()
        return source

    def test_short(self) -> None:
        """A body of as many bytes as may be is read to its end."""
        self.assertEqual(self.drained(b"x" * 5, b"x" * 5).calls, [])

    def test_long(self) -> None:
        """A longer one is given up."""
        self.assertEqual(self.drained(b"x" * 5, b"x" * 6).calls, ["give up"])


class BeginningTests(SynchronousTestCase):
    """`read_beginning` and `peek`."""

    def setUp(self) -> None:
        """Make a response."""
        self.source = Source()
        self.response = UpstreamResponse(self.source, ResponseHead(200, b"OK", []), -1)

    def send(self, *pieces: bytes, end: Exception | None = None) -> None:
        """Let pieces of the body come, and its end."""
        for piece in pieces:
            self.response.body_data(piece)
            self.response.flush()
        self.response.body_ended(Failure(end or ResponseDone()))
        self.response.flush()

    def test_read(self) -> None:
        """All of a short body is read."""
        reading = read_beginning(self.response, 10)
        self.send(b"abc", b"def")
        self.assertEqual(self.successResultOf(reading), b"abcdef")

    def test_read_long(self) -> None:
        """The rest of a longer one is given up."""
        reading = read_beginning(self.response, 4)
        self.send(b"abc", b"def")
        self.assertEqual(self.successResultOf(reading), b"abcd")
        self.assertEqual(self.source.calls, ["give up"])

    def test_read_broken(self) -> None:
        """A body that breaks off is a failure."""
        reading = read_beginning(self.response, 10)
        self.send(b"abc", end=ZeroDivisionError())
        self.failureResultOf(reading, ZeroDivisionError)

    def test_peek(self) -> None:
        """A short body is seen, and still there as a whole."""
        seen = peek(self.response, 10)
        self.assertNoResult(seen)
        self.send(b"abc", b"def")
        self.assertEqual(self.successResultOf(seen), b"abcdef")
        self.assertEqual(self.response.take_whole(), b"abcdef")

    def test_peek_whole(self) -> None:
        """So is one that was there before."""
        self.send(b"abc")
        self.assertEqual(self.successResultOf(peek(self.response, 10)), b"abc")
        self.assertEqual(self.successResultOf(read_beginning(self.response, 10)), b"abc")

    def test_peek_long(self) -> None:
        """A longer body is not held back: it waits for its receiver and then goes on."""
        seen = peek(self.response, 4)
        self.response.body_data(b"abcdef")
        self.response.flush()
        self.assertEqual(self.successResultOf(seen), b"")
        self.assertEqual(self.source.calls, ["pause"])
        reading = read_beginning(self.response, 10)
        self.assertEqual(self.source.calls, ["pause", "resume"])
        self.send(b"gh")
        self.assertEqual(self.successResultOf(reading), b"abcdefgh")

    def test_peek_cancelled(self) -> None:
        """A caller that leaves gets no result, although the response ends at that moment."""
        for pieces in ((), (b"abcdef",)):
            self.setUp()

            def give_up(response: UpstreamResponse, pieces: tuple[bytes, ...] = pieces) -> None:
                self.send(*pieces, end=ZeroDivisionError())

            self.source.give_up_response = give_up  # type: ignore[method-assign]  # of one object
            seen = peek(self.response, 4)
            seen.cancel()
            self.failureResultOf(seen, CancelledError)

    def test_peek_broken(self) -> None:
        """A body that breaks off does so for its receiver too."""
        seen = peek(self.response, 10)
        self.send(b"abc", end=ZeroDivisionError())
        self.assertEqual(self.successResultOf(seen), b"")
        self.failureResultOf(read_beginning(self.response, 10), ZeroDivisionError)


def verified(body: KeptBody) -> KeptBody:
    """Return a body that is what agents send."""
    verifyObject(IBodyProducer, body)
    return body
