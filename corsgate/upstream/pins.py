"""Upstream connections that belong to one client's connection, or to the gate's credentials.

A server that authenticates connections (`corsgate.message.connection_auth`) treats all requests on
such a connection as the authenticated user's. So the connection is pinned: it is used only for the
client connection, or the set of credentials, that authenticated it, and is never pooled. A client's
pinned connections close with its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from twisted.internet.defer import Deferred, succeed

if TYPE_CHECKING:
    from corsgate.upstream.connection import UpstreamConnection
    from corsgate.upstream.pool import ServerPool


class Pins:
    """The upstream connections that are pinned to one client's connection, while they are idle.

    Attributes:
        closed: Whether the client's connection is closed, so that nothing may be kept for it.
        held: Whether the connections must not be closed to make room for others.
        idle: The connections by their pools, the last used one at the end. For reading only.
        own: Whether they belong to the gate's credentials instead of a client's connection.
    """

    __slots__ = ("closed", "held", "idle")

    own: ClassVar[bool] = False

    def __init__(self) -> None:
        self.closed = False
        self.held = False
        self.idle: dict[ServerPool, UpstreamConnection] = {}

    def put(self, pool: ServerPool, connection: UpstreamConnection) -> None:
        """Keep a connection, and close the previous one to the same server."""
        if pool in self.idle:
            pool.close_pinned(self.idle[pool])
        self.idle[pool] = connection

    def take(self, pool: ServerPool) -> UpstreamConnection | None:
        """Remove and return the connection to a server; None if there is none."""
        return self.idle.pop(pool, None)

    def adopts(self, connection: UpstreamConnection) -> bool:
        """Return whether this may adopt a connection with other pins; a client's never does."""
        return False

    def adopt(self, connection: UpstreamConnection) -> None:
        """Adopt a connection, if `adopts` allows it."""

    def close(self) -> None:
        """Close all connections, because the client's connection is closed."""
        self.closed = True
        for pool, connection in list(self.idle.items()):
            pool.close_pinned(connection)


class OwnPin(Pins):
    """One upstream connection that belongs to the gate's credentials until it closes.

    An attempt to send a request holds it from its first message to the head of the last response.
    So no other request can come between the steps of a handshake.

    Args:
        returned: Called when the connection is idle and no attempt holds it.

    Attributes:
        authenticated: Whether the server treats its requests as the credentials' user's.
        kept: Whether the connection has carried a whole exchange before.
        lost: Whether the connection is closed or about to close.
    """

    __slots__ = ("_returned", "_settled", "authenticated", "kept", "lost")

    own = True

    def __init__(self, returned: Callable[[OwnPin], None]) -> None:
        super().__init__()
        self.held = True
        self.authenticated = False
        self.kept = False
        self.lost = False
        self._returned = returned
        self._settled: Deferred[None] | None = None

    @property
    def usable(self) -> bool:
        """Whether a request may be sent on the connection now."""
        return any(pool.is_usable(connection) for pool, connection in self.idle.items())

    def adopts(self, connection: UpstreamConnection) -> bool:
        """Return whether a connection belongs to the same credentials and server, and is idle."""
        other = connection.pins
        return isinstance(other, OwnPin) and not other.held and self._returned == other._returned

    def adopt(self, connection: UpstreamConnection) -> None:
        """Adopt a connection, if `adopts` allows it."""
        other = connection.pins
        assert isinstance(other, OwnPin), "it belongs to credentials"
        self.authenticated = other.authenticated
        connection.pins = self

    def put(self, pool: ServerPool, connection: UpstreamConnection) -> None:
        """Keep the connection after an exchange."""
        super().put(pool, connection)
        self.kept = True

    def settle(self) -> None:
        """Notify the waiter for the connection, or the credentials, that it is idle or lost."""
        settled, self._settled = self._settled, None
        if settled is not None:
            settled.callback(None)
        elif not self.held and self.idle:
            self._returned(self)

    def lose(self) -> None:
        """Record that the connection can't be used again."""
        self.lost = True
        self.settle()

    def when_settled(self) -> Deferred[None]:
        """Return a Deferred that fires when the connection is idle or lost."""
        if self.idle or self.lost:
            return succeed(None)
        self._settled = Deferred(self._forget)
        return self._settled

    def release(self, *, keep: bool) -> None:
        """End an attempt's hold.

        Args:
            keep: Whether the connection may be used again.
        """
        self.held = False
        if not keep:
            self.close()
            return
        for pool, connection in list(self.idle.items()):
            pool.unheld(connection)
        self.settle()

    def peer_certificate(self) -> Any:
        """Return the server's certificate as a pyOpenSSL object; None without TLS."""
        for connection in self.idle.values():
            certificate = getattr(connection.transport, "getPeerCertificate", None)
            if certificate is not None:
                return certificate()
        return None

    def _forget(self, _: Deferred[None]) -> None:
        self._settled = None


def lose_own(connection: UpstreamConnection) -> None:
    """Notify the credentials that own a connection, if any do, that it can't be used again."""
    pins = connection.pins
    if connection.pinned and isinstance(pins, OwnPin):
        pins.lose()
