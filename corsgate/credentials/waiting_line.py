"""Requests that wait until they may send the credentials to a server."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Generic, TypeVar

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

_Ask = TypeVar("_Ask")
_Place = TypeVar("_Place")


@attrs.frozen(eq=False)
class Waiter(Generic[_Ask, _Place]):
    """A request that waits for a place.

    Attributes:
        ask: What it asks for.
        until_s: When it gives up, in the clock's seconds.
        came: Fires with the place, or fails.
    """

    ask: _Ask
    until_s: float
    came: Deferred[_Place]


class WaitingLine(Generic[_Ask, _Place]):
    """Decides for each waiting request again whenever something has changed.

    Args:
        clock: The reactor, or a clock in tests.
        decide: Returns the place of a request, the error it gets, or None if it has to wait.
        tried: Returns what the requests in flight have asked for. Others go before these: many of
            the same may be slow, such as long polls, and anything else brings a verdict sooner.
        next_s: Returns in how many seconds a place may become free.
    """

    def __init__(
        self,
        clock: IReactorTime,
        decide: Callable[[Waiter[_Ask, _Place]], _Place | Exception | None],
        tried: Callable[[], Container[_Ask]],
        next_s: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._decide = decide
        self._tried = tried
        self._next_s = next_s
        self._waiting: dict[Waiter[_Ask, _Place], None] = {}
        self._timer: IDelayedCall | None = None
        self._is_waking = False

    def __len__(self) -> int:
        """Return how many requests wait."""
        return len(self._waiting)

    def join(self, ask: _Ask, most_s: float) -> Deferred[_Place]:
        """Return a Deferred of a place; if it is cancelled, the request leaves.

        Args:
            ask: What the request asks for.
            most_s: For how many seconds it waits at most.
        """

        def leave(_: Deferred[_Place]) -> None:
            del self._waiting[waiter]
            if not self._waiting:
                self._look_at(None)

        until_s = self._clock.seconds() + most_s
        waiter: Waiter[_Ask, _Place] = Waiter(ask, until_s, Deferred(leave))
        self._waiting[waiter] = None
        due_s = min(self._clock.seconds() + self._next_s(), until_s)
        if self._timer is None or self._timer.getTime() > due_s:
            self._look_at(due_s)
        return waiter.came

    def wake(self, *, only_room: bool = False) -> None:
        """Let requests go for which there is a place or an error now; set a timer for the rest.

        Args:
            only_room: Whether only a place has become free. Then the first request that has to wait
                shows that all others have to, which saves deciding about each of them.
        """
        # A request that goes may call this again immediately, which must not recurse.
        if self._is_waking:
            return
        self._is_waking = True
        try:
            while self._wake_each(only_room=only_room):
                pass
        finally:
            self._is_waking = False
        due_s = None
        if self._waiting:
            first_s = min(each.until_s for each in self._waiting)
            due_s = min(self._clock.seconds() + self._next_s(), first_s)
        self._look_at(due_s)

    def _wake_each(self, *, only_room: bool) -> bool:
        """Decide about each request, in order; return whether any went."""
        has_changed = False
        tried = self._tried()
        for waiter in sorted(self._waiting, key=lambda each: each.ask in tried):
            if waiter not in self._waiting:
                # One that went has cancelled it.
                continue
            found = self._decide(waiter)
            if found is None:
                if only_room:
                    break
                continue
            has_changed = True
            del self._waiting[waiter]
            if isinstance(found, Exception):
                waiter.came.errback(found)
            else:
                waiter.came.callback(found)
        return has_changed

    def _look_at(self, due_s: float | None) -> None:
        """Set the timer to a time of the clock; None for never."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due_s is not None:
            wait_s = max(due_s - self._clock.seconds(), 0.0)
            self._timer = self._clock.callLater(wait_s, self._look)

    def _look(self) -> None:
        self._timer = None
        self.wake()
