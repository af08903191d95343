"""Makes connections to an upstream server: verified, and within a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.internet.endpoints import (
    HostnameEndpoint,
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
    UNIXClientEndpoint,
)
from twisted.internet.error import ConnectingCancelledError
from twisted.internet.error import TimeoutError as ConnectTimeoutError
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from corsgate.config.model.values import Server
from corsgate.errors import ConnectFailed, ConnectTimedOut, OutOfDescriptors
from corsgate.transport.shortage import has_descriptor, is_shortage, no_descriptor
from corsgate.transport.tls import TLSClientEndpoint
from corsgate.upstream.connection import UpstreamConnection

_NO_SHORTAGE = (CancelledError, ConnectingCancelledError, ConnectTimeoutError)


class Connector:
    """Connects to one server.

    Args:
        reactor: Connects and tells the time.
        server: Where to connect.
        tls: Makes verified TLS connections; None for plain TCP.
        make: Makes what speaks on a new connection.
        short: Called where the gate has no descriptor left; it closes what it can spare.
    """

    def __init__(
        self,
        reactor: Any,
        server: Server,
        tls: IOpenSSLClientConnectionCreator | None,
        make: Callable[[], UpstreamConnection],
        short: Callable[[], None],
    ) -> None:
        self._reactor = reactor
        self._server = server
        self._tls = tls
        self._make = make
        self._short = short

    def connect(self, timeout_s: float) -> Deferred[UpstreamConnection]:
        """Return a Deferred of a new connection.

        It fails with ConnectFailed, ConnectTimedOut, OutOfDescriptors or CancelledError.

        Args:
            timeout_s: How long it may take in seconds, name look-up and TLS handshake included.
        """
        factory = Factory.forProtocol(self._make)
        factory.noisy = False
        endpoint = _make_endpoint(self._reactor, self._server, self._tls, timeout_s)

        def connect() -> Deferred[Any]:
            # Twisted never hears of a look-up that fails in this way.
            return endpoint.connect(factory) if has_descriptor() else fail(no_descriptor())

        connecting = connect()
        connecting.addErrback(self._connect_again, connect)
        if self._tls is not None:
            connecting.addCallback(lambda wrapped: wrapped.when_verified())
        connecting.addErrback(self._not_connected)
        return connecting.addTimeout(timeout_s, self._reactor, self._timed_out)

    def _connect_again(
        self, failure: Failure, connect: Callable[[], Deferred[Any]]
    ) -> Failure | Deferred[Any]:
        """Try once more, where it was for want of a descriptor of the gate's own."""
        if failure.check(*_NO_SHORTAGE) or not is_shortage(failure):
            return failure
        self._short()
        # What that closes is gone after two turns of the reactor.
        closed = deferLater(self._reactor, 0).addCallback(lambda _: deferLater(self._reactor, 0))
        return closed.addCallback(lambda _: connect())

    def _not_connected(self, failure: Failure) -> Failure:
        if failure.check(ConnectTimeoutError):
            return self._timed_out(failure, 0)
        if failure.check(CancelledError, ConnectingCancelledError):
            return Failure(CancelledError())
        if is_shortage(failure):
            return Failure(
                OutOfDescriptors(f"{self._server.origin}: the gate has no descriptor left")
            )
        return Failure(ConnectFailed(f"{self._server.origin}: {failure.getErrorMessage()}"))

    def _timed_out(self, _: object, timeout_s: float) -> Failure:
        return Failure(ConnectTimedOut(f"{self._server.origin}: no connection in time"))


def _make_endpoint(
    reactor: Any, server: Server, tls: IOpenSSLClientConnectionCreator | None, timeout_s: float
) -> IStreamClientEndpoint:
    """Return the endpoint that connects to a server.

    Args:
        reactor: Connects.
        server: Where to.
        tls: Makes verified TLS connections; None for plain TCP.
        timeout_s: How long connecting may take, in seconds.
    """
    host, port = server.host, server.port
    endpoint: IStreamClientEndpoint
    if server.socket is not None:
        return UNIXClientEndpoint(reactor, server.socket, timeout=timeout_s)
    if isIPAddress(host):
        endpoint = TCP4ClientEndpoint(reactor, host, port, timeout=timeout_s)
    elif isIPv6Address(host):
        endpoint = TCP6ClientEndpoint(reactor, host, port, timeout=timeout_s)
    else:
        endpoint = HostnameEndpoint(reactor, host, port, timeout=timeout_s)
    return endpoint if tls is None else TLSClientEndpoint(tls, endpoint, reactor)
