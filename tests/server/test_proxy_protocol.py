"""The PROXY protocol: a good header is believed, a bad one costs a line at most."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IAddress, IStreamServerEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import provider
from zope.interface.verify import verifyObject

from corsgate.server.proxy_protocol import listening_endpoint
from tests.peers import request, response
from tests.support import GateTestCase

V2 = b"\r\n\r\n\x00\r\nQUIT\n"
BAD = (
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"PROXY",
    b"PROXY TCP4 1.2.3.4 5.6.7.8 x 80\r\n",
    b"PROXY TCP4 \xff \xff 1 2\r\n",
    b"PROXY TCP6 no-address: neither: 1 2\r\n",
    b"PROXY TCP4 1.2.3.4\r\n",
    b"PROXY NONE 1.2.3.4 5.6.7.8 1 2\r\n",
    b"PROXY " + b"x" * 200,
    V2 + b"\x21\x11\x00\x02ab",
    V2 + b"\x2f\x11\x00\x0c" + bytes(12),
    V2 + b"\x21\xff\x00\x0c" + bytes(12),
)


class Inner(Protocol):
    """Keeps what reaches it."""

    def __init__(self) -> None:
        self.data = b""

    def dataReceived(self, data: bytes) -> None:
        """Keep it."""
        self.data += data

    @property
    def peer(self) -> IAddress:
        """Whom it takes for its client."""
        transport: Any = self.transport
        peer: IAddress = transport.getPeer()
        return peer


class ProxyTests(SynchronousTestCase):
    """What a connection begins with."""

    def setUp(self) -> None:
        """Listen."""
        self.inner: list[Inner] = []
        self.events: list[LogEvent] = []
        self.reactor = MemoryReactorClock()
        endpoint = listening_endpoint(self.reactor, r"haproxy:tcp:5555:interface=127.0.0.1")
        factory = Factory()
        factory.buildProtocol = self.build  # type: ignore[assignment]  # a fake
        verifyObject(IStreamServerEndpoint, endpoint)
        self.successResultOf(endpoint.listen(factory))
        self.port, self.factory, *_ = self.reactor.tcpServers[0]

        @provider(ILogObserver)
        def observe(event: LogEvent) -> None:
            self.events.append(event)

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)

    def build(self, address: object) -> Inner:
        """Return what a connection is for."""
        self.inner.append(Inner())
        return self.inner[-1]

    def connect(self, *reads: bytes) -> StringTransport:
        """Return the transport of a connection that has sent this."""
        transport = StringTransport(peerAddress=IPv4Address("TCP", "192.0.2.1", 1234))
        protocol: Any = self.factory.buildProtocol(transport.getPeer())
        protocol.makeConnection(transport)
        for read in reads:
            protocol.dataReceived(read)
        return transport

    def test_good(self) -> None:
        """The client is whom the header names, and what follows is handed on."""
        v2 = V2 + b"\x21\x11\x00\x0c" + bytes((198, 51, 100, 7, 5, 6, 7, 8, 0, 9, 0, 80))
        for reads in (
            (b"PROXY TCP4 198.51.100.7 5.6.7.8 9 80\r\nabc",),
            (b"PROXY TC", b"P4 198.51.100.7 5.6.7.8 9 80\r", b"\nab", b"c"),
            (v2 + b"abc",),
            (v2[:20], v2[20:], b"abc"),
        ):
            transport = self.connect(*reads)
            inner = self.inner[-1]
            self.assertEqual((inner.data, transport.disconnecting), (b"abc", False))
            self.assertEqual(inner.peer, IPv4Address("TCP", "198.51.100.7", 9))
        for header in (b"PROXY UNKNOWN ::1 ::1 1 2\r\n", V2 + b"\x20\x00\x00\x00"):
            self.connect(header + b"abc")
            self.assertEqual(getattr(self.inner[-1].peer, "host", None), "192.0.2.1")
        self.assertEqual(self.events, [])
        self.assertEqual(self.port, 5555)

    def test_bad(self) -> None:
        """The connection is closed, nobody sees a byte of it, and the log has a line."""
        for header in BAD:
            self.reactor.advance(1.0)
            self.events.clear()
            transport = self.connect(header)
            self.assertTrue(transport.disconnecting, header)
            self.assertEqual(self.inner[-1].data, b"")
            lines = [str(formatEvent(event)) for event in self.events]
            self.assertEqual(len(lines), 1, header)
            self.assertIn("closed a connection from 192.0.2.1", lines[0])

    def test_many(self) -> None:
        """Of many there is one line per second, which counts the others."""
        for _ in range(100):
            self.connect(BAD[2])
        self.reactor.advance(1.0)
        self.connect(BAD[2])
        lines = [str(formatEvent(event)) for event in self.events]
        self.assertEqual(len(lines), 2)
        self.assertIn("99 more", lines[1])

    def test_others(self) -> None:
        """Another endpoint is Twisted's."""
        endpoint = listening_endpoint(self.reactor, "tcp:5556")
        self.assertEqual(type(endpoint).__name__, "TCP4ServerEndpoint")


class ThroughTheGate(GateTestCase):
    """A gate that listens behind a proxy which speaks it."""

    async def test_served(self) -> None:
        """The access log has the client of the header; a bad header reaches nothing."""
        upstream = await self.upstream(response())
        gate = self.serve(
            'listen = ["haproxy:tcp:0:interface=127.0.0.1"]\n'
            f'[upstreams.a]\nservers = ["{upstream.url}"]\n[routes."/"]\nupstream = "a"\n'
        )
        client = await self.connect(gate)
        client.send(b"PROXY TCP4 198.51.100.7 127.0.0.1 9 80\r\n" + request())
        self.assertEqual((await client.response()).status, 200)
        self.assertIn('"client": "198.51.100.7"', gate.lines[0])
        bad = await self.connect(gate)
        bad.send(BAD[2] + request())
        await bad.gone()
        self.assertEqual(len(gate.lines), 1)
        self.assertEqual(self.flushLoggedErrors(), [])
