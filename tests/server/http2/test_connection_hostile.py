"""What a client of HTTP/2 may do wrong: its stream ends, or its connection, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    PushPromiseFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import provider

from corsgate.errors import ConnectionFault
from corsgate.message.headers import HeaderList
from corsgate.server.http2.codec import MAX_STREAMS
from corsgate.server.http2.flood_limits import IDLE_FRAMES, RESETS
from tests.server.http2.client import PSEUDO, Http2Client
from tests.server.support import Receiver, answer

GET: HeaderList = [*PSEUDO, (b":path", b"/")]
CALM = 11
OPEN = HeadersFrame(1, b"", flags=["END_HEADERS"])


class StreamTests(SynchronousTestCase):
    """What ends a stream."""

    def assert_stream_error(self, client: Http2Client, number: int, code: int) -> None:
        """Assert that a stream was reset, and that the connection serves others."""
        self.assertEqual(client.answers[number].reset, code)
        count = len(client.requests)
        client.request(b"/next")
        self.assertEqual(client.requests[count].uri, b"/next")
        self.assertEqual(client.goaways, [])

    def test_malformed(self) -> None:
        """A malformed head reaches nobody."""
        for bad in (
            [*GET, (b"X-A", b"b")],
            [*GET, (b"connection", b"close")],
            [*GET, (b"x", b"a\r\nb: c")],
            GET[1:],
            [*GET, (b"content-length", b"x")],
            [*GET, (b"content-length", b"5")],
        ):
            client = Http2Client()
            number = client.block(bad)
            self.assertEqual(client.requests, [])
            (logged,) = client.recorded
            self.assertIn("malformed", str(logged.log.outcome))
            self.assertEqual((logged.code, logged.gone), (400, True))
            self.assert_stream_error(client, number, 1)

    def test_malformed_with_body(self) -> None:
        """What follows of its body is ignored."""
        client = Http2Client()
        number = client.block([*GET, (b"upgrade", b"x")], end=False)
        client.data(number, b"x" * 50000, end=True)
        self.assert_stream_error(client, number, 1)

    def test_wrong_length(self) -> None:
        """A body that isn't as long as was said fails, and its request with it."""
        for sent in ([b"12", b"34"], [b"12"], [b"123456"]):
            client = Http2Client()
            stated = [(b"content-length", b"3")]
            number = client.request(method=b"PUT", headers=stated, end=False)
            (request,) = client.requests
            receiver, gone = Receiver(), list[Failure]()
            assert request.body is not None
            request.body.start(receiver)
            request.notifyFinish().addErrback(gone.append)
            for piece in sent:
                client.data(number, piece, end=piece is sent[-1])
            self.assertEqual((receiver.ended, len(receiver.failures), len(gone)), (0, 1, 1))
            self.assertIn("Content-Length", str(request.log.outcome))
            self.assert_stream_error(client, number, 1)

    def test_bad_trailers(self) -> None:
        """So does one with trailers that are none, or one that trailers end too soon."""
        for stated, fields in (
            ([], [(b":path", b"/")]),
            ([], [(b"X", b"y")]),
            ([(b"content-length", b"5")], [(b"x", b"y")]),
        ):
            client = Http2Client()
            number = client.request(method=b"PUT", headers=stated, end=False)
            client.data(number, b"1234")
            client.send(client.head(number, fields))
            assert client.requests[0].body is not None
            self.assertFalse(client.requests[0].body.complete)
            self.assert_stream_error(client, number, 1)

    def test_too_many(self) -> None:
        """A stream past the bound is refused, so that it can safely be sent again."""
        client = Http2Client()
        for _ in range(MAX_STREAMS):
            client.request()
        number = client.request()
        self.assertEqual(client.answers[number].reset, 7)
        self.assertEqual(len(client.requests), MAX_STREAMS)
        answer(client.requests[0])
        client.read()
        self.assert_stream_error(client, number, 7)

    def test_body_behind_its_end(self) -> None:
        """Bytes behind the end of a request are an error of its stream (RFC 9113 5.1)."""
        client = Http2Client()
        number = client.request()
        client.data(number, b"x")
        self.assertTrue(client.requests[0].gone)
        self.assert_stream_error(client, number, 5)

    def test_reset(self) -> None:
        """A client that resets its request is gone from it."""
        client = Http2Client()
        number = client.request()
        (request,) = client.requests
        gone: list[Failure] = []
        request.notifyFinish().addErrback(gone.append)
        client.reset(number)
        self.assertEqual(len(gone), 1)
        self.assertEqual(request.log.outcome, "the client reset the stream")
        self.assertEqual(client.recorded, [request])
        client.window(number, 5)
        client.reset(number)
        self.assertEqual(client.answers[client.request()].reset, None)
        self.assertEqual(client.goaways, [])


