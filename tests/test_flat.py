"""Thousands of good, bad and aborted requests leave nothing behind in the gate's process."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from unittest import SkipTest

import attrs
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from tests.peers import Watched, reactor, response
from tests.support import LISTEN
from tests.twistd import Daemon, DaemonTestCase

WARM_UP = 10_000
REQUESTS = 20_000
WORKERS = 16
FEW = 4
"""Descriptors that may be open for a moment, whatever for."""
SLACK = 6 * 1024 * 1024
"""How much memory may grow: less than 400 bytes for each request."""

HOST = b" HTTP/1.1\r\nHost: localhost\r\n"
GET = b"GET /x" + HOST + b"\r\n"
HANG = b"GET /hang" + HOST + b"\r\n"
FINE = response(body=b"fine")
BEGUN = response(body=b"begun", length=1000)


@attrs.frozen
class Move:
    """What a worker does once.

    Attributes:
        data: What it sends.
        until: What the gate's answer ends with; empty where it waits for none.
        times: How many answers it waits for.
        leaves: Whether it then cuts its connection.
        alone: Whether it does so on a connection of its own.
    """

    data: bytes
    until: bytes = b"fine"
    times: int = 1
    leaves: bool = False
    alone: bool = False


KEPT = Move(GET)
UPLOAD = b"PUT /x" + HOST + b"Content-Length: 1000\r\n\r\nhalf"
CHUNKS = b"PUT /x" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
MOVES = (
    *(KEPT,) * 5,
    Move(b"PUT /x" + HOST + b"Content-Length: 4\r\n\r\nbody"),
    Move(CHUNKS + b"4\r\nbody\r\n0\r\n\r\n"),
    Move(GET * 2, times=2),
    Move(b"GET /x" + HOST + b"Connection: close\r\n\r\n", leaves=True, alone=True),
    Move(GET, leaves=True, alone=True),
    # Refused: by the parser, by the gate's own rules, and in the midst of a body.
    Move(b"GET /x" + HOST + b"X : y\r\n\r\n", until=b"}\n", leaves=True),
    Move(b"GET /x HTTP/1.1\r\n\r\n", until=b"}\n", leaves=True),
    Move(b"GET /../x" + HOST + b"\r\n", until=b"}\n"),
    Move(CHUNKS + b"4\r\nbodyX", until=b"}\n", leaves=True),
    # Left: before the head has ended, in the midst of an upload, before and in the midst of a
    # response.
    Move(b"GET /x" + HOST, until=b"", leaves=True),
    Move(UPLOAD, until=b"", leaves=True),
    Move(CHUNKS + b"5\r\nha", until=b"", leaves=True),
    Move(GET, until=b"", leaves=True),
    Move(HANG, until=b"begun", leaves=True),
    # The upstream dies in the midst of its response.
    Move(b"GET /die" + HOST + b"\r\n", until=b"begun", leaves=True),
)


class Worker(Protocol, Watched):
    """One connection of a client."""

    def __init__(self) -> None:
        Watched.__init__(self)
        self.data = b""
        self.lost = False

    def dataReceived(self, data: bytes) -> None:
        """Keep it."""
        self.data += data
        self.changed()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell who waits."""
        self.lost = True
        self.changed()

    async def make(self, move: Move) -> None:
        """Send a request, and wait for its answer."""
        tcp: Any = self.transport
        self.data = b""
        tcp.write(move.data)

        def answered() -> bool:
            return self.data.count(move.until) >= move.times and self.data.endswith(move.until)

        if move.until:
            await self.when(lambda: self.lost or answered())
            if not answered() and b"/die" not in move.data:
                raise AssertionError(f"{move} got {self.data!r}")

    async def leave(self) -> None:
        """Cut the connection."""
        tcp: Any = self.transport
        if not self.lost:
            tcp.abortConnection()
            await self.when(lambda: self.lost)


