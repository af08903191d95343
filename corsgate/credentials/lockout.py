"""Decide when to send credentials again to a server that has rejected them.

Servers commonly lock an account after about five failed logins. So at most two requests at a time
are signed until the server has accepted one. After two rejections in a row, none is signed for some
time.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import attrs

MAX_REJECTIONS: Final = 2
"""How many rejections in a row start a block. Until a server accepts the credentials, the number of
requests in flight is limited to the rejections that are left."""

MAX_FAILURES: Final = 4
"""How many failures in a row start a block if some may have a reason other than wrong credentials,
such as a nonce that another request has used up."""

TRIAL_FAILURES: Final = 2
"""The same number, after a block."""

FIRST_BLOCK_S: Final = 5.0
MAX_BLOCK_S: Final = 300.0

SILENCE_S: Final = 1.0
"""After this time without a response, one more request may be sent, so that a slow response doesn't
delay all others. The time doubles with each, because some servers delay rejections on purpose."""

DOUBTFUL_SILENCE_S: Final = 5.0
"""The same time after a failure, or after a block, when one request tries the credentials again."""


@attrs.frozen(kw_only=True)
class Block:
    """A period in which no request to a server is signed.

    Attributes:
        left_s: How many seconds of it are left.
        rejections: How many rejections in a row there were.
    """

    left_s: float
    rejections: int


class Term:
    """A period of counting requests; it ends when a block starts or the server accepts a request.

    A request that ends in a later term than it started in no longer counts.
    """

    __slots__ = ()


@attrs.define(eq=False)
class Lockout:
    """The state of one server: how many requests with the credentials it may get now.

    Attributes:
        rejections: The number of rejections in a row.
        failures: The number of rejections and doubtful refusals in a row.
        under_way: How many requests of this term are in flight.
        term: The current term.
        block_s: The length of the current or last block in seconds; 0.0 if there was none since
            the server accepted the credentials.
        until_s: When that block ends, in seconds.
    """

    rejections: int = 0
    failures: int = 0
    under_way: int = 0
    term: Term = attrs.Factory(Term)
    block_s: float = 0.0
    until_s: float = 0.0
    # Since when there has been no response. How long that must last until one more request may be
    # sent. How many more are allowed because of it.
    _quiet_s: float = 0.0
    _wait_s: float = 0.0
    _more: int = 0
    # When the places of abandoned requests become free.
    _held: deque[float] = attrs.Factory(deque)

    def is_idle(self, now: float) -> bool:
        """Return whether there is no state to keep.

        Args:
            now: The time in seconds.
        """
        return not self.rejections and not self.failures and not self._taken(now)

    def left_s(self, now: float) -> float:
        """Return for how many more seconds no request may be signed; 0.0 without a block."""
        return max(self.until_s - now, 0.0) if self.block_s else 0.0

    def begin(self, now: float, *, at_once: bool = False) -> Term | None:
        """Start a request if one may be sent now; return its term, or None.

        Args:
            now: The time in seconds.
            at_once: Whether to ignore how many are in flight; a block still applies.
        """
        if self.left_s(now):
            return None
        taken = self._taken(now)
        if not taken:
            self._begin_silence(now, 0)
        elif taken >= self._limit and now - self._quiet_s >= self._wait_s:
            # Unused allowances don't accumulate.
            self._quiet_s, self._wait_s = now, 2 * self._wait_s
            self._more = min(self._more + 1, taken - self._limit + 1)
        if taken >= self._limit + self._more and not at_once:
            return None
        self.under_way += 1
        return self.term

    def next_s(self, now: float) -> float:
        """Return in how many seconds `begin` may succeed if no response arrives before."""
        left_s = self.left_s(now)
        if left_s:
            return left_s
        next_s = self._quiet_s + self._wait_s
        return max(min(next_s, *self._held) - now if self._held else next_s - now, 0.0)

    def accepted(self, term: Term) -> bool:
        """Record that the server accepted the credentials; return whether that counts.

        Args:
            term: The request's term. A late response to a request from before a block doesn't end
                the block.
        """
        if term is not self.term:
            return False
        self.reset()
        return True

    def rejected(self, term: Term | None, now: float) -> bool:
        """Record that the server rejected the credentials; return whether a block begins.

        Args:
            term: The request's term; None if it needed no `begin`, because the server had accepted
                the credentials before. Such a request was sent before any current block.
            now: The time in seconds.
        """
        if self.block_s if term is None else term is not self.term:
            return False
        self.rejections += 1
        return self._failed(term, now, is_over=self.rejections >= MAX_REJECTIONS)

    def has_room(self, now: float) -> bool:
        """Return whether `begin` would succeed if there were no block.

        Args:
            now: The time in seconds.
        """
        taken, is_silent = self._taken(now), now - self._quiet_s >= self._wait_s
        return not taken or taken < self._limit + self._more or is_silent

    def may_repeat(self, now: float) -> bool:
        """Return whether a request may be resent after the failure that is about to be recorded.

        Otherwise it must wait for the others in flight, since all of them might fail again.

        Args:
            now: The time in seconds.
        """
        return self._taken(now) <= MAX_FAILURES - self.failures - 1

    def doubted(self, term: Term, now: float, *, again: bool = False) -> bool:
        """Record a refusal that may have another reason; return whether a block begins.

        Args:
            term: The request's.
            now: The time in seconds.
            again: Whether the request is resent, and so stays in flight.
        """
        return term is self.term and self._failed(term, now, is_over=False, again=again)

    def _failed(self, term: Term | None, now: float, *, is_over: bool, again: bool = False) -> bool:
        """Count a failure; return whether a block starts."""
        self.failures += 1
        if again:
            self._responded(now)
        elif term is not None:
            self.ended(term, now)
        if not is_over and self.failures < MAX_FAILURES:
            return False
        self.rejections = max(self.rejections, MAX_REJECTIONS)
        # Allow the trial after the block a second failure, since its nonce may have expired.
        self.failures = MAX_FAILURES - TRIAL_FAILURES
        self.block_s = min(self.block_s * 2 or FIRST_BLOCK_S, MAX_BLOCK_S)
        self.until_s = now + self.block_s
        self._begin_term()
        return True

    def ended(self, term: Term, now: float) -> None:
        """Record that a request didn't reach the server, or got a response without a verdict.

        Args:
            term: The request's.
            now: The time in seconds.
        """
        if term is self.term:
            self.under_way -= 1
            self._responded(now)

    def given_up(self, term: Term, now: float) -> None:
        """Record that no one waits for the response to a request any longer.

        The server may still reject it, so its place stays taken for a while. Otherwise many clients
        that leave or time out would let in the same number of others.

        Args:
            term: The request's.
            now: The time in seconds.
        """
        if term is self.term:
            self.under_way -= 1
            self._held.append(now + self._silence_s)

    def reset(self) -> None:
        """Reset the state, as if the server were new."""
        self.rejections = self.failures = 0
        self.block_s = 0.0
        self._begin_term()

    def _responded(self, now: float) -> None:
        self._begin_silence(now, max(0, self._taken(now) - self._limit))

    def _begin_silence(self, now: float, more: int) -> None:
        self._quiet_s, self._wait_s, self._more = now, self._silence_s, more

    def _begin_term(self) -> None:
        self.term = Term()
        self.under_way = 0
        self._held.clear()

    def _taken(self, now: float) -> int:
        """Return how many places are taken, including those of abandoned requests."""
        while self._held and self._held[0] <= now:
            self._held.popleft()
        return self.under_way + len(self._held)

    @property
    def _limit(self) -> int:
        """How many requests may be in flight: the number that may still fail, but at least one."""
        return max(min(MAX_REJECTIONS - self.rejections, MAX_FAILURES - self.failures), 1)

    @property
    def _silence_s(self) -> float:
        return DOUBTFUL_SILENCE_S if self.block_s or self.failures else SILENCE_S
