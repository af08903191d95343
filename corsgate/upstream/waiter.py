"""A request that waits for a connection, and what it gets."""

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
        limits: Bound the time to connect, should it come to that.
        holder: Who will hold the connection; None if it is held for no client, as a probe's is.
        taken: Gets the connection.
        connecting: The connection being made for it, once one is.
    """

    limits: Limits
    holder: Holder | None
    taken: Deferred[Taken]
    connecting: Deferred[Taken] | None = None

    @property
    def client(self) -> str | None:
        """The client whose share it counts in."""
        return None if self.holder is None else self.holder.client_key


@attrs.frozen(eq=False)
class Taken:
    """A connection for one request.

    Attributes:
        connection: It is the request's alone.
        fresh: Whether it has never carried another.
    """

    connection: UpstreamConnection
    fresh: bool
