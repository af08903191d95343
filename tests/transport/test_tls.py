"""A TLS connection whose peer ends TLS while the response to it is paused."""

from __future__ import annotations

import contextlib
import ssl
from typing import Any

from OpenSSL.SSL import Error
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from corsgate.server.tls import CertificateTable
from corsgate.transport.tls import (
    READ_BYTES,
    TLSClientEndpoint,
    TLSFactory,
    TLSTransport,
)
from corsgate.upstream.tls import VerifyingCreator, trust_from_pem
from tests.certificates import Authority

AUTHORITY = Authority.make()


class Source(Protocol):
    """Is its connection's producer, and counts what it is told to do."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.data = b""
        self.sizes: list[int] = []
        self.lost: Failure | None = None
        self.ended = 0

    def tls_ended(self) -> None:
        """Count it."""
        self.ended += 1

    def connectionMade(self) -> None:
        """Register itself."""
        tls: Any = self.transport
        tls.registerProducer(self, True)

    def dataReceived(self, data: bytes) -> None:
        """Keep it."""
        self.data += data
        self.sizes.append(len(data))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Keep why."""
        self.lost = reason

    def pauseProducing(self) -> None:
        """Count it."""
        self.calls.append("pause")

    def resumeProducing(self) -> None:
        """Count it."""
        self.calls.append("resume")

    def stopProducing(self) -> None:
        """Count it."""
        self.calls.append("stop")


