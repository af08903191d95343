"""Bytes that go into a socket at once, and those that have to wait."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.protocol import Protocol
from twisted.internet.ssl import CertificateOptions
from twisted.internet.tcp import Server
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.trial.unittest import SynchronousTestCase

from corsgate.wire.outlet import writer

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
        """Answer what has arrived."""
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
