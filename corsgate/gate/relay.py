"""Bodies on their way through: streamed both ways, each side no faster than the other takes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IConsumer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.iweb import UNKNOWN_LENGTH, IBodyProducer
from zope.interface import implementer

from corsgate.config.model.values import Limits
from corsgate.errors import BadUpstreamResponse
from corsgate.gate.endless_bodies import endless_body
from corsgate.message.head import ResponseHead
from corsgate.message.headers import HeaderList, forwardable_trailers
from corsgate.server.request import GateRequest
from corsgate.server.request_body import SMALL_PIECE_BYTES, RequestBody
from corsgate.transport.tunnel import Tunnel, TunnelEnd
from corsgate.transport.websocket import WebSocketTunnel
from corsgate.upstream.response import UpstreamResponse

UNSEALED = "the body ended without TLS close_notify"
"""The outcome that is logged where somebody on the way may have cut a body short."""


@implementer(IBodyProducer)
class StreamedBody:
    """A client's body, sent upstream as it comes; it can be sent once, unless it is small.

    Args:
        body: What comes.
        ask: Whether a client that waits for 100 Continue is sent it here; otherwise the
            upstream's own is awaited.
        passing: Returns which trailers may pass.
    """

    def __init__(
        self,
        body: RequestBody,
        *,
        ask: bool = True,
        passing: Callable[[HeaderList], HeaderList] = forwardable_trailers,
    ) -> None:
        self._body = body
        self._ask = ask
        self._passing = passing
        self._consumer: IConsumer | None = None
        self._done: Deferred[None] | None = None
        self._whole: bytes | None = None
        self.length = UNKNOWN_LENGTH if body.length is None else body.length

    @property
    def trailers(self) -> HeaderList:
        """The fields to send behind it."""
        return self._passing(self._body.trailers)

    @property
    def replayable(self) -> bool:
        """Whether nothing of it has been taken yet, or all of it is kept."""
        return self._whole is not None or not self._body.started

    def take_whole(self) -> bytes | None:
        """Return all of it, where it came as a whole, without chunks; else None.

        If it is no larger than a head may be, it is kept to be sent again, which is kept, too.
        """
        whole = self._whole
        if whole is None and self._body.length is not None:
            whole = self._body.take_whole()
            if whole is not None and len(whole) <= SMALL_PIECE_BYTES:
                self._whole = whole
        return whole

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """Begin to read from the client; the Deferred fires when all has been written."""
        self._consumer = consumer
        # Where all of it has come by now, `start` hands on its end before it returns.
        done = self._done = Deferred()
        self._body.start(self, ask=self._ask)
        return done

    def pauseProducing(self) -> None:
        """Stop reading from the client."""
        self._body.retained = getattr(self._consumer, "unsent", 0)
        self._body.pause()

    def resumeProducing(self) -> None:
        """Read on from the client."""
        self._body.retained = 0
        self._body.resume()

    def stopProducing(self) -> None:
        """Throw away what the client still sends."""
        self._done = None
        self._body.discard()

    def body_data(self, data: bytes) -> None:
        """Take a piece from the client."""
        assert self._consumer is not None
        self._consumer.write(data)

    def body_ended(self) -> None:
        """Take the end from the client."""
        done, self._done = self._done, None
        if done is not None:
            done.callback(None)

    def body_failed(self, reason: Failure) -> None:
        """Record that the rest will never come."""
        done, self._done = self._done, None
        if done is not None:
            done.errback(reason)


class _Collector:
    """Takes a body as a whole; its sender has seen that it is small."""

    def __init__(self, body: RequestBody) -> None:
        self.collected: Deferred[bytes] = Deferred()
        self._body = body
        # One run of bytes: a client may send it byte by byte.
        self._data = bytearray()

    def body_data(self, data: bytes) -> None:
        self._data += data
        self._body.retained = len(self._data)

    def body_ended(self) -> None:
        # It stays until the request has ended, and goes to a server's buffer from there.
        self._body.retained *= 2
        self.collected.callback(bytes(self._data))

    def body_failed(self, reason: Failure) -> None:
        if not self.collected.called:
            self.collected.errback(reason)


def collect(body: RequestBody) -> Deferred[bytes]:
    """Return a Deferred of a client's whole body; the caller has bounded its length."""
    collector = _Collector(body)
    body.start(collector)
    return collector.collected


