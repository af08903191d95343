"""May an attempt be repeated: only where it can't have acted, or acting twice is acting once."""

from __future__ import annotations

from enum import Enum, auto

from corsgate.config.model.balancing import Balancing
from corsgate.errors import ConnectFailed, ConnectionReset, QueueFull, UpstreamError

IDEMPOTENT_METHODS = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"))
"""Methods whose repetition has the effect of one request (RFC 9110 9.2.2)."""

MAX_REPLAYED_BYTES = 64 * 1024
"""The largest body that is kept to be sent again."""

BACK_OFF_S = 0.025
MAX_BACK_OFF_S = 0.25

MAX_WAITS = 8
"""How often a repetition may find the budget used up: 1.4 s at most, half of that on average."""


def nothing_sent(error: UpstreamError) -> bool:
    """Return whether a request that failed reached no server, so that any other may get it.

    Args:
        error: What it failed with.

    Returns:
        True where nothing of the request was sent, unless it has waited its time in a queue
        already: all servers together shall not keep it for longer.
    """
    return isinstance(error, ConnectFailed | QueueFull)


def may_resend(error: UpstreamError, method: bytes, *, replayable: bool) -> bool:
    """Return whether a request that failed on a kept-alive connection may go on a fresh one.

    A server may close an idle connection at the moment that a request is on its way to it
    (RFC 9112 9.3.1): a client can't tell that from a server that acted and then failed.

    Args:
        error: What it failed with.
        method: The request's method.
        replayable: Whether all of its body can be sent again.

    Returns:
        True where no byte of a response came and the method is idempotent.
    """
    return isinstance(error, ConnectionReset) and may_repeat(method, replayable=replayable)


def may_repeat(method: bytes, *, replayable: bool) -> bool:
    """Return whether a request that a server may have acted on may be sent again.

    Args:
        method: The request's method.
        replayable: Whether all of its body can be sent again.
    """
    return replayable and method in IDEMPOTENT_METHODS


class RetryBudget:
    """How many requests of an upstream may be repeated at a time.

    Each repetition is work that servers in trouble get on top. Twenty in a hundred running
    requests may be one, and always a few where little runs, as with Envoy.

    Attributes:
        running: How many repetitions run.
    """

    SHARE = 0.2
    FLOOR = 3

    __slots__ = ("running",)

    def __init__(self) -> None:
        self.running = 0

    def take(self, requests: int) -> bool:
        """Begin a repetition, if there may be one more.

        Args:
            requests: How many requests run, repetitions among them.

        Returns:
            Whether it may be; if so, `give_back` follows once it has ended.
        """
        if self.running >= max(self.FLOOR, requests * self.SHARE):
            return False
        self.running += 1
        return True

    def give_back(self) -> None:
        """End a repetition."""
        assert self.running, "only what was taken is given back"
        self.running -= 1


class May(Enum):
    """What may become of a request that a server failed."""

    GO_ON = auto()
    WAIT = auto()
    END = auto()


class Retries:
    """Which attempts at one request may follow the one that failed.

    Args:
        rules: What is configured.
        budget: Shared by all requests of an upstream.
        method: The request's method.
        until_s: Until when what may have reached a server is repeated.
    """

    __slots__ = ("_budget", "_counted", "_method", "_rules", "_timeouts", "_until_s")

    def __init__(
        self, rules: Balancing, budget: RetryBudget, method: bytes, until_s: float
    ) -> None:
        self._rules = rules
        self._budget = budget
        self._method = method
        self._until_s = until_s
        # Repetitions of what may have reached a server, each of which holds a part of the budget.
        self._counted = 0
        # How often the budget was used up when it was to be repeated.
        self._timeouts = 0

    def ask(
        self, cause: str | None, *, sent: bool, replayable: bool, requests: int, now: float
    ) -> May:
        """Return whether another server may be asked, and count it if so.

        Where a server hangs, all that it had times out together. The budget lets only a part of
        these be repeated at a time: the others wait for their turn, but not for long.

        Args:
            cause: How the attempt failed; None for no cause that can be configured.
            sent: Whether something of it may have reached the server.
            replayable: Whether all of the body can be sent again.
            requests: How many requests of the upstream run.
            now: The time in seconds.

        Returns:
            ``GO_ON``: now, or after the time to back off; ``WAIT``: it is to be asked again
            after that time; ``END``: no other server may have the request.
        """
        rules = self._rules
        if not rules.retries:
            return May.END
        if cause is not None and cause not in rules.retry_on:
            return May.END
        if not sent:
            # It cost no server any work, so neither count nor budget nor time is for it.
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
        """Give back what was taken of the budget, once there is an answer, or will be none."""
        for _ in range(self._counted):
            self._budget.give_back()
        self._counted = 0

    def back_off_s(self, may: May, chance: float) -> float:
        """Return how long to wait before what `ask` answered.

        The wait is drawn anew each time, from a range that doubles with each: so requests that
        failed together don't come back together. One that waited for the budget has waited
        enough, and must not hold its part of that while it does nothing.

        Args:
            may: What `ask` answered.
            chance: A number from 0 up to 1.

        Returns:
            Seconds; 0 where the other server was sent nothing.
        """
        grown = self._timeouts if may is May.WAIT else self._counted
        if not grown or may is May.END or (may is May.GO_ON and self._timeouts):
            return 0.0
        longest_s: float = min(BACK_OFF_S * 2 ** (grown - 1), MAX_BACK_OFF_S)
        return longest_s * chance
