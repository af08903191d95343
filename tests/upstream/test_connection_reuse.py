"""One connection to an upstream: used again or not, paused, given up, too slow."""

from __future__ import annotations

import gc
import socket
from types import FunctionType, ModuleType
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.tcp import Connection
from twisted.internet.testing import MemoryReactorClock

from corsgate.errors import BadUpstreamResponse, ConnectionReset, UpstreamTimedOut
from corsgate.transport.read_size import MOST_BYTES, PROVEN_READS, USUAL_BYTES
from tests.server.support import LEFT, Body, Collector, Wire
from tests.upstream.connection_case import EMPTY, OK, ConnectionTestCase


class ReuseTests(ConnectionTestCase):
    def test_again(self) -> None:
        """A connection serves one exchange after the other, nothing left of the first."""
        for method in (b"GET", b"HEAD", b"GET"):
            response = self.answered(
                OK + b"A: %b\r\nContent-Length: 0\r\n\r\n" % method, method=method
            )
            self.assertEqual(response.head.headers[0], (b"A", method))
            self.collect(response)
        self.assertEqual(self.released, [True] * 3)

    def test_bytes_that_follow(self) -> None:
        """Bytes behind a response, in its read or later, leave the connection in doubt."""
        for method, raw in (
            (b"GET", EMPTY + EMPTY),
            (b"GET", EMPTY + b"x"),
            (b"GET", b"HTTP/1.1 204 N\r\nContent-Length: 5\r\n\r\nhello"),
            (b"HEAD", OK + b"Content-Length: 5\r\n\r\nhello"),
            (b"HEAD", OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            (b"HEAD", OK + b"\r\nhello"),
            (b"HEAD", EMPTY + EMPTY),
        ):
            self.setUp()
            response = self.answered(raw, method=method)
            self.assertEqual(self.collect(response).data, b"")
            self.assertEqual(self.released, [False], raw)

    def test_bytes_while_idle(self) -> None:
        """An idle connection that brings bytes is cut, and of no use from then on."""
        self.collect(self.answered(EMPTY))
        self.connection.dataReceived(EMPTY)
        self.assertTrue(self.connection.lost)
        self.assertTrue(self.wire.disconnected)

    def test_answered_early(self) -> None:
        """Answered before the body was sent: the rest is given up, the connection too."""
        body = Body(10)
        asked = self.ask(b"POST", body)
        body.send(b"hello")
        self.connection.dataReceived(EMPTY)
        self.assertEqual(self.collect(self.successResultOf(asked)).data, b"")
        self.assertEqual(body.calls, ["stop"])
        self.assertTrue(self.wire.disconnected)
        self.assertNotIn(True, self.released)
        self.wire.clear()
        body.send(b"world")
        self.assertEqual(self.wire.value(), b"")

    def test_begun_early(self) -> None:
        """A response that begins early doesn't stop the upload."""
        body = Body(10)
        asked = self.ask(b"POST", body)
        self.connection.dataReceived(OK + b"Content-Length: 2\r\n\r\nh")
        collector = self.collect(self.successResultOf(asked))
        body.send(b"helloworld")
        body.done.callback(None)
        self.connection.dataReceived(b"i")
        self.assertEqual((collector.data, body.calls, self.released), (b"hi", [], [True]))

    def test_paused_when_it_ended(self) -> None:
        """TLS brings what it has decrypted though paused: the connection is used unpaused."""
        response = self.answered(OK + b"Content-Length: 5\r\n\r\nhe")
        collector = self.collect(response)
        response.pauseProducing()
        self.assertFalse(self.wire.reading)
        self.connection.dataReceived(b"llo")
        self.assertEqual((collector.data, self.released), (b"hello", [True]))
        self.assertTrue(self.wire.reading)

    def test_stale_response(self) -> None:
        """A response that has ended can't pause or cut the exchange after it."""
        response = self.answered(EMPTY)
        self.collect(response)
        self.ask()
        response.pauseProducing()
        response.stopProducing()
        self.assertTrue(self.wire.reading)
        self.assertTrue(self.wire.open)


class IdleTests(ConnectionTestCase):
    def test_keeps_nothing(self) -> None:
        """While it is idle, a connection keeps nothing of the response that it brought."""
        size = 50_000
        head = OK + b"X: %b\r\nContent-Length: %d\r\n\r\n" % (b"x" * size, size)
        for reads in (
            (head + bytes(size),),
            (head, bytes(size)),
            (head + bytes(9), bytes(size - 9)),
        ):
            self.collect(self.answered(*reads))
            self.assertEqual(largest(self.connection), 0)


def largest(root: object) -> int:
    """Return the size of the largest bytes that an object leads to, unless they are small."""
    seen: set[int] = set()
    left: list[object] = [root]
    most = 0
    while left:
        each = left.pop()
        if id(each) not in seen and not isinstance(each, type | ModuleType | FunctionType | Wire):
            seen.add(id(each))
            most = max(most, len(each) if isinstance(each, bytes) else 0)
            left += gc.get_referents(each)
    return most if most > 10_000 else 0


class ReadSizeTests(ConnectionTestCase):
    """More is read at once while whoever takes the response keeps up."""

    def connect(self) -> Any:
        """Return a transport over a socket, which is the connection's from now on."""
        server = socket.create_server(("127.0.0.1", 0))
        client = socket.create_connection(server.getsockname())
        for each in (client, server):
            self.addCleanup(each.close)
        tcp = Connection(client, self.connection, MemoryReactorClock())
        self.connection.makeConnection(tcp)
        return tcp

    def test_both_ways(self) -> None:
        """While a body is still sent no more is read: as much could wait to be sent then."""
        tcp = self.connect()
        asked = self.ask(b"PUT", Body())
        self.connection.dataReceived(OK + b"Content-Length: %d\r\n\r\n" % (12 * USUAL_BYTES))
        self.collect(self.successResultOf(asked))
        for _ in range(8):
            self.connection.dataReceived(bytes(USUAL_BYTES))
        self.assertEqual(tcp.bufferSize, USUAL_BYTES)

    def test_download(self) -> None:
        """A long body is read in larger pieces, until its taker pauses or it ends."""
        tcp = self.connect()
        length = 20 * USUAL_BYTES
        response = self.answered(OK + b"Content-Length: %d\r\n\r\n" % length)
        self.collect(response)
        sizes = [tcp.bufferSize]
        full = [USUAL_BYTES] * PROVEN_READS
        for size in (100, *full, MOST_BYTES):
            self.connection.dataReceived(bytes(size))
            sizes.append(tcp.bufferSize)
        self.assertEqual(sizes, [USUAL_BYTES, *full, MOST_BYTES, MOST_BYTES])
        response.pauseProducing()
        self.assertEqual(tcp.bufferSize, USUAL_BYTES)
        response.resumeProducing()
        self.assertEqual(tcp.bufferSize, USUAL_BYTES)
        self.connection.dataReceived(bytes(length - 100 - sum(full) - MOST_BYTES))
        self.assertEqual((tcp.bufferSize, self.released), (USUAL_BYTES, [True]))


class DeliveryTests(ConnectionTestCase):
    def test_late(self) -> None:
        """A body that nobody takes yet isn't read on, and then comes whole."""
        response = self.answered(OK + b"Content-Length: 5\r\n\r\nhe")
        self.assertFalse(self.wire.reading)
        collector = self.collect(response)
        self.assertTrue(self.wire.reading)
        self.connection.dataReceived(b"llo")
        self.assertEqual(collector.data, b"hello")

    def test_late_and_slow(self) -> None:
        """Who pauses as soon as the body is handed over stays paused."""
        response = self.answered(OK + b"Content-Length: 5\r\n\r\nhe")

        class Slow(Collector):
            def connectionMade(self) -> None:
                transport: Any = self.transport
                transport.pauseProducing()

        response.deliverBody(Slow())
        self.assertFalse(self.wire.reading)

    def test_given_up(self) -> None:
        """Who gives a response up cuts the connection, and hears so once."""
        response = self.answered(OK + b"Content-Length: 5\r\n\r\nhe")
        collector = self.collect(response)
        response.stopProducing()
        response.stopProducing()
        self.assertTrue(self.wire.disconnected)
        self.connection.connectionLost(LEFT)
        self.assertEqual(len(collector.reasons), 1)
        self.assertIsInstance(collector.reasons[0], BadUpstreamResponse)

    def test_cancelled(self) -> None:
        """Cancelling cuts the connection, stops the body, and says so once."""
        body = Body()
        asked = self.ask(b"POST", body)
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        self.assertTrue(self.wire.disconnected)
        self.assertEqual(body.calls, ["stop"])
        self.connection.dataReceived(EMPTY)
        self.connection.connectionLost(LEFT)
        self.assertEqual(self.released, [False])


class TimesTests(ConnectionTestCase):
    def test_no_head(self) -> None:
        """A server that sends no head in time is given up, however it trickles."""
        for trickle in (b"", b"X"):
            self.setUp()
            asked = self.ask()
            self.connection.dataReceived(OK)
            for _ in range(11):
                if trickle and not self.wire.disconnected:
                    self.connection.dataReceived(trickle)
                self.wait(1)
            self.failureResultOf(asked, UpstreamTimedOut)
            self.assertTrue(self.wire.disconnected)

    def test_interim_responses(self) -> None:
        """Informational responses say that it is at work."""
        asked = self.ask()
        for _ in range(4):
            self.wait(8)
            self.connection.dataReceived(b"HTTP/1.1 102 P\r\n\r\n")
        self.assertNoResult(asked)

    def test_client_uploads_slowly(self) -> None:
        """While the client is the one to send, the server isn't late; it is when held up."""
        body = Body()
        asked = self.ask(b"POST", body)
        self.wait(60)
        self.assertNoResult(asked)
        self.wire.pacing.pauseProducing()
        self.wait(11)
        self.failureResultOf(asked, UpstreamTimedOut)
        self.assertEqual(body.calls, ["pause", "stop"])

    def test_after_the_upload(self) -> None:
        """The time for the head begins when the body was sent."""
        body = Body()
        asked = self.ask(b"POST", body)
        self.wait(60)
        body.done.callback(None)
        self.wait(9)
        self.assertNoResult(asked)
        self.wait(3)
        self.failureResultOf(asked, UpstreamTimedOut)

    def test_idle_response(self) -> None:
        """A body that stops coming is broken off; one that is paused by the client is not."""
        response = self.answered(OK + b"Content-Length: 50\r\n\r\nhe")
        collector = self.collect(response)
        response.pauseProducing()
        self.wait(100)
        response.resumeProducing()
        self.wait(19)
        self.connection.dataReceived(b"x")
        self.wait(19)
        self.assertEqual(collector.reasons, [])
        self.wait(2)
        self.assertIsInstance(collector.reasons[0], UpstreamTimedOut)
        self.assertTrue(self.wire.disconnected)

    def test_never_taken(self) -> None:
        """A response that nobody ever takes doesn't hold its connection for ever."""
        self.answered(OK + b"Content-Length: 50\r\n\r\nhe")
        self.wait(22)
        self.assertTrue(self.wire.disconnected)

    def test_close(self) -> None:
        """A closed connection is of no use at once, and is cut if it lingers."""
        self.connection.close()
        self.assertTrue(self.connection.lost)
        self.assertTrue(self.wire.disconnecting)
        self.assertFalse(self.wire.disconnected)
        self.wait(12)
        self.assertTrue(self.wire.disconnected)

    def test_idle(self) -> None:
        """An idle connection is closed when its time is over, and of no use from then on."""
        self.collect(self.answered(EMPTY))
        self.connection.idle_until(self.clock.seconds() + 5)
        self.wait(6)
        self.assertTrue(self.connection.lost)
        self.assertTrue(self.wire.disconnecting)
        self.connection.connectionLost(LEFT)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class GarbageTests(ConnectionTestCase):
    def test_no_cycles(self) -> None:
        """However a request ends without a response, the collector has nothing to find."""

        def lost(asked: Deferred[Any]) -> None:
            self.connection.connectionLost(LEFT)
            self.failureResultOf(asked, ConnectionReset)

        def cancelled(asked: Deferred[Any]) -> None:
            asked.cancel()
            self.failureResultOf(asked, CancelledError)
            self.connection.connectionLost(LEFT)

        def bad(asked: Deferred[Any]) -> None:
            self.connection.dataReceived(b"<html>")
            self.failureResultOf(asked, BadUpstreamResponse)
            self.connection.connectionLost(LEFT)

        def kept(asked: Deferred[Any]) -> None:
            self.connection.dataReceived(b"HTTP/1.1 200 OK\n")
            self.connection.connectionLost(LEFT)
            self.failureResultOf(asked, BadUpstreamResponse)

        def in_chunks(asked: Deferred[Any]) -> None:
            self.connection.dataReceived(OK + b"Transfer-Encoding: chunked\r\n\r\n5 \r\nhe")
            self.connection.connectionLost(LEFT)
            self.successResultOf(asked)

        def late(asked: Deferred[Any]) -> None:
            self.wait(12)
            self.failureResultOf(asked, UpstreamTimedOut)
            self.connection.connectionLost(LEFT)

        self.addCleanup(gc.enable)
        ends = [
            (end, body)
            for end in (lost, cancelled, bad, kept, in_chunks)
            for body in (None, Body(4))
        ]
        for end, body in [*ends, (late, None)]:
            self.setUp()
            asked = self.ask(b"PUT", body)
            gc.collect()
            gc.disable()
            end(asked)
            del asked, self.connection
            self.assertEqual(gc.collect(), 0, (end.__name__, body))
            gc.enable()