class Peer:
    """The client's side, over memory alone."""

    def __init__(self, tls: Any, tcp: StringTransport) -> None:
        context = ssl.create_default_context(cadata=AUTHORITY.pem.decode())
        self._tls = tls
        self._tcp = tcp
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._ssl = context.wrap_bio(self._incoming, self._outgoing, server_hostname="gate.test")

    def handshake(self) -> None:
        """Agree with the server."""
        done = False
        while not done:
            try:
                self._ssl.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                pass
            self.flush()

    def flush(self) -> None:
        """Exchange what either side has written."""
        data = self._outgoing.read()
        if data:
            self._tls.dataReceived(data)
        self._incoming.write(self._tcp.value())
        self._tcp.clear()

    def send(self, *records: bytes) -> None:
        """Send bytes over TLS, in one read."""
        for data in records:
            self._ssl.write(data)
        self.flush()

    def say_goodbye(self) -> None:
        """Send close_notify."""
        self._tls.dataReceived(self.goaway())
        self.flush()

    def goaway(self) -> bytes:
        """Return the bytes of close_notify, to be sent."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self._ssl.unwrap()
        return self._outgoing.read()

    def break_tls(self) -> None:
        """Send what is no TLS."""
        self._tls.dataReceived(b"\x17\x03\x03\x00\x20" + bytes(32))


class Ended(SynchronousTestCase):
    """The transport below is let go of, so that it can close."""

    def setUp(self) -> None:
        """Shake hands."""
        issued = AUTHORITY.issue("gate.test")
        factory = TLSFactory(
            CertificateTable([issued.certified], [b"http/1.1"]),
            False,
            Factory.forProtocol(Source),
            clock=Clock(),
        )
        self.tls: Any = factory.buildProtocol(None)
        self.tcp: Any = StringTransport()
        self.tls.makeConnection(self.tcp)
        self.source: Any = self.tls.wrappedProtocol
        self.peer = Peer(self.tls, self.tcp)
        self.peer.handshake()
        self.assertIsNotNone(self.tcp.producer, "what happens next would mean nothing")

    def assert_let_go(self) -> None:
        """Assert that nothing keeps the transport below open."""
        self.assertTrue(self.tcp.disconnecting)
        self.assertIsNone(self.tcp.producer)
        self.assertNotIn("resume", self.source.calls)
        self.assertEqual(self.source.ended, 1)
        self.tls.connectionLost(Failure(connectionDone.value))
        self.assertIsNotNone(self.source.lost)

    def test_close_notify_while_paused(self) -> None:
        """A peer that says goodbye while its response is paused."""
        self.tcp.producer.pauseProducing()
        self.assertEqual(self.source.calls, ["pause"])
        self.peer.say_goodbye()
        self.assert_let_go()

    def test_close_notify(self) -> None:
        """A peer that says goodbye while nothing is paused."""
        self.peer.say_goodbye()
        self.assert_let_go()

    def test_broken(self) -> None:
        """A peer that breaks TLS."""
        self.tcp.producer.pauseProducing()
        self.peer.break_tls()
        self.assert_let_go()

    def test_writes_and_a_second_farewell_do_nothing(self) -> None:
        """What the protocol above still does, not knowing, harms nothing."""
        self.peer.say_goodbye()
        self.tls.write(b"lost")
        self.tls.unregisterProducer()
        self.tls.loseConnection()
        self.assert_let_go()

    def test_closed_below(self) -> None:
        """A close without a farewell is told from a reset, a farewell and broken TLS."""

        def nothing() -> None:
            pass

        close, reset = Failure(connectionDone.value), Failure(ConnectionLost())
        for before, reason, closed, lost in (
            (nothing, close, True, ConnectionLost),
            (nothing, reset, False, ConnectionLost),
            (lambda: self.peer.say_goodbye(), close, False, ConnectionDone),
            (lambda: self.peer.break_tls(), close, False, Error),
        ):
            self.setUp()
            self.peer.send(b"all of it")
            before()
            self.tls.connectionLost(reason)
            self.assertEqual(self.source.data, b"all of it")
            self.assertEqual(self.tls.closed_below, closed)
            self.assertIs(self.source.lost.type, lost)

    def test_goes_on(self) -> None:
        """A connection whose peer says nothing of the sort keeps its producer."""
        self.tcp.producer.pauseProducing()
        self.peer.send(b"more")
        self.tcp.producer.resumeProducing()
        self.assertEqual(self.source.data, b"more")
        self.assertEqual(self.source.calls, ["pause", "resume"])
        self.assertFalse(self.tcp.disconnecting)
        self.assertEqual(self.source.ended, 0)

    def test_large_reads(self) -> None:
        """A large read is decrypted in pieces, so that OpenSSL's buffer stays small."""
        sizes: list[int] = []
        decrypting = self.tls._tlsConnection
        write = decrypting.bio_write

        def write_counted(data: bytes) -> int:
            sizes.append(len(data))
            return int(write(data))

        decrypting.bio_write = write_counted
        sent = bytes(range(256)) * 256
        self.peer.send(sent)
        self.assertEqual(self.source.data, sent)
        self.assertGreater(sum(sizes), len(sent))
        self.assertLessEqual(max(sizes), READ_BYTES)

    def test_one_call(self) -> None:
        """All records of one read are passed on in one call."""
        records = [bytes(16384), bytes(9)] * 3
        self.peer.send(*records)
        self.assertEqual(self.source.sizes, [3 * 16393])
        self.peer.send(b"x")
        self.assertEqual(self.source.sizes, [3 * 16393, 1])

    def test_before_a_fault(self) -> None:
        """What comes before a farewell or a fault in one read is passed on before its end."""
        for end in (lambda: self.peer.goaway(), lambda: b"\x17\x03\x03\x00\x20" + bytes(32)):
            self.setUp()
            self.source.tls_ended = lambda: self.assertEqual(len(self.source.data), 40000)
            self.peer._ssl.write(bytes(40000))
            self.tls.dataReceived(self.peer._outgoing.read() + end())
            self.assertEqual(self.source.sizes, [40000])
            self.assertTrue(self.tcp.disconnecting)

    def test_aborted(self) -> None:
        """A connection that was aborted gets nothing more."""
        self.source.dataReceived = lambda data: (
            self.source.sizes.append(len(data)),
            self.tls.abortConnection(),
        )
        self.peer.send(b"first")
        self.peer.send(b"second")
        self.assertEqual(self.source.sizes, [5])

    def test_a_large_read_with_a_farewell(self) -> None:
        """What stands behind a close_notify in the same read is not looked at."""
        self.peer.send(b"before")
        self.tls.dataReceived(self.peer.goaway() + bytes(2 * READ_BYTES))
        self.assert_let_go()
        self.assertEqual(self.source.data, b"before")


class Connecting(SynchronousTestCase):
    """Connections to servers have the same transport."""

    def test_client_endpoint(self) -> None:
        """It is what `wrapClientTLS` makes, except for the transport."""
        reactor = MemoryReactorClock()
        creator = VerifyingCreator("gate.test", trust_from_pem(AUTHORITY.pem))
        endpoint = TLSClientEndpoint(
            creator, TCP4ClientEndpoint(reactor, "127.0.0.1", 443), reactor
        )
        verifyObject(IStreamClientEndpoint, endpoint)
        connecting = endpoint.connect(Factory.forProtocol(Source))
        (_, _, factory, _, _) = reactor.tcpClients[0]
        wrapped: Any = factory.buildProtocol(None)
        wrapped.makeConnection(StringTransport())
        source: Any = self.successResultOf(connecting)
        self.assertIsInstance(source, Source)
        self.assertIsInstance(source.transport, TLSTransport)
