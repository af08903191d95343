"""Limit client connections, in total and for each client."""

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
"""For how many seconds refusals are counted before one log line reports them all."""

BATCH = 100
"""When a new connection needs room, one in this many connections is closed at once."""

SEARCH_PAUSE_S = 0.25
"""After a search found no connection to close, how many seconds pass before the next search."""

_CLIENT_PREFIX_V6 = 64

# Log messages, each with a count.
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
    """Return the key by which a client is counted.

    One host commonly has a whole IPv6 /64 (RFC 6177), so single addresses don't identify it.

    Args:
        host: An IP address as a socket reports it, optionally with a zone.

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
    """What closing a client's connection to make room for another would lose."""

    IDLE = 0
    """Nothing: no request is in flight, and no part of the next one has been read."""
    UNREADY = 1
    """An incomplete handshake or head, or the wait for the client's own close_notify."""
    NO = 2
    """A request."""


class Holder(Shape):
    """The owner of an admitted connection.

    Attributes:
        deadline_s: When its current state ends, in seconds. The connection that has been idle for
            longest has the earliest.
    """

    deadline_s: float

    @property
    def spare(self) -> Spare:
        """What closing it would lose."""

    def shed(self) -> None:
        """Close at once."""


@attrs.define(eq=False)
class Admitted:
    """One admitted connection, which counts until it leaves.

    Attributes:
        client: The key by which its client is counted; None if it is not counted.
        holder: The current owner of the connection.
        counted: Whether it still counts.
    """

    client: str | None
    holder: Holder | None = None
    counted: bool = True


@attrs.define(eq=False)
class _Group:
    """The connections that count together.

    Attributes:
        members: The connections.
        none_spare_until_s: Until when no search for one to close is made, in seconds.
    """

    members: set[Admitted] = attrs.Factory(set)
    none_spare_until_s: float = -NEVER


class Admission:
    """Counts client connections of all listeners, and refuses those above a limit.

    When a limit is reached, a new connection takes the place of an idle one.

    Args:
        deadlines: Calls back when refusals are due to be logged.
        limits: The maximum number of connections, in total and for each client.
        owner: The name, for the log, of a listener whose limits can't be configured; empty for
            the limits of ``[limits]``.

    Attributes:
        deadline_s: When refusals are due to be logged, in seconds.
        connections: The current number of connections.
        hits: How often each limit was hit, by its name.
    """

    _log = Logger()

    def __init__(self, deadlines: Deadlines, limits: Limits, owner: str = "") -> None:
        self.deadline_s = NEVER
        self._owner = owner
        self.connections = 0
        self._deadlines = deadlines
        self.bound(limits)
        self._clients: dict[str, _Group] = {}
        # The connections of proxies that serve many clients.
        self._others = _Group()
        self._none_spare_until_s = -NEVER
        self._events: Counter[str] = Counter()
        self.hits: Counter[str] = Counter()
        self._last_refused = ""

    def bound(self, limits: Limits) -> None:
        """Use other limits for new connections."""
        self._most = limits.max_connections
        self._most_per_client = limits.max_connections_per_client

    @property
    def clients(self) -> int:
        """How many clients are currently counted."""
        return len(self._clients)

    def admit(
        self, address: IAddress | None, exempt: Sequence[IPv4Network | IPv6Network] = ()
    ) -> Admitted | None:
        """Count a connection, or refuse it.

        Args:
            address: The client's address. If it has no host, as for a Unix socket, only the total
                limit applies.
            exempt: Networks of proxies that serve many clients, to which also only the total limit
                applies.

        Returns:
            The argument for `leave` once the connection is lost; None if it is refused.
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
        """Stop counting a connection. Repeated calls have no effect."""
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
        """Close connections that lose little, first those of the clients with the most.

        Idle ones are closed, those idle for longest first. For a client that has more connections
        than the new one's client would have, unready ones may also be closed. So a client never
        displaces the connections of one that has fewer. Because the search takes time, several
        connections are closed at once.

        Args:
            held: How many connections the new one's client has; 0 if there is no such client.

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
        """Close idle connections of one client to make room for its own new ones."""
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
        """Log the refusals so far."""
        self.report()

    def report(self) -> None:
        """Log the refusals so far, one line per kind however many there were."""
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
    """Return the connections of a group that may be closed, each with its sort keys."""
    for admitted in group.members:
        holder = admitted.holder
        if holder is not None and (spare := holder.spare) <= upto:
            yield rank, spare, holder.deadline_s, admitted
