"""Bodies on their way: kept, streamed, relayed and thrown away."""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IConsumer
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import ResponseDone
from twisted.web.iweb import UNKNOWN_LENGTH, IBodyProducer
from zope.interface import implementer
from zope.interface.verify import verifyObject

from corsgate.config.model.values import Limits
from corsgate.gate.relay import StreamedBody, collect, tunnelled
from corsgate.message.head import ResponseHead
from corsgate.server.request_body import SMALL_PIECE_BYTES, RequestBody
from corsgate.transport.tunnel import TunnelEnd
from corsgate.upstream.body import KeptBody, drain
from corsgate.upstream.response import UpstreamResponse
from tests.server.support import Served, Wire


@implementer(IConsumer)
class Consumer:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.unsent = 0

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Take a producer."""

    def unregisterProducer(self) -> None:
        """Forget it."""

    def write(self, data: bytes) -> None:
        """Keep bytes."""
        self.written += data


def incoming(length: int | None = None) -> RequestBody:
    """Return a client's body of which nothing has come."""
    return RequestBody(length, 1024, lambda: None)


class LateTunnels(SynchronousTestCase):
    """A server that agrees to switch when its client was cut in the same turn."""

    def test_late(self) -> None:
        """Its connection is cut: nobody would ever read from it, nor close it."""
        served, wire = Served(), Wire(lenient=True)
        served.send(
            b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
        )
        (request,) = served.requests
        served.channel.tls_ended()
        head = ResponseHead(101, b"", [(b"Upgrade", b"websocket")])
        with self.assertRaises(ConnectionDone):
            tunnelled(request, head, TunnelEnd(wire), head, Limits())
        self.assertTrue(wire.disconnected)


class KeptBodies(SynchronousTestCase):
    """A body that is there as a whole."""

    def test_counted(self) -> None:
        """What is kept counts as it comes, and then also what goes to a server of it."""
        source = incoming(6)
        collected = collect(source)
        source.data_received(b"abcd")
        self.assertEqual(source.held, 4)
        source.data_received(b"ef")
        source.ended()
        self.assertEqual(self.successResultOf(collected), b"abcdef")
        self.assertEqual(source.held, 12)

    def test_again_and_again(self) -> None:
        """It can be sent any number of times."""
        body = KeptBody(b"abc")
        verifyObject(IBodyProducer, body)
        self.assertTrue(body.replayable)
        self.assertEqual(body.length, 3)
        for _ in range(3):
            consumer = Consumer()
            self.assertIsNone(self.successResultOf(body.startProducing(consumer)))
            self.assertEqual(consumer.written, b"abc")

    def test_control(self) -> None:
        """Pausing, resuming and stopping it changes nothing."""
        body = KeptBody(b"abc")
        body.pauseProducing()
        body.resumeProducing()
        body.stopProducing()
        self.assertTrue(body.replayable)


