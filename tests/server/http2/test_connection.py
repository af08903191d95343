"""A client's HTTP/2: requests and responses as they should be."""

from __future__ import annotations

from twisted.internet.interfaces import IPushProducer
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from corsgate.config.model.values import Limits
from corsgate.errors import BodyTooLarge
from corsgate.message.head import ResponseHead
from corsgate.server.http2.codec import MAX_STREAMS
from corsgate.server.http2.stream import EARLY_RESPONSE_S, MAX_EARLY_RESPONSES
from corsgate.server.request import GateRequest
from tests.server.http2.client import Http2Client
from tests.server.support import Producer, Receiver, answer

OK = ResponseHead(status=200, reason=b"Fine", headers=[])


class RequestTests(SynchronousTestCase):
    """What becomes of a request."""

    def test_head(self) -> None:
        """A request has what one of HTTP/1.1 has."""
        client = Http2Client()
        verifyObject(IPushProducer, client.connection)
        client.request(b"/a%2Fb?c=d", [(b"x-one", b"1"), (b"x-one", b"2"), (b"cookie", b"a=1")])
        (request,) = client.requests
        self.assertEqual((request.method, request.uri), (b"GET", b"/a%2Fb?c=d"))
        self.assertEqual((request.authority, request.clientproto), (b"a.test", b"HTTP/2"))
        self.assertEqual(request.head.headers[1:3], [(b"x-one", b"1"), (b"x-one", b"2")])
        self.assertEqual(request.getHeader("host"), "a.test")
        self.assertIsNone(request.body)
        self.assertIsNone(request.refusal)
        self.assertEqual(request.offers, ())

    def test_answered(self) -> None:
        """A response has lower-cased names, a Date, its length, and no reason phrase."""
        client = Http2Client()
        number = client.request()
        head = ResponseHead(
            status=200,
            reason=b"Fine",
            headers=[
                (b"X-Big", b"Y"),
                (b"Connection", b"close"),
                (b"Transfer-Encoding", b"chunked"),
                (b"Set-Cookie", b"a=b"),
                (b"set-cookie", b"c=d"),
            ],
        )
        client.requests[0].begin(head, 5)
        client.requests[0].write(b"hello")
        client.requests[0].finish()
        client.read()
        got = client.answers[number]
        self.assertEqual((got.status, got.body, got.ended, got.reset), (200, b"hello", True, None))
        self.assertEqual(
            [name for name, _ in got.headers],
            [b"x-big", b"set-cookie", b"set-cookie", b"date", b"content-length"],
        )
        # The end is said with the last byte that was announced, in no frame of its own.
        self.assertEqual(got.frames, 1)
        self.assertEqual(client.recorded, client.requests)
        self.assertTrue(client.open)

    def test_bodiless(self) -> None:
        """Where no body follows the head ends the stream."""
        for method, status, length in (
            (b"HEAD", 200, 7),
            (b"HEAD", 200, None),
            (b"GET", 204, None),
            (b"GET", 304, 7),
            (b"GET", 200, 0),
        ):
            client = Http2Client()
            number = client.request(method=method)
            head = ResponseHead(status=status, reason=b"", headers=[])
            client.requests[0].begin(head, length)
            client.requests[0].write(b"not sent")
            client.requests[0].flush()
            client.read()
            got = client.answers[number]
            self.assertEqual((got.status, got.body, got.ended), (status, b"", True))
            stated = [b"%d" % length] if length is not None and status != 204 else None
            self.assertEqual(got.fields.get(b"content-length"), stated)
            client.requests[0].finish()
            client.read()
            self.assertIsNone(got.reset)
            self.assertEqual(len(client.recorded), 1)

    def test_web_api(self) -> None:
        """A resource that knows only twisted.web's own API is answered for as well."""

        def render(request: GateRequest) -> None:
            request.setResponseCode(201)
            request.setHeader("X-A", "b")
            request.write(b"one")
            request.write(b"two")
            request.finish()

        client = Http2Client(render=render)
        got = client.answers[client.request()]
        self.assertEqual((got.status, got.body, got.ended), (201, b"onetwo", True))
        self.assertEqual(got.fields[b"x-a"], [b"b"])

    def test_at_once(self) -> None:
        """Many requests are there at once, and are answered in any order."""
        client = Http2Client()
        numbers = [client.request(b"/%d" % each) for each in range(MAX_STREAMS)]
        self.assertEqual(len(client.requests), MAX_STREAMS)
        for request in reversed(client.requests):
            answer(request, request.uri)
        client.read()
        for each, number in enumerate(numbers):
            got = client.answers[number]
            self.assertEqual((got.body, got.ended), (b"/%d" % each, True))
        self.assertEqual(len(client.recorded), MAX_STREAMS)
        client.leave()
        self.assertTrue(client.deadlines.empty)
        self.assertEqual(client.site.connections.channels, set())

    def test_answered_makes_room(self) -> None:
        """A stream that has been answered whole takes no other's place."""
        client = Http2Client()
        for _ in range(MAX_STREAMS):
            client.request(method=b"HEAD")
        client.requests[0].begin(OK, 5)
        client.requests[0].flush()
        number, late = client.request(), client.request()
        self.assertEqual(len(client.requests), MAX_STREAMS + 1)
        self.assertNotIn(number, client.answers)
        self.assertEqual(client.answers[late].reset, 7)

    def test_upload(self) -> None:
        """A body is handed on as it comes; the trailers behind it too."""
        client = Http2Client()
        number = client.request(method=b"POST", end=False)
        (request,) = client.requests
        assert request.body is not None
        self.assertIsNone(request.body.length)
        client.data(number, b"one")
        receiver = Receiver()
        request.body.start(receiver)
        self.assertEqual(receiver.data, b"one")
        client.data(number, b"two")
        self.assertEqual((receiver.data, receiver.ended), (b"onetwo", 0))
        client.send(client.head(number, [(b"x-sum", b"6")]))
        self.assertEqual(receiver.ended, 1)
        self.assertEqual(request.body.trailers, [(b"x-sum", b"6")])
        answer(request)
        client.read()
        self.assertIsNone(client.answers[number].reset)

    def test_lengths(self) -> None:
        """A length that was told is known, and kept."""
        client = Http2Client()
        number = client.request(method=b"POST", headers=[(b"content-length", b"3")], end=False)
        client.request(method=b"POST", headers=[(b"content-length", b"0")])
        first, second = (request.body for request in client.requests)
        assert first is not None
        assert second is not None
        self.assertEqual((first.length, second.length, second.complete), (3, 0, True))
        client.data(number, b"one", end=True)
        self.assertTrue(first.complete)

    def test_trailers(self) -> None:
        """A response's trailers end it."""
        client = Http2Client()
        number = client.request(headers=[(b"te", b"trailers")])
        (request,) = client.requests
        request.begin(OK, None)
        request.write(b"body")
        request.trailers = [(b"X-Sum", b"4"), (b"Connection", b"x")]
        request.finish()
        client.read()
        got = client.answers[number]
        self.assertEqual((got.body, got.trailers, got.ended), (b"body", [(b"x-sum", b"4")], True))

    def test_interim(self) -> None:
        """Interim responses come before the head, and 100 when the body is asked for."""
        client = Http2Client()
        number = client.request(method=b"PUT", headers=[(b"expect", b"100-continue")], end=False)
        (request,) = client.requests
        hints = [(b"Link", b"</a>; rel=preload")]
        request.inform(ResponseHead(status=103, reason=b"Early Hints", headers=hints))
        client.read()
        got = client.answers[number]
        self.assertEqual(got.interim, [(103, [(b"link", b"</a>; rel=preload")])])
        assert request.body is not None
        request.body.start(Receiver())
        client.read()
        self.assertEqual(got.interim[1:], [(100, [])])
        answer(request, b"x")
        client.read()
        self.assertEqual((got.status, got.reset), (200, None))

    def test_early_answer(self) -> None:
        """A response that doesn't wait for the body ends the stream a little later.

        What comes late for it is ignored, and its bytes are given back to the connection.
        """
        client = Http2Client(render=lambda request: answer(request, b"no", status=403))
        number = client.request(method=b"POST", end=False)
        got = client.answers[number]
        # A client that reads both in one flight may drop the response.
        self.assertEqual((got.status, got.body, got.ended, got.reset), (403, b"no", True, None))
        client.data(number, bytes(16384))
        client.wait(2 * EARLY_RESPONSE_S)
        client.read()
        self.assertEqual(got.reset, 0)
        before = client.credit(0)
        for _ in range(40):
            client.data(number, bytes(16384))
        client.window(number, 1)
        self.assertEqual(got.reset, 0)
        client.send(client.head(number, [(b"x-late", b"1")]))
        self.assertGreaterEqual(client.credit(0) - before, 2**18)
        self.assertEqual(client.answers[client.request()].status, 403)
        self.assertEqual(client.goaways, [])

    def test_early_answer_then_the_rest(self) -> None:
        """A client that sends all of its request after the response is never told to stop."""
        client = Http2Client(render=lambda request: answer(request, b"no", status=403))
        for ends_by_trailers in (False, True):
            number = client.request(method=b"POST", end=False)
            client.data(number, bytes(16384), end=not ends_by_trailers)
            if ends_by_trailers:
                client.send(client.head(number, [(b"x-trailer", b"1")]))
            client.wait(2 * EARLY_RESPONSE_S)
            client.read()
            self.assertEqual(client.answers[number].reset, None)
            self.assertEqual(client.connection._streams, {})
        self.assertEqual(client.goaways, [])

    def test_early_answers_are_few(self) -> None:
        """Requests that were responded to early don't pile up: past a bound they end at once."""
        client = Http2Client(render=lambda request: answer(request, b"no", status=403))
        for _ in range(2):
            numbers = [client.request(method=b"POST", end=False) for _ in range(30)]
            resets = [client.answers[number].reset for number in numbers]
            most = MAX_EARLY_RESPONSES
            self.assertEqual(resets, [None] * most + [0] * (30 - most))
            self.assertEqual(len(client.connection._streams), most)
            client.wait(2 * EARLY_RESPONSE_S)
            self.assertEqual(client.connection._streams, {})

    def test_answered_by_its_last_bytes(self) -> None:
        """A response that the last piece of a body brings about needs no reset behind it."""
        client = Http2Client()
        number = client.request(method=b"POST", end=False)
        (request,) = client.requests
        receiver = Receiver()

        def answer_now(data: bytes) -> None:
            answer(request, data)

        receiver.body_data = answer_now  # type: ignore[method-assign]
        assert request.body is not None
        request.body.start(receiver)
        client.data(number, b"x", end=True)
        got = client.answers[number]
        self.assertEqual((got.body, got.ended, got.reset), (b"x", True, None))
        self.assertEqual(client.goaways, [])

    def test_failed_body(self) -> None:
        """A body that fails by the gate's doing costs its stream only."""
        client = Http2Client()
        number = client.request(method=b"POST", end=False)
        (request,) = client.requests
        assert request.body is not None
        receiver = Receiver()
        request.body.start(receiver)
        request.body.limit = 4
        client.data(number, b"12345")
        self.assertIsInstance(receiver.failures[0], BodyTooLarge)
        answer(request, status=413)
        client.read()
        self.assertEqual(client.answers[number].status, 413)
        client.wait(2 * EARLY_RESPONSE_S)
        client.read()
        self.assertEqual(client.answers[number].reset, 0)

    def test_cut_short(self) -> None:
        """A response that breaks off never looks whole."""
        client = Http2Client()
        for length in (None, 100):
            number = client.request()
            request = client.requests[-1]
            request.begin(OK, length)
            request.write(b"half")
            heard: list[Failure] = []
            request.notifyFinish().addErrback(heard.append)
            request.abort()
            client.read()
            got = client.answers[number]
            self.assertEqual((got.body, got.ended, got.reset), (b"half", False, 2))
            self.assertEqual(len(heard), 1)
        self.assertEqual(len(client.recorded), 2)
        self.assertTrue(client.open)

    def test_too_short(self) -> None:
        """A body shorter than its head said is reset, not ended."""
        client = Http2Client()
        number = client.request()
        client.requests[0].begin(OK, 10)
        client.requests[0].write(b"half")
        client.requests[0].finish()
        client.read()
        self.assertEqual((client.answers[number].ended, client.answers[number].reset), (False, 2))

    def test_crash(self) -> None:
        """A resource that raises costs its own request only."""

        def render(request: GateRequest) -> None:
            if request.uri == b"/bad":
                raise RuntimeError("it broke")
            answer(request, b"good")

        client = Http2Client(render=render)
        self.assertEqual(client.answers[client.request(b"/bad")].status, 500)
        self.assertEqual(client.answers[client.request(b"/good")].body, b"good")
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_large_head(self) -> None:
        """A response's head of any size passes."""
        client = Http2Client()
        number, other = client.request(), client.request()
        fields = [(b"x-%d" % each, bytes([65 + each % 26]) * 1000) for each in range(60)]
        client.requests[0].begin(ResponseHead(status=200, reason=b"", headers=fields), 0)
        client.requests[0].finish()
        answer(client.requests[1], b"x")
        client.read()
        self.assertEqual(client.answers[number].headers[:60], fields)
        self.assertTrue(client.answers[other].ended)

    def test_large_table(self) -> None:
        """A client's offer to remember a great many fields is not taken up."""
        client = Http2Client(settings={1: 2**32 - 1})
        fields = [(b"x-%d" % each, b"%d" % each * 200) for each in range(50)]
        sizes = []
        for _ in range(2):
            number = client.request()
            client.requests[-1].begin(ResponseHead(status=200, reason=b"", headers=fields), 0)
            client.requests[-1].finish()
            sizes.append(len(client.wire.value()))
            client.read()
            self.assertTrue(client.answers[number].ended)
        # With a large table the second would take a byte for each field.
        self.assertGreater(sizes[1], sizes[0] // 2)

    def test_producer(self) -> None:
        """A response's source is told at once that the client takes nothing."""
        client = Http2Client(Limits(max_buffered_bytes=1024), settings={4: 0})
        client.request()
        (request,) = client.requests
        request.begin(OK, None)
        request.write(bytes(2000))
        producer = Producer()
        request.registerProducer(producer, True)
        self.assertEqual(producer.calls, ["pause"])
        self.assertRaises(ValueError, request.channel.registerProducer, producer, False)  # type: ignore[attr-defined]
        request.unregisterProducer()
