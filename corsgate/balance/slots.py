"""Who may connect to a server, who waits for a connection to it, and who goes first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
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
    its owner tells it what has happened, and does what it answers. Whatever the order of
    events:

    - connections being made, in use, closing and idle are never more than `most` together;
    - nobody waits while one is idle or another could be made;
    - waiters go in the order they came, and each once.

    Args:
        most: How many connections there may be, at least 1.
        most_waiting: How many may wait, at least 0.
    """

    def __init__(self, *, most: int, most_waiting: int) -> None:
        self._most = most
        self._most_waiting = most_waiting
        self._connecting = 0
        # In use, or closing: a connection counts until its socket is gone.
        self._used: set[C] = set()
        # The newest last.
        self._idle: dict[C, None] = {}
        # Each with its deadline, the longest waiting first.
        self._waiting: OrderedDict[W, float] = OrderedDict()

    @property
    def connections(self) -> int:
        """How many connections there are, those being made included."""
        return self._connecting + len(self._used) + len(self._idle)

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def next_deadline_s(self) -> float | None:
        """The deadline of whoever waits longest, or None."""
        return next(iter(self._waiting.values()), None)

    def take_idle(self) -> C | None:
        """Answer the newest idle connection, which is in use from now on; None where none is."""
        if not self._idle:
            return None
        connection, _ = self._idle.popitem()
        self._used.add(connection)
        return connection

    def ask(self, waiter: W, deadline_s: float) -> Turn:
        """Ask for a connection where none is idle.

        Args:
            waiter: Who asks; no other is equal to it.
            deadline_s: Until when it would wait; never before that of an earlier waiter.

        Returns:
            ``CONNECT``: it may make a connection, and `connected` or `not_connected` follows.
            ``WAIT``: it is answered by a later event, `expired` among them.
            ``REFUSED``: the queue is full, and it isn't in it.
        """
        assert not self._idle, "an idle connection is to be taken first"
        if self.connections < self._most:
            self._connecting += 1
            return Turn.CONNECT
        if len(self._waiting) >= self._most_waiting:
            return Turn.REFUSED
        self._waiting[waiter] = deadline_s
        return Turn.WAIT

    def connected(self, connection: C) -> None:
        """Take it that a connection was made; it is in use from now on."""
        assert self._connecting, "somebody was told to connect"
        self._connecting -= 1
        self._used.add(connection)

    def not_connected(self) -> W | None:
        """Take it that a connection could not be made, or was not wanted any more.

        Returns:
            The waiter that may connect in its place, or None.
        """
        assert self._connecting, "somebody was told to connect"
        self._connecting -= 1
        return self._freed()

    def ended(self, connection: C) -> W | None:
        """Take it that a connection can serve another request.

        Returns:
            The waiter whose connection it is from now on; None where it has become idle.
        """
        assert connection in self._used, "only what was taken comes back"
        if self._waiting:
            return self._next()
        self._used.remove(connection)
        self._idle[connection] = None
        return None

    def gone(self, connection: C) -> W | None:
        """Take it that a connection's socket is gone, whatever it was used for.

        Returns:
            The waiter that may connect in its place, or None.
        """
        if connection in self._used:
            self._used.remove(connection)
        elif connection in self._idle:
            del self._idle[connection]
        else:
            return None  # It never was `connected`, or it was `replaced`.
        return self._freed()

    def replaced(self, connection: C) -> None:
        """Let whoever used a connection that failed make another in its place, at once."""
        assert connection in self._used, "only what is in use is replaced"
        self._used.remove(connection)
        self._connecting += 1

    def give_up(self, waiter: W) -> bool:
        """Forget a waiter; answer whether it waited."""
        return self._waiting.pop(waiter, None) is not None

    def expired(self, now: float) -> list[W]:
        """Answer the waiters whose deadline has come, who wait no longer.

        Args:
            now: The time in seconds that deadlines are compared with.
        """
        late: list[W] = []
        while self._waiting and next(iter(self._waiting.values())) <= now:
            late.append(self._next())
        return late

    def drop_idle(self) -> list[C]:
        """Answer all idle connections, to be closed; they count until they are `gone`."""
        dropped = list(self._idle)
        self._used.update(dropped)
        self._idle.clear()
        return dropped

    def _next(self) -> W:
        waiter, _ = self._waiting.popitem(last=False)
        return waiter

    def _freed(self) -> W | None:
        if not self._waiting:
            return None
        self._connecting += 1
        return self._next()
