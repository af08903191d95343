"""The kept-alive connections to one server."""

from __future__ import annotations

from typing import Any

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import (
    HostnameEndpoint,
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
    wrapClientTLS,
)
from twisted.internet.error import ConnectingCancelledError
from twisted.internet.error import TimeoutError as ConnectTimeoutError
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

from corsgate.config.model import Limits, Server
from corsgate.errors import ConnectFailed, ConnectTimedOut
from corsgate.wire.connection import UpstreamConnection
from corsgate.wire.sweeper import Sweeper

MAX_IDLE = 64
# Shorter than what servers commonly keep (Apache 5 s is the exception; there the resend of
# idempotent requests helps), so that a request seldom meets a connection that is being closed.
IDLE_TIMEOUT_S = 30.0


class ServerPool:
    """Connections to one server: the newest idle one first, each for one request at a time.

    Args:
        reactor: Connects and tells the time.
        sweeper: Ends what takes too long.
        server: Where to connect.
        tls: Makes verified TLS connections; None for plain TCP.
    """

    def __init__(
        self,
        reactor: Any,
        sweeper: Sweeper,
        server: Server,
        tls: IOpenSSLClientConnectionCreator | None,
    ) -> None:
        self._reactor = reactor
        self._sweeper = sweeper
        self._server = server
        self._tls = tls
        self._idle: list[UpstreamConnection] = []
        self._closed = False

    def take_idle(self) -> UpstreamConnection | None:
        """Answer the newest idle connection, which is then the caller's; None where none is."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.lost:
                return connection
        return None

    def connect(self, limits: Limits) -> Deferred[UpstreamConnection]:
        """Make a connection.

        Args:
            limits: Bound the time that it may take, name look-up and TLS handshake included.

        Returns:
            A Deferred of the connection; it fails with ConnectFailed or ConnectTimedOut.
        """
        timeout_s = limits.connect_timeout_s
        factory = Factory.forProtocol(lambda: UpstreamConnection(self._sweeper, self._released))
        factory.noisy = False
        endpoint = self._endpoint(timeout_s)
        connecting: Deferred[Any] = endpoint.connect(factory)
        if self._tls is not None:
            connecting.addCallback(lambda wrapped: wrapped.when_verified())
        connecting.addErrback(self._not_connected)
        return connecting.addTimeout(timeout_s, self._reactor, self._timed_out)

    def close(self) -> None:
        """Close what is idle now, and every other connection when its exchange has ended."""
        self._closed = True
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _endpoint(self, timeout_s: float) -> IStreamClientEndpoint:
        host, port = self._server.host, self._server.port
        endpoint: IStreamClientEndpoint
        if isIPAddress(host):
            endpoint = TCP4ClientEndpoint(self._reactor, host, port, timeout=timeout_s)
        elif isIPv6Address(host):
            endpoint = TCP6ClientEndpoint(self._reactor, host, port, timeout=timeout_s)
        else:
            endpoint = HostnameEndpoint(self._reactor, host, port, timeout=timeout_s)
        return endpoint if self._tls is None else wrapClientTLS(self._tls, endpoint)

    def _not_connected(self, failure: Failure) -> Failure:
        if failure.check(ConnectTimeoutError):
            return self._timed_out(failure, 0)
        if failure.check(CancelledError, ConnectingCancelledError):
            return Failure(CancelledError())
        return Failure(ConnectFailed(f"{self._server.origin}: {failure.getErrorMessage()}"))

    def _timed_out(self, _: object, timeout_s: float) -> Failure:
        return Failure(ConnectTimedOut(f"{self._server.origin}: no connection in time"))

    def _released(self, connection: UpstreamConnection, reusable: bool) -> None:
        if connection.lost:
            if connection in self._idle:
                self._idle.remove(connection)
        elif reusable and not self._closed and len(self._idle) < MAX_IDLE:
            connection.idle_until(self._sweeper.now() + IDLE_TIMEOUT_S)
            self._idle.append(connection)
        else:
            connection.close()
