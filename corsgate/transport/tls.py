"""TLS over a Twisted transport, with a connection that closes when its peer ends TLS."""

from __future__ import annotations

from collections.abc import Callable
from socket import MSG_PEEK
from typing import Any

from OpenSSL.SSL import Error, WantReadError
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import connectionDone
from twisted.protocols.tls import BufferingTLSTransport, TLSMemoryBIOFactory
from twisted.python.failure import Failure
from zope.interface import implementer

READ_BYTES = 12 * 1024
"""How much of what was read is decrypted at once."""

FIRST_BYTES = 11
"""How much is kept of a connection's beginning: a ServerHello up to its version."""


class TLSTransport(BufferingTLSTransport):
    """Twisted's TLS transport, which also closes below a paused producer.

    A peer that sends close_notify, or breaks TLS, ends the connection: nothing that is written
    afterwards is sent. Twisted then calls `loseConnection()` on the transport below. But that
    transport stays open for as long as a producer is registered with it, and it reads no more, so
    it doesn't see the peer go. A response that was paused at that moment kept its upstream
    connection until a time-out.

    What is read is decrypted in pieces of `READ_BYTES`, since OpenSSL's buffer for a connection
    stays as large as what it once held: 64 KiB of one upload, as long as the connection is there.

    `first_bytes` are the first ones that the peer sent, which tell what it is if it speaks no TLS.

    If the protocol above has a method `tls_ended`, it is called at once. `connectionLost` follows
    when what was encrypted before has left, which a peer that reads nothing can delay.

    Attributes:
        closed_below: Whether the peer closed the connection below without ending TLS; it is set
            before `connectionLost` is called.
    """

    closed_below = False

    # Whether a part of the last read is still to be decrypted.
    _encrypted = False

    first_bytes = b""

    def dataReceived(self, bytes: bytes) -> None:
        """Decrypt what was read, and hand it on."""
        if not self.first_bytes:
            self.first_bytes = bytes[:FIRST_BYTES]
        if len(bytes) <= READ_BYTES:
            super().dataReceived(bytes)
            return
        for at in range(0, len(bytes), READ_BYTES):
            if self._lostTLSConnection:
                break
            end = at + READ_BYTES
            self._encrypted = end < len(bytes)
            super().dataReceived(bytes[at:end])

    @property
    def has_unread(self) -> bool:
        """Whether more has come than the protocol above was handed, be it the end of TLS.

        One read of the socket may bring many records, which are handed on one after the other.
        """
        if self._encrypted:
            return True
        connection = self._tlsConnection
        if connection is None:
            return False
        try:
            connection.recv(1, MSG_PEEK)
        except WantReadError:
            return False
        except Error:
            # The end, or what is no TLS: the read that comes to it finds out which.
            return True
        return True

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Note how the connection below ended: Twisted reports a reset and a close alike."""
        closed = not self._lostTLSConnection and reason.check(ConnectionDone) is not None
        self.closed_below = closed
        super().connectionLost(reason)

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
