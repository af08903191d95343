"""How many bytes wait in memory, for whom, and which requests are cut when it is too much.

Only bytes that can't move on are counted: a response that its client takes at once, or a body
that its server takes at once, never gets here. Nothing here does I/O.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heapreplace
from typing import Protocol

import attrs

from corsgate.config.model.limits import Limits

REQUEST_BYTES = 16 * 1024
"""What a request counts besides its bytes, while some of them wait: the objects it is made of, and
its connection to a server. Without it, any number of responses of one byte could wait."""

_PER_CONNECTION = 2
_TIGHT_PER_CONNECTION = 32
_TIGHT = 2
_RELIEF = 16


class Holder(Protocol):
    """Whoever has bytes that wait: a connection, or a stream of HTTP/2."""

    def cut_for_memory(self, outcome: str) -> None:
        """Let go of all that waits, and end; the access log says why."""


class Tally:
    """What waits on one connection that carries many requests.

    Attributes:
        held: How many bytes.
    """

    __slots__ = ("held",)

    def __init__(self) -> None:
        self.held = 0


@attrs.define(eq=False)
class Account:
    """What one holder has waiting.

    Attributes:
        holder: Cuts it when asked to.
        client: Whose it is; None for clients that can't be distinguished.
        connection: The connection's tally, where it carries many requests.
        request: How many bytes of the request wait for the upstream.
        response: How many bytes of the response wait for the client.
        closed: Whether it counts no longer.
        overhead: How many bytes it counts besides, while some wait.
    """

    holder: Holder
    client: str | None
    connection: Tally | None = None
    request: int = 0
    response: int = 0
    closed: bool = False
    overhead: int = REQUEST_BYTES
    # What waited when it last counted as moving.
    _mark: int = 0

    @property
    def held(self) -> int:
        """How many bytes it counts."""
        waiting = self.request + self.response
        return waiting + self.overhead if waiting else 0

    def moved(self) -> bool:
        """Note what waits now; return whether half of it has left since it last moved.

        Less is no progress: a client that takes a byte now and then would otherwise look as
        lively as one that is merely slow.
        """
        waiting = self.request + self.response
        if waiting > self._mark // 2:
            self._mark = max(self._mark, waiting)
            return False
        self._mark = waiting
        return True


class _Client:
    """What waits for one client; the account that has not moved for longest comes first."""

    __slots__ = ("accounts", "held")

    def __init__(self) -> None:
        self.held = 0
        self.accounts: OrderedDict[Account, None] = OrderedDict()


class MemoryBudget:
    """Counts what waits, and has the oldest stalled requests cut where it is too much.

    A client has a bound, each of its connections may take half of that, and there is one
    for all clients together. Where that one is exceeded, the client that holds most is cut first.
    Before it comes to that, `is_tight` asks for back-pressure. The account that just grew is
    never cut: what one request has waiting has bounds of its own.

    Args:
        limits: `max_buffered_total` and `max_buffered_per_client`.

    Attributes:
        held: How many bytes wait in all.
        cuts: How many requests or connections were cut.
    """

    def __init__(self, limits: Limits) -> None:
        self.held = 0
        self.cuts = 0
        self._clients: dict[str | None, _Client] = {}
        self._relieving = False
        self.bound(limits)

    def bound(self, limits: Limits) -> None:
        """Use other bounds; what exceeds them is cut when more bytes have to wait."""
        self._most = limits.max_buffered_total
        self._most_per_client = limits.max_buffered_per_client
        self._most_per_connection = self._most_per_client // _PER_CONNECTION

    def held_by(self, client: str | None) -> int:
        """Return how many bytes wait for a client."""
        found = self._clients.get(client)
        return 0 if found is None else found.held

    def is_tight(self, client: str | None, connection: Tally | None = None) -> bool:
        """Return whether a source should pause as soon as anything waits.

        Args:
            client: Whose the bytes are.
            connection: The connection's tally, where it carries many requests.
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
        """Say how many bytes of an account wait now, and cut others if that is too much.

        Args:
            account: Whose bytes they are; one that is closed stays so.
            request: Of the request; None for as many as before.
            response: Of the response; None for as many as before.
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
        """Count an account no longer."""
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
        """Cut what has stalled for longest, until no bound is exceeded and there is some room."""
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
        """Cut the oldest stalled request of the client that holds most, over and over."""
        outcome = "more was waiting than max_buffered_total allows"
        # By size; the number sees to it that no two clients are compared.
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
        # One that was cut may have taken others with it.
        if account is not grown and not account.closed:
            self.close(account)
            self.cuts += 1
            account.holder.cut_for_memory(outcome)


def _relieved(most: int) -> int:
    """Return how much may wait after a cut: a little less, so that not every byte leads to one."""
    return most - most // _RELIEF
