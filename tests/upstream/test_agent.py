"""Requests to an upstream over real sockets: connections kept, resent, cancelled, refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer
from zope.interface.verify import verifyObject

from corsgate.config.model.values import Limits, PoolLimits, Server, Upstream
from corsgate.errors import ConnectFailed, ConnectionReset, ConnectTimedOut
from corsgate.message.head import RequestHead
from corsgate.transport.deadlines import Deadlines
from corsgate.upstream.agent import UpstreamAgent
from corsgate.upstream.body import KeptBody, drain
from corsgate.upstream.hosts import Hosts
from corsgate.upstream.pool import ServerPool
from corsgate.upstream.response import UpstreamResponse
from corsgate.upstream.sending import CarriedHead
from tests.server.support import Body, Collector
from tests.upstream.box import BoxTestCase

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


class AgentTests(BoxTestCase):
    def ask(self, method: bytes = b"GET", body: Any = None) -> Deferred[Any]:
        """Send a request."""
        head = RequestHead(method=method, target=b"/t", headers=[(b"Host", b"h")])
        return self.agent.request(b"-", self.url, CarriedHead(head, Limits()), body)

    async def exchange(self, method: bytes = b"GET") -> None:
        """Send a request, which the newest connection answers, and read the response."""
        count = len(self.box.peers)
        asked = self.ask(method)
        peer = await self.box.next() if not count else self.box.peers[-1]
        await peer.until()
        peer.send(OK)
        collector = Collector()
        (await asked).deliverBody(collector)
        self.assertEqual(collector.data, b"hi")

    async def test_kept(self) -> None:
        """One request after the other goes over one connection; the agent is an IAgent."""
        await self.begin()
        verifyObject(IAgent, self.agent)
        for _ in range(3):
            await self.exchange()
        self.assertEqual(len(self.box.peers), 1)

    async def test_wire(self) -> None:
        """A head that is ready for the wire leaves as it is, on fresh connections and kept ones."""
        await self.begin()
        head = RequestHead(
            method=b"GET",
            target=b"/t",
            headers=[(b"Host", b"h")],
            wire=b"GET /t HTTP/1.1\r\nHost: h\r\nAuthorization: Basic YTpi\r\n",
        )
        for count in (1, 2, 3):
            ending = b"X-Request-Id: %d\r\n\r\n" % count if count > 1 else b"\r\n"
            carried = CarriedHead(head, Limits(), ending=ending)
            asked: Any = self.agent.request(b"-", self.url, carried)
            peer = await self.box.next() if count == 1 else self.box.peers[-1]
            self.assertEqual(await peer.until(), (head.wire or b"") + ending)
            peer.send(OK)
            (await asked).deliverBody(Collector())
        self.assertEqual(len(self.box.peers), 1)

    async def test_wire_resent(self) -> None:
        """So it does where it goes out again, on a connection that is fresh."""
        await self.begin()
        await self.exchange()
        wire = b"GET /t HTTP/1.1\r\nHost: h\r\nAuthorization: Basic YTpi\r\n"
        ending = b"X-Request-Id: 1\r\n\r\n"
        head = RequestHead(method=b"GET", target=b"/t", headers=[(b"Host", b"h")], wire=wire)
        carried = CarriedHead(head, Limits(), ending=ending)
        asked: Any = self.agent.request(b"-", self.url, carried)
        self.assertEqual(await self.box.peers[0].until(), wire + ending)
        self.box.peers[0].close()
        peer = await self.box.next()
        self.assertEqual(await peer.until(), wire + ending)
        peer.send(OK)
        (await asked).deliverBody(Collector())

    async def test_wire_with_a_body(self) -> None:
        """Where there is a body, its length is told: the wire is that of a head without one."""
        await self.begin()
        head = RequestHead(
            method=b"PUT", target=b"/t", headers=[(b"Host", b"h")], wire=b"PUT / HTTP/1.1\r\n\r\n"
        )
        body = KeptBody(b"hello")
        asked: Any = self.agent.request(b"-", self.url, CarriedHead(head, Limits()), body)
        peer = await self.box.next()
        self.assertEqual(
            await peer.until(b"hello"),
            b"PUT /t HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
        )
        peer.send(OK)
        (await asked).deliverBody(Collector())

    async def test_one_each(self) -> None:
        """Two requests at a time go over two connections."""
        await self.begin()
        asked = [self.ask(), self.ask()]
        peers = [await self.box.next(), await self.box.next()]
        for peer in peers:
            await peer.until()
            peer.send(OK)
        for each in asked:
            (await each).deliverBody(Collector())
        self.assertEqual(len(self.box.peers), 2)

    async def test_plain_fields(self) -> None:
        """Fields given the usual way go out, except for framing, which is the connection's own."""
        await self.begin()
        fields = Headers({b"X-A": [b"1", b"2"], b"Content-Length": [b"9"]})
        fields.addRawHeader(b"Transfer-Encoding", b"chunked")
        asked = self.agent.request(b"GET", self.url + b"?y", fields)
        peer = await self.box.next()
        head = await peer.until()
        self.assertTrue(head.startswith(b"GET /x?y HTTP/1.1\r\nHost: 127.0.0.1:"), head)
        self.assertTrue(head.endswith(b"X-A: 1\r\nX-A: 2\r\n\r\n"), head)
        peer.send(OK)
        (await asked).deliverBody(Collector())

    async def test_other_servers(self) -> None:
        """Nothing is ever sent to an address that isn't the upstream's."""
        await self.begin()
        asked: Any = self.agent.request(b"GET", b"http://127.0.0.1:1/")
        await self.assertFailure(asked, ConnectFailed)

    async def reset(self, method: bytes, body: Any, times: int = 1) -> Deferred[Any]:
        """Return a request whose kept-alive connection is closed just as it arrives."""
        await self.begin()
        await self.exchange()
        asked = self.ask(method, body)
        peer = self.box.peers[0]
        await peer.until()
        peer.close()
        for _ in range(times - 1):
            peer = await self.box.next()
            await peer.until()
            peer.close()
        return asked

    async def test_resent(self) -> None:
        """An idempotent request that met a closing connection goes out again on a fresh one."""
        body = KeptBody(b"hello")
        verifyObject(IBodyProducer, body)
        asked = await self.reset(b"PUT", body)
        peer = await self.box.next()
        self.assertIn(b"Content-Length: 5\r\n", await peer.until())
        await peer.until(b"hello")
        peer.send(OK)
        (await asked).deliverBody(Collector())

    async def test_resent_once(self) -> None:
        """It goes out again once, not for ever."""
        asked = await self.reset(b"GET", None, times=2)
        await self.assertFailure(asked, ConnectionReset)
        self.assertEqual(len(self.box.peers), 2)

    async def test_not_resent(self) -> None:
        """What could act twice isn't, nor what can't be sent whole."""
        for method, body in (
            (b"POST", None),
            (b"POST", KeptBody(b"x")),
            (b"PATCH", None),
            (b"PUT", Body(4)),
        ):
            asked = await self.reset(method, body)
            await self.assertFailure(asked, ConnectionReset)
            self.assertEqual(len(self.box.peers), 1, method)
            await self.end()

    async def test_fresh_connection_reset(self) -> None:
        """On a fresh connection the server must have seen the request: it isn't resent."""
        await self.begin()
        asked = self.ask()
        peer = await self.box.next()
        await peer.until()
        peer.close()
        await self.assertFailure(asked, ConnectionReset)
        self.assertEqual(len(self.box.peers), 1)

    async def test_closed_while_idle(self) -> None:
        """A connection that the server closed is forgotten, whatever the next method is."""
        await self.begin()
        await self.exchange()
        self.box.peers[0].close()
        await self.box.peers[0].lost
        asked = self.ask(b"GET")
        peer = await self.box.next()
        await peer.until()
        peer.send(OK)
        (await asked).deliverBody(Collector())

    async def test_refused(self) -> None:
        """Where nobody listens, nothing was sent, and the error says so."""
        await self.begin()
        await self.box.stop()
        await self.assertFailure(self.ask(), ConnectFailed)

    async def test_cancelled_before_the_head(self) -> None:
        """Cancelling cuts the connection, and nothing is tried again."""
        await self.begin()
        await self.exchange()
        asked = self.ask()
        await self.box.peers[0].until()
        asked.cancel()
        await self.assertFailure(asked, CancelledError)
        await self.box.peers[0].lost
        self.assertEqual(len(self.box.peers), 1)

    async def test_cancelled_in_the_upload(self) -> None:
        """So it does while the body is sent, and the body's source hears of it."""
        await self.begin()
        body = Body(10)
        asked = self.ask(b"PUT", body)
        peer = await self.box.next()
        await peer.until()
        asked.cancel()
        await self.assertFailure(asked, CancelledError)
        await peer.lost
        self.assertEqual(body.calls, ["stop"])

    async def test_given_up_in_the_body(self) -> None:
        """A response given up in mid-body cuts the connection."""
        await self.begin()
        asked = self.ask()
        peer = await self.box.next()
        await peer.until()
        peer.send(OK[:-1])
        response = await asked
        response.deliverBody(Collector())
        response.stopProducing()
        await peer.lost

    async def test_closed_agent(self) -> None:
        """Closing closes what is idle now, and the rest after its exchange."""
        await self.begin()
        await self.exchange()
        asked = self.ask()
        peer = self.box.peers[0]
        await peer.until()
        idle = self.ask()
        other = await self.box.next()
        await other.until()
        other.send(OK)
        (await idle).deliverBody(Collector())
        self.agent.close()
        await other.lost
        peer.send(OK)
        collector = Collector()
        (await asked).deliverBody(collector)
        await peer.lost
        self.assertEqual(collector.data, b"hi")


