"""A pool's idle connections that are pinned to one client's connection or to credentials."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from corsgate.balance.slots import Slots
from corsgate.upstream.connection import UpstreamConnection
from corsgate.upstream.pins import OwnPin, Pins
from corsgate.upstream.waiter import Waiter

if TYPE_CHECKING:
    from corsgate.upstream.pool import ServerPool


class PinnedIdle:
    """Keeps pinned connections while they are idle; they count as connections of the pool.

    Args:
        pool: The pool.
        slots: Counts the pool's connections.
        close: Closes an idle connection.
    """

    def __init__(
        self,
        pool: ServerPool,
        slots: Slots[UpstreamConnection, Waiter],
        close: Callable[[UpstreamConnection], None],
    ) -> None:
        self._pool = pool
        self._slots = slots
        self._close = close
        # The idle connections with their pins, the longest idle first.
        self._pins: dict[UpstreamConnection, Pins] = {}

    def put(self, connection: UpstreamConnection, pins: Pins, deadline_s: float) -> None:
        """Keep a connection.

        Args:
            connection: A connection that has become idle.
            pins: The pins to which it belongs.
            deadline_s: Until when to keep it, in seconds on the deadlines' clock.
        """
        pins.put(self._pool, connection)
        self._pins[connection] = pins
        connection.idle_until(deadline_s)
        if pins.own:
            # It still counts as a connection, but not as a client's.
            self._slots.closing(connection)
            if not pins.held:
                self._pool.unheld(connection)
        elif self._slots.waiting:
            self.make_way()
        if isinstance(pins, OwnPin):
            pins.settle()

    def take(self, pins: Pins, client: str | None) -> UpstreamConnection | None:
        """Remove and return a pinned connection.

        Args:
            pins: The pins to which it belongs.
            client: The client whose request will use it.
        """
        connection = pins.take(self._pool)
        if connection is not None:
            del self._pins[connection]
            if pins.own:
                # So far it counted for no client; now it counts for this one.
                self._slots.replaced(connection, client)
                self._slots.connected(connection, client)
        return connection

    def forget(self, connection: UpstreamConnection) -> None:
        """Remove a connection, if it is kept."""
        pins = self._pins.pop(connection, None)
        if pins is not None:
            pins.take(self._pool)

    def close(self, connection: UpstreamConnection) -> None:
        """Close a kept connection."""
        self.forget(connection)
        self._close(connection)

    def close_all(self) -> None:
        """Close all connections except those in the middle of a handshake, which close later."""
        for connection in [each for each, pins in self._pins.items() if not pins.held]:
            self.close(connection)

    def make_way(self) -> None:
        """Close the connection that has been idle for longest, because other requests wait.

        Its owner can authenticate again, and nobody else can ever use the connection.
        """
        longest_idle = next((each for each, pins in self._pins.items() if not pins.held), None)
        if longest_idle is not None:
            self.close(longest_idle)
