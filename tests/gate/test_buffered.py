"""What a client leaves waiting, over real sockets: bounded, counted to the byte, and let go of."""

from __future__ import annotations

import zlib
from typing import Any

from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol

from corsgate.server.memory_budget import Account, MemoryBudget
from tests.gate.test_http2 import BODY, MIB, Http2TestCase
from tests.peers import Watched, reactor, response
from tests.support import Gate

CLIENT = "127.0.0.1"
LIMITS = '[limits]\nmax_buffered_per_client = "2MiB"\n'


def memory_of(gate: Gate) -> MemoryBudget:
    """Return what counts for a gate."""
    return gate.service.listeners[0].site.context.memory


def watch(memory: MemoryBudget) -> Watched:
    """Return what can wait for a change of what is held."""
    watched = Watched()
    hold = memory.hold

    def hold_watched(account: Account, **sizes: int | None) -> None:
        hold(account, **sizes)
        watched.changed()

    memory.hold = hold_watched  # type: ignore[method-assign]
    return watched


class BufferedTests(Http2TestCase):
    """One client's stalled requests are cut, and its other ones go on."""

    async def test_windows(self) -> None:
        """A client whose windows stay shut has some streams waiting, and the others reset."""
        upstream = await self.upstream(response(body=BODY))
        gate = self.over_tls(upstream, rest=LIMITS)
        memory = memory_of(gate)
        greedy = await self.peer(gate)
        greedy.reads = False
        streams = [greedy.ask() for _ in range(100)]
        await greedy.when(lambda: sum(greedy.answers[n].reset == 11 for n in streams) >= 60)
        # A connection has half of it.
        self.assertLessEqual(memory.held, MIB + MIB // 8)
        self.assertIn("max_buffered_per_client", await gate.logged())
        honest = await self.peer(gate)
        got = await honest.whole(honest.ask())
        self.assertEqual(zlib.crc32(got.body), zlib.crc32(BODY))
        greedy.close()
        await gate.logged(101)
        self.assertEqual((memory.held, memory.held_by(CLIENT)), (0, 0))

    async def test_parallel_downloads(self) -> None:
        """A client that reads gets all of a hundred responses at once."""
        upstream = await self.upstream(response(body=BODY[: MIB // 4]))
        gate = self.over_tls(upstream)
        memory = memory_of(gate)
        watched = watch(memory)
        peer = await self.peer(gate)
        for number in [peer.ask() for _ in range(100)]:
            got = await peer.whole(number)
            self.assertEqual((got.status, len(got.body), got.ended), (200, MIB // 4, True))
        # The client may have the last byte before the gate's socket reports that it was sent.
        await watched.when(lambda: memory.held == 0)
        self.assertEqual(memory.cuts, 0)

    async def test_parallel_uploads(self) -> None:
        """So it is with a hundred uploads."""
        upstream = await self.upstream(response())
        gate = self.over_tls(upstream)
        memory = memory_of(gate)
        watched = watch(memory)
        peer = await self.peer(gate)
        body = BODY[: MIB // 8]
        for number in [peer.ask(method=b"POST", body=body) for _ in range(100)]:
            self.assertEqual((await peer.whole(number)).status, 200)
        self.assertEqual({zlib.crc32(each.body) for each in upstream.requests}, {zlib.crc32(body)})
        await watched.when(lambda: memory.held == 0)
        self.assertEqual(memory.cuts, 0)


class SlowReader(Protocol):
    """Asks for much, and reads when it is told to."""

    def __init__(self) -> None:
        self.size = 0

    def connectionMade(self) -> None:
        """Ask, and read nothing."""
        tcp: Any = self.transport
        tcp.pauseProducing()
        tcp.write(b"GET /v1/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")

    def dataReceived(self, data: bytes) -> None:
        """Count."""
        self.size += len(data)


class SlowReaderTests(Http2TestCase):
    """What a socket does not take counts until it does."""

    async def test_counted(self) -> None:
        """It counts while the client does not read, and the client gets all once it does."""
        # More than the kernel's buffers take.
        size = 24 * MIB
        upstream = await self.upstream(response(body=bytes(size)))
        gate = self.front(upstream)
        memory = memory_of(gate)
        watched = watch(memory)
        endpoint = TCP4ClientEndpoint(reactor, CLIENT, gate.port)
        client: Any = await endpoint.connect(Factory.forProtocol(SlowReader))
        await watched.when(lambda: memory.held_by(CLIENT) > 0)
        self.assertLess(memory.held, MIB)
        client.transport.resumeProducing()
        await gate.logged()
        # The last of it may still be on its way.
        await watched.when(lambda: memory.held == 0)
        self.assertEqual(memory.cuts, 0)
        client.transport.abortConnection()