class ConnectionTests(SynchronousTestCase):
    """What ends the connection."""

    def assert_connection_error(self, client: Http2Client, code: int) -> None:
        """Assert that the client was told why, and all its requests that it is gone."""
        self.assertEqual([each for _, each in client.goaways], [code])
        self.assertFalse(client.open)
        self.assertTrue(all(request.gone for request in client.requests))
        count = len(client.requests)
        client.send(client.head(client.number(), GET))
        self.assertEqual(len(client.requests), count)
        client.wait(12)
        self.assertTrue(client.wire.disconnected)
        client.leave()
        self.assertTrue(client.deadlines.empty)
        self.assertEqual(client.site.connections.channels, set())

    def test_frames(self) -> None:
        """Frames that can't be: RFC 9113 6 has an error for each."""
        large = HeadersFrame(3, bytes(16384), flags=[])
        cases: list[tuple[int, list[Frame]]] = [
            (1, [DataFrame(7, b"x")]),
            (1, [HeadersFrame(2, b"", flags=["END_HEADERS"])]),
            (1, [PushPromiseFrame(1, 2, b"", flags=["END_HEADERS"])]),
            (1, [RstStreamFrame(9)]),
            (1, [WindowUpdateFrame(9, 1)]),
            (1, [ContinuationFrame(9, b"")]),
            (1, [HeadersFrame(3, b"", flags=[]), PingFrame(0)]),
            (1, [HeadersFrame(3, b"", flags=[]), GoAwayFrame(0)]),
            (1, [HeadersFrame(3, b"", flags=[]), ContinuationFrame(5, b"")]),
            (1, [SettingsFrame(0, {2: 2})]),
            (3, [SettingsFrame(0, {4: 2**31})]),
            (1, [SettingsFrame(0, {5: 100})]),
            (9, [HeadersFrame(3, b"\xff\xff\xff", flags=["END_HEADERS"])]),
            (9, [HeadersFrame(3, b"\xbf", flags=["END_HEADERS"])]),
            (CALM, [large, *[ContinuationFrame(3, bytes(16384))] * 4]),
            (1, [large, *[ContinuationFrame(3, b"")] * 99]),
        ]
        for code, frames in cases:
            client = Http2Client()
            client.request()
            client.send(*frames)
            self.assert_connection_error(client, code)

    def test_raw(self) -> None:
        """Bytes that are no frame."""
        for code, raw in (
            (6, b"\x00\x40\x01\x00\x00" + bytes(4)),
            (1, b"\x00\x00\x01\x00\x00" + bytes(5)),
            (1, b"\x00\x00\x00\x01\x04" + bytes(4)),
            (6, b"\x00\x00\x03\x06\x00" + bytes(7)),
            (6, b"\x00\x00\x05\x04\x00" + bytes(9)),
            (6, b"\x00\x00\x01\x08\x00" + bytes(5)),
            (1, b"\x00\x00\x01\x00\x08\x00\x00\x00\x01\x05"),
        ):
            client = Http2Client()
            client.request(method=b"PUT", end=False)
            client.raw(raw)
            self.assert_connection_error(client, code)

    def test_no_http2(self) -> None:
        """Something else than HTTP/2, behind ALPN that agreed on it."""
        for raw in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01"):
            client = Http2Client(greets=False)
            client.raw(raw)
            self.assert_connection_error(client, 1)

    def test_bomb(self) -> None:
        """A small block that unfolds into a large head: 431 within reason, else the end."""
        value = b"v" * 3000
        for repeats, status in ((5, 0), (14, 431), (200, None)):
            client = Http2Client()
            client.block([*GET, (b"x", value)])
            number = client.block([*GET, *[(b"x", value)] * repeats])
            if status is None:
                self.assert_connection_error(client, CALM)
                continue
            refusal = client.requests[1].refusal
            self.assertEqual(0 if refusal is None else refusal.status, status)
            answer(client.requests[1], status=status or 200)
            client.read()
            self.assertTrue(client.answers[number].ended)

    def flood(self, act: Callable[[Http2Client], None], most: float, *, ready: bool = True) -> None:
        """Assert that a client may act so often at once, but not much more."""
        client = Http2Client(render=lambda request: None)
        if ready:
            client.request(method=b"PUT", end=False)
        for _ in range(int(most * 0.9)):
            act(client)
        self.assertTrue(client.open)
        self.assertEqual(client.goaways, [])
        for _ in range(int(most * 0.2)):
            act(client)
        self.assert_connection_error(client, CALM)

    def test_idle_floods(self) -> None:
        """Frames that do nothing."""
        for frame in (
            PingFrame(0),
            SettingsFrame(0),
            SettingsFrame(0, {4: 70000, 1: 4096}),
            SettingsFrame(0, flags=["ACK"]),
            PriorityFrame(1, depends_on=0, stream_weight=1),
            PriorityFrame(99, depends_on=0, stream_weight=1),
            DataFrame(1, b""),
            DataFrame(1, b"", pad_length=3, flags=["PADDED"]),
            WindowUpdateFrame(0, 1),
            WindowUpdateFrame(1, 1),
        ):
            raw = frame.serialize()
            self.flood(lambda client, raw=raw: client.raw(raw), IDLE_FRAMES)  # type: ignore[misc]
        self.flood(lambda client: client.raw(bytes(3) + b"\xfa" + bytes(5)), IDLE_FRAMES)

    def test_rapid_reset(self) -> None:
        """Requests that are reset as soon as they are made (CVE-2023-44487)."""

        def act(client: Http2Client) -> None:
            if client.open:
                client.reset(client.request())

        self.flood(act, RESETS)

    def test_made_you_reset(self) -> None:
        """Requests that the client makes the gate reset (CVE-2025-8671)."""

        def overflow(client: Http2Client) -> None:
            client.window(client.request(), 2**31 - 1)

        def late(client: Http2Client) -> None:
            client.data(client.request(), b"x")

        def malformed(client: Http2Client) -> None:
            client.block([*GET, (b"X", b"")])

        def longer(client: Http2Client) -> None:
            number = client.request(headers=[(b"content-length", b"1")], end=False)
            client.data(number, b"xx")

        for act in (overflow, late, malformed, longer):
            self.flood(act, RESETS)

    def test_no_flood(self) -> None:
        """A client that opens both windows for each small response is no flood."""
        client = Http2Client(render=lambda request: answer(request, b"x"))
        for _ in range(int(IDLE_FRAMES)):
            number = client.request()
            client.window(0, 1)
            client.window(number, 1)
        self.assertTrue(client.open)

    def test_refused_flood(self) -> None:
        """Requests past the bound, over and over."""

        def act(client: Http2Client) -> None:
            while len(client.requests) < MAX_STREAMS and client.open:
                client.request()
            client.request()

        self.flood(act, RESETS, ready=False)

    def test_late_flood(self) -> None:
        """Bytes for a stream that is no more."""

        def act(client: Http2Client) -> None:
            if not client.recorded:
                answer(client.requests[0])
                client.read()
            client.data(1, b"x")

        self.flood(act, IDLE_FRAMES)

    def test_unknown_settings(self) -> None:
        """Settings that nobody knows are not kept."""
        client = Http2Client()
        for first in range(9, 65536, 2000):
            pairs = [each.to_bytes(2) + bytes(4) for each in range(first, min(first + 2000, 2**16))]
            client.raw((6 * len(pairs)).to_bytes(3) + b"\x04" + bytes(5) + b"".join(pairs))
        self.assertLess(len(client.connection.codec._h2.remote_settings), 10)
        self.assertTrue(client.open)


class ReportTests(SynchronousTestCase):
    """What the log is told."""

    def test_bounded(self) -> None:
        """Of connections that break HTTP/2 there is a line per second and kind, with a count."""
        events: list[LogEvent] = []

        @provider(ILogObserver)
        def observe(event: LogEvent) -> None:
            events.append(event)

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        client = Http2Client()
        for _ in range(50):
            client.connection._report(ConnectionFault(1, "bad"))
        lines = [event for event in events if event["log_namespace"].endswith("Http2Connection")]
        self.assertEqual(len(lines), 1)
        client = Http2Client()
        client.send(DataFrame(1, b"x"))
        lines = [event for event in events if event["log_namespace"].endswith("Http2Connection")]
        self.assertEqual(len(lines), 2)
