"""A TLS connection during its handshake, and the choice of its protocol (ALPN)."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeAlias

from twisted.internet.interfaces import IAddress, IHandshakeListener, IProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from corsgate.server.admission import Spare
from corsgate.server.context import ServerContext
from corsgate.server.http1.channel import GateChannel
from corsgate.server.http1.timeouts import FIRST_REQUEST_S
from corsgate.server.site import GateSite, Refused
from corsgate.server.tls import CertificateTable
from corsgate.transport.deadlines import NEVER
from corsgate.transport.tls import TLSFactory

HTTP1 = b"http/1.1"
HTTP2 = b"h2"

MakeHttp2: TypeAlias = Callable[[ServerContext], IProtocol]
"""Makes the protocol of an HTTP/2 connection.

It has `drain` and `abortConnection`, and calls `Connections.lost` when it is lost.
"""


@implementer(IHandshakeListener)
class Negotiation(Protocol):
    """Waits for a TLS handshake, then passes the connection to the agreed protocol (RFC 7301).

    A slow handshake is cut after the time limit for a request's head.

    Args:
        context: What all connections of the listener share.
        channel: The HTTP/1.1 protocol.
        make_http2: Makes the HTTP/2 protocol; None if it isn't offered.
    """

    def __init__(
        self, context: ServerContext, channel: GateChannel, make_http2: MakeHttp2 | None
    ) -> None:
        self.deadline_s = NEVER
        self._context = context
        self._channel = channel
        self._make_http2 = make_http2

    def connectionMade(self) -> None:
        """Start waiting."""
        if hasattr(self._tls, "setTcpNoDelay"):
            self._tls.setTcpNoDelay(True)
        self._context.connections.hand_over(self._channel, self)
        self._context.deadlines.add(self)
        self.deadline_s = self._context.now() + self._context.limits.client_head_timeout_s

    def handshakeCompleted(self) -> None:
        """Replace this with the agreed protocol."""
        self._context.deadlines.discard(self)
        channel: Any = self._channel
        if self._make_http2 is not None and self._tls.negotiatedProtocol == HTTP2:
            channel = self._make_http2(self._context)
        self._context.connections.hand_over(self, channel)
        self._tls.wrappedProtocol = channel
        channel.makeConnection(self._tls)
        if self._context.draining:
            channel.drain()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Record that the handshake failed, or was cut."""
        self._context.deadlines.discard(self)
        # This is not logged, because any port scan would fill the log.
        self._context.connections.lost(self)

    def timed_out(self) -> None:
        """Cut a handshake that takes too long."""
        self.deadline_s = NEVER
        self.abortConnection()

    def drain(self) -> None:
        """Cut the connection soon, but not at once: it may be new, with a request on the way."""
        self.deadline_s = min(self.deadline_s, self._context.now() + FIRST_REQUEST_S)

    @property
    def spare(self) -> Spare:
        """What closing it would lose: an incomplete handshake."""
        return Spare.UNREADY

    def shed(self) -> None:
        """Cut the connection to make room for another."""
        self.abortConnection()

    def cut(self, outcome: str) -> None:
        """Cut the connection. There is no request to log the outcome for."""
        self.abortConnection()

    def rest(self) -> None:
        """Do nothing, since there is nothing to forget."""

    def abortConnection(self) -> None:
        """Cut the connection."""
        self._tls.abortConnection()

    @property
    def _tls(self) -> Any:
        return self.transport


class NegotiationFactory(Factory):
    """Makes the `Negotiation` of each connection to a site."""

    noisy = False

    def __init__(self, site: GateSite, make_http2: MakeHttp2 | None) -> None:
        self._site = site
        self._make_http2 = make_http2

    def buildProtocol(self, addr: IAddress | None) -> Negotiation | Refused:
        """Return the protocol for a new connection, or one that closes it."""
        channel = self._site.buildProtocol(addr)
        if isinstance(channel, Refused):
            return channel
        return Negotiation(self._site.context, channel, self._make_http2)


def over_tls(
    site: GateSite, table: CertificateTable, make_http2: MakeHttp2 | None, reactor: Any
) -> TLSFactory:
    """Return the factory that serves a site over TLS.

    Args:
        site: The site to serve.
        table: The certificates. It must offer HTTP/2 only if `make_http2` is given.
        make_http2: Makes the HTTP/2 protocol, or None.
        reactor: Schedules the joining of small writes.
    """
    return TLSFactory(table, False, NegotiationFactory(site, make_http2), clock=reactor)


def find_http2() -> MakeHttp2 | None:
    """Return the maker of the HTTP/2 protocol; None if its libraries are not installed."""
    try:
        module = import_module("corsgate.server.http2.connection")
    except ImportError:
        return None
    make: MakeHttp2 | None = getattr(module, "make_http2", None)
    return make
