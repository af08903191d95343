"""Which connections to a server are used again; a server that closes them is logged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.logger import Logger

from corsgate.balance.reuse import CAREFUL_S, Reuse
from corsgate.config.model.values import PoolLimits
from corsgate.transport.deadlines import Deadlines

if TYPE_CHECKING:
    from corsgate.upstream.connection import UpstreamConnection
    from corsgate.upstream.sending import CarriedHead

_log = Logger()


class KeepAlive:
    """Decides for one server's pool, by a `Reuse`, which of its connections are used again.

    Args:
        origin: The server's origin, for the log.
        deadlines: Has the clock.
        bounds: The configured limits.
    """

    def __init__(self, origin: str, deadlines: Deadlines, bounds: PoolLimits) -> None:
        self._origin = origin
        self._deadlines = deadlines
        self._warned = False
        self.reuse: Reuse[UpstreamConnection] = Reuse(bounds.most_per_connection)

    def may_use(self, connection: UpstreamConnection, sending: CarriedHead | None) -> bool:
        """Return whether a kept connection may carry a request.

        Args:
            connection: The connection.
            sending: The request; None for one that can be repeated.
        """
        repeatable = sending is None or sending.repeatable
        return self.reuse.may_use(connection, self._deadlines.now(), repeatable=repeatable)

    def may_keep(self, connection: UpstreamConnection) -> bool:
        """Return whether a connection whose response is complete may be used again."""
        return self.reuse.may_keep(connection, self._deadlines.now())

    def closed(self, connection: UpstreamConnection, *, repeatable: bool) -> None:
        """Record that the server closed a kept connection instead of responding to a request.

        Args:
            connection: The connection.
            repeatable: Whether the request is sent again; if not, its client gets 502.
        """
        if connection.pinned:
            return  # It serves one client, which may log in again.
        rest_s = self.reuse.closed(connection, self._deadlines.now())
        if rest_s is not None:
            self._warned = True
            _log.warn(
                "{origin} closes kept connections on their second request: for {rest_s:g} s each"
                " request gets a new one. Set keep_alive = false on the upstream if it always does",
                origin=self._origin,
                rest_s=rest_s,
            )
        elif not repeatable and not self._warned:
            self._warned = True
            _log.warn(
                "{origin} closed a kept connection on a request that can't be sent again: for"
                " {careful_s:g} s such requests get new connections. Set keep_alive = false on the"
                " upstream if it always does",
                origin=self._origin,
                careful_s=CAREFUL_S,
            )
