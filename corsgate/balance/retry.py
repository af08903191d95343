"""Decide whether to repeat an attempt, which must not make a request take effect twice."""

from __future__ import annotations

from enum import Enum, auto

from corsgate.config.model.balancing import Balancing
from corsgate.errors import ConnectFailed, QueueFull, UpstreamError

IDEMPOTENT_METHODS = frozenset(
    b"ACL BASELINE-CONTROL BIND CHECKIN CHECKOUT COPY DELETE GET HEAD LABEL LINK MERGE MKACTIVITY"
    b" MKCALENDAR MKCOL MKREDIRECTREF MKWORKSPACE MOVE OPTIONS ORDERPATCH PROPFIND PROPPATCH PUT"
    b" QUERY REBIND REPORT SEARCH TRACE UNBIND UNCHECKOUT UNLINK UNLOCK UPDATE UPDATEREDIRECTREF"
    b" VERSION-CONTROL".split()
)
"""Methods whose repetition has the same effect as one request (RFC 9110 9.2.2).

All that IANA's HTTP Method Registry lists as safe or idempotent, except PRI, which is no request
(RFC 9113 11.6). Not among them are CONNECT, LOCK, PATCH, POST, and any unregistered method.
https://www.iana.org/assignments/http-methods
"""

MAX_REPLAYED_BYTES = 64 * 1024
"""The largest body that is kept for a repetition."""

BACK_OFF_S = 0.025
MAX_BACK_OFF_S = 0.25

MAX_WAITS = 8
"""How often a repetition may wait for the budget: 1.4 s at most, half of that on average."""


def nothing_sent(error: UpstreamError) -> bool:
    """Return whether no part of a failed request was sent, so that another server may get it.

    Args:
        error: The error of the request.

    Returns:
        False also for a request whose time in a queue ran out: queues of several servers must not
        add up to a longer wait.
    """
    return isinstance(error, ConnectFailed | QueueFull)


def may_repeat(method: bytes, *, replayable: bool) -> bool:
    """Return whether a request that may have taken effect may be sent again.

    Args:
        method: The request's method.
        replayable: Whether its whole body can be sent again.
    """
    return replayable and method in IDEMPOTENT_METHODS


class RetryBudget:
    """How many requests of an upstream may be repeated at a time.

    Each repetition is extra work for servers that may be in trouble already. So at most a fifth of
    the running requests may be repetitions, but always a few, as in Envoy.

    Attributes:
        running: The number of running repetitions.
    """

    SHARE = 0.2
    FLOOR = 3

    __slots__ = ("running",)

    def __init__(self) -> None:
        self.running = 0

    def take(self, requests: int) -> bool:
        """Start a repetition, if the budget allows one more.

        Args:
            requests: The number of running requests, including repetitions.

        Returns:
            Whether it may start. If so, the caller must call `give_back` when it has ended.
        """
        if self.running >= max(self.FLOOR, requests * self.SHARE):
            return False
        self.running += 1
        return True

    def give_back(self) -> None:
        """End a repetition."""
        assert self.running, "a repetition is running"
        self.running -= 1


class May(Enum):
    """What to do with a request that failed on a server."""

    GO_ON = auto()
    WAIT = auto()
    END = auto()


class Retries:
    """Decides on the further attempts at one request.

    Args:
        rules: The configured rules.
        budget: The budget that all requests of an upstream share.
        method: The request's method.
        until_s: When the repetition of requests that may have reached a server ends.
    """

    __slots__ = ("_budget", "_counted", "_method", "_rules", "_timeouts", "_until_s")

    def __init__(
        self, rules: Balancing, budget: RetryBudget, method: bytes, until_s: float
    ) -> None:
        self._rules = rules
        self._budget = budget
        self._method = method
        self._until_s = until_s
        # Repetitions after an attempt that may have reached a server; each holds a part of the
        # budget.
        self._counted = 0
        # How often a repetition found the budget used up.
        self._timeouts = 0

    def ask(
        self, cause: str | None, *, sent: bool, replayable: bool, requests: int, now: float
    ) -> May:
        """Return whether another server may get the request, and count the attempt if so.

        If a server hangs, all its requests time out together. The budget lets only some of them be
        repeated at a time. The others wait for their turn, but not for long.

        Args:
            cause: Why the attempt failed; None for a cause that can't be configured.
            sent: Whether a part of the request may have reached the server.
            replayable: Whether its whole body can be sent again.
            requests: The number of running requests of the upstream.
            now: The time in seconds.

        Returns:
            ``GO_ON``: send it after `back_off_s`; ``WAIT``: ask again after `back_off_s`; ``END``:
            give up.
        """
        rules = self._rules
        if not rules.retries:
            return May.END
        if cause is not None and cause not in rules.retry_on:
            return May.END
        if not sent:
            # The attempt cost no server any work, so no count, budget or time limit applies.
            return May.GO_ON
        if cause is None or self._counted >= rules.retries or now >= self._until_s:
            return May.END
        if not may_repeat(self._method, replayable=replayable):
            return May.END
        if not self._budget.take(requests):
            self._timeouts += 1
            return May.WAIT if self._timeouts <= MAX_WAITS else May.END
        self._counted += 1
        return May.GO_ON

    def end(self) -> None:
        """Give back this request's part of the budget, once it has a response or has failed."""
        for _ in range(self._counted):
            self._budget.give_back()
        self._counted = 0

    def back_off_s(self, may: May, chance: float) -> float:
        """Return how long to wait after `ask` has returned.

        Each wait is random, within a range that doubles each time, so that requests that failed
        together don't return together. A request that has waited for the budget is sent at once:
        it must not hold a part of the budget while it is idle.

        Args:
            may: The result of `ask`.
            chance: A random number in [0, 1).

        Returns:
            Seconds; 0 if nothing was sent to the failed server.
        """
        grown = self._timeouts if may is May.WAIT else self._counted
        if not grown or may is May.END or (may is May.GO_ON and self._timeouts):
            return 0.0
        longest_s: float = min(BACK_OFF_S * 2 ** (grown - 1), MAX_BACK_OFF_S)
        return longest_s * chance
