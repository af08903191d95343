"""Bodies far larger than the gate's memory may grow, through a gate in its own process."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from socket import SO_RCVBUF, SOL_SOCKET
from typing import Any
from unittest import SkipTest
from zlib import crc32

from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Factory, Protocol
from zope.interface import implementer

from tests.peers import Watched, reactor
from tests.support import LISTEN
from tests.twistd import Daemon, DaemonTestCase

MIB = 1024 * 1024
SIZE = 200 * MIB
SLACK = 64 * MIB
PIECE = bytes(range(256)) * 4096


@implementer(IPushProducer)
class Pump(Watched):
    """Writes `SIZE` bytes as fast as they are taken.

    Args:
        transport: Where to.
        stalled: Called with whether it waits for the transport.
    """

    def __init__(self, transport: Any, stalled: Callable[[bool], None]) -> None:
        super().__init__()
        self._transport = transport
        self._stalled = stalled
        self._left = SIZE
        self._paused = False
        self.pauses = 0
        self.checksum = 0
        transport.registerProducer(self, True)
        self.resumeProducing()

    def pauseProducing(self) -> None:
        """Wait, and let the other side read."""
        self._paused = True
        self.pauses += 1
        self._stalled(True)

    def resumeProducing(self) -> None:
        """Write on; the other side doesn't read meanwhile."""
        self._paused = False
        self._stalled(False)
        while self._left and not self._paused:
            self._left -= len(PIECE)
            self.checksum = crc32(PIECE, self.checksum)
            self._transport.write(PIECE)
        if not self._left and not self._paused:
            self._transport.unregisterProducer()
            self._stalled(True)

    def stopProducing(self) -> None:
        """Nothing is to be let go."""


class Sink(Protocol, Watched):
    """Counts the bytes of one body, and forgets them; it reads only while it is let."""

    def __init__(self) -> None:
        Watched.__init__(self)
        self.head = b""
        self.size = 0
        self.checksum = 0

    def connectionMade(self) -> None:
        """Take little at a time, so that this side is the slower one."""
        tcp: Any = self.transport
        tcp.getHandle().setsockopt(SOL_SOCKET, SO_RCVBUF, 16 * 1024)

    def dataReceived(self, data: bytes) -> None:
        """Count."""
        if b"\r\n\r\n" not in self.head:
            self.head += data
            start, _, data = self.head.partition(b"\r\n\r\n")
            if b"\r\n\r\n" in self.head:
                self.head = start + b"\r\n\r\n"
        self.size += len(data)
        self.checksum = crc32(data, self.checksum)
        self.changed()

    def let_read(self, may: bool) -> None:
        """Read on, or don't."""
        tcp: Any = self.transport
        if may:
            tcp.resumeProducing()
        else:
            tcp.pauseProducing()

    def leave(self) -> None:
        """Cut the connection."""
        tcp: Any = self.transport
        tcp.abortConnection()

    def send(self, data: bytes) -> None:
        """Write bytes."""
        tcp: Any = self.transport
        tcp.write(data)


def peak(daemon: Daemon) -> int:
    """Return the most memory in bytes that a daemon has had."""
    status = Path(f"/proc/{daemon.process.pid}/status")
    if not status.exists():
        raise SkipTest("there is no /proc here to read a process's memory from")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
    assert found is not None
    return int(found[1]) * 1024


class LargeBodies(DaemonTestCase):
    """Both directions stream: the gate holds back who sends, where who reads is slower."""

    async def peers(self) -> tuple[Daemon, Sink, Sink]:
        """Return a gate, a client of it, and its one connection to its upstream."""
        upstream = Sink()
        endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        port: Any = await endpoint.listen(Factory.forProtocol(lambda: upstream))
        self.addCleanup(port.stopListening)
        daemon = self.configured(
            f'{LISTEN}[upstreams.a]\nservers = ["http://127.0.0.1:{port.getHost().port}"]\n'
            '[routes."/"]\nupstream = "a"\n'
        )
        listening = await daemon.port()
        connecting = TCP4ClientEndpoint(reactor, "127.0.0.1", listening)
        client: Any = await connecting.connect(Factory.forProtocol(Sink))
        assert isinstance(client, Sink)
        self.addCleanup(client.leave)
        return daemon, client, upstream

    async def test_download(self) -> None:
        """200 MiB for a client that is slower than the upstream."""
        daemon, client, upstream = await self.peers()
        before = peak(daemon)
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await upstream.when(lambda: upstream.head.endswith(b"\r\n\r\n"))
        upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
        pump = Pump(upstream.transport, client.let_read)
        await client.when(lambda: client.size >= SIZE)
        self.assertEqual((client.size, client.checksum), (SIZE, pump.checksum))
        self.assertLess(peak(daemon) - before, SLACK)

    async def test_upload(self) -> None:
        """200 MiB for an upstream that is slower than the client."""
        daemon, client, upstream = await self.peers()
        before = peak(daemon)
        client.send(b"PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % SIZE)
        await upstream.when(lambda: upstream.head.endswith(b"\r\n\r\n"))
        pump = Pump(client.transport, upstream.let_read)
        await upstream.when(lambda: upstream.size >= SIZE)
        self.assertEqual((upstream.size, upstream.checksum), (SIZE, pump.checksum))
        upstream.send(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
        await client.when(lambda: client.head.endswith(b"\r\n\r\n"))
        self.assertIn(b" 201 ", client.head)
        self.assertLess(peak(daemon) - before, SLACK)
