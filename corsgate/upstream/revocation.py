"""Takes connections from a client that lets them stall while others wait for one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from functools import partial
from operator import itemgetter
from typing import Any, Protocol, TypeAlias

from twisted.internet.interfaces import IDelayedCall

from corsgate.balance.rates import CONTENDED_GRACE_S
from corsgate.balance.slots import Slots

RECHECK_S = 0.25
"""How many seconds later to check again if no connection could be cut for the waiters."""

MIN_RECHECK_S = 0.02


class Holder(Protocol):
    """The exchange that a connection serves."""

    @property
    def client_key(self) -> str | None:
        """The client for which it counts; None if its client can't be distinguished."""

    @property
    def offers(self) -> Sequence[bytes]:
        """The protocols to which it may switch."""

    def stalled_s(self, now: float) -> float:
        """Return for how many seconds the client has stalled it; 0 if the gate isn't waiting."""

    def revoke(self) -> None:
        """End the exchange, and cut its connection at once."""


class Held(Protocol):
    """A connection that may be cut for others.

    Attributes:
        holder: The exchange that uses it, or None.
        lost: Whether it is being cut.
    """

    holder: Holder | None
    lost: bool


Stalled: TypeAlias = dict[str, list[tuple[float, Held]]]
"""Each client's stalled connections, with the seconds for which they have stalled."""


class Revoker:
    """Cuts the longest stalled exchanges of the clients that hold most, for clients that wait.

    An exchange may be cut after it has stalled for `CONTENDED_GRACE_S`. If none has, this checks
    again when the first one will have. It does nothing while nobody waits.

    Args:
        reactor: Schedules the checks, and has the clock.
        slots: Counts the connections.
    """

    def __init__(self, reactor: Any, slots: Slots[Any, Any]) -> None:
        self._reactor = reactor
        self._slots = slots
        self._call: IDelayedCall | None = None
        # An equal share of the connections at the last check.
        self._share = 0.0

    def start(self) -> None:
        """Check soon, once all requests that have just arrived are in the queue."""
        if self._call is None:
            self._schedule(0.0)
        elif self._call.getTime() > self._reactor.seconds():
            self._call.reset(0.0)

    def stop(self) -> None:
        """Stop checking, because nobody waits any more."""
        call, self._call = self._call, None
        if call is not None:
            call.cancel()

    def _schedule(self, delay_s: float) -> None:
        self._call = self._reactor.callLater(delay_s, self._look)

    def _look(self) -> None:
        """Cut the exchanges that may be cut; check again later if that isn't enough."""
        self._call = None
        slots = self._slots
        self._share = slots.share()
        stalled = self._stalled(slots.over(self._share), self._reactor.seconds())
        waiting = slots.claimants()
        served = waiting
        while served:
            # Cut one for each client in turn, until there is none left to cut for it.
            served = [client for client in waiting if self._cut_for(client, stalled)]
            waiting = [client for client in slots.claimants() if client in served]
        if slots.waiting and self._call is None:
            self._schedule(self._next_s(stalled))

    def _cut_for(self, client: str | None, stalled: Stalled) -> bool:
        """Cut an exchange for a waiting client; return whether one was cut."""
        slots = self._slots
        for debtor, queue in stalled.items():
            if not queue or queue[-1][0] < CONTENDED_GRACE_S:
                continue
            if not slots.owes(debtor, client, self._share):
                continue
            _, connection = queue.pop()
            holder = connection.holder
            if holder is None or connection.lost:
                continue
            holder.revoke()
            if connection.lost:
                slots.claim(connection, client)
                return True
        return False

    def _stalled(self, debtors: list[str], now: float) -> Stalled:
        """Return the stalled connections of these clients, the longest stalled last."""
        found: Stalled = {debtor: [] for debtor in debtors}
        if not found:
            return found
        for connection, client in self._slots.in_use():
            holder, queue = connection.holder, found.get(client)
            if queue is not None and holder is not None:
                stalled_s = holder.stalled_s(now)
                if stalled_s > 0:
                    queue.append((stalled_s, connection))
        for queue in found.values():
            queue.sort(key=_by_time)
        return found

    def _next_s(self, stalled: Stalled) -> float:
        """Return in how many seconds an exchange may be cut for the first waiting client."""
        wait_s = RECHECK_S
        for client in self._slots.claimants()[:1]:
            for debtor, queue in stalled.items():
                if queue and self._slots.owes(debtor, client, self._share):
                    wait_s = min(wait_s, CONTENDED_GRACE_S - queue[-1][0])
        return max(wait_s, MIN_RECHECK_S)


def _by_time(pair: tuple[float, Held]) -> float:
    return pair[0]


def take_back(
    pools: Sequence[Slots[Any, Any]],
    holder: Holder,
    now: float,
    unconnected: Collection[Holder] = (),
) -> bool:
    """Cut the longest stalled exchange of the client that holds most, for a request without room.

    Args:
        pools: The connections to all servers for which the limit is shared.
        holder: The request. With it, its client must still hold less than the other client.
        now: The time in seconds.
        unconnected: The exchanges that count but have no connection yet.

    Returns:
        Whether one was cut. It has already ended then.
    """
    held: Counter[str] = Counter()
    for slots in pools:
        held.update(slots.holdings)
    held.update(each.client_key for each in unconnected if each.client_key is not None)
    own = 0 if holder.client_key is None else held[holder.client_key]
    share = held.total() / len(held.keys() | {holder.client_key})
    (debtor, count), *_ = held.most_common(1) or [("", 0)]
    if count <= max(share, own + 1):
        return False
    stalled: list[tuple[float, Holder, Callable[[], None]]] = [
        (connection.holder.stalled_s(now), connection.holder, partial(slots.closing, connection))
        for slots in pools
        for connection, client in slots.in_use()
        if client == debtor and connection.holder is not None
    ]
    stalled += [
        (each.stalled_s(now), each, _nothing) for each in unconnected if each.client_key == debtor
    ]
    stalled_s, found, closing = max(stalled, key=itemgetter(0), default=(0.0, holder, _nothing))
    if stalled_s < CONTENDED_GRACE_S:
        return False
    found.revoke()
    closing()
    return True


def _nothing() -> None:
    """Do nothing, because there is no connection."""
