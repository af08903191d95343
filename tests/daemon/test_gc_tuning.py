"""What a request leaves behind."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from weakref import ref

from hyperframe.frame import SettingsFrame
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.daemon.gc_tuning import LONGEST_S, TIDY_S, Tidying, settle, tidy
from corsgate.server.http1.channel import GateChannel
from corsgate.server.http2.connection import make_http2
from corsgate.server.http2.frames import PREFACE
from tests.server.http2.client import PSEUDO, Http2Client
from tests.server.support import LEFT, Served, Wire, answer
from tests.upstream.connection_case import EMPTY, ConnectionTestCase

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n"


class GarbageTests(SynchronousTestCase):
    """The collector is settled, so what it alone can find may stay for hours."""

    def setUp(self) -> None:
        """Put the collector back afterwards as it was."""
        self.addCleanup(gc.set_threshold, *gc.get_threshold())
        self.addCleanup(gc.unfreeze)

    def test_settle(self) -> None:
        """What is there by now is not looked through again."""
        settle()
        self.assertGreater(gc.get_freeze_count(), 0)
        self.assertGreater(gc.get_threshold()[0], 700)

    def test_tidy(self) -> None:
        """What was frozen, and is garbage since a reload, is collected."""

        class Ring:
            pass

        ring = Ring()
        ring.__dict__["self"] = ring
        gone = ref(ring)
        settle()
        del ring
        gc.collect()
        self.assertIsNotNone(gone())
        tidy()
        self.assertIsNone(gone())
        self.assertGreater(gc.get_freeze_count(), 0)

    def test_tidying(self) -> None:
        """Reloads one after the other have it done once."""
        clock, done = Clock(), list[int]()
        tidying = Tidying(clock, lambda: done.append(1))
        for _ in range(3):
            tidying.ended()
        self.assertEqual(done, [])
        clock.advance(TIDY_S)
        self.assertEqual(done, [1])
        tidying.ended()
        clock.advance(TIDY_S)
        self.assertEqual(done, [1, 1])

    def test_reloading(self) -> None:
        """While a reload is under way nothing is collected, and the thread gives way soon."""
        before_s, clock = sys.getswitchinterval(), Clock()
        tidying = Tidying(clock, lambda: None)
        tidying.began()
        self.assertFalse(gc.isenabled())
        self.assertLess(sys.getswitchinterval(), before_s)
        frozen = gc.get_freeze_count()
        tidying.ended()
        self.assertTrue(gc.isenabled())
        self.assertEqual(sys.getswitchinterval(), before_s)
        self.assertGreater(gc.get_freeze_count(), frozen)

    def test_reload_hangs(self) -> None:
        """A reload that does not end keeps the collector from its work for a while only."""
        before_s, clock = sys.getswitchinterval(), Clock()
        tidying = Tidying(clock, lambda: None)
        tidying.began()
        clock.advance(LONGEST_S)
        self.assertTrue(gc.isenabled())
        self.assertEqual(sys.getswitchinterval(), before_s)
        tidying.ended()
        self.assertTrue(gc.isenabled())
        clock.advance(TIDY_S)
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_no_cycles(self) -> None:
        """A request that was answered is gone without the collector's help."""
        served = Served(render=lambda request: answer(request, b"body"))
        served.send(REQUEST, REQUEST)
        served.requests.clear()
        served.recorded.clear()
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        for _ in range(10):
            served.send(REQUEST)
            served.requests.clear()
            served.recorded.clear()
        self.assertEqual(gc.collect(), 0)

    def test_client_connections(self) -> None:
        """A client's connection that is lost is gone too, whatever it had sent."""
        for reads in ((), (REQUEST[:9],), (REQUEST, REQUEST), (POST + b"da",), (b"BREW",)):
            served = Served(render=lambda request: answer(request, b"body"))

            def come_and_go(served: Served = served, reads: tuple[bytes, ...] = reads) -> None:
                channel = served.site.buildProtocol(None)
                assert isinstance(channel, GateChannel)
                channel.makeConnection(Wire())
                for data in reads:
                    channel.dataReceived(data)
                channel.connectionLost(LEFT)
                served.requests.clear()
                served.recorded.clear()

            self.assertEqual(left_by(come_and_go), 0, reads)

    def test_unconnected(self) -> None:
        """So is what was to serve a connection whose TLS handshake failed."""
        served = Served()
        self.assertEqual(left_by(lambda: GateChannel(served.site.context)), 0)

    def test_waiting_client(self) -> None:
        """So is one whose client leaves before it is answered."""
        served = Served()

        def come_and_go() -> None:
            channel = served.site.buildProtocol(None)
            assert isinstance(channel, GateChannel)
            channel.makeConnection(Wire())
            channel.dataReceived(POST + b"da")
            channel.connectionLost(LEFT)
            served.requests.clear()
            served.recorded.clear()

        self.assertEqual(left_by(come_and_go), 0)


class StreamGarbageTests(SynchronousTestCase):
    """What HTTP/2 leaves behind."""

    def test_streams(self) -> None:
        """A stream that has ended is gone, however it did."""
        served = Http2Client(render=lambda request: answer(request, b"body"))
        waiting = Http2Client(render=lambda request: None)

        def come_and_go() -> None:
            served.request()
            served.request(method=b"PUT", end=False)
            served.block([*PSEUDO, (b":path", b"/"), (b"X", b"y")])
            waiting.reset(waiting.request())
            number = waiting.request(method=b"PUT", end=False)
            waiting.data(number, b"abc")
            waiting.reset(number)
            self.assertEqual(len(served.recorded) + len(waiting.recorded), 5)
            for client in (served, waiting):
                client.requests.clear()
                client.recorded.clear()
                client.answers.clear()

        self.assertEqual(left_by(come_and_go), 0)

    def test_connections(self) -> None:
        """A connection that is lost is gone, whatever it had sent and however it ended."""
        script = Http2Client()
        greeting = PREFACE + SettingsFrame(0).serialize()
        upload = [(b":method", b"PUT"), *PSEUDO[1:], (b":path", b"/")]
        head = script.head(1, upload, end=False).serialize()
        for render in (answer, lambda request: None):
            client = Http2Client(render=render)
            for reads in ((), (PREFACE[:9],), (b"GET /",), (greeting,), (greeting, head)):
                for is_cut in (False, True):

                    def come_and_go(
                        client: Http2Client = client,
                        reads: tuple[bytes, ...] = reads,
                        is_cut: bool = is_cut,
                    ) -> None:
                        connection = make_http2(client.site.context)
                        connection.makeConnection(Wire())
                        for data in reads:
                            connection.dataReceived(data)
                        if is_cut:
                            connection.cut("it was told to")
                        connection.connectionLost(LEFT)
                        client.requests.clear()
                        client.recorded.clear()

                    self.assertEqual(left_by(come_and_go), 0, (reads, is_cut))


class UpstreamGarbageTests(ConnectionTestCase):
    def test_upstream_connections(self) -> None:
        """A server's connection that is lost is gone too."""
        for reads in ((), (EMPTY,), (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh",)):

            def come_and_go(reads: tuple[bytes, ...] = reads) -> None:
                self.setUp()
                if reads:
                    self.collect(self.answered(*reads))
                self.connection.connectionLost(LEFT)
                del self.connection

            self.assertEqual(left_by(come_and_go), 0, reads)


def left_by(action: Callable[[], object]) -> int:
    """Return how many objects an action leaves that only the collector can find."""
    action()
    gc.collect()
    gc.disable()
    try:
        action()
        return gc.collect()
    finally:
        gc.enable()
