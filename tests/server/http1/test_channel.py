"""A client's connection: order, framing, persistence, closing."""

from __future__ import annotations

import gc

from twisted.internet.interfaces import IPushProducer
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from corsgate.config.model.values import Limits
from corsgate.message.head import ResponseHead
from corsgate.server.parsed_request import ParsedRequest
from corsgate.server.request import GateRequest
from tests.server.support import Producer, Receiver, Served, answer

GET = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
TE = b"Transfer-Encoding: chunked\r\n"
EXPECT = b"Expect: 100-continue\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def refuse(request: GateRequest) -> None:
    """Answer 403 without a look at the body."""
    answer(request, b"no", status=403)


class OrderTests(SynchronousTestCase):
    def test_one_after_the_other(self) -> None:
        """Pipelined requests are rendered and answered in their order, one at a time."""
        served = Served()
        served.send(b"".join(GET % number for number in range(3)))
        for number in range(3):
            self.assertEqual([each.uri for each in served.requests][number:], [b"/%d" % number])
            answer(served.requests[number], b"body%d" % number)
            self.assertIn(b"X-For: /%d\r\n" % number, served.wire.value())
            self.assertTrue(served.wire.take().endswith(b"\r\n\r\nbody%d" % number))
        self.assertEqual(served.recorded, served.requests)
        self.assertTrue(served.wire.open)

    def test_many_at_once(self) -> None:
        """However many are answered at once, none nests in another."""
        served = Served(render=lambda request: answer(request))
        served.send(GET % 1 * 2000)
        served.clock.advance(0)
        self.assertEqual(served.wire.value().count(b"HTTP/1.1 200"), 2000)

    def test_queue_stops_reading(self) -> None:
        """While a request waits behind another, nothing more is read."""
        served = Served()
        served.send(GET % 1)
        self.assertTrue(served.wire.reading)
        served.send(GET % 2)
        self.assertFalse(served.wire.reading)
        answer(served.requests[0])
        self.assertTrue(served.wire.reading)

    def test_refusal_in_its_place(self) -> None:
        """What is no request is refused after the requests before it, and ends the connection."""
        served = Served()
        served.send(GET % 1 + b"nonsense\r\n\r\n" + GET % 2)
        answer(served.requests[0])
        self.assertTrue(served.wire.open)
        refusal = served.requests[1].refusal
        assert refusal is not None
        answer(served.requests[1], status=refusal.status)
        self.assertIn(b"Connection: close\r\n", served.wire.value())
        self.assertFalse(served.wire.open)
        self.assertEqual(len(served.requests), 2)

    def test_client_leaves(self) -> None:
        """A request hears once that its client is gone; one that waits is forgotten."""
        served = Served()
        heard: list[int] = []
        served.send(GET % 1 + GET % 2)
        served.requests[0].notifyFinish().addErrback(lambda _: heard.append(1))
        served.leave()
        self.assertEqual(heard, [1])
        self.assertEqual([each.uri for each in served.recorded], [b"/1"])
        self.assertEqual(len(served.requests), 1)
        self.assertEqual(served.clock.getDelayedCalls(), [])

    def test_gone_before_its_body(self) -> None:
        """Who waits for the response hears of the client first, and then of the body."""
        served = Served()
        served.send(POST + b"Content-Length: 5\r\n\r\nhe")
        request, order = served.requests[0], list[str]()
        assert request.body is not None

        class Late(Receiver):
            def body_failed(self, reason: Failure) -> None:
                order.append("body")

        request.body.start(Late())
        request.notifyFinish().addErrback(lambda _: order.append(f"gone={request.gone}"))
        served.leave()
        self.assertEqual(order, ["gone=True", "body"])