class StreamedBodies(SynchronousTestCase):
    """A body that is sent as it comes."""

    def test_interface(self) -> None:
        """It is what agents send; its length is told where it is known."""
        verifyObject(IBodyProducer, StreamedBody(incoming()))
        self.assertIs(StreamedBody(incoming()).length, UNKNOWN_LENGTH)
        self.assertEqual(StreamedBody(incoming(5)).length, 5)

    def test_in_pieces(self) -> None:
        """Each piece goes on as it comes, and the Deferred fires with the end."""
        source, consumer = incoming(), Consumer()
        done = StreamedBody(source).startProducing(consumer)
        for piece in (b"abc", b"def"):
            source.data_received(piece)
            self.assertTrue(consumer.written.endswith(piece))
        self.assertNoResult(done)
        source.ended()
        self.assertIsNone(self.successResultOf(done))

    def test_all_there(self) -> None:
        """A body that has come whole by now is sent, and its Deferred has fired."""
        source, consumer = incoming(3), Consumer()
        source.data_received(b"abc")
        source.ended()
        self.assertIsNone(self.successResultOf(StreamedBody(source).startProducing(consumer)))
        self.assertEqual(consumer.written, b"abc")

    def test_unsent(self) -> None:
        """What the server's transport keeps counts as the body's while it is paused."""
        source, consumer = incoming(), Consumer()
        body = StreamedBody(source)
        body.startProducing(consumer)
        self.assertEqual(source.held, 0)
        consumer.unsent = 70_000
        body.pauseProducing()
        source.data_received(b"abc")
        self.assertEqual(source.held, 70_003)
        body.resumeProducing()
        self.assertEqual(source.held, 0)
        body.pauseProducing()
        body.stopProducing()
        self.assertEqual(source.held, 0)

    def test_taken_whole(self) -> None:
        """One that has come whole can be taken at once, unless it came in chunks."""
        for length in (3, None):
            source = incoming(length)
            body = StreamedBody(source)
            source.data_received(b"abc")
            self.assertIsNone(body.take_whole())
            source.ended()
            self.assertEqual(body.take_whole(), None if length is None else b"abc")

    def test_sent_again(self) -> None:
        """One that was taken whole can be taken again, unless it was larger than what is kept."""
        for size, kept in ((SMALL_PIECE_BYTES, True), (SMALL_PIECE_BYTES + 1, False)):
            source = incoming(size)
            body = StreamedBody(source)
            self.assertTrue(body.replayable)
            source.data_received(bytes(size))
            source.ended()
            self.assertEqual(body.take_whole(), bytes(size))
            self.assertEqual(body.replayable, kept)
            self.assertEqual(body.take_whole(), bytes(size) if kept else None)

    def test_already_broken(self) -> None:
        """A body that has broken off by now fails at once."""
        source = incoming(3)
        source.fail(Failure(ConnectionDone()))
        done = StreamedBody(source).startProducing(Consumer())
        self.failureResultOf(done, ConnectionDone)

    def test_breaks(self) -> None:
        """A body that breaks off fails."""
        source = incoming(3)
        done = StreamedBody(source).startProducing(Consumer())
        source.data_received(b"a")
        source.fail(Failure(ConnectionDone()))
        self.failureResultOf(done, ConnectionDone)

    def test_sent_once(self) -> None:
        """It can be sent until it has begun, by whichever of its senders."""
        source = incoming(3)
        first, second = StreamedBody(source), StreamedBody(source)
        self.assertTrue(first.replayable and second.replayable)
        first.startProducing(Consumer())
        self.assertFalse(first.replayable or second.replayable)

    def test_paused(self) -> None:
        """Paused, it hands on nothing, and resumed all that came meanwhile."""
        source, consumer = incoming(), Consumer()
        body = StreamedBody(source)
        done = body.startProducing(consumer)
        body.pauseProducing()
        source.data_received(b"abc")
        source.ended()
        self.assertEqual(consumer.written, b"")
        self.assertNoResult(done)
        body.resumeProducing()
        self.assertEqual(consumer.written, b"abc")
        self.successResultOf(done)

    def test_stopped(self) -> None:
        """Stopped, it takes no more, neither bytes nor an end nor a failure."""
        source, consumer = incoming(), Consumer()
        body = StreamedBody(source)
        done = body.startProducing(consumer)
        body.stopProducing()
        source.data_received(b"abc")
        source.fail(Failure(ConnectionDone()))
        self.assertEqual(consumer.written, b"")
        self.assertNoResult(done)


class Collected(SynchronousTestCase):
    """A body taken as a whole."""

    def test_whole(self) -> None:
        """Its pieces are joined."""
        source = incoming(6)
        source.data_received(b"abc")
        collected = collect(source)
        source.data_received(b"def")
        self.assertNoResult(collected)
        source.ended()
        self.assertEqual(self.successResultOf(collected), b"abcdef")

    def test_cancelled(self) -> None:
        """Whoever gave up waiting hears of neither its end nor its failure."""
        for end in (lambda s: s.ended(), lambda s: s.fail(Failure(ConnectionDone()))):
            source = incoming(6)
            collected = collect(source)
            collected.addErrback(lambda _: None)
            collected.cancel()
            end(source)


class Drained(SynchronousTestCase):
    """The rest of a response that nobody wants."""

    def setUp(self) -> None:
        """Make a response."""
        self.given_up = 0
        head = ResponseHead(status=401, reason=b"", headers=[])
        self.response = UpstreamResponse(self, head, -1)

    def pause_response(self, response: UpstreamResponse) -> None:
        """Take no notice."""

    def resume_response(self, response: UpstreamResponse) -> None:
        """Take no notice."""

    def give_up_response(self, response: UpstreamResponse) -> None:
        """Count."""
        self.given_up += 1

    def test_short(self) -> None:
        """A short one is read to its end, so that its connection lives on."""
        drain(self.response, 10)
        self.response.body_data(b"x" * 10)
        self.response.flush()
        self.response.body_ended(Failure(ResponseDone()))
        self.response.flush()
        self.assertEqual(self.given_up, 0)

    def test_long(self) -> None:
        """A long one is given up, with its connection."""
        drain(self.response, 10)
        self.response.body_data(b"x" * 11)
        self.response.flush()
        self.assertEqual(self.given_up, 1)
