"""Bytes that go into a socket at once, and those that have to wait."""

from __future__ import annotations

import contextlib
import socket
from types import SimpleNamespace
from typing import Any

from twisted.internet.abstract import FileDescriptor
from twisted.internet.address import IPv4Address
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import CertificateOptions
from twisted.internet.tcp import Server
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.protocols.haproxy._wrapper import HAProxyWrappingFactory
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from corsgate.transport.fast_write import (
    TIGHT_BYTES,
    UNSENT_BYTES,
    bound_unsent,
    drop_unsent,
    pause_sooner,
    unsent,
    writer,
)
from corsgate.transport.tls import TLSFactory

FULL = b"x" * 1024 * 1024


class OutletTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Make a transport over one end of a pair of sockets."""
        near, self.far = socket.socketpair()
        self.addCleanup(near.close)
        self.addCleanup(self.far.close)
        self.far.setblocking(False)
        self.reactor: Any = MemoryReactorClock()
        port: Any = None
        self.transport: Any = Server(near, Protocol(), ("127.0.0.1", 1), port, 1, self.reactor)
        self.transport.connected = 1
        self.write = writer(self.transport)

    def received(self) -> bytes:
        """Return what has arrived."""
        data = b""
        while True:
            try:
                data += self.far.recv(1 << 20)
            except BlockingIOError:
                return data

    def test_at_once(self) -> None:
        """What the socket takes is on its way when the call is done; nothing is polled for."""
        self.write(b"one")
        self.write(b"two")
        self.assertEqual(self.received(), b"onetwo")
        self.assertEqual(self.reactor.getWriters(), [])

    def test_rest(self) -> None:
        """What it doesn't take waits in the transport, and whatever comes then stands behind."""
        self.write(FULL)
        self.write(b"end")
        self.assertEqual(self.reactor.getWriters(), [self.transport])
        data = self.received()
        self.assertLess(len(data), len(FULL))
        while self.reactor.getWriters():
            self.transport.doWrite()
            data += self.received()
        self.assertEqual(data, FULL + b"end")

    def test_producer(self) -> None:
        """A producer is paused where too much waits."""
        calls = []

        class Source:
            def pauseProducing(self) -> None:
                calls.append("pause")

            def resumeProducing(self) -> None:
                calls.append("resume")

            def stopProducing(self) -> None:
                calls.append("stop")

        self.transport.registerProducer(Source(), True)
        self.write(b"small")
        self.assertEqual(calls, [])
        self.write(FULL)
        self.assertEqual(calls, ["pause"])

    def test_aborted(self) -> None:
        """After an abort nothing leaves any more."""
        self.transport.abortConnection()
        self.write(b"late")
        self.assertEqual(self.received(), b"")

    def test_closing(self) -> None:
        """What is written while it closes keeps its place."""
        self.transport.write(b"one")
        self.transport.loseConnection()
        self.write(b"two")
        self.assertEqual(self.received(), b"")
        self.transport.doWrite()
        self.assertEqual(self.received(), b"onetwo")

    def test_tls_started(self) -> None:
        """Nothing goes out in the clear once TLS was started."""
        self.transport.protocol.makeConnection(self.transport)
        self.transport.startTLS(CertificateOptions())
        self.write(b"secret")
        self.assertEqual(self.received(), b"")

    def test_broken(self) -> None:
        """An error is the transport's to find and to tell."""
        self.far.close()
        self.write(b"lost")
        self.assertEqual(self.reactor.getWriters(), [self.transport])
        self.assertIsInstance(self.transport.doWrite(), Exception)

    def test_other_transports(self) -> None:
        """Where there is no plain socket, the transport's own write does it."""
        transport = StringTransport()
        writer(transport)(b"data")
        self.assertEqual(transport.value(), b"data")


class UnsentTests(SynchronousTestCase):
    """What the kernel takes for a client that reads nothing is bounded."""

    def fill(self, *, bounded: bool) -> int:
        """Return how many bytes a connection that a port accepted takes."""
        listening, client = socket.socket(), socket.socket()
        self.addCleanup(listening.close)
        self.addCleanup(client.close)
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        if bounded:
            bound_unsent(SimpleNamespace(socket=listening))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(listening.getsockname())
        accepted, _ = listening.accept()
        self.addCleanup(accepted.close)
        accepted.setblocking(False)
        taken = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                taken += accepted.send(bytes(4096))
        return taken

    def test_bounded(self) -> None:
        """It takes little more than the bound; without it, some MiB."""
        if not hasattr(socket, "TCP_NOTSENT_LOWAT"):
            raise SkipTest("this system knows no such bound")
        self.assertLess(self.fill(bounded=True), 2 * UNSENT_BYTES)
        self.assertGreater(self.fill(bounded=False), 2 * UNSENT_BYTES)

    def test_no_tcp(self) -> None:
        """Ports without a socket of TCP are left alone."""
        for port in (SimpleNamespace(), SimpleNamespace(socket=None)):
            bound_unsent(port)
        with socket.socket(socket.AF_UNIX) as unix:
            bound_unsent(SimpleNamespace(socket=unix))


class KeptTests(SynchronousTestCase):
    """What Twisted's transports keep, in attributes of theirs that may get other names."""

    def test_over_tls(self) -> None:
        """What waits for a handshake counts as well as what waits for the socket."""
        reactor: Any = MemoryReactorClock()
        factory = TLSFactory(
            CertificateOptions(), True, Factory.forProtocol(Protocol), clock=reactor
        )
        tls: Any = factory.buildProtocol(None)
        below: Any = FileDescriptor(reactor)
        below.connected = 1
        tls.makeConnection(below)
        hello = unsent(tls)
        self.assertGreater(hello, 0)
        tls.write(bytes(100_000))
        reactor.advance(0)
        self.assertEqual(unsent(tls), hello + 100_000)

    def test_behind_a_proxy_header(self) -> None:
        """A ``haproxy:`` endpoint's wrapper hides nothing, with TLS or without."""
        reactor: Any = MemoryReactorClock()
        plain = Factory.forProtocol(Protocol)
        tls = TLSFactory(CertificateOptions(), True, plain, clock=reactor)
        for factory, least in ((plain, 0), (tls, 1)):
            wrapper: Any = HAProxyWrappingFactory(factory).buildProtocol(
                IPv4Address("TCP", "127.0.0.1", 1)
            )
            below: Any = FileDescriptor(reactor)
            below.connected = 1
            wrapper.makeConnection(below)
            wrapper.dataReceived(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n")
            transport = wrapper.wrappedProtocol if least else wrapper
            before = unsent(transport)
            self.assertGreaterEqual(before, least)
            transport.write(bytes(100_000))
            reactor.advance(0)
            self.assertEqual(unsent(transport), before + 100_000)
            pause_sooner(transport)
            self.assertEqual(below.bufferSize, TIGHT_BYTES)
            drop_unsent(transport)
            self.assertEqual(unsent(wrapper), 0)
