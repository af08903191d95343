"""The connections to a server: who may make one, who waits for one, and who is next."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Hashable, Iterable, Mapping
from enum import Enum, auto
from typing import Generic, TypeVar

C = TypeVar("C", bound=Hashable)
W = TypeVar("W", bound=Hashable)


class Turn(Enum):
    """What to do if there is no idle connection."""

    CONNECT = auto()
    WAIT = auto()
    REFUSED = auto()


class Slots(Generic[C, W]):
    """Counts the connections to one server, and queues the waiters for them.

    Connections and waiters are only used as keys here, and no connection is made here. The owner
    reports all events, and acts on the results. Any sequence of events keeps these invariants:

    - At most `most` connections are being made, in use, closing or idle.
    - Nobody waits while a connection is idle or another one could be made.
    - A free connection goes to the client that holds the fewest; clients that hold the same number
      take turns. A client's own waiters are served once each, first in, first out.
    - A client with many waiters never keeps a client with fewer out of the queue.
    - One client has at most half of `most_tunnels`.

    A client is the key that shares are counted by, such as an address. None is for all clients that
    can't be distinguished: they are served in order of arrival, count as if they held nothing, and
    never have to give up a connection.

    Args:
        most: The maximum number of connections, at least 1.
        most_waiting: The maximum number of waiters, at least 0.
        most_tunnels: The maximum number of tunnels, which don't count as connections; at least 0.

    Attributes:
        waiting: The number of waiters; for reading only.
    """

    def __init__(self, *, most: int, most_waiting: int, most_tunnels: int = 0) -> None:
        self._most = most
        self._most_waiting = most_waiting
        self._most_tunnels = most_tunnels
        self.waiting = 0
        self._connecting = 0
        # The connections in use, each with its client, and closing ones, with None. A connection
        # counts until its socket is closed.
        self._used: dict[C, str | None] = {}
        # The number of connections of each client, in use or being made.
        self._held: dict[str, int] = {}
        # Idle connections, the newest last.
        self._idle: dict[C, None] = {}
        # The waiters, the longest waiting first, each with its client and its deadline.
        self._waiting: OrderedDict[W, tuple[str | None, float]] = OrderedDict()
        # The waiters of each client, in the order in which clients take turns.
        self._queues: dict[str | None, OrderedDict[W, None]] = {}
        # Connections being cut, each with the client whose waiter needs the room.
        self._claims: dict[C, str | None] = {}
        self._tunnels: dict[C, str | None] = {}
        self._tunnels_of: dict[str, int] = {}

    @property
    def connections(self) -> int:
        """The number of connections, including those being made."""
        return self._connecting + len(self._used) + len(self._idle)

    @property
    def idle(self) -> int:
        """The number of idle connections."""
        return len(self._idle)

    @property
    def tunnels(self) -> int:
        """The number of tunnels, which don't count as connections."""
        return len(self._tunnels)

    @property
    def next_deadline_s(self) -> float | None:
        """The deadline of the longest waiting waiter; None if nobody waits."""
        return next(iter(self._waiting.values()))[1] if self._waiting else None

    @property
    def holdings(self) -> Mapping[str, int]:
        """The number of connections of each client that has any, in use or being made."""
        return self._held

    def held(self, client: str | None) -> int:
        """Return the number of connections of a client, in use or being made."""
        return 0 if client is None else self._held.get(client, 0)

    def take_idle(self, client: str | None = None) -> C | None:
        """Return the newest idle connection, now in use by `client`; None if there is none."""
        if not self._idle:
            return None
        connection, _ = self._idle.popitem()
        self._used[connection] = client
        if client is not None:
            self._held[client] = self._held.get(client, 0) + 1
        return connection

    def ask(self, waiter: W, deadline_s: float, client: str | None = None) -> Turn:
        """Ask for a connection when none is idle.

        Args:
            waiter: The waiter; no two are equal.
            deadline_s: When it stops waiting, in seconds; never before an earlier waiter's.
            client: The waiter's client.

        Returns:
            ``CONNECT``: make a connection, and report it by `connected` or `not_connected`.
            ``WAIT``: a later call returns the waiter, possibly `expired` or `make_room`.
            ``REFUSED``: the queue is full, and the waiter is not in it.
        """
        assert not self._idle, "an idle connection must be taken first"
        if self.connections < self._most:
            self._connecting += 1
            self._hold(client)
            return Turn.CONNECT
        if len(self._waiting) >= self._most_waiting:
            return Turn.REFUSED
        self._waiting[waiter] = client, deadline_s
        self._queues.setdefault(client, OrderedDict())[waiter] = None
        self.waiting += 1
        return Turn.WAIT

    def make_room(self, client: str | None = None) -> W | None:
        """Remove a waiter of another client from a full queue, so that `client` can `ask`.

        The client with the most waiters loses its newest one, if it has more of them than `client`
        would then have.

        Returns:
            The removed waiter; None if none was removed.
        """
        queues = {each: queue for each, queue in self._queues.items() if each is not None}
        if len(self._waiting) < self._most_waiting or not queues:
            return None
        longest = max(queues, key=lambda each: len(queues[each]))
        own = 0 if client is None else len(queues.get(client, ()))
        if len(queues[longest]) <= own + 1:
            return None
        waiter = next(reversed(queues[longest]))
        self._leave(waiter)
        return waiter

    def connected(self, connection: C, client: str | None = None) -> None:
        """Record that a connection was made and is in use.

        Args:
            connection: The new connection.
            client: The client it was made for, as for `ask`.
        """
        assert self._connecting, "a connection is being made"
        self._connecting -= 1
        self._used[connection] = client

    def not_connected(self, client: str | None = None) -> W | None:
        """Record that a connection could not be made, or is not needed any more.

        Args:
            client: The client it was to be made for, as for `ask`.

        Returns:
            The waiter that may connect instead, or None.
        """
        assert self._connecting, "a connection is being made"
        self._connecting -= 1
        self._release(client)
        return self._freed()

    def ended(self, connection: C) -> W | None:
        """Record that a connection can serve another request.

        Returns:
            The waiter that uses it next; None if it is now idle.
        """
        # Only a connection in use can become idle. Any other is a KeyError.
        client = self._used.pop(connection)
        if client is not None:
            held = self._held[client] - 1
            if held:
                self._held[client] = held
            else:
                del self._held[client]
        if self._claims:
            self._claims.pop(connection, None)
        if not self.waiting:
            self._idle[connection] = None
            return None
        waiter, client = self._next()
        self._used[connection] = client
        self._hold(client)
        return waiter

    def closing(self, connection: C) -> None:
        """Record that a connection is closing; it counts for no client, but until it is `gone`."""
        if connection in self._used:
            self._release(self._used[connection])
            self._used[connection] = None

    def gone(self, connection: C) -> W | None:
        """Record that the socket of a connection, in use or idle, or of a tunnel is closed.

        Returns:
            The waiter that may connect instead, or None.
        """
        if connection in self._used:
            self._release(self._used.pop(connection))
            self._claims.pop(connection, None)
        elif connection in self._idle:
            del self._idle[connection]
        else:
            if connection in self._tunnels:
                self._end_tunnel(self._tunnels.pop(connection))
            return None  # It was a tunnel, or `replaced`, or never `connected`.
        return self._freed()

    def replaced(self, connection: C, client: str | None = None) -> None:
        """Record that the user of a failed connection makes another one instead, at once.

        Args:
            connection: The failed one.
            client: The client that the new one is made for.
        """
        assert connection in self._used, "only a connection in use can be replaced"
        self._release(self._used.pop(connection))
        self._claims.pop(connection, None)
        self._connecting += 1
        self._hold(client)

    def give_up(self, waiter: W) -> bool:
        """Remove a waiter from the queue; return whether it was there."""
        if waiter not in self._waiting:
            return False
        self._leave(waiter)
        return True

    def expired(self, now: float) -> list[W]:
        """Remove the waiters whose deadlines have passed, and return them.

        Args:
            now: The time in seconds, on the clock of the deadlines.
        """
        late: list[W] = []
        while self._waiting:
            waiter, (_, deadline_s) = next(iter(self._waiting.items()))
            if deadline_s > now:
                break
            self._leave(waiter)
            late.append(waiter)
        return late

    def rebound(self, *, most: int, most_waiting: int, most_tunnels: int) -> list[W]:
        """Replace the bounds.

        Args:
            most: As above, but not lower than before.
            most_waiting: As above.
            most_tunnels: As above.

        Returns:
            The waiters that may connect now.
        """
        assert most >= self._most, "existing connections can't be closed here"
        self._most, self._most_waiting, self._most_tunnels = most, most_waiting, most_tunnels
        free: list[W] = []
        while self.connections < most and (waiter := self._freed()) is not None:
            free.append(waiter)
        return free

    def drop_idle(self) -> list[C]:
        """Return all idle connections for closing; they count until they are `gone`."""
        dropped = list(self._idle)
        self._used.update(dict.fromkeys(dropped))
        self._idle.clear()
        return dropped

    # Connections that are cut because other clients wait.

    def in_use(self) -> Iterable[tuple[C, str]]:
        """Return the connections in use that count for a client, each with the client."""
        return [(each, client) for each, client in self._used.items() if client is not None]

    def claimants(self) -> list[str | None]:
        """Return the clients that have more waiters than connections being cut for them."""
        claimed = Counter(self._claims.values())
        return [each for each, queue in self._queues.items() if len(queue) > claimed[each]]

    def share(self) -> float:
        """Return an equal share of `most` for each client that holds or waits for a connection."""
        return self._most / max(len(self._held.keys() | self._queues.keys()), 1)

    def over(self, share: float) -> list[str]:
        """Return the clients that hold more than `share` connections, the largest first."""
        over = [client for client, held in self._held.items() if held > share]
        return sorted(over, key=self._held.__getitem__, reverse=True)

    def owes(self, debtor: str, client: str | None, share: float) -> bool:
        """Return whether `debtor` holds more than `share`, and more than `client` with one more."""
        claimed = sum(each == client for each in self._claims.values())
        return self.held(debtor) > max(share, self.held(client) + claimed + 1)

    def claim(self, connection: C, client: str | None) -> None:
        """Record that a connection is being cut for one of a client's waiters.

        Args:
            connection: The connection, for which the owner will report `gone`.
            client: One of the `claimants`.
        """
        self.closing(connection)
        self._claims[connection] = client

    # Tunnels.

    def user(self, connection: C) -> str | None:
        """Return the client for which a connection in use counts."""
        return self._used.get(connection)

    def may_tunnel(self, client: str | None) -> bool:
        """Return whether one of a client's connections may become a tunnel.

        A client may have one if it has fewer tunnels than are free. So a client on its own gets at
        most half of them, and there is always room for another client.
        """
        free = self._most_tunnels - len(self._tunnels)
        return (0 if client is None else self._tunnels_of.get(client, 0)) < free

    def switched(self, connection: C) -> W | None:
        """Record that a connection in use has become a tunnel, until it is `gone`.

        Returns:
            The waiter that may connect instead, or None.
        """
        client = self._used.pop(connection)
        self._claims.pop(connection, None)
        self._tunnels[connection] = client
        if client is not None:
            self._tunnels_of[client] = self._tunnels_of.get(client, 0) + 1
        self._release(client)
        return self._freed()

    # Internals.

    def _hold(self, client: str | None) -> None:
        if client is not None:
            self._held[client] = self._held.get(client, 0) + 1

    def _release(self, client: str | None) -> None:
        if client is not None:
            held = self._held[client] - 1
            if held:
                self._held[client] = held
            else:
                del self._held[client]

    def _end_tunnel(self, client: str | None) -> None:
        if client is not None:
            self._tunnels_of[client] -= 1
            if not self._tunnels_of[client]:
                del self._tunnels_of[client]

    def _leave(self, waiter: W) -> str | None:
        """Remove a waiter from the queue; return its client."""
        client, _ = self._waiting.pop(waiter)
        self.waiting -= 1
        queue = self._queues[client]
        del queue[waiter]
        if not queue:
            del self._queues[client]
        return client

    def _next(self) -> tuple[W, str | None]:
        """Remove the next waiter from the queue; return it and its client."""
        held, queues = self._held, self._queues
        # Of several clients with the fewest, `min` returns the first. After its turn, a client
        # moves to the end.
        client = min(queues, key=lambda each: 0 if each is None else held.get(each, 0))
        queue = queues[client]
        waiter = next(iter(queue))
        self._leave(waiter)
        if queue:
            del queues[client]
            queues[client] = queue
        return waiter, client

    def _freed(self) -> W | None:
        if not self._waiting:
            return None
        self._connecting += 1
        waiter, client = self._next()
        self._hold(client)
        return waiter
