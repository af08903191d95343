"""What waits on real connections is counted, byte by byte, and let go of when it has left."""

from __future__ import annotations

import attrs
from twisted.internet.abstract import FileDescriptor
from twisted.internet.address import IPv4Address
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Limits
from corsgate.message.head import ResponseHead
from corsgate.server.client_connection import TLS_BYTES
from corsgate.server.http1.channel import GateChannel
from corsgate.server.idle import REST_S
from corsgate.server.memory_budget import REQUEST_BYTES, Account
from corsgate.server.memory_holder import MemoryHolder
from corsgate.server.request import GateRequest
from corsgate.transport.fast_write import TIGHT_BYTES, unsent
from corsgate.transport.tls import TLSTransport
from tests.server.http2.client import INITIAL_WINDOW_SIZE, Http2Client
from tests.server.support import Producer, Receiver, Served, Wire, answer

OK = ResponseHead(status=200, reason=b"", headers=[])
KIB, MIB = 1024, 1024 * 1024
WINDOW = 65536
CLIENT = "192.0.2.1"
LIMITS = Limits()
SMALL = attrs.evolve(LIMITS, max_buffered_per_client=4 * MIB)


def count(request: GateRequest) -> None:
    """Have a request counted for a client, as the gate does."""
    request.client_key = CLIENT


def begin(client: Http2Client) -> tuple[int, GateRequest, Producer]:
    """Begin a response."""
    number, request, producer = begin_stream(client)
    request.begin(OK, None)
    request.registerProducer(producer, True)
    return number, request, producer


def begin_stream(client: Http2Client) -> tuple[int, GateRequest, Producer]:
    """Open a stream."""
    return client.request(), client.requests[-1], Producer()


