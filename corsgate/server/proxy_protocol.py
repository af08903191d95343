"""The PROXY protocol of ``haproxy:`` endpoints: a bad header costs a line of the log, at most."""

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
    """Return the endpoint that a string stands for, as `serverFromString` does.

    Args:
        reactor: Listens.
        text: The string. A ``haproxy:`` in front is not Twisted's, which logs a traceback for some
            bad headers and believes any name for an address. Nor is a ``systemd:``, which Twisted
            can listen on only once.

    Raises:
        BadValue: systemd handed over no such socket.
    """
    endpoint: IStreamServerEndpoint
    if is_handed_over(text):
        endpoint = InheritedEndpoint(reactor, find_socket(text, inherited_sockets(reactor)))
    else:
        endpoint = serverFromString(reactor, text.removeprefix(_PREFIX))
    return _ProxyEndpoint(reactor, endpoint) if text.startswith(_PREFIX) else endpoint


@implementer(IStreamServerEndpoint)
class _ProxyEndpoint:
    """An endpoint whose connections begin with a PROXY header."""

    def __init__(self, reactor: Any, endpoint: IStreamServerEndpoint) -> None:
        self._reactor = reactor
        self._endpoint = endpoint

    def listen(self, factory: IProtocolFactory) -> Deferred[IListeningPort]:
        """Listen."""
        return self._endpoint.listen(_ProxyFactory(factory, self._reactor))


class _ProxyFactory(HAProxyWrappingFactory):
    """Makes what reads the header of each connection.

    Args:
        factory: Makes what the connection is for.
        clock: Tells the time.
    """

    noisy = False
    _log = Logger(namespace=__name__)

    def __init__(self, factory: IProtocolFactory, clock: Any) -> None:
        super().__init__(factory)
        self._clock = clock
        self._throttle = Throttle()

    def report(self, peer: object) -> None:
        """Log, once per second, that a connection had no valid header."""
        more = self._throttle.due(self._clock.seconds())
        if more is not None:
            self._log.warn(
                "closed a connection from {peer}: it has no valid PROXY header{more}",
                peer=getattr(peer, "host", peer),
                more=more,
            )


class _ProxyProtocol(HAProxyProtocolWrapper):
    """Reads a header, and hands on all that comes behind it."""

    def __init__(self, factory: _ProxyFactory, wrapped: IProtocol) -> None:
        super().__init__(factory, wrapped)  # type: ignore[arg-type]  # generic over its protocol
        self._report = factory.report
        # Twisted looks for one only where there is none yet.
        self._parser: Any = _HeaderParser(self._refused)

    def _refused(self) -> None:
        transport: Any = self.transport
        self._report(transport.getPeer())


_ProxyFactory.protocol = _ProxyProtocol  # type: ignore[assignment]  # generic over its factory


class _HeaderParser:
    """Parses a header of either version.

    Args:
        refused: Called where it is none.
    """

    def __init__(self, refused: Callable[[], None]) -> None:
        self._refused = refused
        self._parser: V1Parser | V2Parser | None = None

    def feed(self, data: bytes) -> _Fed:
        """Parse bytes.

        Returns:
            What the header says and the bytes behind it, or twice None where it isn't whole.

        Raises:
            InvalidProxyHeader: It is no header.
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
            # Twisted's parser raises the latter where a port is no number, or text isn't UTF-8.
            self._refused()
            raise InvalidProxyHeader from error
        return info, rest


def _parser_for(data: bytes) -> V1Parser | V2Parser:
    """Return what parses a header that begins like this."""
    if len(data) >= 16 and data.startswith(V2Parser.PREFIX) and data[12] & 0xF0 == 0x20:
        return V2Parser()
    if len(data) >= 8 and data.startswith(V1Parser.PROXYSTR):
        return V1Parser()
    raise InvalidProxyHeader
