"""Connections to a server: by which way, how long, and what their failures mean."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError, DNSLookupError, NoRouteError
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Server
from corsgate.errors import ConnectFailed, ConnectTimedOut, OutOfDescriptors
from corsgate.transport.deadlines import Deadlines
from corsgate.upstream.connection import UpstreamConnection
from corsgate.upstream.connector import Connector
from corsgate.upstream.hosts import Hosts
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
    hosts_file = "/nonexistent"

    def connect(self, host: str = "10.0.0.1", **more: Any) -> Deferred[UpstreamConnection]:
        """Begin to connect."""
        self.shed = 0
        self.clock = Lacking()
        return self.connect_on(Server(scheme="http", host=host, port=80, **more))

    def connect_on(self, server: Server) -> Deferred[UpstreamConnection]:
        """Begin to connect to a server."""
        hosts = Hosts(self.hosts_file)
        connector = Connector(self.clock, server, None, self.make, self.short, hosts)
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

    def test_hosts_file(self) -> None:
        """Each address of a name in the hosts file is tried in turn; nobody is asked."""
        self.hosts_file = self.mktemp()
        Path(self.hosts_file).write_text("10.0.0.7 box.lan\nfd00::7 box.lan\n", encoding="ascii")
        connecting = self.connect("box.lan")
        self.assertEqual([each[0] for each in self.clock.tcpClients], ["10.0.0.7"])
        self.assertEqual(self.clock.tcpClients[0][3], 1.5)
        self.refuse(0)
        self.assertEqual([each[0] for each in self.clock.tcpClients], ["10.0.0.7", "fd00::7"])
        self.refuse(1)
        self.failureResultOf(connecting, ConnectFailed)

    def test_localhost(self) -> None:
        """localhost, and each name below it, is loopback, of both kinds."""
        for host in ("localhost", "api.localhost"):
            self.connect(host)
            self.refuse(0)
            self.assertEqual([each[0] for each in self.clock.tcpClients], ["::1", "127.0.0.1"])

    def test_other_names(self) -> None:
        """Any other name is looked up by the system, also one that only looks alike."""
        for host in ("box.lan", "notlocalhost", "localhost.lan"):
            self.connect(host)
            # The resolver of this reactor knows one address for all names.
            self.assertEqual([each[0] for each in self.clock.tcpClients], ["127.0.0.1"])

    def refuse(self, number: int) -> None:
        """Refuse the connection with this number, counted from 0."""
        factory, connector = self.clock.tcpClients[number][2], self.clock.connectors[number]
        factory.clientConnectionFailed(connector, Failure(Refused()))

    def test_refused(self) -> None:
        """One that is refused failed before anything was sent, and the error names the server."""
        connecting = self.connect()
        factory, (connector,) = self.clock.tcpClients[0][2], self.clock.connectors
        factory.clientConnectionFailed(connector, Failure(Refused()))
        failure = self.failureResultOf(connecting, ConnectFailed)
        self.assertIn("http://10.0.0.1", str(failure.value))

    def test_words(self) -> None:
        """The error says why in the system's words, without Twisted's own around them."""
        for reason, words in (
            (Refused(errno.ECONNREFUSED, "Connection refused"), "connection refused"),
            (NoRouteError(errno.ENETUNREACH, "x"), "network is unreachable"),
            (ConnectError(errno.ENOENT, "x"), "no such file or directory"),
            (DNSLookupError("box.lan"), "DNS lookup failed: box.lan"),
        ):
            connecting = self.connect()
            factory, (connector,) = self.clock.tcpClients[0][2], self.clock.connectors
            factory.clientConnectionFailed(connector, Failure(reason))
            failure = self.failureResultOf(connecting, ConnectFailed)
            self.assertEqual(str(failure.value), f"http://10.0.0.1: {words}")

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
