"""Who may connect to a server, who waits for a connection to it, and who goes first."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Hashable, Iterable, Mapping
from enum import Enum, auto
from typing import Generic, TypeVar

C = TypeVar("C", bound=Hashable)
W = TypeVar("W", bound=Hashable)


class Turn(Enum):
    """What somebody may do who found no idle connection."""

    CONNECT = auto()
    WAIT = auto()
    REFUSED = auto()


class Slots(Generic[C, W]):
    """The connections to one server, counted, and the waiters for them, in order.

    It holds connections and waiters without looking into them, and makes no connection itself:
    its owner reports what has happened, and does what it returns. Whatever the order of
    events:

    - connections being made, in use, closing and idle are never more than `most` together;
    - nobody waits while one is idle or another could be made;
    - what comes free goes to the client that holds the fewest connections; equals take turns;
      a client's own waiters go in the order they came, and each once;
    - a client's waiters never keep one of a client with fewer out of the queue;
    - one client has at most half of the tunnels, however many there are.

    A client is what shares are counted by, such as an address. None stands for all who can't be
    told from each other: they go in the order they came, count as if they held nothing, and
    never have to give anything up.

    Args:
        most: How many connections there may be, at least 1.
        most_waiting: How many may wait, at least 0.
        most_tunnels: How many tunnels there may be beside the connections, at least 0.

    Attributes:
        waiting: How many wait; for reading only.
    """

    def __init__(self, *, most: int, most_waiting: int, most_tunnels: int = 0) -> None:
        self._most = most
        self._most_waiting = most_waiting
        self._most_tunnels = most_tunnels
        self.waiting = 0
        self._connecting = 0
        # In use, each with its client, or closing, with None: a connection counts until its
        # socket is gone.
        self._used: dict[C, str | None] = {}
        # How many each client uses or is having made.
        self._held: dict[str, int] = {}
        # The newest last.
        self._idle: dict[C, None] = {}
        # Each with its client and its deadline, the longest waiting first.
        self._waiting: OrderedDict[W, tuple[str | None, float]] = OrderedDict()
        # The same by client; these take turns in this order.
        self._queues: dict[str | None, OrderedDict[W, None]] = {}
        # Connections that are being cut, each with the client for whose waiter.
        self._claims: dict[C, str | None] = {}
        self._tunnels: dict[C, str | None] = {}
        self._tunnels_of: dict[str, int] = {}

    @property
    def connections(self) -> int:
        """How many connections there are, those being made included."""
        return self._connecting + len(self._used) + len(self._idle)

    @property
    def idle(self) -> int:
        """How many connections are idle."""
        return len(self._idle)

    @property
    def tunnels(self) -> int:
        """How many tunnels there are, which are no connections any more."""
        return len(self._tunnels)

    @property
    def next_deadline_s(self) -> float | None:
        """The deadline of whoever waits longest, or None."""
        return next(iter(self._waiting.values()))[1] if self._waiting else None

    @property
    def holdings(self) -> Mapping[str, int]:
        """How many connections each client uses or is having made, for those who have some."""
        return self._held

    def held(self, client: str | None) -> int:
        """Return how many connections a client uses or is having made."""
        return 0 if client is None else self._held.get(client, 0)

    def take_idle(self, client: str | None = None) -> C | None:
        """Return the newest idle connection, which `client` uses from now on; None if none is."""
        if not self._idle:
            return None
        connection, _ = self._idle.popitem()
        self._used[connection] = client
        if client is not None:
            self._held[client] = self._held.get(client, 0) + 1
        return connection

    def ask(self, waiter: W, deadline_s: float, client: str | None = None) -> Turn:
        """Ask for a connection where none is idle.

        Args:
            waiter: Who asks; no other is equal to it.
            deadline_s: Until when it would wait; never before that of an earlier waiter.
            client: Whose it is.

        Returns:
            ``CONNECT``: it may make a connection, and `connected` or `not_connected` follows.
            ``WAIT``: it is answered by a later event, `expired` and `make_room` among them.
            ``REFUSED``: the queue is full, and it isn't in it.
        """
        assert not self._idle, "an idle connection is to be taken first"
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
        """Have one of another client's waiters leave a full queue, so that `client` can `ask`.

        It is the newest one of the client with the most, if that has more waiters than `client`
        would then have.

        Returns:
            The waiter that has left; None where nobody has to.
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
        """Record that a connection was made; it is in use from now on.

        Args:
            connection: It.
            client: Whoever was told to connect, as for `ask`.
        """
        assert self._connecting, "somebody was told to connect"
        self._connecting -= 1
        self._used[connection] = client

    def not_connected(self, client: str | None = None) -> W | None:
        """Record that a connection could not be made, or was not wanted any more.

        Args:
            client: Whoever was told to connect, as for `ask`.

        Returns:
            The waiter that may connect in its place, or None.
        """
        assert self._connecting, "somebody was told to connect"
        self._connecting -= 1
        self._release(client)
        return self._freed()

    def ended(self, connection: C) -> W | None:
        """Record that a connection can serve another request.

        Returns:
            The waiter whose connection it is from now on; None where it has become idle.
        """
        assert connection in self._used, "only what was taken comes back"
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
        """Record that a connection is of no more use to its client; it counts until it is gone."""
        if connection in self._used:
            self._release(self._used[connection])
            self._used[connection] = None

    def gone(self, connection: C) -> W | None:
        """Record that a connection's socket is gone, whatever it was used for.

        Returns:
            The waiter that may connect in its place, or None.
        """
        if connection in self._used:
            self._release(self._used.pop(connection))
            self._claims.pop(connection, None)
        elif connection in self._idle:
            del self._idle[connection]
        else:
            if connection in self._tunnels:
                self._end_tunnel(self._tunnels.pop(connection))
            return None  # It never was `connected`, or it was `replaced`, or `switched`.
        return self._freed()

    def replaced(self, connection: C, client: str | None = None) -> None:
        """Let whoever used a connection that failed make another in its place, at once.

        Args:
            connection: The one that failed.
            client: Whose it was.
        """
        assert connection in self._used, "only what is in use is replaced"
        self._release(self._used.pop(connection))
        self._claims.pop(connection, None)
        self._connecting += 1
        self._hold(client)

    def give_up(self, waiter: W) -> bool:
        """Forget a waiter; return whether it waited."""
        if waiter not in self._waiting:
            return False
        self._leave(waiter)
        return True

    def expired(self, now: float) -> list[W]:
        """Return the waiters whose deadline has come, who wait no longer.

        Args:
            now: The time in seconds that deadlines are compared with.
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
        """Use other bounds from now on.

        Args:
            most: As above, but no lower than it was.
            most_waiting: As above.
            most_tunnels: As above.

        Returns:
            The waiters that may connect now.
        """
        assert most >= self._most, "connections that there are can't be taken back here"
        self._most, self._most_waiting, self._most_tunnels = most, most_waiting, most_tunnels
        free: list[W] = []
        while self.connections < most and (waiter := self._freed()) is not None:
            free.append(waiter)
        return free

    def drop_idle(self) -> list[C]:
        """Return all idle connections, to be closed; they count until they are `gone`."""
        dropped = list(self._idle)
        self._used.update(dict.fromkeys(dropped))
        self._idle.clear()
        return dropped

    # Connections that are taken back.

    def in_use(self) -> Iterable[tuple[C, str]]:
        """Return the connections in use, each with the client that it counts for."""
        return [(each, client) for each, client in self._used.items() if client is not None]

    def claimants(self) -> list[str | None]:
        """Return the clients with a waiter for whom nothing is being cut yet."""
        claimed = Counter(self._claims.values())
        return [each for each, queue in self._queues.items() if len(queue) > claimed[each]]

    def share(self) -> float:
        """Return an equal share of the connections, for each client that has or wants one."""
        return self._most / max(len(self._held.keys() | self._queues.keys()), 1)

    def over(self, share: float) -> list[str]:
        """Return the clients that hold more than `share` connections, the largest first."""
        over = [client for client, held in self._held.items() if held > share]
        return sorted(over, key=self._held.__getitem__, reverse=True)

    def owes(self, debtor: str, client: str | None, share: float) -> bool:
        """Return whether one client holds more than `share`, and than another with one more."""
        claimed = sum(each == client for each in self._claims.values())
        return self.held(debtor) > max(share, self.held(client) + claimed + 1)

    def claim(self, connection: C, client: str | None) -> None:
        """Record that a connection is being cut for the sake of one of a client's waiters.

        Args:
            connection: It; `gone` follows.
            client: One of the `claimants`.
        """
        self.closing(connection)
        self._claims[connection] = client

    # Tunnels.

    def user(self, connection: C) -> str | None:
        """Return the client that a connection in use counts for."""
        return self._used.get(connection)

    def may_tunnel(self, client: str | None) -> bool:
        """Return whether one of a client's connections may become a tunnel.

        A client may have as many as are still free with them: half of all if it is the only one,
        so that there is always room for another client.
        """
        free = self._most_tunnels - len(self._tunnels)
        return (0 if client is None else self._tunnels_of.get(client, 0)) < free

    def switched(self, connection: C) -> W | None:
        """Record that a connection in use has become a tunnel, until it is `gone`.

        Returns:
            The waiter that may connect in its place, or None.
        """
        client = self._used.pop(connection)
        self._claims.pop(connection, None)
        self._tunnels[connection] = client
        if client is not None:
            self._tunnels_of[client] = self._tunnels_of.get(client, 0) + 1
        self._release(client)
        return self._freed()

    # The parts.

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
        """Take a waiter out of the queue; return its client."""
        client, _ = self._waiting.pop(waiter)
        self.waiting -= 1
        queue = self._queues[client]
        del queue[waiter]
        if not queue:
            del self._queues[client]
        return client

    def _next(self) -> tuple[W, str | None]:
        """Return who goes next, and whose it is; it waits no longer."""
        held, queues = self._held, self._queues
        # Among equals the first one, and behind its turn a client is the last.
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
