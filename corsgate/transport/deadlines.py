"""One timer for all timeouts: a sweep per second over all objects with a deadline.

A callLater per request costs more than parsing the request. A deadline in an attribute costs one
assignment. The price is that a timeout fires up to a second late.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

NEVER = float("inf")
SWEEP_INTERVAL_S = 1.0
TURN_S = 0.01
"""How many seconds one turn of a sweep may take. If a thousand objects time out at once, other work
runs in between."""


class Timed(Protocol):
    """An object with a deadline."""

    deadline_s: float
    """The reactor's time in seconds after which `timed_out` is called; `NEVER` for no limit."""

    def timed_out(self) -> None:
        """Act on the passed deadline, then set a new one or leave the sweep."""


class Deadlines:
    """Calls `timed_out` on every member whose deadline has passed.

    The timer runs only while there are members, so an idle gate never wakes up, and tests leave a
    clean reactor.

    Args:
        clock: The reactor.

    Attributes:
        now: Returns the time in seconds with which deadlines are compared.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._members: set[Timed] = set()
        self._call: IDelayedCall | None = None
        # The clock's own method, because it is called several times per request.
        self.now: Callable[[], float] = clock.seconds

    @property
    def empty(self) -> bool:
        """Whether there is nothing to sweep."""
        return not self._members

    def add(self, member: Timed) -> None:
        """Start sweeping `member`."""
        self._members.add(member)
        if self._call is None:
            self._call = self._clock.callLater(SWEEP_INTERVAL_S, self._sweep)

    def discard(self, member: Timed) -> None:
        """Stop sweeping `member`."""
        self._members.discard(member)
        if not self._members and self._call is not None:
            self._call.cancel()
            self._call = None

    def _sweep(self, due: list[Timed] | None = None) -> None:
        self._call = None
        now = self._clock.seconds()
        if due is None:
            due = [member for member in self._members if member.deadline_s <= now]
        failed = 0
        while due:
            member = due.pop()
            # The timeout of an earlier member may have ended this one.
            if member in self._members and member.deadline_s <= now:
                try:
                    member.timed_out()
                except Exception:
                    # One that fails must not prevent the timeouts of all others.
                    failed += 1
                    if failed == 1:
                        self._log.failure("a timeout's callback failed")
            if due and self._call is None and self._clock.seconds() - now > TURN_S:
                self._call = self._clock.callLater(0, self._sweep, due)
                break
        if failed > 1:
            self._log.warn("{count} more callbacks of timeouts failed", count=failed - 1)
        if self._members and self._call is None:
            self._call = self._clock.callLater(SWEEP_INTERVAL_S, self._sweep)