class FramingTests(SynchronousTestCase):
    def framing(self, raw: bytes, status: int, length: int | None, body: bytes) -> bytes:
        """Return what a response looks like on the wire."""
        served = Served()
        served.send(raw)
        head = ResponseHead(
            status=status,
            reason=b"R",
            headers=[
                (b"Content-Length", b"99"),
                (b"transfer-encoding", b"gzip"),
                (b"A", b"b"),
                (b"Date", b"d"),
            ],
        )
        served.requests[0].begin(head, length)
        served.requests[0].write(body)
        served.requests[0].finish()
        self.assertEqual(served.wire.disconnecting, b"Connection: close" in served.wire.value())
        data: bytes = served.wire.value()
        return data

    def test_framing(self) -> None:
        """The gate's framing alone is sent, and closing is used only where nothing else works."""
        head, ten = b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n"
        kept = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
        last = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        chunks = b"2\r\nhi\r\n0\r\n\r\n"
        for raw, status, length, fields, body in (
            (GET % 1, 200, 2, b"Content-Length: 2\r\n", b"hi"),
            (GET % 1, 200, None, b"Transfer-Encoding: chunked\r\n", chunks),
            (GET % 1, 204, None, b"", b""),
            (GET % 1, 204, 0, b"", b""),
            (GET % 1, 304, None, b"", b""),
            (GET % 1, 304, 7, b"Content-Length: 7\r\n", b""),
            (head, 200, 2, b"Content-Length: 2\r\n", b""),
            (head, 200, None, b"", b""),
            (last, 200, 2, b"Content-Length: 2\r\nConnection: close\r\n", b"hi"),
            (ten, 200, 2, b"Content-Length: 2\r\nConnection: close\r\n", b"hi"),
            (ten, 200, None, b"Connection: close\r\n", b"hi"),
            (kept, 200, 2, b"Content-Length: 2\r\nConnection: keep-alive\r\n", b"hi"),
            (kept, 200, None, b"Connection: close\r\n", b"hi"),
        ):
            expected = b"HTTP/1.1 %d R\r\nA: b\r\nDate: d\r\n" % status + fields + b"\r\n" + body
            self.assertEqual(self.framing(raw, status, length, b"hi"), expected)

    def test_web_api(self) -> None:
        """A resource that knows only twisted.web's own API is framed as well."""

        def render(request: GateRequest) -> None:
            request.setHeader(b"x-a", request.getHeader(b"host") or b"")
            request.write(b"hi")
            request.finish()

        served = Served(render=render)
        served.send(GET % 1)
        self.assertTrue(served.wire.value().endswith(b"\r\n\r\n2\r\nhi\r\n0\r\n\r\n"))
        self.assertIn(b"X-A: a\r\n", served.wire.value())
        self.assertTrue(served.wire.open)

    def test_failure_before(self) -> None:
        """A resource that raises makes a 500."""

        def render(request: GateRequest) -> None:
            raise RuntimeError("a bug")

        served = Served(render=render)
        served.send(GET % 1)
        self.assertIn(b"HTTP/1.1 500 ", served.wire.value())
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_failure_within(self) -> None:
        """One that raises in mid-response has its connection cut: an error page is no body."""

        def render(request: GateRequest) -> None:
            request.begin(ResponseHead(status=200, reason=b"", headers=[]), 100)
            raise RuntimeError("a bug")

        served = Served(render=render)
        served.send(GET % 1)
        self.assertNotIn(b"500", served.wire.value())
        self.assertTrue(served.wire.disconnected)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)


class ContinueTests(SynchronousTestCase):
    def test_asked_for(self) -> None:
        """The body is asked for when somebody wants it, once, and not before."""
        served = Served()
        served.send(POST + EXPECT + b"Content-Length: 2\r\n\r\n")
        self.assertEqual(served.wire.value(), b"")
        body, receiver = served.requests[0].body, Receiver()
        assert body is not None
        body.start(receiver)
        self.assertEqual(served.wire.take(), CONTINUE)
        served.send(b"hi")
        self.assertEqual((receiver.data, receiver.ended), (b"hi", 1))
        answer(served.requests[0])
        self.assertNotIn(b"close", served.wire.value())

    def test_not_waited_for(self) -> None:
        """A client that sends without waiting isn't asked."""
        served = Served()
        served.send(POST + EXPECT + b"Content-Length: 2\r\n\r\nh")
        body = served.requests[0].body
        assert body is not None
        body.start(Receiver())
        self.assertEqual(served.wire.value(), b"")

    def test_http_1_0(self) -> None:
        """HTTP/1.0 knows no 100 (RFC 9110 10.1.1)."""
        served = Served()
        served.send(b"POST / HTTP/1.0\r\n" + EXPECT + b"Content-Length: 2\r\n\r\n")
        body = served.requests[0].body
        assert body is not None
        body.start(Receiver())
        self.assertEqual(served.wire.value(), b"")

    def test_refused(self) -> None:
        """Refused unasked: the body may come or not, so the connection must not go on."""
        served = Served(render=refuse)
        served.send(POST + EXPECT + b"Content-Length: 2\r\n\r\n")
        self.assertIn(b"Connection: close\r\n", served.wire.value())
        self.assertNotIn(CONTINUE, served.wire.value())
        self.assertTrue(served.wire.half_closed)
        served.send(b"hi" + GET % 2)
        self.assertEqual(len(served.requests), 1)


