"""A response: its body delivered in pieces, taken as a whole, or broken off."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IPushProducer
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import ResponseDone
from twisted.web.iweb import UNKNOWN_LENGTH, IResponse
from zope.interface.verify import verifyObject

from corsgate.errors import BadUpstreamResponse
from corsgate.message.head import ResponseHead
from corsgate.upstream.response import RESPONSE_DONE, UpstreamResponse
from tests.server.support import Collector
from tests.upstream.playing import Source

HEAD = ResponseHead(200, b"Fine", [(b"Content-Encoding", b"gzip")])
BROKEN = Failure(BadUpstreamResponse("it broke off"))


class ResponseTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Make one of which a part has come."""
        self.source = Source()
        self.response = UpstreamResponse(self.source, HEAD, 5, b"he")

    def test_interface(self) -> None:
        """It is an IResponse whose fields treq doesn't get to see."""
        verifyObject(IResponse, self.response)
        verifyObject(IPushProducer, self.response)
        response: Any = self.response
        self.assertEqual((response.code, response.phrase, response.length), (200, b"Fine", 5))
        self.assertEqual(list(response.headers.getAllRawHeaders()), [])
        self.assertIsNone(response.headers.getRawHeaders(b"content-encoding"))

    def test_length(self) -> None:
        """A length that nothing may be said of is none."""
        for length in (-1, -2):
            response: Any = UpstreamResponse(self.source, HEAD, length)
            self.assertIsNone(response.body_length)
            self.assertIs(response.length, UNKNOWN_LENGTH)

    def test_whole(self) -> None:
        """It can be taken as a whole once it is complete, and once only."""
        self.assertIsNone(self.response.take_whole())
        self.response.body_data(b"llo")
        self.response.body_ended(RESPONSE_DONE)
        self.assertEqual([self.response.take_whole(), self.response.take_whole()], [b"hello", b""])

    def test_delivered(self) -> None:
        """What came before is delivered first, then the rest, then the end."""
        collector = Collector()
        self.response.deliverBody(collector)
        self.assertEqual((collector.data, self.response.wanted), (b"he", True))
        self.response.body_data(b"llo")
        self.response.body_ended(RESPONSE_DONE)
        self.response.flush()
        self.assertEqual(collector.data, b"hello")
        self.assertIsInstance(collector.reasons[0], ResponseDone)
        self.assertEqual((self.response.complete, self.response.take_whole()), (True, b""))
        self.response.flush()
        self.assertEqual(len(collector.reasons), 1)

    def test_delivered_late(self) -> None:
        """One that waits for somebody to take it is read on once somebody does."""
        self.response.wait()
        self.response.body_data(b"llo")
        self.response.body_ended(RESPONSE_DONE)
        self.response.flush()
        collector = Collector()
        self.response.deliverBody(collector)
        self.assertEqual(self.source.calls, ["pause", "resume"])
        self.assertEqual((collector.data, len(collector.reasons)), (b"hello", 1))

    def test_broken(self) -> None:
        """One that breaks off is never whole, whatever comes after that."""
        self.response.body_ended(BROKEN)
        self.response.body_ended(RESPONSE_DONE)
        self.assertFalse(self.response.complete)
        self.assertIsNone(self.response.take_whole())
        collector = Collector()
        self.response.deliverBody(collector)
        self.assertEqual((collector.data, collector.reasons), (b"he", [BROKEN.value]))

    def test_producer(self) -> None:
        """Whoever takes the body rules over the connection."""
        self.response.pauseProducing()
        self.response.resumeProducing()
        self.response.stopProducing()
        self.assertEqual(self.source.calls, ["pause", "resume", "give up"])
