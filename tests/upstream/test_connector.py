"""Connections to a server: by which way, how long, and what their failures mean."""

from __future__ import annotations

import errno
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Server
from corsgate.errors import ConnectFailed, ConnectTimedOut, OutOfDescriptors
from corsgate.transport.deadlines import Deadlines
from corsgate.upstream.connection import UpstreamConnection
from corsgate.upstream.connector import Connector
from tests.server.support import Wire


class Lacking(MemoryReactorClock):
    """A reactor that has no descriptor for a while.

    Attributes:
        lacks: For how many connections it has none.
        tried: How many were tried.
    """

    lacks = 0
    tried = 0

    def connectTCP(self, *arguments: Any, **others: Any) -> Any:
        """Fail, or connect as ever."""
        self.tried += 1
        if self.lacks:
            self.lacks -= 1
            raise OSError(errno.EMFILE, "too many open files")
        return super().connectTCP(*arguments, **others)


class ConnectorTests(SynchronousTestCase):
    def connect(self, host: str = "10.0.0.1", **more: Any) -> Deferred[UpstreamConnection]:
        """Begin to connect."""
        self.shed = 0
        self.clock = Lacking()
        return self.connect_on(Server(scheme="http", host=host, port=80, **more))

    def connect_on(self, server: Server) -> Deferred[UpstreamConnection]:
        """Begin to connect to a server."""
        connector = Connector(self.clock, server, None, self.make, self.short)
        return connector.connect(3)

    def make(self) -> UpstreamConnection:
        """Make what speaks on a connection."""
        return UpstreamConnection(Deadlines(self.clock), lambda *_: None)

    def short(self) -> None:
        """Count."""
        self.shed += 1

    def test_connected(self) -> None:
        """It is there once the server has accepted it."""
        connecting = self.connect()
        self.assertNoResult(connecting)
        (host, port, factory, timeout_s, _), *_ = self.clock.tcpClients
        self.assertEqual((host, port, timeout_s), ("10.0.0.1", 80, 3))
        made: Any = factory.buildProtocol(None)
        made.makeConnection(Wire(lenient=True))
        self.assertIsInstance(self.successResultOf(connecting), UpstreamConnection)
        made.connectionLost(Failure(Refused()))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_ways(self) -> None:
        """Addresses of both kinds and sockets are connected to without a look-up."""
        for host in ("10.0.0.1", "::1"):
            self.connect(host)
            self.assertEqual(self.clock.tcpClients[0][0], host)
        self.connect("localhost", socket="/run/app.sock")
        self.assertEqual(self.clock.unixClients[0][0], "/run/app.sock")
        self.assertEqual(self.clock.tcpClients, [])

    def test_refused(self) -> None:
        """One that is refused failed before anything was sent, and the error names the server."""
        connecting = self.connect()
        factory, (connector,) = self.clock.tcpClients[0][2], self.clock.connectors
        factory.clientConnectionFailed(connector, Failure(Refused()))
        failure = self.failureResultOf(connecting, ConnectFailed)
        self.assertIn("http://10.0.0.1", str(failure.value))

    def test_timed_out(self) -> None:
        """One that takes too long is given up."""
        connecting = self.connect()
        self.clock.advance(3.1)
        self.failureResultOf(connecting, ConnectTimedOut)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_cancelled(self) -> None:
        """One that nobody wants any more is no fault of the server's."""
        connecting = self.connect()
        connecting.cancel()
        self.failureResultOf(connecting, CancelledError)

    def test_short(self) -> None:
        """Without a descriptor it is tried once more, when something was closed for it."""
        for lacks, tried in ((1, 2), (2, 2)):
            self.shed, self.clock = 0, Lacking()
            self.clock.lacks = lacks
            connecting = self.connect_on(Server(scheme="http", host="10.0.0.1", port=80))
            self.assertEqual((self.shed, self.clock.tried), (1, 1))
            for _ in range(2):
                self.clock.advance(0)
            self.assertEqual((self.shed, self.clock.tried), (1, tried))
            if lacks == 1:
                self.assertNoResult(connecting)
            else:
                self.failureResultOf(connecting, OutOfDescriptors)