class ResponseTests(SynchronousTestCase):
    """Responses of HTTP/2."""

    def test_taken(self) -> None:
        """A response that is taken at once is never counted."""
        client = Http2Client(LIMITS, count)
        number = client.request()
        grown: list[int] = []
        client.site.context.memory.hold = lambda *_, **__: grown.append(1)  # type: ignore[method-assign]
        answer(client.requests[0], bytes(WINDOW - 1))
        client.read()
        self.assertTrue(client.answers[number].ended)
        self.assertEqual(grown, [])

    def test_waiting(self) -> None:
        """What waits for the client's window counts until the client has it."""
        client = Http2Client(LIMITS, count, settings={INITIAL_WINDOW_SIZE: 0})
        memory = client.site.context.memory
        number = client.request()
        answer(client.requests[0], bytes(60_000))
        self.assertGreaterEqual(memory.held_by(CLIENT), 60_000)
        self.assertLess(memory.held_by(CLIENT), 60_000 + 2 * REQUEST_BYTES)
        self.assertEqual(client.connection.tally.held, memory.held)
        client.window(number, 59_999)
        # One object has all of it.
        self.assertGreaterEqual(memory.held_by(CLIENT), 60_000)
        client.window(number, 1)
        client.read()
        self.assertEqual((memory.held, client.connection.tally.held), (0, 0))
        self.assertEqual(len(client.answers[number].body), 60_000)

    def test_left(self) -> None:
        """Nothing counts of a stream that was reset, or of a client that has left."""
        for leave in (False, True):
            client = Http2Client(LIMITS, count, settings={INITIAL_WINDOW_SIZE: 0})
            number = client.request()
            answer(client.requests[0], bytes(60_000))
            upload = client.request(method=b"PUT", end=False)
            client.data(upload, bytes(1000))
            if leave:
                client.connection.connectionLost()
            else:
                client.reset(number)
                client.reset(upload)
            self.assertEqual(client.site.context.memory.held, 0)

    def test_zero_window(self) -> None:
        """A client that takes nothing has no more waiting than it may, however much it asks for."""
        memory = None
        outcomes: list[str] = []
        for _ in range(2):
            client = Http2Client(SMALL, count, settings={INITIAL_WINDOW_SIZE: 0})
            memory = memory or client.site.context.memory
            client.site.context.memory = memory
            for _ in range(100):
                client.request()
                answer(client.requests[-1], bytes(60_000))
                self.assertLessEqual(client.connection.tally.held, 2 * MIB)
            outcomes += [str(request.log.outcome) for request in client.requests]
        self.assertLessEqual(memory.held_by(CLIENT), 4 * MIB)  # type: ignore[union-attr]
        self.assertGreater(memory.cuts, 100)  # type: ignore[union-attr]

    def test_cut(self) -> None:
        """The oldest stalled stream is reset; its connection and the others go on."""
        client = Http2Client(SMALL, count, settings={INITIAL_WINDOW_SIZE: 0})
        streams = [begin(client) for _ in range(40)]
        for _, request, _ in streams:
            request.write(bytes(60_000))
        client.read()
        number, request, _ = streams[0]
        self.assertEqual(client.answers[number].reset, 11)
        self.assertTrue(request.gone)
        self.assertIn("max_buffered_per_client", request.log.outcome)
        number, request, _ = streams[-1]
        client.window(number, 60_000)
        self.assertEqual(len(client.answers[number].body), 60_000)
        self.assertTrue(client.open)

    def test_back_pressure(self) -> None:
        """Where much waits on a connection, a source pauses as soon as anything of its waits."""
        client = Http2Client(LIMITS, count, settings={INITIAL_WINDOW_SIZE: 0})
        calls = []
        for _ in range(24):
            _, request, producer = begin(client)
            request.write(bytes(WINDOW))
            calls.append(producer.calls)
        self.assertEqual(calls[0], [])
        self.assertEqual(calls[-1], ["pause"])
        number, request, producer = begin(client)
        request.write(bytes(10))
        self.assertEqual(producer.calls, ["pause"])
        client.window(number, 10)
        self.assertEqual(producer.calls, ["pause", "resume"])

    def test_slow(self) -> None:
        """A slow client gets all that it asked for, while others of its kind stall."""
        client = Http2Client(SMALL, count, settings={INITIAL_WINDOW_SIZE: 0})
        number, request, producer = begin(client)
        sent = 0
        for _ in range(60):
            if producer.calls[-1:] != ["pause"]:
                request.write(bytes(WINDOW))
                sent += WINDOW
            while producer.calls[-1:] == ["pause"]:
                client.window(number, 16_384)
                client.window(0, 16_384)
            _, stalled, _ = begin(client)
            stalled.write(bytes(60_000))
        client.read()
        self.assertIsNone(client.answers[number].reset)
        self.assertGreater(sent, 1_000_000)
        self.assertGreater(client.site.context.memory.cuts, 20)


class FullSocket(FileDescriptor):
    """A transport whose socket takes nothing until it is told to."""

    takes = False
    aborted = False

    def __init__(self) -> None:
        super().__init__(MemoryReactorClock())
        self.connected = True

    def getPeer(self) -> IPv4Address:
        """Return the client's address."""
        return IPv4Address("TCP", CLIENT, 5000)

    getHost = getPeer

    def writeSomeData(self, data: bytes) -> int:
        """Take all or nothing."""
        return len(data) if self.takes else 0

    def abortConnection(self) -> None:
        """Note it."""
        self.aborted = True

    def pauseProducing(self) -> None:
        """Nothing is read anyway."""

    resumeProducing = pauseProducing


def connected() -> tuple[Served, FullSocket, GateChannel]:
    """Return a site, a socket that takes nothing, and the channel on it."""
    served, socket = Served(LIMITS, count), FullSocket()
    channel = served.site.buildProtocol(None)
    assert isinstance(channel, GateChannel)
    channel.makeConnection(socket)
    return served, socket, channel


