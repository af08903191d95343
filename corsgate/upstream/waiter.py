"""A request that waits for a connection, and the connection that it gets."""

from __future__ import annotations

import attrs
from twisted.internet.defer import Deferred

from corsgate.config.model.values import Limits
from corsgate.upstream.connection import UpstreamConnection
from corsgate.upstream.revocation import Holder


@attrs.define(eq=False)
class Waiter:
    """A request that waits for a connection.

    Attributes:
        limits: Bounds on the time to connect, if a connection must be made.
        holder: The client's request; None if there is none, as for a probe.
        taken: A Deferred of the connection.
        connecting: A Deferred of the connection being made for it; None if none is.
    """

    limits: Limits
    holder: Holder | None
    taken: Deferred[Taken]
    connecting: Deferred[Taken] | None = None

    @property
    def client(self) -> str | None:
        """The client for which it counts."""
        return None if self.holder is None else self.holder.client_key


@attrs.frozen(eq=False)
class Taken:
    """A connection for one request.

    Attributes:
        connection: The connection, which only this request uses.
        fresh: Whether it has never carried another request.
    """

    connection: UpstreamConnection
    fresh: bool
