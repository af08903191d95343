"""What a client's connection has in common, whichever version of HTTP it speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.protocol import Protocol
from twisted.protocols.tls import TLSMemoryBIOProtocol

if TYPE_CHECKING:
    from corsgate.wire.site import GateSite


class ClientConnection(Protocol):
    """A client's connection to a site.

    Attributes:
        site: Serves it.
    """

    site: GateSite

    def isSecure(self) -> bool:
        """Return whether the client speaks TLS to the gate."""
        return isinstance(self.transport, TLSMemoryBIOProtocol)

    @property
    def _tcp(self) -> Any:
        return self.transport

    def _now(self) -> float:
        return self.site.sweeper.now()
