"""The PROXY protocol of ``haproxy:`` endpoints; an invalid header costs at most one log line."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import (
    IListeningPort,
    IProtocol,
    IProtocolFactory,
    IStreamServerEndpoint,
)
from twisted.logger import Logger
from twisted.protocols.haproxy._exceptions import InvalidProxyHeader
from twisted.protocols.haproxy._info import ProxyInfo
from twisted.protocols.haproxy._v1parser import V1Parser
from twisted.protocols.haproxy._v2parser import V2Parser
from twisted.protocols.haproxy._wrapper import HAProxyProtocolWrapper, HAProxyWrappingFactory
from zope.interface import implementer

from corsgate.config.model.endpoint import is_handed_over
from corsgate.transport.inherited import InheritedEndpoint, find_socket, inherited_sockets
from corsgate.transport.log_throttle import Throttle

_PREFIX = "haproxy:"
_Fed = tuple[ProxyInfo, bytes] | tuple[None, None]


def listening_endpoint(reactor: Any, text: str) -> IStreamServerEndpoint:
    """Return the endpoint for an endpoint string, as `serverFromString` does.

    Args:
        reactor: The reactor that will listen.
        text: The string. The prefix ``haproxy:`` is handled here, because Twisted logs a traceback
            for some bad headers and accepts any text as an address. ``systemd:`` is handled here,
            because Twisted can listen on such a socket only once.

    Raises:
        BadValue: systemd passed no such socket.
    """
    endpoint: IStreamServerEndpoint
    if is_handed_over(text):
        endpoint = InheritedEndpoint(reactor, find_socket(text, inherited_sockets(reactor)))
    else:
        endpoint = serverFromString(reactor, text.removeprefix(_PREFIX))
    return _ProxyEndpoint(reactor, endpoint) if text.startswith(_PREFIX) else endpoint


@implementer(IStreamServerEndpoint)
class _ProxyEndpoint:
    """An endpoint whose connections start with a PROXY header."""

    def __init__(self, reactor: Any, endpoint: IStreamServerEndpoint) -> None:
        self._reactor = reactor
        self._endpoint = endpoint

    def listen(self, factory: IProtocolFactory) -> Deferred[IListeningPort]:
        """Listen."""
        return self._endpoint.listen(_ProxyFactory(factory, self._reactor))


class _ProxyFactory(HAProxyWrappingFactory):
    """Makes the protocols that parse the header of each connection.

    Args:
        factory: Makes the protocol that follows the header.
        clock: Provides the time.
    """

    noisy = False
    _log = Logger(namespace=__name__)

    def __init__(self, factory: IProtocolFactory, clock: Any) -> None:
        super().__init__(factory)
        self._clock = clock
        self._throttle = Throttle()

    def report(self, peer: object) -> None:
        """Log, at most once per second, that a connection had no valid header."""
        more = self._throttle.due(self._clock.seconds())
        if more is not None:
            self._log.warn(
                "closed a connection from {peer}: it has no valid PROXY header{more}",
                peer=getattr(peer, "host", peer),
                more=more,
            )


class _ProxyProtocol(HAProxyProtocolWrapper):
    """Parses a header, and passes on everything after it."""

    def __init__(self, factory: _ProxyFactory, wrapped: IProtocol) -> None:
        super().__init__(factory, wrapped)  # type: ignore[arg-type]  # generic over its protocol
        self._report = factory.report
        # Twisted chooses a parser only if there is none yet.
        self._parser: Any = _HeaderParser(self._refused)

    def _refused(self) -> None:
        transport: Any = self.transport
        self._report(transport.getPeer())


_ProxyFactory.protocol = _ProxyProtocol  # type: ignore[assignment]  # generic over its factory


class _HeaderParser:
    """Parses a header of either version.

    Args:
        refused: Called if the header is invalid.
    """

    def __init__(self, refused: Callable[[], None]) -> None:
        self._refused = refused
        self._parser: V1Parser | V2Parser | None = None

    def feed(self, data: bytes) -> _Fed:
        """Parse bytes.

        Returns:
            The parsed header and the bytes after it; two Nones if it isn't complete.

        Raises:
            InvalidProxyHeader: The header is invalid.
        """
        try:
            if self._parser is None:
                self._parser = _parser_for(data)
            info, rest = self._parser.feed(data)
            if info is None or rest is None:
                return None, None
            for address in (info.source, info.destination):
                if isinstance(address, IPv4Address | IPv6Address):
                    ip_address(address.host)
        except (InvalidProxyHeader, ValueError) as error:
            # Twisted's parser raises ValueError if a port isn't a number, or text isn't UTF-8.
            self._refused()
            raise InvalidProxyHeader from error
        return info, rest


def _parser_for(data: bytes) -> V1Parser | V2Parser:
    """Return the parser for a header that starts with these bytes."""
    if len(data) >= 16 and data.startswith(V2Parser.PREFIX) and data[12] & 0xF0 == 0x20:
        return V2Parser()
    if len(data) >= 8 and data.startswith(V1Parser.PROXYSTR):
        return V1Parser()
    raise InvalidProxyHeader