class LingeringTests(SynchronousTestCase):
    def test_refused_upload_is_read_over(self) -> None:
        """A client that sends all before it reads gets the answer, and the connection lives."""
        served = Served(render=refuse)
        served.send(POST + b"Content-Length: 100000\r\n\r\n" + b"x" * 50_000)
        self.assertTrue(served.wire.reading)
        served.send(b"x" * 50_000 + GET % 2)
        self.assertEqual(len(served.requests), 2)
        self.assertEqual(served.wire.value().count(b"HTTP/1.1 403"), 2)
        self.assertTrue(served.wire.open)

    def test_refused_upload_has_an_end(self) -> None:
        """It isn't read over for ever, though bytes come all the time."""
        served = Served(render=refuse)
        served.send(POST + b"Content-Length: 100000\r\n\r\n")
        for _ in range(12):
            served.send(b"x")
            served.wait(1)
        self.assertTrue(served.wire.disconnected)

    def test_last_response(self) -> None:
        """Before it closes on unread bytes it half-closes, lest a reset destroy the response."""
        for raw in (
            POST + b"Connection: close\r\nContent-Length: 9\r\n\r\n",
            b"nonsense\r\n\r\n",
            POST + b"Content-Length: 9\r\n" + TE + b"\r\n",
        ):
            served = Served(render=refuse)
            served.send(raw)
            self.assertTrue(served.wire.half_closed, raw)
            self.assertFalse(served.wire.disconnecting, raw)
            self.assertTrue(served.wire.reading, raw)
            served.send(b"x" * 10)
            served.wait(12)
            self.assertTrue(served.wire.disconnected, raw)

    def test_requests_behind_the_last(self) -> None:
        """So it does where requests wait that will have no answer, and reads on meanwhile."""
        served = Served()
        served.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + GET % 2)
        answer(served.requests[0], length=None)
        self.assertTrue(served.wire.half_closed)
        self.assertTrue(served.wire.reading)
        self.assertEqual(len(served.requests), 1)

    def test_broken_body(self) -> None:
        """A body that breaks takes its request with it, and the connection after the answer."""
        served = Served()
        receiver = Receiver()
        served.send(POST + TE + b"\r\n2\r\nhi\r\n")
        body = served.requests[0].body
        assert body is not None
        body.start(receiver)
        served.send(b"nonsense\r\n" + GET % 2)
        self.assertEqual((receiver.data, len(receiver.failures)), (b"hi", 1))
        answer(served.requests[0], status=400)
        self.assertIn(b"Connection: close\r\n", served.wire.value())
        self.assertEqual(len(served.requests), 1)

    def test_body_breaks_after_the_answer(self) -> None:
        """One that nobody wanted any more just ends the connection."""
        served = Served(render=refuse)
        served.send(POST + TE + b"\r\n2\r\nhi\r\n")
        served.send(b"nonsense\r\n" + GET % 2)
        self.assertFalse(served.wire.open)
        self.assertEqual(len(served.requests), 1)


