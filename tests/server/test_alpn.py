"""A TLS connection until its handshake is done, and what takes it over then."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Sequence
from typing import Any
from unittest.mock import patch

from OpenSSL import SSL
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from corsgate.config.model.values import Limits
from corsgate.server.admission import Spare
from corsgate.server.alpn import Negotiation, NegotiationFactory, find_http2, over_tls
from corsgate.server.context import ServerContext
from corsgate.server.http1.channel import GateChannel
from corsgate.server.http2 import connection as http2
from corsgate.server.request import GateRequest
from corsgate.server.site import GateSite, Refused
from corsgate.server.tls import CertificateTable
from corsgate.transport.deadlines import NEVER, Deadlines
from tests.certificates import Authority
from tests.server.support import Leaf, Wire, answer

CERTIFIED = Authority.make().issue("gate.test").certified
CLIENT = IPv4Address("TCP", "192.0.2.1", 5000)


class Http2(Protocol):
    """Stands for what speaks HTTP/2."""

    deadline_s = NEVER
    spare = Spare.NO

    def __init__(self, context: ServerContext) -> None:
        self.context = context
        self.data = b""
        self.drained = False

    def dataReceived(self, data: bytes) -> None:
        """Keep it."""
        self.data += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Leave the listener's connections."""
        self.context.connections.lost(self)

    def drain(self) -> None:
        """Note it."""
        self.drained = True

    def shed(self) -> None:
        """Cut the connection."""
        self.cut("")

    def rest(self) -> None:
        """Do nothing."""

    def cut(self, outcome: str) -> None:
        """Cut the connection."""
        tcp: Any = self.transport
        tcp.abortConnection()


class TlsWire(Wire):
    """A transport with what TLS asks of one beyond that."""

    no_delay = False

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Note it."""
        self.no_delay = enabled

    def getPeer(self) -> IPv4Address:
        """Return the client's address."""
        return CLIENT


