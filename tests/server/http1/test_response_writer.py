"""Responses on the wire: how each is framed, and that a whole one leaves in one write."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from corsgate.message.head import ResponseHead, field_lines
from corsgate.server.site import GateSite
from corsgate.shortcuts import Shortcuts
from tests.server.support import Producer, Served, Wire

FIELDS = [(b"Date", b"today"), (b"X", b"1")]
LINES = b"Date: today\r\nX: 1\r\n"
REQUEST = b"%b / HTTP/1.%d\r\nHost: a\r\n%b\r\n"


def made(status: int = 200, *, lines: bool = True) -> ResponseHead:
    """Return a head, with its lines or without them."""
    return ResponseHead(status, b"OK", FIELDS, field_lines(FIELDS) if lines else None)


class Writes(Wire):
    """A transport that keeps each write by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Keep it."""
        self.writes.append(data)
        super().write(data)


def served_with(shortcuts: Shortcuts) -> tuple[Any, Served, Writes]:
    """Return a channel, what serves it, and its transport."""
    served, wire = Served(), Writes()
    old = served.site.context
    site = GateSite(
        served.site.resource,
        deadlines=old.deadlines,
        limits=old.limits,
        record=old.record,
        reactor=served.clock,
        wall_clock=served.clock.seconds,
        shortcuts=shortcuts,
    )
    channel: Any = site.buildProtocol(None)
    channel.makeConnection(wire)
    return channel, served, wire


class WholeTests(SynchronousTestCase):
    """Responses that are written as a whole."""

    def written(self, request: bytes, head: ResponseHead, body: bytes, **more: Any) -> bytes:
        """Return what is written, which is the same with the shortcut and without."""
        results = []
        for whole in (True, False):
            channel, served, wire = served_with(Shortcuts(whole=whole))
            channel.dataReceived(request)
            (made_request,) = served.requests
            made_request.trailers = [(b"T", b"2")]
            made_request.respond(head, body, **more)
            self.assertEqual(len(wire.writes), 1)
            self.assertEqual(served.recorded, [made_request])
            results.append((wire.writes[0], made_request.sentLength, wire.open))
        self.assertEqual(*results)
        return results[0][0]

    def test_framing(self) -> None:
        """The length is told with 200, to HEAD and in 304, and nothing in 204."""
        for method, status, expected in (
            (b"GET", 200, b"Content-Length: 2\r\n\r\nhi"),
            (b"HEAD", 200, b"Content-Length: 2\r\n\r\n"),
            (b"GET", 304, b"Content-Length: 2\r\n\r\n"),
            (b"GET", 204, b"\r\n"),
        ):
            data = self.written(REQUEST % (method, 1, b""), made(status), b"hi")
            self.assertEqual(data, b"HTTP/1.1 %d OK\r\n%b%b" % (status, LINES, expected))

    def test_without_lines(self) -> None:
        """A head that has only fields is written as any other."""
        data = self.written(REQUEST % (b"GET", 1, b""), made(lines=False), b"hi")
        self.assertEqual(data, b"HTTP/1.1 200 OK\r\n%bContent-Length: 2\r\n\r\nhi" % LINES)

    def test_last(self) -> None:
        """A response behind which the connection closes says so, as HTTP/1.0 keeping it does."""
        for minor, field, said in (
            (1, b"Connection: close\r\n", b"Connection: close\r\n"),
            (0, b"", b"Connection: close\r\n"),
            (0, b"Connection: keep-alive\r\n", b"Connection: keep-alive\r\n"),
        ):
            data = self.written(REQUEST % (b"GET", minor, field), made(), b"hi")
            self.assertEqual(
                data, b"HTTP/1.1 200 OK\r\n%bContent-Length: 2\r\n%b\r\nhi" % (LINES, said)
            )

    def test_not_announced(self) -> None:
        """A body whose length was not announced comes as one chunk, with trailers behind it."""
        for body, chunk in ((b"hi", b"2\r\nhi\r\n"), (b"", b"")):
            data = self.written(REQUEST % (b"GET", 1, b""), made(), body, announced=False)
            ending = b"Transfer-Encoding: chunked\r\n\r\n%b0\r\nT: 2\r\n\r\n" % chunk
            self.assertEqual(data, b"HTTP/1.1 200 OK\r\n" + LINES + ending)

    def test_not_announced_to_http_1_0(self) -> None:
        """There only the end of the connection ends it."""
        request = REQUEST % (b"GET", 0, b"Connection: keep-alive\r\n")
        data = self.written(request, made(), b"hi", announced=False)
        self.assertEqual(data, b"HTTP/1.1 200 OK\r\n%bConnection: close\r\n\r\nhi" % LINES)

    def test_not_announced_and_bodiless(self) -> None:
        """Where no body follows, there is no chunk either."""
        for method, status in ((b"HEAD", 200), (b"GET", 304), (b"GET", 204)):
            request = REQUEST % (method, 1, b"")
            data = self.written(request, made(status), b"", announced=False)
            self.assertEqual(data, b"HTTP/1.1 %d OK\r\n%b\r\n" % (status, LINES))

    def test_unfinished_upload(self) -> None:
        """A client that has not sent its body may go on with it, unless it waits to be asked."""
        for expect, said in ((b"", b""), (b"Expect: 100-continue\r\n", b"Connection: close\r\n")):
            request = REQUEST % (b"PUT", 1, b"Content-Length: 9\r\n" + expect)
            data = self.written(request, made(), b"hi")
            self.assertEqual(
                data, b"HTTP/1.1 200 OK\r\n%bContent-Length: 2\r\n%b\r\nhi" % (LINES, said)
            )

    def test_whole_upload(self) -> None:
        """Behind an upload that has come, the connection stays open."""
        request = REQUEST % (b"PUT", 1, b"Content-Length: 2\r\n") + b"ok"
        data = self.written(request, made(), b"hi")
        self.assertEqual(data, b"HTTP/1.1 200 OK\r\n%bContent-Length: 2\r\n\r\nhi" % LINES)

    def test_draining(self) -> None:
        """A site that drains closes behind the response, and says so."""
        served = Served()
        served.send(REQUEST % (b"GET", 1, b""))
        served.site.drain()
        served.requests[0].respond(made(), b"hi")
        self.assertIn(b"\r\nConnection: close\r\n", served.wire.value())
        self.assertTrue(served.wire.disconnecting)

    def test_next(self) -> None:
        """The next request on the connection is served, and the wait for it has a limit."""
        served = Served()
        for _ in range(3):
            served.send(REQUEST % (b"GET", 1, b""))
            served.requests[-1].respond(made(), b"hi")
        self.assertEqual(len(served.recorded), 3)
        served.wait(served.site.context.limits.keep_alive_timeout_s + 2)
        self.assertTrue(served.wire.disconnecting)

    def test_finished(self) -> None:
        """Whoever waits for the end hears of it."""
        served = Served()
        served.send(REQUEST % (b"GET", 1, b""))
        finished = served.requests[0].notifyFinish()
        served.requests[0].respond(made(), b"hi")
        self.assertIsNone(self.successResultOf(finished))

    def test_slow_client(self) -> None:
        """Behind a response that the client does not take, the next request waits."""
        served = Served()
        served.send(REQUEST % (b"GET", 1, b""))
        served.wire.pacing.pauseProducing()
        served.requests[0].respond(made(), b"hi")
        served.send(REQUEST % (b"GET", 1, b""))
        self.assertEqual((len(served.requests), served.wire.reading), (1, False))
        served.wire.pacing.resumeProducing()
        self.assertEqual((len(served.requests), served.wire.reading), (2, True))


class PiecesTests(SynchronousTestCase):
    """Responses that come bit by bit."""

    def test_head_waits_for_the_body(self) -> None:
        """The head leaves with the first piece, or by itself where that is not there yet."""
        channel, served, wire = served_with(Shortcuts())
        for flushes, count in ((False, 2), (True, 3)):
            channel.dataReceived(REQUEST % (b"GET", 1, b""))
            request = served.requests[-1]
            wire.writes.clear()
            request.begin(made(), None)
            if flushes:
                request.flush()
            request.write(b"hi")
            request.finish()
            self.assertEqual(len(wire.writes), count)
            self.assertEqual(
                b"".join(wire.writes),
                b"HTTP/1.1 200 OK\r\n%bTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
                % LINES,
            )

    def test_paced(self) -> None:
        """The source of a response pauses while the client does not keep up."""
        served, producer = Served(), Producer()
        served.send(REQUEST % (b"GET", 1, b""))
        (request,) = served.requests
        request.begin(made(), None)
        request.registerProducer(producer, True)
        served.wire.pacing.pauseProducing()
        served.wire.pacing.resumeProducing()
        self.assertEqual(producer.calls, ["pause", "resume"])
        request.unregisterProducer()
        request.finish()
