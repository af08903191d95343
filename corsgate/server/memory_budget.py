"""Count the bytes that wait in memory for each client, and cut requests when there are too many.

Only bytes that have to wait are counted, not a response that its client reads at once, nor a body
that its server reads at once. Nothing here does I/O.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heapreplace
from typing import Protocol

import attrs

from corsgate.config.model.limits import Limits
from corsgate.server.window_budget import WindowBudget

REQUEST_BYTES = 16 * 1024
"""The overhead counted for a request while some of its bytes wait: its objects and its connection
to a server. Otherwise any number of one-byte responses could wait."""

_PER_CONNECTION = 2
_TIGHT_PER_CONNECTION = 32
_TIGHT = 2
_RELIEF = 16


class Holder(Protocol):
    """An owner of waiting bytes: a connection, or an HTTP/2 stream."""

    def cut_for_memory(self, outcome: str) -> None:
        """Drop all waiting bytes, and end; the access log has the reason."""


class Tally:
    """The waiting bytes of one connection that carries many requests.

    Attributes:
        held: The number of bytes.
        window_growth: By how many bytes the windows of its streams have grown.
    """

    __slots__ = ("held", "window_growth")

    def __init__(self) -> None:
        self.held = self.window_growth = 0


@attrs.define(eq=False)
class Account:
    """The waiting bytes of one holder.

    Attributes:
        holder: The object that can cut them.
        client: The key of its client; None for clients that can't be distinguished.
        connection: The connection's tally, if it carries many requests.
        request: How many bytes of the request wait for the upstream.
        response: How many bytes of the response wait for the client.
        closed: Whether it no longer counts.
        overhead: How many more bytes are counted while any wait.
    """

    holder: Holder
    client: str | None
    connection: Tally | None = None
    request: int = 0
    response: int = 0
    closed: bool = False
    overhead: int = REQUEST_BYTES
    # How many bytes waited when it last made progress.
    _mark: int = 0

    @property
    def held(self) -> int:
        """How many bytes are counted for it."""
        waiting = self.request + self.response
        return waiting + self.overhead if waiting else 0

    def moved(self) -> bool:
        """Record what waits now; return whether it has halved since the last progress.

        Less doesn't count as progress. Otherwise a client that reads a byte now and then would
        look the same as one that is merely slow.
        """
        waiting = self.request + self.response
        if waiting > self._mark // 2:
            self._mark = max(self._mark, waiting)
            return False
        self._mark = waiting
        return True


class _Client:
    """The accounts of one client; the one without progress for longest comes first."""

    __slots__ = ("accounts", "held")

    def __init__(self) -> None:
        self.held = 0
        self.accounts: OrderedDict[Account, None] = OrderedDict()


class MemoryBudget:
    """Counts waiting bytes, and cuts the requests that have stalled for longest at the limits.

    There is a limit for each client, half of that for each connection, and a total limit. Above the
    total limit, requests of the client with the most bytes are cut first. Before that happens,
    `is_tight` asks for back-pressure. The account that just grew is never cut, because a single
    request has limits of its own.

    Args:
        limits: `max_buffered_total` and `max_buffered_per_client`.

    Attributes:
        held: The total number of waiting bytes.
        cuts: How many requests or connections were cut.
        windows: Counts by how much the windows of clients have grown.
    """

    def __init__(self, limits: Limits) -> None:
        self.held = 0
        self.cuts = 0
        self._clients: dict[str | None, _Client] = {}
        self._relieving = False
        self.windows = WindowBudget(limits)
        self.bound(limits)

    def bound(self, limits: Limits) -> None:
        """Use other limits. Requests above them are cut when more bytes have to wait."""
        self._most = limits.max_buffered_total
        self._most_per_client = limits.max_buffered_per_client
        self._most_per_connection = self._most_per_client // _PER_CONNECTION
        self.windows.bound(limits)

    def held_by(self, client: str | None) -> int:
        """Return how many bytes wait for a client."""
        found = self._clients.get(client)
        return 0 if found is None else found.held

    def is_tight(self, client: str | None, connection: Tally | None = None) -> bool:
        """Return whether a source should pause as soon as anything waits.

        Args:
            client: The key of the client.
            connection: The connection's tally, if it carries many requests.
        """
        return (
            self.held > self._most // _TIGHT
            or (client is not None and self.held_by(client) > self._most_per_client // _TIGHT)
            or (
                connection is not None
                and connection.held > self._most_per_client // _TIGHT_PER_CONNECTION
            )
        )

    def hold(
        self, account: Account, *, request: int | None = None, response: int | None = None
    ) -> None:
        """Set how many bytes of an account wait now, and cut others if there are too many.

        Args:
            account: The account; a closed one stays closed.
            request: Bytes of the request; None if unchanged.
            response: Bytes of the response; None if unchanged.
        """
        if account.closed:
            return
        before = account.held
        if request is not None:
            account.request = request
        if response is not None:
            account.response = response
        change = account.held - before
        if change:
            self._count(account, change)
        if change > 0 and not self._relieving:
            self._relieving = True
            try:
                self._relieve(account)
            finally:
                self._relieving = False

    def close(self, account: Account) -> None:
        """Stop counting an account."""
        if not account.closed:
            self.hold(account, request=0, response=0)
            account.closed = True

    def _count(self, account: Account, change: int) -> None:
        client = self._clients.get(account.client)
        if client is None:
            client = self._clients[account.client] = _Client()
        self.held += change
        client.held += change
        if account.connection is not None:
            account.connection.held += change
        moved = account.moved()
        if not account.held:
            client.accounts.pop(account, None)
            if not client.accounts:
                del self._clients[account.client]
        elif account not in client.accounts:
            client.accounts[account] = None
        elif moved:
            client.accounts.move_to_end(account)

    def _relieve(self, grown: Account) -> None:
        """Cut the requests stalled for longest, until all counts are some way below the limits."""
        client, connection = self._clients[grown.client], grown.connection
        if connection is not None and connection.held > (most := self._most_per_connection):
            own = [account for account in client.accounts if account.connection is connection]
            self._cut(own, grown, lambda: connection.held > _relieved(most), "connection")
        if grown.client is not None and client.held > (most := self._most_per_client):
            accounts = list(client.accounts)
            self._cut(accounts, grown, lambda: client.held > _relieved(most), "client")
        if self.held > self._most:
            self._relieve_all(grown)

    def _cut(
        self, accounts: Iterable[Account], grown: Account, too_much: Callable[[], bool], whose: str
    ) -> None:
        outcome = f"more was waiting than max_buffered_per_client allows for a {whose}"
        for account in accounts:
            if not too_much():
                break
            self._cut_one(account, grown, outcome)

    def _relieve_all(self, grown: Account) -> None:
        """Repeatedly cut the longest-stalled request of the client with the most bytes."""
        outcome = "more was waiting than max_buffered_total allows"
        # Sorted by size; the number prevents a comparison of clients.
        heap = [(-client.held, at, client) for at, client in enumerate(self._clients.values())]
        heapify(heap)
        while heap and self.held > _relieved(self._most):
            _, at, client = heap[0]
            oldest = next((each for each in client.accounts if each is not grown), None)
            if oldest is None:
                heappop(heap)
            else:
                self._cut_one(oldest, grown, outcome)
                heapreplace(heap, (-client.held, at, client))

    def _cut_one(self, account: Account, grown: Account, outcome: str) -> None:
        # Cutting one may have ended others.
        if account is not grown and not account.closed:
            self.close(account)
            self.cuts += 1
            account.holder.cut_for_memory(outcome)


def _relieved(most: int) -> int:
    """Return the target after a cut: a little below the limit, so that cuts stay rare."""
    return most - most // _RELIEF
