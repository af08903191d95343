"""Checks whether a server can be reached, by a connection that is closed at once."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IHandshakeListener
from twisted.internet.protocol import Protocol, connectionDone
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from corsgate.config.model.values import Server, Upstream
from corsgate.errors import BadValue, CorsgateError
from corsgate.upstream.connector import Connector
from corsgate.upstream.hosts import Hosts
from corsgate.upstream.tls import creators

_CLOSE_S = 1.0
"""How long a server has to close its side, in seconds."""


@implementer(IHandshakeListener)
class _Look(Protocol):
    """A connection without a request. It is closed cleanly, because servers log a reset."""

    transport: Any

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._cut: IDelayedCall | None = None
        self._verified: Deferred[_Look] = Deferred(lambda _: self.transport.abortConnection())

    def when_verified(self) -> Deferred[_Look]:
        """Return a Deferred of this connection once its TLS handshake is done."""
        return self._verified

    def handshakeCompleted(self) -> None:
        """Record that the server's identity is verified."""
        if not self._verified.called:
            self._verified.callback(self)

    def close(self) -> None:
        """Close it, if it is open."""
        if self.transport is not None and self.connected:
            self._cut = self._reactor.callLater(_CLOSE_S, self.transport.abortConnection)
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Stop waiting for the handshake or for the server to close its side."""
        if not self._verified.called and isinstance(self.transport, TLSMemoryBIOProtocol):
            self._verified.errback(reason)
        if self._cut is not None and self._cut.active():
            self._cut.cancel()


def unreachable(
    reactor: Any, upstream: Upstream, server: Server, timeout_s: float
) -> Deferred[str]:
    """Connect to a server, and verify its certificate if it is an https server.

    No request is sent.

    Args:
        reactor: Connects and has the clock.
        upstream: The upstream, which sets how certificates are verified.
        server: The server.
        timeout_s: The maximum time in seconds.

    Returns:
        A Deferred of the reason why the server can't be reached; empty if it can.
    """
    try:
        tls = creators(upstream, [server]).get(server.origin)
    except BadValue as error:
        made: Deferred[str] = Deferred()
        made.callback(error.problem)
        return made
    opened: list[_Look] = []

    def make() -> Any:
        opened.append(_Look(reactor))
        return opened[-1]

    connecting: Deferred[Any] = Connector(
        reactor, server, tls, make, short=_nothing, hosts=Hosts()
    ).connect(timeout_s)
    connecting.addCallback(lambda _: "").addErrback(_words, server)
    return connecting.addBoth(_close, opened)


def _nothing() -> None:
    """Close nothing, because a gate that has just started has no connection to spare."""


def _words(failure: Failure, server: Server) -> str:
    failure.trap(CorsgateError)
    return failure.getErrorMessage().removeprefix(f"{server.origin}: ")


def _close(result: Any, opened: list[_Look]) -> Any:
    for protocol in opened:
        protocol.close()
    return result
