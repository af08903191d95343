"""The idle connections of a pool that belong to one client's connection or to credentials."""

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
    """Keeps pinned connections while they are idle; they count among the pool's connections.

    Args:
        pool: The pool.
        slots: Whose connections they are.
        close: Closes a connection that is idle.
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
        # The longest idle first.
        self._pins: dict[UpstreamConnection, Pins] = {}

    def put(self, connection: UpstreamConnection, pins: Pins, deadline_s: float) -> None:
        """Keep a connection.

        Args:
            connection: It has become idle.
            pins: What it is pinned to.
            deadline_s: Until when, in seconds of the deadlines' clock.
        """
        pins.put(self._pool, connection)
        self._pins[connection] = pins
        connection.idle_until(deadline_s)
        if pins.own:
            # It counts among all connections, not among a client's.
            self._slots.closing(connection)
            if not pins.held:
                self._pool.unheld(connection)
        elif self._slots.waiting:
            self.make_way()
        if isinstance(pins, OwnPin):
            pins.settle()

    def take(self, pins: Pins, client: str | None) -> UpstreamConnection | None:
        """Return the connection that is pinned to something; it is no longer kept.

        Args:
            pins: What it is pinned to.
            client: Whose request it is for.
        """
        connection = pins.take(self._pool)
        if connection is not None:
            del self._pins[connection]
            if pins.own:
                # It takes the place of one that counted for no client.
                self._slots.replaced(connection, client)
                self._slots.connected(connection, client)
        return connection

    def forget(self, connection: UpstreamConnection) -> None:
        """Keep a connection no longer, if it was kept."""
        pins = self._pins.pop(connection, None)
        if pins is not None:
            pins.take(self._pool)

    def close(self, connection: UpstreamConnection) -> None:
        """Close a connection that is kept."""
        self.forget(connection)
        self._close(connection)

    def close_all(self) -> None:
        """Close all; one that is in the middle of a handshake closes after that."""
        for connection in [each for each, pins in self._pins.items() if not pins.held]:
            self.close(connection)

    def make_way(self) -> None:
        """Close the connection that has been idle for longest: somebody else waits.

        Whoever it belongs to can authenticate anew; nobody else can ever use the connection.
        """
        longest_idle = next((each for each, pins in self._pins.items() if not pins.held), None)
        if longest_idle is not None:
            self.close(longest_idle)
