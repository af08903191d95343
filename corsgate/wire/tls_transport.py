"""TLS over a Twisted transport, with a connection that closes when its peer ends TLS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.protocols.tls import BufferingTLSTransport, TLSMemoryBIOFactory
from twisted.python.failure import Failure
from zope.interface import implementer

READ_BYTES = 12 * 1024
"""How much of what was read is decrypted at once."""


class TLSTransport(BufferingTLSTransport):
    """Twisted's TLS transport, which also closes below a paused producer.

    A peer that sends close_notify, or breaks TLS, ends the connection: nothing that is written
    afterwards is sent. Twisted then calls `loseConnection()` on the transport below. But that
    transport stays open for as long as a producer is registered with it, and it reads no more, so
    it doesn't see the peer go. A response that was paused at that moment kept its upstream
    connection until a time-out.

    What is read is decrypted in pieces of `READ_BYTES`, since OpenSSL's buffer for a connection
    stays as large as what it once held: 64 KiB of one upload, as long as the connection is there.

    A protocol above that has a method `tls_ended` is told at once. `connectionLost` follows when
    what was encrypted before has left, which a peer that reads nothing can delay.
    """

    def dataReceived(self, bytes: bytes) -> None:
        """Decrypt what was read, and hand it on."""
        if len(bytes) <= READ_BYTES:
            super().dataReceived(bytes)
            return
        for at in range(0, len(bytes), READ_BYTES):
            if self._lostTLSConnection:
                break
            super().dataReceived(bytes[at : at + READ_BYTES])

    def _tlsShutdownFinished(self, reason: Failure | None) -> None:
        super()._tlsShutdownFinished(reason)
        self.unregisterProducer()
        tls_ended: Callable[[], None] | None = getattr(self.wrappedProtocol, "tls_ended", None)
        if tls_ended is not None:
            tls_ended()


class TLSFactory(TLSMemoryBIOFactory):
    """Wraps the connections of a factory in a `TLSTransport` each."""

    protocol = TLSTransport


@implementer(IStreamClientEndpoint)
class TLSClientEndpoint:
    """Connects by another endpoint, and speaks TLS there.

    It is `twisted.internet.endpoints.wrapClientTLS` with a `TLSTransport`.

    Args:
        creator: Makes the client's side of TLS connections.
        endpoint: Connects.
        clock: Gathers small writes.
    """

    def __init__(
        self,
        creator: IOpenSSLClientConnectionCreator,
        endpoint: IStreamClientEndpoint,
        clock: IReactorTime,
    ) -> None:
        self._creator = creator
        self._endpoint = endpoint
        self._clock = clock

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Return a Deferred of the protocol that speaks over TLS, before the handshake is done."""
        factory = TLSFactory(self._creator, True, protocolFactory, clock=self._clock)
        connecting: Deferred[Any] = self._endpoint.connect(factory)
        return connecting.addCallback(lambda transport: transport.wrappedProtocol)
