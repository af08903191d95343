"""Decide when a server that rejects the gate's credentials may be sent them again.

Servers lock an account after some five failed logins. So requests are signed one or two at a time
until the server has accepted one, and not at all for some time after two rejections in a row.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import attrs

MAX_REJECTIONS: Final = 2
"""How many rejections in a row start a block. Until a server accepts, as many requests may be under
way as it may still reject."""

MAX_FAILURES: Final = 4
"""How many failures in a row start a block if some of them may have had another reason than wrong
credentials, such as a nonce that another request has used up."""

TRIAL_FAILURES: Final = 2
"""The same after a block."""

FIRST_BLOCK_S: Final = 5.0
MAX_BLOCK_S: Final = 300.0

SILENCE_S: Final = 1.0
"""After this time without a response one more request may be sent, so that a slow one doesn't hold
up all others. It doubles with each, since some servers delay rejections on purpose."""

DOUBTFUL_SILENCE_S: Final = 5.0
"""The same after a failure, or after a block, when a single request tries the credentials again."""


@attrs.frozen(kw_only=True)
class Block:
    """A time in which nothing is signed for a server.

    Attributes:
        left_s: For how many more seconds.
        rejections: How many rejections came in a row.
    """

    left_s: float
    rejections: int


class Term:
    """A time in which requests are counted: until a block begins, or the server accepts one.

    What ends in a later term than it began in no longer counts.
    """

    __slots__ = ()


@attrs.define(eq=False)
class Lockout:
    """What one server's verdicts allow. Its methods get the time, in seconds.

    Attributes:
        rejections: How many rejections came in a row.
        failures: How many rejections and doubtful refusals came in a row.
        under_way: How many requests of this term are under way.
        term: The current one.
        block_s: How long the last block was or is; 0.0 if there was none since the server
            accepted the credentials.
        until_s: When that block ends.
    """

    rejections: int = 0
    failures: int = 0
    under_way: int = 0
    term: Term = attrs.Factory(Term)
    block_s: float = 0.0
    until_s: float = 0.0
    # Since when there was no response, for how long there has to be none for another request, and
    # how many more may run for that.
    _quiet_s: float = 0.0
    _wait_s: float = 0.0
    _more: int = 0
    # Until when the places of requests that were given up stay taken.
    _held: deque[float] = attrs.Factory(deque)

    def is_idle(self, now: float) -> bool:
        """Return whether there is nothing to remember.

        Args:
            now: The time in seconds.
        """
        return not self.rejections and not self.failures and not self._taken(now)

    def left_s(self, now: float) -> float:
        """Return for how many more seconds nothing may be signed; 0.0 if it may."""
        return max(self.until_s - now, 0.0) if self.block_s else 0.0

    def begin(self, now: float, *, at_once: bool = False) -> Term | None:
        """Begin a request, if one may be sent now; return its term, else None.

        Args:
            now: The time in seconds.
            at_once: Whether it may be sent however many are under way, unless there is a block.
        """
        if self.left_s(now):
            return None
        taken = self._taken(now)
        if not taken:
            self._begin_silence(now, 0)
        elif taken >= self._limit and now - self._quiet_s >= self._wait_s:
            # What was not used is not saved up.
            self._quiet_s, self._wait_s = now, 2 * self._wait_s
            self._more = min(self._more + 1, taken - self._limit + 1)
        if taken >= self._limit + self._more and not at_once:
            return None
        self.under_way += 1
        return self.term

    def next_s(self, now: float) -> float:
        """Return in how many seconds `begin` may succeed if no request is answered before."""
        left_s = self.left_s(now)
        if left_s:
            return left_s
        next_s = self._quiet_s + self._wait_s
        return max(min(next_s, *self._held) - now if self._held else next_s - now, 0.0)

    def accepted(self, term: Term) -> bool:
        """Record that the server accepted the credentials; return whether that counts.

        Args:
            term: The request's. A late response to one from before a block doesn't end the block.
        """
        if term is not self.term:
            return False
        self.reset()
        return True

    def rejected(self, term: Term | None, now: float) -> bool:
        """Record that the server rejected the credentials; return whether a block begins.

        Args:
            term: The request's; None for one that needed no `begin`, since the server had accepted
                the credentials before. It began before a block, if there is one.
            now: The time in seconds.
        """
        if self.block_s if term is None else term is not self.term:
            return False
        self.rejections += 1
        return self._failed(term, now, is_over=self.rejections >= MAX_REJECTIONS)

    def has_room(self, now: float) -> bool:
        """Return whether `begin` would succeed, were there no block.

        Args:
            now: The time in seconds.
        """
        taken, is_silent = self._taken(now), now - self._quiet_s >= self._wait_s
        return not taken or taken < self._limit + self._more or is_silent

    def may_repeat(self, now: float) -> bool:
        """Return whether a request may be sent once more after the failure that it is about to be.

        Otherwise it has to wait for others that are: all might fail again.

        Args:
            now: The time in seconds.
        """
        return self._taken(now) <= MAX_FAILURES - self.failures - 1

    def doubted(self, term: Term, now: float, *, again: bool = False) -> bool:
        """Record a refusal that may have another reason; return whether a block begins.

        Args:
            term: The request's.
            now: The time in seconds.
            again: Whether it is sent once more, and so stays under way.
        """
        return term is self.term and self._failed(term, now, is_over=False, again=again)

    def _failed(self, term: Term | None, now: float, *, is_over: bool, again: bool = False) -> bool:
        """Count a failure, which may be one too many; return whether a block begins."""
        self.failures += 1
        if again:
            self._responded(now)
        elif term is not None:
            self.ended(term, now)
        if not is_over and self.failures < MAX_FAILURES:
            return False
        self.rejections = max(self.rejections, MAX_REJECTIONS)
        # After the block, the nonce of the trial may have expired.
        self.failures = MAX_FAILURES - TRIAL_FAILURES
        self.block_s = min(self.block_s * 2 or FIRST_BLOCK_S, MAX_BLOCK_S)
        self.until_s = now + self.block_s
        self._begin_term()
        return True

    def ended(self, term: Term, now: float) -> None:
        """Record that a request never reached the server, or got a response without a verdict.

        Args:
            term: The request's.
            now: The time in seconds.
        """
        if term is self.term:
            self.under_way -= 1
            self._responded(now)

    def given_up(self, term: Term, now: float) -> None:
        """Record that nobody waits for the response to a request any more.

        The server may reject it yet. So its place stays taken for a while, and many clients that
        leave, or whose time is over, make no room for as many others.

        Args:
            term: The request's.
            now: The time in seconds.
        """
        if term is self.term:
            self.under_way -= 1
            self._held.append(now + self._silence_s)

    def reset(self) -> None:
        """Start anew, as if nothing were known of the server."""
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
        """Return how many places are taken."""
        while self._held and self._held[0] <= now:
            self._held.popleft()
        return self.under_way + len(self._held)

    @property
    def _limit(self) -> int:
        """How many requests may be under way at once: as many as may be rejected, at least one."""
        return max(min(MAX_REJECTIONS - self.rejections, MAX_FAILURES - self.failures), 1)

    @property
    def _silence_s(self) -> float:
        return DOUBTFUL_SILENCE_S if self.block_s or self.failures else SILENCE_S
