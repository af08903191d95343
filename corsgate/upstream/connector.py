"""Makes connections to an upstream server, verified and with a time limit."""

from __future__ import annotations

import errno
import os
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
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.error import TimeoutError as ConnectTimeoutError
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from corsgate.config.model.values import Server
from corsgate.errors import ConnectFailed, ConnectTimedOut, OutOfDescriptors
from corsgate.transport.shortage import has_descriptor, is_shortage, no_descriptor
from corsgate.transport.tls import TLSClientEndpoint
from corsgate.upstream.connection import UpstreamConnection
from corsgate.upstream.hosts import Hosts
from corsgate.upstream.in_turn import InTurnEndpoint
from corsgate.upstream.tls import VerifyingCreator

_NO_SHORTAGE = (CancelledError, ConnectingCancelledError, ConnectTimeoutError)


class Connector:
    """Connects to one server.

    Args:
        reactor: Connects and has the clock.
        server: The server.
        tls: Makes verified TLS connections; None for plain TCP.
        make: Returns the protocol for a new connection.
        short: Called when the gate has no descriptor left; it closes what it can spare.
        hosts: Resolves names before DNS does.
    """

    def __init__(
        self,
        reactor: Any,
        server: Server,
        tls: VerifyingCreator | None,
        make: Callable[[], UpstreamConnection],
        short: Callable[[], None],
        hosts: Hosts,
    ) -> None:
        self._reactor = reactor
        self._server = server
        self._tls = tls
        self._make = make
        self._short = short
        self._hosts = hosts

    def connect(self, timeout_s: float) -> Deferred[UpstreamConnection]:
        """Return a Deferred of a new connection.

        It fails with ConnectFailed, ConnectTimedOut, OutOfDescriptors or CancelledError.

        Args:
            timeout_s: The maximum time in seconds, including name lookup and TLS handshake.
        """
        factory = Factory.forProtocol(self._make)
        factory.noisy = False
        endpoint = self._make_endpoint(timeout_s)
        if self._tls is not None:
            endpoint = TLSClientEndpoint(self._tls, endpoint, self._reactor)

        def connect() -> Deferred[Any]:
            # Check first, because the error of a name lookup that lacks a descriptor doesn't tell.
            return endpoint.connect(factory) if has_descriptor() else fail(no_descriptor())

        connecting = connect()
        connecting.addErrback(self._connect_again, connect)
        if self._tls is not None:
            connecting.addCallback(self._when_verified, self._tls)
        connecting.addErrback(self._not_connected)
        return connecting.addTimeout(timeout_s, self._reactor, self._timed_out)

    def _when_verified(self, wrapped: Any, tls: VerifyingCreator) -> Deferred[Any]:
        """Return a Deferred of a connection once its TLS handshake is done."""

        def not_verified(failure: Failure) -> Failure:
            if failure.check(CancelledError):
                return failure
            assert failure.value is not None
            words = tls.describe(failure.value, wrapped.transport.first_bytes)
            return Failure(ConnectFailed(words))

        verified: Deferred[Any] = wrapped.when_verified()
        return verified.addErrback(not_verified)

    def _connect_again(
        self, failure: Failure, connect: Callable[[], Deferred[Any]]
    ) -> Failure | Deferred[Any]:
        """Try once more if the gate had no descriptor left."""
        if failure.check(*_NO_SHORTAGE) or not is_shortage(failure):
            return failure
        self._short()
        # The sockets that `short` closes are free after two turns of the reactor.
        closed = deferLater(self._reactor, 0).addCallback(lambda _: deferLater(self._reactor, 0))
        return closed.addCallback(lambda _: connect())

    def _not_connected(self, failure: Failure) -> Failure:
        if failure.check(ConnectTimeoutError):
            return self._timed_out(failure, 0)
        if failure.check(CancelledError, ConnectingCancelledError):
            return Failure(CancelledError())
        if is_shortage(failure):
            return Failure(
                OutOfDescriptors(f"{self._server.origin}: the gate has no file descriptor left")
            )
        return Failure(ConnectFailed(f"{self._server.origin}: {_words(failure)}"))

    def _timed_out(self, _: object, timeout_s: float) -> Failure:
        return Failure(ConnectTimedOut(f"{self._server.origin}: no connection in time"))

    def _make_endpoint(self, timeout_s: float) -> IStreamClientEndpoint:
        """Return the endpoint that connects to the server, without TLS."""
        server, reactor = self._server, self._reactor
        if server.socket is not None:
            return UNIXClientEndpoint(reactor, server.socket, timeout=timeout_s)
        host = server.host
        if isIPAddress(host) or isIPv6Address(host):
            return _address_endpoint(reactor, host, server.port, timeout_s)
        addresses = self._hosts.addresses(host)
        if not addresses:
            return HostnameEndpoint(reactor, host, server.port, timeout=timeout_s)
        # An address that doesn't respond must leave time for the others.
        each_s = timeout_s / len(addresses)
        return InTurnEndpoint(
            [_address_endpoint(reactor, each, server.port, each_s) for each in addresses]
        )


def _words(failure: Failure) -> str:
    """Return why there is no connection, such as ``connection refused``."""
    # Twisted's own text contains the number, and the same words twice.
    number = getattr(failure.value, "osError", None)
    if failure.check(Refused):
        number = errno.ECONNREFUSED
    if not isinstance(number, int):
        return failure.getErrorMessage().rstrip(".")
    text = os.strerror(number)
    return text[:1].lower() + text[1:]


def _address_endpoint(
    reactor: Any, address: str, port: int, timeout_s: float
) -> IStreamClientEndpoint:
    """Return the endpoint that connects to an IPv4 or IPv6 address."""
    endpoint = TCP4ClientEndpoint if isIPAddress(address) else TCP6ClientEndpoint
    return endpoint(reactor, address, port, timeout=timeout_s)