class UpdateTests(SynchronousTestCase):
    def test_keeps(self) -> None:
        """Connections stay with a server's address, but not past a change of its name."""
        clock = MemoryReactorClock()
        first, second = (
            Server(scheme="http", host=f"10.0.0.{number}", port=80, name="a.test")
            for number in (1, 2)
        )
        upstream = Upstream(name="a", servers=(first, second))
        agent = UpstreamAgent(clock, Deadlines(clock), upstream)
        before = agent.pools
        agent.update([attrs.evolve(first, weight=2), attrs.evolve(second, name="b.test")])
        self.assertIs(agent.pools[b"http://10.0.0.1"], before[b"http://10.0.0.1"])
        self.assertIsNot(agent.pools[b"http://10.0.0.2"], before[b"http://10.0.0.2"])


class ConnectingTests(SynchronousTestCase):
    """Connections that take their time, on a reactor without sockets."""

    def connecting(self, host: str) -> tuple[MemoryReactorClock, Deferred[Any]]:
        """Begin to connect."""
        clock = MemoryReactorClock()
        server = Server(scheme="http", host=host, port=80)
        pool = ServerPool(clock, Deadlines(clock), server, None, PoolLimits())
        return clock, pool.take(Limits(connect_timeout_s=3))

    def test_too_long(self) -> None:
        """Past the connect time-out it fails, as one that sent nothing."""
        for host in ("10.0.0.1", "::1"):
            clock, connecting = self.connecting(host)
            clock.advance(2.9)
            self.assertNoResult(connecting)
            clock.advance(0.2)
            self.failureResultOf(connecting, ConnectTimedOut)
            self.assertEqual(clock.getDelayedCalls(), [])

    def test_cancelled(self) -> None:
        """Cancelling stops it, and is no failure of the server's."""
        clock, connecting = self.connecting("10.0.0.1")
        connecting.cancel()
        self.failureResultOf(connecting, CancelledError)
        self.assertEqual(clock.getDelayedCalls(), [])


class NameTests(BoxTestCase):
    """Names that need no DNS, on real sockets."""

    async def test_localhost(self) -> None:
        """A server on 127.0.0.1 alone is reached as localhost, and as any name below it."""
        for host in ("localhost", "api.localhost"):
            await self.served(host, Hosts("/nonexistent"))

    async def test_hosts_file(self) -> None:
        """A name that only the hosts file knows is reached."""
        path = self.mktemp()
        Path(path).write_text("127.0.0.1 box.test\n", encoding="ascii")
        await self.served("box.test", Hosts(path))

    async def served(self, host: str, hosts: Hosts) -> None:
        """Check that a server is reached by a name, which it is sent."""
        await self.begin(host=host, hosts=hosts)
        asked = self.agent.request(b"GET", self.url)
        peer = await self.box.next()
        self.assertIn(b"Host: %b:%d\r\n" % (host.encode(), self.box.port), await peer.until())
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        drain(cast(UpstreamResponse, await asked))
        await self.end()