class Relay(Protocol):
    """Hands an upstream's body to the client as it comes.

    Attributes:
        done: Fires when all has been written; fails where the body was cut short.
    """

    def __init__(self, request: GateRequest) -> None:
        self._request = request
        self.done: Deferred[None] = Deferred(self._cancelled)

    def connectionMade(self) -> None:
        """Let the client's pace govern the upstream's."""
        response: Any = self.transport
        self._request.registerProducer(response, True)
        if response.body_length is None:
            endless = endless_body(self._request, response.head, self.end)
            if endless is not None:
                self.dataReceived = endless.write  # type: ignore[method-assign]  # chosen once

    def dataReceived(self, data: bytes) -> None:
        """Hand a piece on."""
        self._request.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """End."""
        if not self._request.gone:
            self._request.unregisterProducer()
        if self.done.called:
            return
        if isinstance(reason.value, ResponseDone):
            self.done.callback(None)
        else:
            self.done.errback(reason)

    def end(self) -> None:
        """End the response here, in good order, and give up the rest of the upstream's."""
        if not self.done.called:
            self._request.unregisterProducer()
            self.done.callback(None)
            transport: Any = self.transport
            transport.stopProducing()

    def _cancelled(self, done: Deferred[None]) -> None:
        # Before the response is given up: that its body ends short then is not the server's fault.
        done.errback(CancelledError())
        transport: Any = self.transport
        if transport is not None:
            transport.stopProducing()


def note_unsealed(request: GateRequest, response: UpstreamResponse) -> None:
    """Have the access log say that somebody on the way may have cut a response's body short.

    Args:
        request: The client's request.
        response: The server's response, whose body has ended.
    """
    if response.unsealed:
        request.log.outcome = UNSEALED


def tunnelled(
    request: GateRequest,
    head: ResponseHead,
    upstream: TunnelEnd,
    came: ResponseHead,
    limits: Limits,
) -> Tunnel:
    """Return a tunnel of two connections, which speak another protocol from here on.

    Args:
        request: The client's request, which asked for that.
        head: The head that the client gets, without Upgrade.
        upstream: The server's side.
        came: The head that the server sent.
        limits: Bounds on its times.

    Raises:
        BadUpstreamResponse: The client did not offer the protocol; the server's side is cut.
        ConnectionDone: The client was cut meanwhile; so is the server's side.
    """
    protocol = [field for field in came.headers if field[0].lower() == b"upgrade"]
    offered = {offer.lower() for offer in request.offers}
    if {value.lower() for _, value in protocol} - offered:
        # Where the gate offered no HTTP in another form, none may be taken up.
        upstream.abort()
        raise BadUpstreamResponse("it switched to a protocol that was not offered")
    try:
        client = request.switch(ResponseHead(head.status, head.reason, [*head.headers, *protocol]))
    except ConnectionDone:
        upstream.abort()
        raise
    log, context = request.log, request.channel.context
    log.outcome = "tunnel closed"

    def note(outcome: str) -> None:
        log.outcome = outcome

    make = WebSocketTunnel if _is_websocket(protocol) else Tunnel
    tunnel = make(context.deadlines, limits.tunnel_idle_timeout_s, client, upstream, note)
    context.endless.add(request, tunnel, tunnel.closed)
    return tunnel


def _is_websocket(protocol: HeaderList) -> bool:
    return [value.strip().lower() for _, value in protocol] == [b"websocket"]
