"""Which clients' connections are taken on: so many in all, and so many of each client."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from enum import IntEnum
from heapq import nsmallest
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from operator import itemgetter
from typing import Protocol as Shape

import attrs
from twisted.internet.interfaces import IAddress
from twisted.logger import Logger

from corsgate.config.model.values import Limits
from corsgate.message.forwarded import trusted
from corsgate.transport.deadlines import NEVER, Deadlines

REPORT_INTERVAL_S = 10.0
"""How long refusals are counted before one line of the log reports them all."""

BATCH = 100
"""What part of all connections is closed at once where a newcomer needs the place of one."""

SEARCH_PAUSE_S = 0.25
"""How long no connection is looked for that may be closed, once there was none."""

_CLIENT_PREFIX_V6 = 64

# What the log reports, with the number of times.
_REFUSED = "{count} connection(s) refused past max_connections = {most} of [limits]"
_REFUSED_OF_CLIENT = (
    "{count} connection(s) refused past max_connections_per_client = {most_per_client} of"
    " [limits], the last one of {client}; a proxy that speaks for many clients"
    " belongs in trusted_proxies"
)
_SHED = (
    "{count} idle connection(s) closed to make room for others: max_connections = {most},"
    " max_connections_per_client = {most_per_client}"
)
_OUT_OF_DESCRIPTORS = (
    "the process ran out of descriptors {count} time(s) and closed idle connections; raise its"
    " limit (LimitNOFILE= of systemd, ulimit -n)"
)

_BOUNDS = {
    _REFUSED: "max_connections",
    _REFUSED_OF_CLIENT: "max_connections_per_client",
    _SHED: "idle_connections_closed",
    _OUT_OF_DESCRIPTORS: "descriptors",
}
"""The name of each in `Admission.hits`."""


def client_key(host: str) -> str:
    """Return what a client is counted by.

    One host is commonly given a whole IPv6 /64 (RFC 6177), so that its single addresses say
    nothing.

    Args:
        host: An IP address, perhaps with a zone, as a socket reports it.

    Returns:
        An IPv4 address, also for one mapped into IPv6, or an IPv6 /64 network.
    """
    if ":" not in host:
        return host
    address = ip_address(host.partition("%")[0])
    assert isinstance(address, IPv6Address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Network((address, _CLIENT_PREFIX_V6), strict=False))


class Spare(IntEnum):
    """What would be lost with a client's connection, were it closed for another's sake."""

    IDLE = 0
    """Nothing: no request is in flight, and nothing of a next one has been read."""
    UNREADY = 1
    """A handshake or a head that isn't complete, or the wait for the client's own close_notify."""
    NO = 2
    """A request."""


class Holder(Shape):
    """What has an admitted connection.

    Attributes:
        deadline_s: Until when it is kept as it is; of idle ones, the idlest has the earliest.
    """

    deadline_s: float

    @property
    def spare(self) -> Spare:
        """What would be lost with it."""

    def shed(self) -> None:
        """Close at once."""


@attrs.define(eq=False)
class Admitted:
    """One connection that was taken on; it counts until it is given back.

    Attributes:
        client: What its client is counted by, or None for one that isn't.
        holder: What has the connection now.
        counted: Whether it counts.
    """

    client: str | None
    holder: Holder | None = None
    counted: bool = True


@attrs.define(eq=False)
class _Group:
    """The connections that count together.

    Attributes:
        members: All of them.
        none_spare_until_s: Until when none of them is looked for to be closed.
    """

    members: set[Admitted] = attrs.Factory(set)
    none_spare_until_s: float = -NEVER


class Admission:
    """Counts the clients' connections of all listeners, and refuses those past a bound.

    Where a bound is reached, a newcomer gets the place of a connection that is idle.

    Args:
        deadlines: Calls back when refusals are to be logged.
        limits: How many connections there may be, in all and of each client.
        owner: What the log calls a listener whose bounds can't be configured; empty for those
            of ``[limits]``.

    Attributes:
        deadline_s: For the deadlines: when refusals are to be logged.
        connections: How many there are.
        hits: How often each bound was hit, by its name.
    """

    _log = Logger()

    def __init__(self, deadlines: Deadlines, limits: Limits, owner: str = "") -> None:
        self.deadline_s = NEVER
        self._owner = owner
        self.connections = 0
        self._deadlines = deadlines
        self.bound(limits)
        self._clients: dict[str, _Group] = {}
        # Of those that speak for many clients.
        self._others = _Group()
        self._none_spare_until_s = -NEVER
        self._events: Counter[str] = Counter()
        self.hits: Counter[str] = Counter()
        self._last_refused = ""

    def bound(self, limits: Limits) -> None:
        """Use other bounds for new connections."""
        self._most = limits.max_connections
        self._most_per_client = limits.max_connections_per_client

    @property
    def clients(self) -> int:
        """How many clients are counted at the moment."""
        return len(self._clients)

    def admit(
        self, address: IAddress | None, exempt: Sequence[IPv4Network | IPv6Network] = ()
    ) -> Admitted | None:
        """Count a connection, or refuse it.

        Args:
            address: Its client's; one without a host, as a Unix socket's, has the bound in all
                only.
            exempt: Networks whose clients have it only, too: proxies that speak for many.

        Returns:
            What `leave` wants once the connection is gone; None where it is refused.
        """
        host = getattr(address, "host", None)
        client = None
        if host is not None and not (exempt and trusted(host, exempt)):
            client = client_key(host)
        group = self._others if client is None else self._clients.get(client) or _Group()
        held = 0 if client is None else len(group.members)
        if held >= self._most_per_client and not self._replace_own(group):
            self._last_refused = client or ""
            self._count(_REFUSED_OF_CLIENT)
            return None
        if self.connections >= self._most and not self.make_room(held):
            self._count(_REFUSED)
            return None
        if client is not None:
            self._clients[client] = group
        admitted = Admitted(client)
        group.members.add(admitted)
        self.connections += 1
        return admitted

    def leave(self, admitted: Admitted) -> None:
        """Count a connection no longer; again does no harm."""
        if not admitted.counted:
            return
        admitted.counted = False
        admitted.holder = None
        self.connections -= 1
        client = admitted.client
        group = self._others if client is None else self._clients[client]
        group.members.discard(admitted)
        if client is not None and not group.members:
            del self._clients[client]

    def make_room(self, held: int = 0) -> int:
        """Close connections of which little is lost: of the clients first that have most.

        Idle ones are closed, the idlest first; and of a client that has more than the newcomer's
        would have, those that are not ready for a request either. So one client's connections
        never push out another's, and a few more than one go, for the search takes its time.

        Args:
            held: How many connections the newcomer's client has; 0 for nobody in particular.

        Returns:
            How many were closed.
        """
        now = self._deadlines.now()
        if now < self._none_spare_until_s:
            return 0
        spare: list[tuple[int, Spare, float, Admitted]] = []
        for group in self._clients.values():
            count = len(group.members)
            if count >= held:
                upto = Spare.UNREADY if count > held + 1 else Spare.IDLE
                spare += _spare(group, upto, -count)
        spare += _spare(self._others, Spare.IDLE, 0)
        chosen = nsmallest(max(self._most // BATCH, 1), spare, key=itemgetter(0, 1, 2))
        if not chosen:
            self._none_spare_until_s = now + SEARCH_PAUSE_S
        return self._shed(chosen)

    def out_of_descriptors(self) -> None:
        """Close idle connections, and log that the process could open no descriptor."""
        self._count(_OUT_OF_DESCRIPTORS)
        self.make_room()

    def _replace_own(self, group: _Group) -> int:
        """Close idle connections of one client, for its newcomers."""
        now = self._deadlines.now()
        if now < group.none_spare_until_s:
            return 0
        own = _spare(group, Spare.IDLE, 0)
        chosen = nsmallest(max(self._most_per_client // BATCH, 1), own, key=itemgetter(2))
        if not chosen:
            group.none_spare_until_s = now + SEARCH_PAUSE_S
        return self._shed(chosen)

    def _shed(self, chosen: Sequence[tuple[int, Spare, float, Admitted]]) -> int:
        for *_, admitted in chosen:
            holder = admitted.holder
            assert holder is not None
            self.leave(admitted)
            holder.shed()
            self._count(_SHED)
        return len(chosen)

    def timed_out(self) -> None:
        """Tell of the refusals so far."""
        self.report()

    def report(self) -> None:
        """Tell the log of the refusals so far: a flood of them makes no flood of lines."""
        self.deadline_s = NEVER
        self._deadlines.discard(self)
        events, self._events = self._events, Counter()
        if self._owner:
            refused = events.pop(_REFUSED, 0) + events.pop(_REFUSED_OF_CLIENT, 0)
            shed = events.pop(_SHED, 0)
            if refused or shed:
                self._log.warn(
                    "{owner} takes {most} connections: {refused} refused, {shed} idle ones closed",
                    owner=self._owner,
                    most=self._most,
                    refused=refused,
                    shed=shed,
                )
        for text, count in events.items():
            self._log.warn(
                text,
                count=count,
                most=self._most,
                most_per_client=self._most_per_client,
                client=self._last_refused,
            )

    def _count(self, text: str) -> None:
        self._events[text] += 1
        self.hits[_BOUNDS[text]] += 1
        if self.deadline_s == NEVER:
            self.deadline_s = self._deadlines.now() + REPORT_INTERVAL_S
            self._deadlines.add(self)


def _spare(group: _Group, upto: Spare, rank: int) -> Iterator[tuple[int, Spare, float, Admitted]]:
    """Return those of a group's connections that may be closed, with what they are sorted by."""
    for admitted in group.members:
        holder = admitted.holder
        if holder is not None and (spare := holder.spare) <= upto:
            yield rank, spare, holder.deadline_s, admitted