class Server(Protocol):
    """One of the gate's connections to its upstream."""

    def __init__(self, connections: set[Server]) -> None:
        self._connections = connections
        self._data = b""

    def connectionMade(self) -> None:
        """Be counted."""
        self._connections.add(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Be counted no more."""
        self._connections.discard(self)

    def dataReceived(self, data: bytes) -> None:
        """Respond to whole requests."""
        self._data += data
        tcp: Any = self.transport
        ends = (b"body", b"\r\n0\r\n\r\n") if self._data.startswith(b"PUT") else b"\r\n\r\n"
        if not self._data.endswith(ends):
            return
        self._data, target = b"", self._data.split(b" ", 2)[1]
        tcp.write(FINE if target == b"/x" else BEGUN)
        if target == b"/die":
            tcp.loseConnection()


def moves(count: int) -> Iterator[Move]:
    """Return so many moves, of each kind as many."""
    return islice(cycle(MOVES), count)


def descriptors(daemon: Daemon) -> int:
    """Return how many files and sockets a daemon has open."""
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


def memory(daemon: Daemon) -> int:
    """Return how much memory a daemon has, in bytes."""
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


class Flat(DaemonTestCase):
    timeout = 120

    async def test_flat(self) -> None:
        """Descriptors and memory are after 30,000 requests what they were after 10,000."""
        if not Path("/proc/self/fd").exists():
            raise SkipTest("there is no /proc here to read a process's descriptors from")
        connections: set[Server] = set()
        endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        port: Any = await endpoint.listen(Factory.forProtocol(lambda: Server(connections)))
        self.addCleanup(port.stopListening)
        daemon = self.configured(
            f'{LISTEN}access_log = "off"\n'
            f'[upstreams.a]\nservers = ["http://127.0.0.1:{port.getHost().port}"]\n'
            '[routes."/"]\nupstream = "a"\n'
        )
        listening = await daemon.port()
        await self.load(listening, WARM_UP)
        before = await self.settled(listening, daemon, connections), memory(daemon)
        await self.load(listening, REQUESTS)
        after = await self.settled(listening, daemon, connections), memory(daemon)
        self.assertLessEqual(abs(after[0] - before[0]), FEW, "descriptors")
        self.assertLess(after[1] - before[1], SLACK, "memory")

    async def load(self, port: int, count: int) -> None:
        """Make so many moves, some at a time."""
        todo = moves(count)
        await gatherResults(
            [Deferred.fromCoroutine(self.work(port, todo)) for _ in range(WORKERS)],
            consumeErrors=True,
        )

    async def work(self, port: int, todo: Iterator[Move]) -> None:
        """Make moves until there is none left."""
        kept = await self.worker(port)
        for move in todo:
            worker = await self.worker(port) if move.alone else kept
            await worker.make(move)
            if move.leaves or worker.lost:
                await worker.leave()
            if kept.lost:
                kept = await self.worker(port)
        await kept.leave()

    async def settled(self, port: int, daemon: Daemon, connections: set[Server]) -> int:
        """Return how many descriptors are open once the gate has closed what it closes."""
        await self.least(port, daemon)
        # What it may keep are the idle connections in its pool.
        self.assertLessEqual(len(connections), 2 * WORKERS)
        for connection in list(connections):
            tcp: Any = connection.transport
            tcp.abortConnection()
        return await self.least(port, daemon)

    async def least(self, port: int, daemon: Daemon) -> int:
        """Return the least number of descriptors open during some good requests."""
        found = []
        for _ in range(20):
            worker = await self.worker(port)
            await worker.make(KEPT)
            await worker.leave()
            found.append(descriptors(daemon))
        return min(found)

    async def worker(self, port: int) -> Worker:
        """Return a new connection to the gate."""
        connecting = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
        worker: Any = await connecting.connect(Factory.forProtocol(Worker))
        assert isinstance(worker, Worker)
        return worker
