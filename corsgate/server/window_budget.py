"""Bound how far the windows of HTTP/2 request bodies grow, for each connection, client and all.

A client can send at most one window of a body per round trip, so a small window makes uploads slow.
But if the server stalls, all bytes of the window have to wait in memory. So each window starts
small, and the bytes by which windows have grown are counted here. Nothing here does I/O.
"""

from __future__ import annotations

from typing import Protocol

from corsgate.config.model.limits import Limits

MAX_PER_CONNECTION = 2**20
"""By how many bytes the windows of one connection grow at most, however large the limits are."""

# Which part of the limits for waiting bytes may be promised to clients. A connection whose grown
# windows are all full counts as one with much in memory, so its other sources pause sooner.
_OF_CONNECTION = 32
_OF_CLIENT = 4
_OF_TOTAL = 4


class Connection(Protocol):
    """A connection's count.

    Attributes:
        window_growth: By how many bytes the windows of its streams have grown.
    """

    window_growth: int


class WindowBudget:
    """Counts by how many bytes the windows of request bodies have grown.

    Args:
        limits: `max_buffered_total` and `max_buffered_per_client`.

    Attributes:
        grown: By how many bytes all windows have grown.
    """

    def __init__(self, limits: Limits) -> None:
        self.grown = 0
        self._by_client: dict[str, int] = {}
        self.bound(limits)

    def bound(self, limits: Limits) -> None:
        """Use other limits. Windows that exceed them don't grow further."""
        per_client = limits.max_buffered_per_client
        self._most = limits.max_buffered_total // _OF_TOTAL
        self._most_per_client = per_client // _OF_CLIENT
        self._most_per_connection = min(per_client // _OF_CONNECTION, MAX_PER_CONNECTION)

    def take(self, client: str | None, connection: Connection, wanted: int) -> int:
        """Let a window grow.

        Args:
            client: The key of the client; None for clients that can't be distinguished.
            connection: The stream's connection.
            wanted: By how many bytes it should grow.

        Returns:
            By how many bytes it may grow: at most `wanted`, and possibly 0.
        """
        size = min(
            wanted, self._most - self.grown, self._most_per_connection - connection.window_growth
        )
        if client is not None:
            size = min(size, self._most_per_client - self._by_client.get(client, 0))
        if size <= 0:
            return 0
        self._count(client, connection, size)
        return size

    def give_back(self, client: str | None, connection: Connection, size: int) -> None:
        """Record that a window shrank, or ended.

        Args:
            client: The client for which `take` was called.
            connection: The stream's connection.
            size: By how many bytes it shrank.
        """
        self._count(client, connection, -size)

    def _count(self, client: str | None, connection: Connection, change: int) -> None:
        self.grown += change
        connection.window_growth += change
        if client is not None:
            grown = self._by_client[client] = self._by_client.get(client, 0) + change
            if not grown:
                del self._by_client[client]
