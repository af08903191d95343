"""Connect to the first of several addresses that accepts."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.python.failure import Failure
from zope.interface import implementer

from corsgate.transport.shortage import is_shortage


@implementer(IStreamClientEndpoint)
class InTurnEndpoint:
    """Tries one endpoint after the other.

    Twisted's HostnameEndpoint waits 0.3 s before the next address, even if the one before refused.
    So every connection to a server at ``localhost`` that listens only on 127.0.0.1 would be late.

    Args:
        endpoints: The endpoints to try, at least one, each with its own timeout.
    """

    def __init__(self, endpoints: Sequence[IStreamClientEndpoint]) -> None:
        self._endpoints = endpoints

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Return a Deferred of the first connection; it fails like the last endpoint."""
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        *others, last = self._endpoints
        for endpoint in others:
            try:
                return await endpoint.connect(factory)
            except ConnectError:
                # No descriptor is left, so the next endpoint would also fail.
                if is_shortage(Failure()):
                    raise
        return await last.connect(factory)