class NegotiationTests(SynchronousTestCase):
    """One connection, from its first byte on."""

    def begin(
        self,
        offered: Sequence[bytes] = (),
        make_http2: Callable[[ServerContext], Any] | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Make a site and a connection to it, with nothing sent yet."""
        self.clock = Clock()
        self.deadlines = Deadlines(self.clock)
        self.requests: list[GateRequest] = []
        self.site = GateSite(
            Leaf(self.requests.append),
            deadlines=self.deadlines,
            limits=limits or Limits(),
            record=lambda _: None,
            reactor=self.clock,
        )
        protocols = (b"http/1.1",) if make_http2 is None else (b"h2", b"http/1.1")
        table = CertificateTable([CERTIFIED], protocols)
        self.factory = over_tls(self.site, table, make_http2, self.clock)
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        if offered:
            context.set_alpn_protos(list(offered))
        self.client = SSL.Connection(context, None)
        self.client.set_connect_state()
        self.tls, self.wire = self.connect()

    def connect(self) -> tuple[Any, TlsWire]:
        """Return a new connection and its transport."""
        tls, wire = self.factory.buildProtocol(CLIENT), TlsWire()
        assert tls is not None
        tls.makeConnection(wire)
        return tls, wire

    def carry(self) -> None:
        """Bring each side what the other has written."""
        with contextlib.suppress(SSL.WantReadError):
            self.tls.dataReceived(self.client.bio_read(2**16))
        self.clock.advance(0)
        data = self.wire.take()
        if data:
            self.client.bio_write(data)

    def shake(self) -> Any:
        """Shake hands; return what has the connection then."""
        for _ in range(4):
            with contextlib.suppress(SSL.WantReadError):
                self.client.do_handshake()
            self.carry()
        return self.tls.wrappedProtocol

    def leave(self) -> None:
        """End the connection."""
        self.tls.connectionLost(Failure(ConnectionDone()))

    def test_http1(self) -> None:
        """Without ALPN, or with HTTP/1.1 agreed on, it is HTTP/1.1, and secure."""
        for offered in ((), (b"http/1.1",)):
            self.begin(offered)
            verifyObject(IHandshakeListener, self.tls.wrappedProtocol)
            channel = self.shake()
            self.assertIsInstance(channel, GateChannel)
            self.assertTrue(self.wire.no_delay)
            self.client.send(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
            self.carry()
            (request,) = self.requests
            self.assertTrue(request.isSecure())
            self.assertEqual(request.client, CLIENT)
            answer(request, b"hello")
            self.carry()
            self.assertIn(b"hello", self.client.recv(1000))
            self.assertEqual(self.site.connections.channels, {channel})
            self.leave()
            self.assertEqual((self.site.connections.channels, self.deadlines.empty), (set(), True))

    def test_http2(self) -> None:
        """With h2 agreed on, what was passed in takes over, with all that came."""
        self.begin((b"h2", b"http/1.1"), Http2)
        channel = self.shake()
        self.assertIsInstance(channel, Http2)
        self.client.send(b"PRI")
        self.carry()
        self.assertEqual(channel.data, b"PRI")
        self.assertEqual(self.site.connections.channels, {channel})
        self.site.drain()
        self.assertTrue(channel.drained)
        self.leave()
        self.assertEqual((self.site.connections.channels, self.deadlines.empty), (set(), True))

    def test_http2_not_wanted(self) -> None:
        """Where h2 is offered, a client may still want HTTP/1.1."""
        self.begin((b"http/1.1",), Http2)
        self.assertIsInstance(self.shake(), GateChannel)
        self.leave()

    def test_hangs(self) -> None:
        """A handshake that isn't done in time is cut, be it silent or slow."""
        for sent in (b"", b"\x16\x03\x01"):
            self.begin(limits=Limits(client_head_timeout_s=5.0))
            if sent:
                self.tls.dataReceived(sent)
            self.clock.pump([1.0] * 4)
            self.assertTrue(self.wire.open)
            self.clock.pump([1.0] * 2)
            self.assertFalse(self.wire.open)
            self.leave()
            self.assertEqual((self.site.connections.channels, self.deadlines.empty), (set(), True))

    def test_not_cut_after(self) -> None:
        """Its time limit ends with the handshake; then the channel's own counts."""
        self.begin(limits=Limits(client_head_timeout_s=5.0, keep_alive_timeout_s=20.0))
        self.shake()
        self.clock.pump([1.0] * 15)
        self.assertTrue(self.wire.open)
        # TLS says goaway first, and waits a while for the client's.
        self.clock.pump([1.0] * 18)
        self.assertFalse(self.wire.open)
        self.leave()

    def test_no_tls(self) -> None:
        """Bytes that are no TLS end the connection, and nothing is served."""
        self.begin()
        self.tls.dataReceived(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertFalse(self.wire.open)
        self.leave()
        self.assertEqual((self.requests, self.site.connections.channels), ([], set()))

    def test_no_protocol(self) -> None:
        """So does a client that speaks another protocol."""
        self.begin((b"ftp",))
        self.assertRaises(SSL.Error, self.shake)
        self.assertFalse(self.wire.open)
        self.leave()
        self.assertEqual(self.site.connections.channels, set())

    def test_drain(self) -> None:
        """A site that drains waits for a handshake only for a moment."""
        self.begin()
        drained = self.site.drain()
        self.assertTrue(self.wire.open)
        self.clock.pump([1.0] * 2)
        self.assertFalse(self.wire.open)
        self.assertNoResult(drained)
        self.leave()
        self.successResultOf(drained)

    def test_drain_in_time(self) -> None:
        """A handshake that is done by then leads to a response, or a connection that drains."""
        self.begin()
        self.site.drain()
        self.shake()
        self.client.send(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
        self.carry()
        answer(self.requests[0])
        self.carry()
        self.assertIn(b"Connection: close\r\n", self.client.recv(1000))
        self.leave()
        self.begin()
        self.site.drain()
        self.shake()
        self.clock.pump([1.0] * 13)
        self.assertFalse(self.wire.open)
        self.leave()
        self.begin((b"h2", b"http/1.1"), Http2)
        self.site.drain()
        self.assertTrue(self.shake().drained)
        self.leave()

    def test_abort(self) -> None:
        """One that cuts all doesn't wait at all."""
        self.begin()
        self.site.abort()
        self.assertFalse(self.wire.open)
        self.leave()

    def test_makes_room(self) -> None:
        """A handshake is cut for another; a connection that idles is told, and closed."""
        self.begin(limits=Limits(max_connections=3))
        idle, handshake = self.shake(), self.connect()
        self.assertIs(idle.spare, Spare.IDLE)
        self.assertIs(handshake[0].wrappedProtocol.spare, Spare.UNREADY)
        idle.shed()
        self.carry()
        self.assertRaises(SSL.ZeroReturnError, self.client.recv, 1000)
        # The client's own close_notify is not waited for.
        self.assertTrue(self.wire.disconnecting)
        handshake[0].wrappedProtocol.shed()
        self.assertFalse(handshake[1].open)
        self.leave()
        handshake[0].connectionLost(Failure(ConnectionDone()))
        self.assertEqual((self.site.connections.channels, self.deadlines.empty), (set(), True))

    def test_counted(self) -> None:
        """A connection counts from its first byte to its end, whoever has it."""
        for make_http2 in (None, Http2):
            self.begin((b"h2", b"http/1.1"), make_http2, Limits(max_connections=1))
            for _ in range(2):
                _, other = self.connect()
                self.assertFalse(other.open)
                self.shake()
            self.leave()
            self.tls, self.wire = self.connect()
            self.assertTrue(self.wire.open)
            self.leave()
            _, wire = self.connect()
            self.assertTrue(wire.open)

    def test_factory(self) -> None:
        """A connection past a bound gets no negotiation."""
        self.begin(limits=Limits(max_connections=1))
        factory = NegotiationFactory(self.site, None)
        self.assertIsInstance(factory.buildProtocol(CLIENT), Refused)
        self.leave()
        self.assertIsInstance(factory.buildProtocol(CLIENT), Negotiation)

    def test_find_http2(self) -> None:
        """HTTP/2 is there where its library is."""
        self.assertIs(find_http2(), http2.make_http2)
        ours = [name for name in sys.modules if name.startswith("corsgate.server.http2.connection")]
        with patch.dict(sys.modules, {"h2": None, "h2.events": None}):
            for name in ours:
                del sys.modules[name]
            self.assertIsNone(find_http2())
