"""Upstream connections that belong to one client's connection, since the server knows its user.

A server that authenticates connections (`corsgate.message.connection_auth`) takes whatever comes
on one of them for its user's. Such a connection is pinned: it is used for the requests of the one
client connection that authenticated it, is never pooled, and closes with that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from corsgate.upstream.connection import UpstreamConnection
    from corsgate.upstream.pool import ServerPool


class Pins:
    """The upstream connections that are pinned to one client's connection, while they are idle.

    Attributes:
        closed: Whether the client's connection is gone, so that nothing may be kept for it.
        idle: The connections by their pools, the one used last at the end. For reading only.
    """

    __slots__ = ("closed", "idle")

    def __init__(self) -> None:
        self.closed = False
        self.idle: dict[ServerPool, UpstreamConnection] = {}

    def put(self, pool: ServerPool, connection: UpstreamConnection) -> None:
        """Keep a connection; one to the same server makes way for it."""
        if pool in self.idle:
            pool.close_pinned(self.idle[pool])
        self.idle[pool] = connection

    def take(self, pool: ServerPool) -> UpstreamConnection | None:
        """Return the connection to a server, which is not kept any more; None if there is none."""
        return self.idle.pop(pool, None)

    def close(self) -> None:
        """Close all of them: the client is gone."""
        self.closed = True
        for pool, connection in list(self.idle.items()):
            pool.close_pinned(connection)