class BackPressureTests(SynchronousTestCase):
    def test_slow_client(self) -> None:
        """The transport's pace is the response's source's pace."""
        served, producer = Served(), Producer()
        verifyObject(IPushProducer, served.channel)
        served.send(GET % 1)
        served.requests[0].registerProducer(producer, True)
        served.channel.pauseProducing()
        served.channel.resumeProducing()
        self.assertEqual(producer.calls, ["pause", "resume"])

    def test_slow_from_the_start(self) -> None:
        """A source that comes while the client is behind is paused at once."""
        served, producer = Served(), Producer()
        served.send(GET % 1)
        served.channel.pauseProducing()
        served.requests[0].registerProducer(producer, True)
        self.assertEqual(producer.calls, ["pause"])

    def test_answers_nobody_takes(self) -> None:
        """A client that sends requests and takes no answers is neither read nor answered."""
        served = Served()
        served.send(GET % 1 + GET % 2)
        served.channel.pauseProducing()
        answer(served.requests[0])
        self.assertEqual(len(served.requests), 1)
        self.assertFalse(served.wire.reading)
        served.channel.resumeProducing()
        self.assertEqual(len(served.requests), 2)
        answer(served.requests[1])
        self.assertTrue(served.wire.reading)

    def test_many_at_once(self) -> None:
        """Of thousands in one read only a few are parsed ahead; each is answered in its turn."""
        served = Served()
        # What earlier tests have left is none of these.
        gc.collect()
        before = sum(isinstance(each, ParsedRequest) for each in gc.get_objects())
        served.send(b"".join(GET % number for number in range(1500)))
        self.assertFalse(served.wire.reading)
        made = sum(isinstance(each, ParsedRequest) for each in gc.get_objects()) - before
        self.assertLess(made, 300)
        for number in range(1500):
            self.assertEqual(served.requests[number].uri, b"/%d" % number)
            answer(served.requests[number])
        self.assertTrue(served.wire.reading)

    def test_pull_producer(self) -> None:
        """One that waits to be asked for each piece is refused, since nobody would ask."""
        served = Served()
        served.send(GET % 1)
        self.assertRaises(ValueError, served.requests[0].registerProducer, Producer(), False)

    def test_body_nobody_takes(self) -> None:
        """A body that isn't taken stops the reading at the bound, and starts it when taken."""
        served = Served(Limits(max_buffered_bytes=1024))
        served.send(POST + b"Content-Length: 5000\r\n\r\n", b"x" * 1000)
        self.assertTrue(served.wire.reading)
        served.send(b"x" * 1000)
        self.assertFalse(served.wire.reading)
        body, receiver = served.requests[0].body, Receiver()
        assert body is not None
        body.start(receiver)
        self.assertTrue(served.wire.reading)
        self.assertEqual(len(receiver.data), 2000)
        body.pause()
        self.assertFalse(served.wire.reading)
        body.resume()
        self.assertTrue(served.wire.reading)

    def test_unwanted_body_while_paused(self) -> None:
        """A body given up while the reading is paused is read over, and the next request comes."""
        served = Served(Limits(max_buffered_bytes=1024))
        served.send(POST + b"Content-Length: 3000\r\n\r\n", b"x" * 2000)
        self.assertFalse(served.wire.reading)
        refuse(served.requests[0])
        self.assertTrue(served.wire.reading)
        served.send(b"x" * 1000 + GET % 2)
        self.assertEqual(len(served.requests), 2)


class InterimTests(SynchronousTestCase):
    HINT = ResponseHead(status=103, reason=b"E", headers=[(b"Link", b"x")])

    def test_before(self) -> None:
        """Before the response it is written as it is."""
        served = Served()
        served.send(GET % 1)
        served.requests[0].inform(self.HINT)
        self.assertEqual(served.wire.take(), b"HTTP/1.1 103 E\r\nLink: x\r\n\r\n")

    def test_too_late(self) -> None:
        """Once the response has begun, ended, or has nobody to go to, it would be a part of it."""
        served = Served()
        served.send(GET % 1)
        request = served.requests[0]
        request.begin(ResponseHead(status=200, reason=b"", headers=[]), None)
        for step in (lambda: None, request.finish, served.leave):
            step()
            served.wire.clear()
            request.inform(self.HINT)
            self.assertEqual(served.wire.value(), b"")
