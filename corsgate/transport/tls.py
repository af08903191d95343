"""TLS over a Twisted transport, with a connection that closes when its peer ends TLS."""

from __future__ import annotations

from collections.abc import Callable
from socket import MSG_PEEK
from typing import Any

from OpenSSL.SSL import Error, WantReadError, ZeroReturnError
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
"""How many bytes are decrypted at once."""

_RECORD_BYTES = 16 * 1024
"""The most that one record contains (RFC 8446 5.1)."""

FIRST_BYTES = 11
"""How many of the first bytes of a connection are kept: a ServerHello up to its version."""


class TLSTransport(BufferingTLSTransport):
    """Twisted's TLS transport, which also closes while a producer is paused.

    A peer that sends close_notify, or violates TLS, ends the connection: nothing written afterwards
    is sent. Twisted then calls `loseConnection()` on the transport below. But that transport stays
    open as long as a producer is registered with it. Since it no longer reads, it doesn't notice
    that the peer leaves. So a paused response would keep its upstream connection until a timeout.

    Bytes are decrypted in pieces of `READ_BYTES`, because OpenSSL's buffer for a connection never
    shrinks. It would keep 64 KiB after one upload, as long as the connection exists. But everything
    that one read contained is passed on in one call: some clients of HTTP/2 use two records for
    each frame.

    `first_bytes` are the first bytes of the peer, which show what it is if it doesn't speak TLS.

    If the protocol above has a method `tls_ended`, it is called at once. `connectionLost` follows
    when the bytes encrypted before have been sent, which a peer that reads nothing can delay.

    Attributes:
        closed_below: Whether the peer closed the connection below without ending TLS; it is set
            before `connectionLost` is called.
    """

    closed_below = False

    # Whether a part of the last read has not been decrypted yet.
    _encrypted = False

    first_bytes = b""

    def __init__(
        self, factory: TLSMemoryBIOFactory, wrappedProtocol: IProtocol, _connectWrapped: bool = True
    ) -> None:
        super().__init__(factory, wrappedProtocol, _connectWrapped)
        # The records of the current read that have been decrypted, but not passed on.
        self._decrypted: list[bytes] = []

    def dataReceived(self, bytes: bytes) -> None:
        """Decrypt bytes, and pass them on."""
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
        """Whether there are bytes, or the end of TLS, that the protocol above has not received.

        One read of the socket may contain many records, and the end of TLS after them.
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
            # TLS ended or is invalid. The next read finds out which.
            return True
        return True

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Record how the connection below ended. Twisted reports a reset and a close alike."""
        closed = not self._lostTLSConnection and reason.check(ConnectionDone) is not None
        self.closed_below = closed
        super().connectionLost(reason)

    def _flushReceiveBIO(self) -> None:
        """Decrypt bytes, and pass them on if they are the last of a read."""
        while not self._lostTLSConnection:
            try:
                self._decrypted.append(self._tlsConnection.recv(_RECORD_BYTES))
            except WantReadError:
                break
            except Error as error:
                # The peer ended TLS, or this record is invalid. The records before it are valid.
                failure = Failure()
                self._pass_on()
                if self._lostTLSConnection:
                    break
                if isinstance(error, ZeroReturnError):
                    self._shutdownTLS()
                self._tlsShutdownFinished(None if isinstance(error, ZeroReturnError) else failure)
        if not self._encrypted:
            self._pass_on()
        self._flushSendBIO()

    def _pass_on(self) -> None:
        """Pass on what has been decrypted, unless the connection was aborted."""
        pieces, self._decrypted = self._decrypted, []
        if pieces and not self._aborted:
            self.wrappedProtocol.dataReceived(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def _tlsShutdownFinished(self, reason: Failure | None) -> None:
        super()._tlsShutdownFinished(reason)
        self.unregisterProducer()
        tls_ended: Callable[[], None] | None = getattr(self.wrappedProtocol, "tls_ended", None)
        if tls_ended is not None:
            tls_ended()


class TLSFactory(TLSMemoryBIOFactory):
    """Wraps each connection of a factory in a `TLSTransport`."""

    protocol = TLSTransport


@implementer(IStreamClientEndpoint)
class TLSClientEndpoint:
    """Connects through another endpoint, and starts TLS.

    It is `twisted.internet.endpoints.wrapClientTLS` with a `TLSTransport`.

    Args:
        creator: Makes the client side of TLS connections.
        endpoint: The endpoint that connects.
        clock: Schedules the joining of small writes.
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
        """Return a Deferred of the protocol above TLS, which fires before the handshake is done."""
        factory = TLSFactory(self._creator, True, protocolFactory, clock=self._clock)
        connecting: Deferred[Any] = self._endpoint.connect(factory)
        return connecting.addCallback(lambda transport: transport.wrappedProtocol)
