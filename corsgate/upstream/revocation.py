"""Connections taken back from a client that lets them stall while others have none."""

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
"""How often those who wait are looked at again, where nothing could be taken back for them."""

MIN_RECHECK_S = 0.02


class Holder(Protocol):
    """The exchange that a connection serves."""

    @property
    def client_key(self) -> str | None:
        """The client whose share it counts in; None for one that can't be distinguished."""

    @property
    def offers(self) -> Sequence[bytes]:
        """The protocols that it may switch to."""

    def stalled_s(self, now: float) -> float:
        """Return for how many seconds its client has let it stall, 0 where it isn't its turn."""

    def revoke(self) -> None:
        """End the exchange, and cut its connection at once."""


class Held(Protocol):
    """A connection that may be taken back.

    Attributes:
        holder: Who has it, or None.
        lost: Whether it is being cut.
    """

    holder: Holder | None
    lost: bool


Stalled: TypeAlias = dict[str, list[tuple[float, Held]]]
"""What clients stall: for how many seconds, and the connection."""


class Revoker:
    """Cuts the most stalled exchanges of whoever holds most, for clients that hold less and wait.

    An exchange may be cut after it has stalled for `CONTENDED_GRACE_S`. If none has, this looks
    again when the first one will have. It does nothing while nobody waits.

    Args:
        reactor: Calls back, and tells the time.
        slots: Whose connections they are.
    """

    def __init__(self, reactor: Any, slots: Slots[Any, Any]) -> None:
        self._reactor = reactor
        self._slots = slots
        self._call: IDelayedCall | None = None
        # What was an equal share when those who wait were last looked at.
        self._share = 0.0

    def start(self) -> None:
        """Look at those who wait, once all that has just come is in the queue."""
        if self._call is None:
            self._schedule(0.0)
        elif self._call.getTime() > self._reactor.seconds():
            self._call.reset(0.0)

    def stop(self) -> None:
        """Nobody waits any more."""
        call, self._call = self._call, None
        if call is not None:
            call.cancel()

    def _schedule(self, delay_s: float) -> None:
        self._call = self._reactor.callLater(delay_s, self._look)

    def _look(self) -> None:
        """Cut what may be cut; look again later if that isn't enough."""
        self._call = None
        slots = self._slots
        self._share = slots.share()
        stalled = self._stalled(slots.over(self._share), self._reactor.seconds())
        waiting = slots.claimants()
        served = waiting
        while served:
            # One for each in turn, as long as there is one for it.
            served = [client for client in waiting if self._cut_for(client, stalled)]
            waiting = [client for client in slots.claimants() if client in served]
        if slots.waiting and self._call is None:
            self._schedule(self._next_s(stalled))

    def _cut_for(self, client: str | None, stalled: Stalled) -> bool:
        """Cut something for a client that waits, if there is anything; return whether."""
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
        """Return what each of these clients stalls, the longest stalled last."""
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
        """Return in how many seconds something may be cut for whoever waits first."""
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
    """Cut the most stalled exchange of whoever holds most, for one that finds no place.

    Args:
        pools: The connections to all servers that share the places.
        holder: Who wants one; its client must hold less than the other one even then.
        now: The time in seconds.
        unconnected: Those that have a place, and no connection yet.

    Returns:
        Whether there was one. It has ended by now.
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
    """Do nothing: there is no connection."""
