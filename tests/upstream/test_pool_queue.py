"""Requests that wait for a connection to their server, over real sockets."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from corsgate.config.model.values import Limits, PoolLimits
from corsgate.errors import ConnectFailed, QueueFull, UpstreamBusy
from corsgate.message.head import RequestHead
from corsgate.upstream.sending import CarriedHead
from tests.server.support import Collector
from tests.upstream.box import BoxTestCase, Peer

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


class QueueTests(BoxTestCase):
    def ask(self, target: bytes = b"/", method: bytes = b"GET") -> Deferred[Any]:
        """Send a request, and take its response."""
        head = RequestHead(method=method, target=target, headers=[(b"Host", b"h")])
        asked: Deferred[Any] = self.agent.request(b"-", self.url, CarriedHead(head, Limits()))
        return asked.addCallback(lambda response: response.deliverBody(Collector()))

    async def got(self, peer: Peer) -> bytes:
        """Return the target of the next request on a connection."""
        return (await peer.until()).split(b" ")[1]

    @property
    def pool(self) -> Any:
        """The pool of the server."""
        (pool,) = self.agent.pools.values()
        return pool

    async def test_in_order(self) -> None:
        """With one connection, requests go over it one by one, in the order they came."""
        await self.begin(pool=PoolLimits(max_connections=1))
        asked = [self.ask(b"/%d" % number) for number in range(5)]
        peer = await self.box.next()
        for number in range(5):
            self.assertEqual(await self.got(peer), b"/%d" % number)
            self.assertEqual(peer.data, b"")
            peer.send(OK)
            await asked[number]
        self.assertEqual(len(self.box.peers), 1)
        self.assertEqual((self.pool.connections, self.pool.waiting), (1, 0))

    async def test_body_first(self) -> None:
        """A connection is handed over only when the response on it is whole."""
        await self.begin(pool=PoolLimits(max_connections=1))
        first, second = self.ask(b"/1"), self.ask(b"/2")
        peer = await self.box.next()
        await self.got(peer)
        peer.send(OK[:-1])
        await first
        self.assertEqual(peer.data, b"")
        self.assertEqual(self.pool.waiting, 1)
        peer.send(OK[-1:])
        self.assertEqual(await self.got(peer), b"/2")
        peer.send(OK)
        await second

    async def test_left(self) -> None:
        """A request that was cancelled while it waited never comes to the server."""
        await self.begin(pool=PoolLimits(max_connections=1))
        asked = [self.ask(b"/%d" % number) for number in range(3)]
        peer = await self.box.next()
        await self.got(peer)
        asked[1].cancel()
        await self.assertFailure(asked[1], CancelledError)
        peer.send(OK)
        self.assertEqual(await self.got(peer), b"/2")
        peer.send(OK)
        await asked[2]
        self.assertEqual(len(self.box.peers), 1)

    async def test_in_flight_left(self) -> None:
        """One that is cancelled under way makes room for the next, on another connection."""
        await self.begin(pool=PoolLimits(max_connections=1))
        first, second = self.ask(b"/1"), self.ask(b"/2")
        peer = await self.box.next()
        await self.got(peer)
        first.cancel()
        await self.assertFailure(first, CancelledError)
        await peer.lost
        other = await self.box.next()
        self.assertEqual(await self.got(other), b"/2")
        other.send(OK)
        await second

    async def test_full(self) -> None:
        """Where the queue is full, a request fails at once; where it is slow, in time."""
        await self.begin(
            pool=PoolLimits(max_connections=1, max_queue=1, queue_timeout_s=0.01),
        )
        first, second = self.ask(), self.ask()
        await self.assertFailure(self.ask(), QueueFull)
        await self.assertFailure(second, UpstreamBusy)
        peer = await self.box.next()
        await self.got(peer)
        peer.send(OK)
        await first

    async def test_down(self) -> None:
        """Where the server is down, all who wait learn of it."""
        await self.begin(pool=PoolLimits(max_connections=1))
        await self.box.stop()
        for each in [self.ask() for _ in range(5)]:
            await self.assertFailure(each, ConnectFailed)
        self.assertEqual((self.pool.connections, self.pool.waiting), (0, 0))

    async def test_resent_at_the_bound(self) -> None:
        """A request that met a closing connection is resent at once, ahead of all who wait."""
        await self.begin(pool=PoolLimits(max_connections=1))
        first = self.ask(b"/0")
        peer = await self.box.next()
        await self.got(peer)
        peer.send(OK)
        await first
        asked = [self.ask(b"/%d" % number) for number in (1, 2, 3)]
        await self.got(peer)
        peer.close()
        other = await self.box.next()
        for number, each in enumerate(asked, 1):
            self.assertEqual(await self.got(other), b"/%d" % number)
            other.send(OK)
            await each
        self.assertEqual(len(self.box.peers), 2)

    async def test_resent_after_a_hand_over(self) -> None:
        """A connection that was waited for may be closing, too: the request is resent."""
        await self.begin(pool=PoolLimits(max_connections=1))
        first, second = self.ask(b"/1"), self.ask(b"/2")
        peer = await self.box.next()
        await self.got(peer)
        peer.send(OK)
        await first
        await self.got(peer)
        peer.close()
        other = await self.box.next()
        self.assertEqual(await self.got(other), b"/2")
        other.send(OK)
        await second

    async def test_closed_agent(self) -> None:
        """Who waits when the agent is closed is still served."""
        await self.begin(pool=PoolLimits(max_connections=1))
        first, second = self.ask(b"/1"), self.ask(b"/2")
        peer = await self.box.next()
        await self.got(peer)
        self.agent.close()
        peer.send(OK)
        await first
        self.assertEqual(await self.got(peer), b"/2")
        peer.send(OK)
        await second
        await peer.lost
