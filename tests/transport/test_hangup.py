"""A client that leaves while nothing is read from it."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable

from twisted.internet.protocol import Protocol
from twisted.internet.tcp import Connection
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.transport.deadlines import SWEEP_INTERVAL_S
from corsgate.transport.hangup import has_hung_up, unread_check
from tests.server.support import Receiver, Served, Wire, answer

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
UPGRADE = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
PUT = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab"


def pair(case: SynchronousTestCase) -> tuple[socket.socket, socket.socket]:
    """Return both ends of a connection; the second is connected to the first."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname())
        server, _ = listening.accept()
    case.addCleanup(server.close)
    case.addCleanup(client.close)
    return server, client


def reset(client: socket.socket) -> None:
    """Close a connection by a reset."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


class UnreadTests(SynchronousTestCase):
    """What a connection has that nobody has read."""

    def check(self, server: socket.socket) -> Callable[[], object]:
        """Return what tells it of a socket."""
        server.setblocking(False)
        return unread_check(Connection(server, Protocol(), MemoryReactorClock()))

    def test_nothing(self) -> None:
        """There is nothing, as long as the peer sends nothing."""
        server, _ = pair(self)
        check = self.check(server)
        self.assertFalse(check())
        self.assertFalse(check())

    def test_bytes(self) -> None:
        """Bytes are seen, and stay to be read."""
        server, client = pair(self)
        check = self.check(server)
        client.sendall(b"x")
        self.assertTrue(check())
        self.assertEqual(server.recv(9), b"x")
        self.assertFalse(check())

    def test_left(self) -> None:
        """So is an end, in order or not."""
        for leave in (socket.socket.close, reset, lambda each: each.shutdown(socket.SHUT_WR)):
            server, client = pair(self)
            check = self.check(server)
            leave(client)
            self.assertTrue(check())

    def test_unix_socket(self) -> None:
        """The same holds for a Unix socket."""
        server, client = socket.socketpair()
        self.addCleanup(server.close)
        check = self.check(server)
        self.assertFalse(check())
        client.close()
        self.assertTrue(check())

    def test_unknown(self) -> None:
        """Of any other transport it isn't known."""
        self.assertFalse(unread_check(Wire())())


class SocketTests(SynchronousTestCase):
    """What a socket tells."""

    def hung_up(self, server: socket.socket) -> bool:
        """Return what is made of a socket."""
        wire = Wire()
        wire.socket = server
        return has_hung_up(wire)

    def test_left(self) -> None:
        """A client that closes or resets has left, also with bytes that nobody has read."""
        for sent in (b"", b"x" * 1000):
            for leave in (socket.socket.close, reset):
                server, client = pair(self)
                client.sendall(sent)
                self.assertFalse(self.hung_up(server))
                leave(client)
                self.assertTrue(self.hung_up(server), (sent, leave))

    def test_unix_socket(self) -> None:
        """The same holds for a Unix socket."""
        server, client = socket.socketpair()
        self.addCleanup(server.close)
        client.sendall(b"x")
        self.assertFalse(self.hung_up(server))
        client.close()
        self.assertTrue(self.hung_up(server))

    def test_no_socket(self) -> None:
        """What has no descriptor, or none any more, is not looked at."""
        self.assertFalse(has_hung_up(object()))
        server, _ = pair(self)
        server.close()
        self.assertFalse(self.hung_up(server))


class ChannelTests(SynchronousTestCase):
    """What the channel makes of it."""

    def served(self) -> tuple[Served, socket.socket]:
        """Return a channel, and its client's socket."""
        served = Served()
        served.wire.socket, client = pair(self)
        return served, client

    def test_left(self) -> None:
        """The request hears of it within two sweeps, whatever keeps the gate from reading."""
        for sent in ((GET + GET,), (UPGRADE,), (UPGRADE, b"more")):
            served, client = self.served()
            served.send(*sent)
            finished = served.requests[0].notifyFinish()
            self.assertFalse(served.wire.reading)
            served.wait(5)
            self.assertFalse(served.wire.disconnected)
            client.close()
            served.wait(2 * SWEEP_INTERVAL_S)
            self.assertTrue(served.wire.disconnected, sent)
            served.leave()
            self.failureResultOf(finished)
            outcome = served.requests[0].log.outcome
            self.assertEqual(outcome, "the client closed the connection")
            self.assertEqual(len(served.requests), 1)

    def test_left_during_its_upload(self) -> None:
        """It does so while the upload is held back."""
        served, client = self.served()
        served.send(PUT)
        body = served.requests[0].body
        assert body is not None
        body.start(Receiver())
        body.pause()
        self.assertFalse(served.wire.reading)
        served.wait(5)
        self.assertFalse(served.wire.disconnected)
        client.close()
        served.wait(2 * SWEEP_INTERVAL_S)
        self.assertTrue(served.wire.disconnected)

    def test_stays(self) -> None:
        """One that waits is served, however long that takes, and looked at no more after it."""
        served, client = self.served()
        served.send(GET + GET)
        served.wait(1000)
        for request in served.requests:
            answer(request, b"x")
        self.assertTrue(served.wire.reading)
        self.assertEqual(served.wire.value().count(b"HTTP/1.1 200"), 2)
        # From here on the reactor tells, which reads.
        client.close()
        served.wait(5)
        self.assertTrue(served.wire.open)
