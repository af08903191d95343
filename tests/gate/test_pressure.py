"""Back-pressure over real sockets: what one side doesn't take, the other can't send."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from corsgate.config.model.values import Limits
from corsgate.gate.relay import Relay, StreamedBody
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.server.request import GateRequest
from corsgate.server.site import GateSite
from corsgate.upstream.response import UpstreamResponse
from corsgate.upstream.sending import CarriedHead
from tests.server.support import Leaf
from tests.upstream.box import BoxTestCase, Peer, reactor

PIECE = b"x" * 65536
TOTAL = 48 * 1024 * 1024
# What two connections' socket buffers may hold, by Linux's own sizing, and the gate's bounds.
BOUND = 24 * 1024 * 1024


@implementer(IPushProducer)
class Flood:
    """Writes `TOTAL` bytes as fast as they are taken.

    Attributes:
        sent: How many were written.
    """

    def __init__(self, transport: Any) -> None:
        self.sent = 0
        self._transport = transport
        self._paused = False
        transport.registerProducer(self, True)
        self._go_on()

    def pauseProducing(self) -> None:
        """Stop."""
        self._paused = True

    def resumeProducing(self) -> None:
        """Go on."""
        self._paused = False
        self._go_on()

    def stopProducing(self) -> None:
        """Stop for good."""
        self._paused = True

    def _go_on(self) -> None:
        while not self._paused and self.sent < TOTAL:
            self.sent += len(PIECE)
            self._transport.write(PIECE)
        if self.sent >= TOTAL:
            self._transport.unregisterProducer()


class Sip(Protocol):
    """Takes a read, then nothing for some turns of the reactor.

    Attributes:
        taken: How many bytes were taken.
        flood: What it is compared with.
        most: The most that the flood was ever ahead.
        whole: Fires when all have come.
    """

    def __init__(self) -> None:
        self.taken = 0
        self.flood: Flood | None = None
        self.most = 0
        self.whole: Deferred[None] = Deferred()
        self.lost: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        """Count, and pause."""
        self.taken += len(data)
        if self.flood is not None:
            self.most = max(self.most, self.flood.sent - self.taken)
        if self.taken >= TOTAL and not self.whole.called:
            self.whole.callback(None)
        transport: Any = self.transport
        transport.pauseProducing()
        self._wait(6)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell it."""
        self.lost.callback(None)

    def _wait(self, turns: int) -> None:
        transport: Any = self.transport
        if turns:
            reactor.callLater(0, self._wait, turns - 1)
        elif not self.lost.called:
            transport.resumeProducing()


class PressureTests(BoxTestCase):
    async def serve(self) -> None:
        """Begin a site that forwards to the box."""
        await self.begin()
        site = GateSite(
            Leaf(self.forward),
            deadlines=self.deadlines,
            limits=Limits(max_buffered_bytes=65536),
            record=lambda _: None,
            reactor=reactor,
        )
        listening: Any = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(site)
        self.addCleanup(lambda: maybeDeferred(listening.stopListening))
        self.gate_port = listening.getHost().port

    def forward(self, request: GateRequest) -> None:
        """Send a request on, and its response back."""
        body = None if request.body is None else StreamedBody(request.body)
        head = RequestHead(method=request.head.method, target=b"/", headers=[(b"Host", b"h")])

        def relay(response: UpstreamResponse) -> Deferred[None]:
            request.begin(ResponseHead(status=200, reason=b"", headers=[]), response.body_length)
            relayed = Relay(request)
            response.deliverBody(relayed)
            return relayed.done.addCallback(lambda _: request.finish())

        asked: Deferred[Any] = self.agent.request(b"-", self.url, CarriedHead(head, Limits()), body)
        request.notifyFinish().addErrback(lambda _: asked.cancel())
        asked.addCallback(relay).addErrback(lambda _: request.abort())

    async def connect(self, protocol: type[Protocol]) -> Any:
        """Connect to the site."""
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.gate_port)
        client: Any = await endpoint.connect(Factory.forProtocol(protocol))
        return client

    async def test_slow_client(self) -> None:
        """A client that sips holds the upstream back; all arrives."""
        await self.serve()
        client = await self.connect(Sip)
        client.transport.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        peer = await self.box.next()
        await peer.until()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % TOTAL)
        client.flood = Flood(peer.transport)
        await client.whole
        self.assertLess(client.most, BOUND)
        client.transport.abortConnection()
        await client.lost

    async def test_slow_upstream(self) -> None:
        """An upstream that sips holds the client's upload back; all arrives."""
        await self.serve()
        begun: Deferred[Sip] = Deferred()

        def build() -> Sip:
            sip = Sip()
            begun.callback(sip)
            return sip

        self.box.build = build  # type: ignore[method-assign,assignment]  # another server
        client = await self.connect(Peer)
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % TOTAL)
        flood = Flood(client.transport)
        sip = await begun
        sip.flood = flood
        await sip.whole
        self.assertLess(sip.most, BOUND)
        client.transport.abortConnection()
        await client.lost
        await sip.lost
