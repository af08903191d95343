"""One connection to an upstream: what it sends, and what it takes for a response."""

from __future__ import annotations

from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IConsumer, IHandshakeListener, IPushProducer
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.iweb import IResponse
from zope.interface.verify import verifyObject

from corsgate.errors import BadUpstreamResponse, ConnectionReset
from corsgate.message.head import RequestHead
from corsgate.upstream.body import KeptBody
from corsgate.upstream.repairs import Repair
from corsgate.upstream.response import UpstreamResponse
from tests.server.support import LEFT, Body, Collector
from tests.upstream.connection_case import EMPTY, LIMITS, OK, ConnectionTestCase
from tests.upstream.parsing import by_bytes
from tests.upstream.playing import request
from tests.upstream.sloppy_forms import AMBIGUOUS_HEADS, FORMS


class RequestTests(ConnectionTestCase):
    def test_head(self) -> None:
        """A head goes out as it is, with one framing field where there must be one."""
        start = b" /x?y HTTP/1.1\r\nHost: a\r\nhOst: b\r\n"
        for method, body, framing in (
            (b"GET", None, b""),
            (b"POST", None, b"Content-Length: 0\r\n"),
            (b"DELETE", Body(0), b"Content-Length: 0\r\n"),
            (b"POST", Body(7), b"Content-Length: 7\r\n"),
            (b"POST", Body(), b"Transfer-Encoding: chunked\r\n"),
        ):
            self.setUp()
            self.ask(method, body)
            self.assertEqual(self.wire.value(), method + start + framing + b"\r\n")

    def test_whole(self) -> None:
        """A body that is here as a whole leaves with its head, in one write."""
        writes: list[bytes] = []
        self.wire.write = writes.append  # type: ignore[method-assign]  # each by itself
        self.connection.makeConnection(self.wire)
        head = RequestHead(method=b"PUT", target=b"/", headers=[(b"Host", b"a")])
        request(self.connection, head, KeptBody(b"hello"), LIMITS)
        self.assertEqual(writes, [b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"])
        self.assertIsNone(self.wire.producer)

    def test_chunks(self) -> None:
        """A body of unknown length is chunked, an empty piece doesn't end it."""
        body = Body()
        self.ask(b"POST", body)
        self.wire.clear()
        for piece in (b"hello", b"", b"x" * 16):
            body.send(piece)
        body.done.callback(None)
        self.assertEqual(self.wire.value(), b"5\r\nhello\r\n10\r\n" + b"x" * 16 + b"\r\n0\r\n\r\n")
        self.assertIsNone(self.wire.producer)

    def test_slow_server(self) -> None:
        """The transport's pace is the body's."""
        body = Body()
        self.ask(b"POST", body)
        verifyObject(IPushProducer, self.wire.pacing)
        verifyObject(IConsumer, body.consumer)
        self.wire.pacing.pauseProducing()
        self.wire.pacing.resumeProducing()
        self.assertEqual(body.calls, ["pause", "resume"])

    def test_body_breaks(self) -> None:
        """A body that breaks off cuts the connection, so that what was sent can't look whole."""
        body = Body()
        asked = self.ask(b"POST", body)
        body.send(b"hello")
        body.done.errback(Failure(ValueError("gone")))
        self.failureResultOf(asked, ValueError)
        self.assertTrue(self.wire.disconnected)
        self.assertNotIn(b"0\r\n\r\n", self.wire.value())
        self.connection.connectionLost(LEFT)
        self.assertEqual(self.released, [False])


class ResponseTests(ConnectionTestCase):
    def test_interface(self) -> None:
        """A response is an IResponse, whose fields treq doesn't get to see."""
        response = self.answered(OK + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n")
        verifyObject(IResponse, response)
        verifyObject(IPushProducer, response)
        verifyObject(IHandshakeListener, self.connection)
        self.assertEqual(list(response.headers.getAllRawHeaders()), [])
        self.assertEqual((response.code, response.phrase, response.length), (200, b"OK", 2))
        self.assertIn((b"Content-Encoding", b"gzip"), response.head.headers)

    def test_framings(self) -> None:
        """Each is whole when it is, and only what is framed beyond doubt is used again."""
        cl, te = b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"
        chunks = b"\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\nX: y\r\n\r\n"
        close, ten = b"Connection: close\r\n", b"HTTP/1.0 200 OK\r\n"
        upgrade = b"Upgrade: h2\r\nConnection: upgrade\r\n"
        keep = b"Connection: keep-alive\r\n"
        hello = b"hello"
        for method, raw, body, length, reusable in (
            (b"GET", OK + cl + b"\r\nhello", hello, 5, True),
            (b"GET", OK + te + chunks, hello, None, True),
            (b"GET", OK + close + cl + b"\r\nhello", hello, 5, False),
            (b"GET", OK + b"Connection: x, Close\r\n" + cl + b"\r\nhello", hello, 5, False),
            (b"GET", ten + cl + b"\r\nhello", hello, 5, False),
            (b"GET", ten + keep + cl + b"\r\nhello", hello, 5, True),
            (b"GET", ten + keep + te + chunks, hello, None, False),
            (b"HEAD", OK + cl + b"\r\n", b"", 5, True),
            (b"HEAD", OK + te + b"\r\n", b"", None, True),
            (b"HEAD", OK + b"\r\n", b"", None, False),
            (b"GET", b"HTTP/1.1 204 N\r\n" + cl + b"\r\n", b"", 0, True),
            (b"GET", b"HTTP/1.1 304 N\r\n" + cl + b"\r\n", b"", 5, True),
            (b"GET", b"HTTP/1.1 304 N\r\n\r\n", b"", None, True),
            (b"GET", b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 103 E\r\nL: x\r\n\r\n" + EMPTY, b"", 0, True),
            (b"GET", OK + upgrade + cl + b"\r\nhello", hello, 5, True),
        ):
            for pieces in ([raw], [raw[at : at + 1] for at in range(len(raw))]):
                self.setUp()
                response = self.answered(*pieces, method=method)
                self.assertEqual(response.body_length, length, raw)
                collector = self.collect(response)
                self.assertEqual(collector.data, body, raw)
                self.assertIsInstance(collector.reasons[0], ResponseDone)
                self.assertEqual(len(collector.reasons), 1)
                self.assertTrue(response.complete)
                self.assertEqual(self.released, [reusable], raw)

    def test_no_field_of_an_interim_response(self) -> None:
        """What an informational response says is no part of the final one."""
        response = self.answered(b"HTTP/1.1 103 E\r\nLink: x\r\n\r\n" + EMPTY)
        self.assertEqual(response.head.headers, [(b"Content-Length", b"0")])
        self.assertEqual(response.head.reason, b"OK")

    def test_until_close(self) -> None:
        """A body that ends with its connection is whole when that ends in order."""
        collector = self.collect(self.answered(OK + b"\r\nhel", b"lo"))
        self.assertEqual(collector.reasons, [])
        self.connection.connectionLost(LEFT)
        self.assertEqual(collector.data, b"hello")
        self.assertIsInstance(collector.reasons[0], ResponseDone)

    def test_cut_short(self) -> None:
        """Whatever was cut short doesn't look whole: a reset ends no body."""
        reset = Failure(ConnectionLost())
        for head, reason in (
            (b"\r\n", reset),
            (b"Content-Length: 6\r\n\r\n", LEFT),
            (b"Content-Length: 6\r\n\r\n", reset),
            (b"Transfer-Encoding: chunked\r\n\r\n5\r\n", LEFT),
        ):
            self.setUp()
            collector = self.collect(self.answered(OK + head + b"hello"))
            self.connection.connectionLost(reason)
            self.assertEqual(collector.data, b"hello")
            self.assertIsInstance(collector.reasons[0], BadUpstreamResponse)
            self.assertEqual(self.released, [False])

    def test_without_close_notify(self) -> None:
        """A body of HTTP/1.0 may end with TCP alone below TLS, unless it is read strictly."""
        reset = Failure(ConnectionLost())
        for strict, below, whole in (
            (False, True, True),
            (False, False, False),
            (True, True, False),
        ):
            self.strict = strict
            self.setUp()
            self.wire.closed_below = below  # type: ignore[attr-defined]  # a TLS transport's
            response = self.answered(b"HTTP/1.0 200 OK\r\n\r\nhello")
            collector = self.collect(response)
            self.connection.connectionLost(reset)
            done = isinstance(collector.reasons[0], ResponseDone)
            self.assertEqual(
                (done, response.unsealed, self.repairs), (whole, whole, [Repair.UNSEALED] * whole)
            )

    def test_refused(self) -> None:
        """What is no response, or one that could be read in two ways, is none."""
        for raw in AMBIGUOUS_HEADS:
            self.setUp()
            self.refuse(raw)

    def test_strict(self) -> None:
        """A strict connection has no response for what is not well-formed."""
        self.strict = True
        cl, te = b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"
        for raw in (
            b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
            OK + cl + te + b"\r\n0\r\n\r\n",
            OK + te + cl + b"\r\n0\r\n\r\n",
            OK + cl + cl + b"\r\nhello",
            OK + b"Content-Length: 5, 5\r\n\r\nhello",
            OK + b"X : y\r\n\r\n",
            OK + b"X: y\r\n z\r\n\r\n",
            *AMBIGUOUS_HEADS,
        ):
            # Empty lines are no fault to it, and CR alone is one.
            if not raw.startswith(b"\r"):
                self.setUp()
                self.refuse(raw)

    def test_put_right(self) -> None:
        """What has one meaning is a response, behind which the connection is not used again."""
        for raw, found in FORMS:
            self.setUp()
            collector = self.collect(self.answered(*by_bytes(raw)))
            if not self.released:
                self.connection.connectionLost(LEFT)
            self.assertEqual((collector.data, self.released), (found.body, [False]), raw)
            self.assertEqual(set(self.repairs), found.repairs, raw)

    def refuse(self, raw: bytes) -> None:
        """Assert that bytes are no response."""
        asked = self.ask()
        self.connection.dataReceived(raw)
        self.failureResultOf(asked, BadUpstreamResponse)
        self.assertTrue(self.wire.disconnected, raw)
        self.connection.connectionLost(LEFT)
        self.assertEqual(self.released, [False], raw)

    def test_long_length(self) -> None:
        """A length with thousands of zeros before it is a length."""
        response = self.answered(OK + b"Content-Length: " + b"0" * 5000 + b"2\r\n\r\nhi")
        self.assertEqual(self.collect(response).data, b"hi")

    def test_closed_before(self) -> None:
        """Closed before a byte, it was reset; within the head, the response is bad."""
        for raw, error in (
            (b"", ConnectionReset),
            (b"H", BadUpstreamResponse),
            (OK, BadUpstreamResponse),
            (b"HTTP/1.1 100 C\r\n\r\n", BadUpstreamResponse),
        ):
            self.setUp()
            asked = self.ask()
            if raw:
                self.connection.dataReceived(raw)
            self.connection.connectionLost(LEFT)
            self.failureResultOf(asked, error)

    def test_endless_head(self) -> None:
        """No head, trailer, chunk extension or run of 1xx goes on for ever."""
        chunked = OK + b"Transfer-Encoding: chunked\r\n\r\n"
        for start, more in (
            (OK + b"X: ", b"y" * 10_000),
            (OK, b"X: y\r\n" * 2_000),
            (b"", b"HTTP/1.1 100 C\r\n\r\n" * 500),
            (chunked + b"0\r\nX: ", b"y" * 10_000),
            (chunked + b"5;", b"y" * 10_000),
        ):
            self.setUp()
            asked = self.ask()
            collector = Collector()
            asked.addCallback(UpstreamResponse.deliverBody, collector)
            asked.addErrback(collector.connectionLost)
            for data in (start, *[more] * 30):
                if data and not self.wire.disconnected:
                    self.connection.dataReceived(data)
            self.assertIsInstance(collector.reasons[0], BadUpstreamResponse, start)
            self.assertTrue(self.wire.disconnected)
