"""Relays bodies in both directions, no faster than the receiving side reads."""

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
"""The outcome that is logged if someone between gate and server may have cut a body short."""


@implementer(IBodyProducer)
class StreamedBody:
    """A client's body, streamed to the upstream. It can be sent only once, unless it is small.

    Args:
        body: The body as it arrives.
        ask: Whether the gate itself sends 100 Continue to a client that waits for it; otherwise the
            upstream's own is awaited.
        passing: Returns the trailers that may be forwarded.
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
        """The trailer fields to send after the body."""
        return self._passing(self._body.trailers)

    @property
    def replayable(self) -> bool:
        """Whether nothing of it has been read yet, or all of it is kept."""
        return self._whole is not None or not self._body.started

    def take_whole(self) -> bytes | None:
        """Return the whole body if it has arrived complete and without chunks; else None.

        If it is small, no larger than a head may be, it is also kept so that it can be sent again.
        """
        whole = self._whole
        if whole is None and self._body.length is not None:
            whole = self._body.take_whole()
            if whole is not None and len(whole) <= SMALL_PIECE_BYTES:
                self._whole = whole
        return whole

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """Start reading from the client; the Deferred fires when everything is written."""
        self._consumer = consumer
        # If the whole body has arrived, `start` delivers its end before it returns.
        done = self._done = Deferred()
        self._body.start(self, ask=self._ask)
        return done

    def pauseProducing(self) -> None:
        """Stop reading from the client."""
        self._body.retained = getattr(self._consumer, "unsent", 0)
        self._body.pause()

    def resumeProducing(self) -> None:
        """Continue reading from the client."""
        self._body.retained = 0
        self._body.resume()

    def stopProducing(self) -> None:
        """Discard what the client still sends."""
        self._done = None
        self._body.discard()

    def body_data(self, data: bytes) -> None:
        """Receive a piece of the body."""
        assert self._consumer is not None
        self._consumer.write(data)

    def body_ended(self) -> None:
        """Receive the end of the body."""
        done, self._done = self._done, None
        if done is not None:
            done.callback(None)

    def body_failed(self, reason: Failure) -> None:
        """Record that the rest will never arrive."""
        done, self._done = self._done, None
        if done is not None:
            done.errback(reason)


class _Collector:
    """Collects a whole body, which is known to be small."""

    def __init__(self, body: RequestBody) -> None:
        self.collected: Deferred[bytes] = Deferred()
        self._body = body
        # One buffer, not a list of pieces, because a client may send it byte by byte.
        self._data = bytearray()

    def body_data(self, data: bytes) -> None:
        self._data += data
        self._body.retained = len(self._data)

    def body_ended(self) -> None:
        # It is kept until the request ends, and a server's buffer holds a copy.
        self._body.retained *= 2
        self.collected.callback(bytes(self._data))

    def body_failed(self, reason: Failure) -> None:
        if not self.collected.called:
            self.collected.errback(reason)


def collect(body: RequestBody) -> Deferred[bytes]:
    """Return a Deferred of a client's whole body, whose length the caller has limited."""
    collector = _Collector(body)
    body.start(collector)
    return collector.collected


class Relay(Protocol):
    """Relays a body from the upstream to the client.

    Attributes:
        done: Fires when everything is written; fails if the body was cut short.
    """

    def __init__(self, request: GateRequest) -> None:
        self._request = request
        self.done: Deferred[None] = Deferred(self._cancelled)

    def connectionMade(self) -> None:
        """Connect the flow control: pause the upstream when the client is slow."""
        response: Any = self.transport
        self._request.registerProducer(response, True)
        if response.body_length is None:
            endless = endless_body(self._request, response.head, self.end)
            if endless is not None:
                self.dataReceived = endless.write  # type: ignore[method-assign]  # chosen once

    def dataReceived(self, data: bytes) -> None:
        """Relay a piece of the body."""
        self._request.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Report the end of the body."""
        if not self._request.gone:
            self._request.unregisterProducer()
        if self.done.called:
            return
        if isinstance(reason.value, ResponseDone):
            self.done.callback(None)
        else:
            self.done.errback(reason)

    def end(self) -> None:
        """End the client's response cleanly, and drop the rest of the upstream's."""
        if not self.done.called:
            self._request.unregisterProducer()
            self.done.callback(None)
            transport: Any = self.transport
            transport.stopProducing()

    def _cancelled(self, done: Deferred[None]) -> None:
        # First, since it is not the server's fault that the body then ends early.
        done.errback(CancelledError())
        transport: Any = self.transport
        if transport is not None:
            transport.stopProducing()


def note_unsealed(request: GateRequest, response: UpstreamResponse) -> None:
    """Log that someone between gate and server may have cut a response's body short.

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
    """Return a tunnel between two connections, which switch to another protocol here.

    Args:
        request: The client's request, which asked for the switch.
        head: The head for the client, without Upgrade.
        upstream: The server's end.
        came: The head that the server sent.
        limits: The limits on its times.

    Raises:
        BadUpstreamResponse: The client did not offer the protocol; the server's connection is cut.
        ConnectionDone: The client's connection was cut in the meantime; so is the server's.
    """
    protocol = [field for field in came.headers if field[0].lower() == b"upgrade"]
    offered = {offer.lower() for offer in request.offers}
    if {value.lower() for _, value in protocol} - offered:
        # The gate withholds offers of other forms of HTTP, such as h2c, so none may be accepted.
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
