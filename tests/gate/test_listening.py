"""Connections that nobody has accepted yet: how many may wait, and what a drain makes of them."""

from __future__ import annotations

import shutil
import socket
import struct
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.threads import deferToThread

from corsgate.config.model.endpoint import DEFAULT_BACKLOG
from corsgate.transport.listening import ACCEPTS_PER_TURN, stop_listening, tend
from tests.peers import reactor, read_message, request, response
from tests.support import Gate, GateTestCase

BURST = 120
"""More connections than Twisted's 50, fewer than any kernel's bound of old (128)."""

TOML = '[upstreams.a]\nservers = ["http://127.0.0.1:9"]\n[routes."/"]\nupstream = "a"\n'


def backlog_of(gate: Gate) -> int:
    """Return the backlog of a gate's listening socket, as the kernel has it."""
    port: Any = gate.service.ports[0]
    # `tcpi_sacked`, which stands for the backlog where the socket listens.
    info = port.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 32)
    return int(struct.unpack_from("I", info, 28)[0])


class Backlog(GateTestCase):
    def test_default(self) -> None:
        """It is what the kernel allows, up to 4,096; a smaller one that is configured stays."""
        allowed = int(Path("/proc/sys/net/core/somaxconn").read_text())
        self.assertEqual(backlog_of(self.serve(TOML)), min(allowed, DEFAULT_BACKLOG))
        for name in ("tcp:0:interface=127.0.0.1:backlog=7", "tcp:0:127.0.0.1:7"):
            self.assertEqual(backlog_of(self.serve(f'listen = ["{name}"]\n{TOML}')), 7)

    def test_unix_burst(self) -> None:
        """Connections to a Unix socket that come at once all wait, rather than fail."""
        directory = tempfile.mkdtemp(prefix="corsgate-")  # Its path is short enough for a socket.
        self.addCleanup(shutil.rmtree, directory)
        path = f"{directory}/gate"
        self.serve(f'listen = ["unix:{path}"]\n{TOML}')
        taken = 0
        with ExitStack() as stack:
            for _ in range(BURST):
                client = stack.enter_context(socket.socket(socket.AF_UNIX))
                client.settimeout(0)
                taken += client.connect_ex(path) == 0
        self.assertEqual(taken, BURST)


class Tended(GateTestCase):
    """Ports as the gate has them, with a factory of the tests'."""

    def setUp(self) -> None:
        """Begin with nobody there."""
        self.made: list[Protocol] = []
        made = self.made

        class Note(Protocol):
            def connectionMade(self) -> None:
                made.append(self)

        self.factory = Factory.forProtocol(Note)

    async def test_few_in_a_row(self) -> None:
        """Few connections are accepted in one turn, however many wait, and however often."""
        port = reactor.listenTCP(0, self.factory, interface="127.0.0.1", backlog=BURST)
        tend(port, reactor, lambda: None)
        with ExitStack() as stack:
            for _ in range(BURST):
                stack.enter_context(socket.create_connection(("127.0.0.1", port.getHost().port)))
            for turns in range(1, 5):
                port.doRead()
                self.assertEqual(len(self.made), turns * ACCEPTS_PER_TURN)
            await stop_listening(port, reactor, handed_over=False)
            self.assertEqual(len(self.made), BURST)


class Drain(GateTestCase):
    """What waits when the gate is told to stop.

    The clients are plain sockets, so that the reactor takes no turn while they connect and send.
    """

    def connect_plain(self, gate: Gate) -> socket.socket:
        """Return a new connection, which the gate has not accepted yet."""
        client = socket.create_connection(("127.0.0.1", gate.port))
        self.addCleanup(client.close)
        return client

    async def assert_answered(self, client: socket.socket) -> None:
        """Assert that a response came that says close, and then the connection's end."""
        data = await deferToThread(read_all, client)
        answer = read_message(data)
        assert answer is not None
        self.assertEqual((answer.status, answer.one(b"Connection")), (200, b"close"))
        self.assertEqual(answer.raw, data)

    async def test_queue_is_served(self) -> None:
        """Connections that wait in the queue are accepted, and their requests answered."""
        upstream = await self.upstream(response(body=b"ok"))
        gate = self.front(upstream)
        clients = [self.connect_plain(gate) for _ in range(BURST)]
        for client in clients:
            client.sendall(request())
        await gate.stop()
        for client in clients:
            await self.assert_answered(client)
        self.assertEqual(len(upstream.requests), BURST)
        self.assertRaises(ConnectionRefusedError, self.connect_plain, gate)

    async def test_queue_is_served_when_the_request_is_late(self) -> None:
        """One whose request comes a moment after the signal is answered too."""
        upstream = await self.upstream(response(body=b"ok"))
        gate = self.front(upstream)
        client = self.connect_plain(gate)
        stopped = gate.stop()
        sites = [listener.site for listener in gate.service.listeners]
        while not sites[0].connections.channels:
            await turn()
        client.sendall(request())
        await stopped
        await self.assert_answered(client)

    async def test_request_on_an_idle_connection(self) -> None:
        """A request that has come on a connection that seems idle is answered."""
        upstream = await self.upstream(response(body=b"ok"))
        gate = self.front(upstream)
        client = self.connect_plain(gate)
        client.sendall(request())
        await gate.logged()
        await turn()
        client.sendall(request(target=b"/v1/second"))
        await gate.stop()
        data = await deferToThread(read_all, client)
        first = read_message(data)
        assert first is not None
        second = read_message(data[len(first.raw) :])
        assert second is not None
        self.assertEqual((second.status, second.one(b"Connection")), (200, b"close"))

    async def test_silent(self) -> None:
        """One that brings no request is not waited for until `drain_timeout`."""
        gate = self.serve(TOML + '[limits]\ndrain_timeout = "1h"\n')
        client = self.connect_plain(gate)
        await gate.stop()
        self.assertEqual(await deferToThread(read_all, client), b"")

    async def test_handed_over(self) -> None:
        """The queue of a socket that was handed to the process is left to the next one."""
        made: list[Protocol] = []

        class Note(Protocol):
            def connectionMade(self) -> None:
                made.append(self)

        with socket.create_server(("127.0.0.1", 0)) as handed:
            handed.setblocking(False)
            port = reactor.adoptStreamPort(
                handed.fileno(), socket.AF_INET, Factory.forProtocol(Note)
            )
            with socket.create_connection(handed.getsockname()):
                await stop_listening(port, reactor, handed_over=True)
                self.assertEqual(made, [])
                handed.accept()[0].close()


def read_all(client: socket.socket) -> bytes:
    """Return all that comes until the connection's end."""
    client.settimeout(30)
    data = b""
    while piece := client.recv(65536):
        data += piece
    return data


def turn() -> Deferred[None]:
    """Return a Deferred that fires in the reactor's next turn."""
    next_turn: Deferred[None] = Deferred()
    reactor.callLater(0, next_turn.callback, None)
    return next_turn
