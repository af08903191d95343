"""Bodies that are there as a whole, and those that nobody wants."""

from __future__ import annotations

from twisted.internet.interfaces import IConsumer
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.iweb import IBodyProducer
from zope.interface.verify import verifyObject

from corsgate.message.head import ResponseHead
from corsgate.upstream.body import KeptBody, drain
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


def verified(body: KeptBody) -> KeptBody:
    """Return a body that is what agents send."""
    verifyObject(IBodyProducer, body)
    return body
