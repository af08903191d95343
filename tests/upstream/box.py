"""An upstream server on a real socket that does what a test says."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from corsgate.config.model.values import PoolLimits, Server, Upstream
from corsgate.transport.deadlines import Deadlines
from corsgate.upstream.agent import UpstreamAgent
from corsgate.upstream.hosts import Hosts

reactor: Any = _reactor


class Peer(Protocol):
    """A server's side of one connection.

    Attributes:
        lost: Fires when the connection is gone.
    """

    def __init__(self) -> None:
        self.data = b""
        self.lost: Deferred[None] = Deferred()
        self._waiting: tuple[bytes, Deferred[bytes]] | None = None

    def dataReceived(self, data: bytes) -> None:
        """Keep it."""
        self.data += data
        self._check()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell it."""
        self.lost.callback(None)

    def until(self, mark: bytes = b"\r\n\r\n") -> Deferred[bytes]:
        """Return a Deferred of what came up to a mark, which is then taken away."""
        waiting: Deferred[bytes] = Deferred()
        self._waiting = mark, waiting
        self._check()
        return waiting

    def send(self, data: bytes) -> None:
        """Write."""
        assert self.transport is not None
        self.transport.write(data)

    def close(self) -> None:
        """Close."""
        assert self.transport is not None
        self.transport.loseConnection()

    def _check(self) -> None:
        if self._waiting is not None and self._waiting[0] in self.data:
            mark, waiting = self._waiting
            self._waiting = None
            head, _, self.data = self.data.partition(mark)
            waiting.callback(head + mark)


class Box:
    """A server whose connections a test takes one by one."""

    def __init__(self) -> None:
        self.peers: list[Peer] = []
        self.port = 0
        self._unseen: list[Peer] = []
        self._waiting: list[Deferred[Peer]] = []
        self._listening: Any = None

    def build(self) -> Peer:
        """Return a protocol for a new connection."""
        peer = Peer()
        self.peers.append(peer)
        if self._waiting:
            reactor.callLater(0, self._waiting.pop(0).callback, peer)
        else:
            self._unseen.append(peer)
        return peer

    def next(self) -> Deferred[Peer]:
        """Return a Deferred of the next connection that wasn't answered yet."""
        waiting: Deferred[Peer] = Deferred()
        if self._unseen:
            waiting.callback(self._unseen.pop(0))
        else:
            self._waiting.append(waiting)
        return waiting

    async def listen(self, context: Any = None) -> None:
        """Listen on a port of its own, in TLS where there is a context."""
        factory: Any = Factory.forProtocol(lambda: self.build())
        if context is not None:
            factory = TLSMemoryBIOFactory(context, False, factory)
        self._listening = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(
            factory
        )
        self.port = self._listening.getHost().port

    async def stop(self) -> None:
        """Cut all, and wait until all is gone."""
        await maybeDeferred(self._listening.stopListening)
        for peer in self.peers:
            transport: Any = peer.transport
            if transport is not None and not peer.lost.called:
                transport.abortConnection()
            await peer.lost


class BoxTestCase(TestCase):
    """A test case with a server and an agent for it."""

    timeout = 120

    async def begin(
        self,
        scheme: str = "http",
        host: str = "127.0.0.1",
        context: Any = None,
        ca: Any = None,
        pool: PoolLimits | None = None,
        hosts: Hosts | None = None,
        **more: Any,
    ) -> None:
        """Listen, and make the agent.

        Args:
            scheme: The agent's scheme for the server.
            host: The agent's name for it.
            context: The server's TLS context.
            ca: PEM that the agent trusts.
            pool: Bounds on the agent's connections.
            hosts: Knows the names that the agent need not look up.
            more: Further fields of the agent's upstream.
        """
        self.box = Box()
        await self.box.listen(context)
        server = Server(scheme=scheme, host=host, port=self.box.port)
        self.url = server.origin.encode("ascii") + b"/x"
        self.deadlines = Deadlines(reactor)
        self.agent = UpstreamAgent(
            reactor,
            self.deadlines,
            Upstream(name="a", servers=(server,), ca_pem=ca, pool=pool or PoolLimits(), **more),
            hosts=hosts,
        )
        self.addCleanup(lambda: Deferred.fromCoroutine(self.end()))

    async def end(self) -> None:
        """Close both, and let the agent's side hear of it."""
        self.agent.close()
        await self.box.stop()
        for _ in range(50):
            if self.deadlines.empty:
                break
            turned: Deferred[None] = Deferred()
            reactor.callLater(0, turned.callback, None)
            await turned