class TransportTests(SynchronousTestCase):
    """What the transports themselves keep is counted while they are full."""

    def test_http1(self) -> None:
        """What a full transport keeps counts, and no longer once its socket has taken it."""
        served, socket, channel = connected()
        channel.dataReceived(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        answer(served.requests[0], bytes(200_000))
        held = served.site.context.memory.held_by(CLIENT)
        self.assertEqual(held, unsent(socket) + REQUEST_BYTES)
        self.assertGreater(held, 200_000)
        socket.takes = True
        while socket.dataBuffer or socket._tempDataLen:
            socket.doWrite()
        self.assertEqual(served.site.context.memory.held, 0)

    def test_cut(self) -> None:
        """A connection that is cut has nothing waiting any more, not even until the next turn."""
        served, socket, channel = connected()
        channel.dataReceived(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        answer(served.requests[0], bytes(200_000))
        channel.cut_for_memory("too much")
        self.assertEqual((unsent(socket), socket.aborted), (0, True))

    def test_tight(self) -> None:
        """A transport says sooner that it is full where much waits already."""
        served, socket, channel = connected()
        memory = served.site.context.memory
        for much in (0, 16 * MIB):
            memory.hold(Account(MemoryHolder(), CLIENT), response=much)
            channel.dataReceived(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            answer(served.requests[-1], bytes(200_000))
            self.assertEqual(socket.bufferSize, TIGHT_BYTES if much else 65536)
            socket.takes = True
            while unsent(socket):
                socket.doWrite()
            socket.takes = False

    def test_overhead(self) -> None:
        """A connection over TLS counts what TLS takes of memory, for as long as something waits."""
        served, _, channel = connected()
        self.assertEqual(channel.overhead, REQUEST_BYTES)
        channel.transport = TLSTransport.__new__(TLSTransport)
        self.assertEqual(channel.overhead, REQUEST_BYTES + TLS_BYTES)
        memory = served.site.context.memory
        account = Account(channel, CLIENT, overhead=channel.overhead)
        memory.hold(account, response=1)
        self.assertEqual(memory.held, 1 + REQUEST_BYTES + TLS_BYTES)
        memory.hold(account, response=0)
        self.assertEqual(memory.held, 0)

    def test_small(self) -> None:
        """What is too little for the transport to say so is counted after a while."""
        served, socket = Served(LIMITS, count), FullSocket()
        channel = served.site.buildProtocol(IPv4Address("TCP", CLIENT, 5000))
        assert isinstance(channel, GateChannel)
        channel.makeConnection(socket)
        channel.dataReceived(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        answer(served.requests[0], bytes(50_000))
        self.assertEqual(served.site.context.memory.held, 0)
        served.wait(REST_S + 2)
        self.assertEqual(served.site.context.memory.held_by(CLIENT), unsent(socket) + REQUEST_BYTES)

    def test_http2(self) -> None:
        """A connection that is not read counts, and no longer once it is."""
        client = Http2Client(LIMITS)
        client.connection.hold(response=70_000)
        self.assertEqual(client.site.context.memory.held, 70_000 + REQUEST_BYTES)
        client.connection.resumeProducing()
        self.assertEqual(client.site.context.memory.held, 0)


class RequestTests(SynchronousTestCase):
    """Bodies on their way in."""

    def test_http2(self) -> None:
        """A body that nobody takes counts, and no longer once it is taken."""
        client = Http2Client(LIMITS, count)
        number = client.request(method=b"PUT", end=False)
        client.data(number, bytes(1000))
        self.assertEqual(client.site.context.memory.held_by(CLIENT), 1000 + REQUEST_BYTES)
        body = client.requests[0].body
        assert body is not None
        body.start(Receiver())
        self.assertEqual(client.site.context.memory.held, 0)
        body.pause()
        client.data(number, bytes(500), end=True)
        self.assertEqual(client.site.context.memory.held, 500 + REQUEST_BYTES)
        body.resume()
        self.assertEqual(client.site.context.memory.held, 0)

    def test_http1(self) -> None:
        """So it is in HTTP/1.1, also where the body has come whole."""
        served = Served(LIMITS, count)
        served.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1500\r\n\r\n" + bytes(1000))
        self.assertEqual(served.site.context.memory.held_by(CLIENT), 1000 + REQUEST_BYTES)
        served.send(bytes(500))
        self.assertEqual(served.site.context.memory.held_by(CLIENT), 1500 + REQUEST_BYTES)
        body = served.requests[0].body
        assert body is not None
        body.start(Receiver())
        self.assertEqual(served.site.context.memory.held, 0)

    def test_retained(self) -> None:
        """What a body's receiver keeps of it counts until its request has ended."""
        served = Served(LIMITS, count)
        served.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1500\r\n\r\n")
        body = served.requests[0].body
        assert body is not None
        body.start(Receiver())
        body.retained = 1500
        served.send(bytes(1500))
        self.assertEqual(served.site.context.memory.held, 1500 + REQUEST_BYTES)
        answer(served.requests[0])
        self.assertEqual(served.site.context.memory.held, 0)

    def test_pipelined(self) -> None:
        """Requests that wait behind another count, and few of them are parsed."""
        served = Served(LIMITS, count)
        one = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        served.send(one * 1000)
        held = served.site.context.memory.held
        self.assertGreater(held, 900 * len(one))
        self.assertLess(held, 1000 * len(one) + 16 * REQUEST_BYTES)
        for at in range(1000):
            answer(served.requests[at])
            served.clock.advance(0)
        self.assertEqual(len(served.requests), 1000)
        self.assertEqual(served.site.context.memory.held, 0)

    def test_pipelined_behind_a_body(self) -> None:
        """Nor are more parsed where they come behind a body."""
        served = Served(LIMITS, count)
        one = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        heads = (
            (b"Content-Length: 1", b"x"),
            (b"Transfer-Encoding: chunked", b"1\r\nx\r\n0\r\n\r\n"),
        )
        for field, body in heads:
            served.send(b"PUT / HTTP/1.1\r\nHost: a\r\n" + field + b"\r\n\r\n" + body + one * 1000)
            held = served.site.context.memory.held
            self.assertGreater(held, 900 * len(one))
            self.assertLess(held, 1000 * len(one) + 20 * REQUEST_BYTES)
            while served.site.context.memory.held:
                answer(served.requests[-1])
                served.clock.advance(0)
        self.assertEqual(len(served.requests), 2002)

    def test_head(self) -> None:
        """A head that comes in part counts as it is and as it is parsed."""
        served = Served(LIMITS, count)
        head = b"GET / HTTP/1.1\r\nHost: a\r\nX-Large: " + b"a" * 20_000
        served.send(head)
        self.assertEqual(served.site.context.memory.held, 2 * len(head) + REQUEST_BYTES)
        served.send(b"\r\n\r\n")
        answer(served.requests[0])
        self.assertEqual(served.site.context.memory.held, 0)

    def test_lost(self) -> None:
        """Nothing counts of a connection that is gone, whatever it was doing."""
        for data in (b"", b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n123"):
            for more in (b"GET / HTTP/1.1\r\nHos", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 100):
                served = Served(LIMITS, count)
                served.send(data + more)
                served.leave()
                self.assertEqual(served.site.context.memory.held, 0)

    def test_cut(self) -> None:
        """The connection that has stalled for longest is cut."""
        first = Served(SMALL, count)
        others = []
        for at in range(80):
            served = Served(SMALL, count) if at else first
            served.site.context.memory = first.site.context.memory
            served.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\n")
            served.send(bytes(60_000))
            others.append(served)
            self.assertLessEqual(first.site.context.memory.held, 4 * MIB)
        self.assertTrue(first.wire.disconnected)
        self.assertIn("max_buffered_per_client", first.requests[0].log.outcome)
        self.assertFalse(others[-1].wire.disconnected)


class ClientTests(SynchronousTestCase):
    """Whose bytes they are."""

    def test_admitted(self) -> None:
        """Before a request says whose it is, the connection's own client has what waits."""
        served = Served(LIMITS)
        channel = served.site.buildProtocol(IPv4Address("TCP", CLIENT, 5000))
        channel.makeConnection(Wire())
        channel.dataReceived(b"GET / HTTP/1.1\r\nHos")
        self.assertGreater(served.site.context.memory.held_by(CLIENT), 0)
