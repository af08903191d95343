"""Where connections to an upstream server are made."""

from __future__ import annotations

from typing import Any

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.endpoints import (
    HostnameEndpoint,
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
    UNIXClientEndpoint,
)
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IStreamClientEndpoint

from corsgate.config.model import Server
from corsgate.wire.tls_transport import TLSClientEndpoint


def make_endpoint(
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
