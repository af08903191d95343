"""Decide when a server that rejects the gate's credentials may be sent them again.

Servers lock an account after some five failed logins. So requests are signed one or two at a time
until the server has accepted one, and not at all for some time after two rejections in a row.
"""

from __future__ import annotations

from typing import Final

import attrs

MAX_REJECTIONS: Final = 2
"""How many rejections in a row start a block. Until a server accepts, as many requests may be under
way as it may still reject."""

FIRST_BLOCK_S: Final = 5.0
MAX_BLOCK_S: Final = 300.0

SILENCE_S: Final = 1.0
"""After this time without an answer one more request may be sent, so that a slow one doesn't hold
up all others."""

TRIAL_SILENCE_S: Final = 5.0
"""The same after a block, when a single request tries the credentials again."""


@attrs.frozen
class Turn:
    """One request that is under way with the credentials.

    Attributes:
        term: The lockout's term in which it began; what ends in a later one no longer counts.
    """

    term: int


@attrs.define(eq=False)
class Lockout:
    """What one server's verdicts allow. It is told the time, in seconds.

    Attributes:
        rejections: How many rejections came in a row.
        under_way: How many requests of this term are under way.
        term: How often a block has begun, or the count has started anew.
        block_s: How long the last block was or is; 0.0 if there was none since the server
            accepted the credentials.
        until_s: When that block ends.
    """

    rejections: int = 0
    under_way: int = 0
    term: int = 0
    block_s: float = 0.0
    until_s: float = 0.0
    # Since when no request has been answered, and how many more may run for that.
    _quiet_s: float = 0.0
    _more: int = 0

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to remember."""
        return not self.rejections and not self.under_way

    def left_s(self, now: float) -> float:
        """Return for how many more seconds nothing may be signed; 0.0 if it may."""
        return max(self.until_s - now, 0.0) if self.block_s else 0.0

    def begin(self, now: float) -> Turn | None:
        """Begin a request, if one may be sent now; else return None.

        Args:
            now: The time in seconds.
        """
        if self.left_s(now):
            return None
        if not self.under_way:
            self._quiet_s, self._more = now, 0
        elif self.under_way >= self._limit:
            # Each silent interval allows one more, but what was not used is not saved up.
            steps = int((now - self._quiet_s) / self._silence_s)
            self._quiet_s += steps * self._silence_s
            self._more = min(self._more + steps, self.under_way - self._limit + 1)
        if self.under_way >= self._limit + self._more:
            return None
        self.under_way += 1
        return Turn(self.term)

    def next_s(self, now: float) -> float:
        """Return in how many seconds `begin` may succeed if no request is answered before."""
        left_s = self.left_s(now)
        return left_s or max(self._quiet_s + self._silence_s - now, 0.0)

    def accepted(self, turn: Turn) -> bool:
        """Record that the server accepted the credentials; return whether that counts.

        Args:
            turn: The request's. A late response to one from before a block doesn't end the block.
        """
        if turn.term != self.term:
            return False
        self.reset()
        return True

    def rejected(self, turn: Turn, now: float) -> bool:
        """Record that the server rejected the credentials; return whether a block begins.

        Args:
            turn: The request's.
            now: The time in seconds.
        """
        if turn.term != self.term:
            return False
        self.rejections += 1
        self.ended(turn, now)
        if self.rejections < MAX_REJECTIONS:
            return False
        self.block_s = min(self.block_s * 2 or FIRST_BLOCK_S, MAX_BLOCK_S)
        self.until_s = now + self.block_s
        self.term += 1
        self.under_way = 0
        return True

    def ended(self, turn: Turn, now: float) -> None:
        """Record that a request ended without a verdict.

        Args:
            turn: The request's.
            now: The time in seconds.
        """
        if turn.term == self.term:
            self.under_way -= 1
            self._quiet_s = now
            self._more = max(0, self.under_way - self._limit)

    def reset(self) -> None:
        """Start anew, as if nothing were known of the server."""
        self.rejections = self.under_way = 0
        self.block_s = 0.0
        self.term += 1

    @property
    def _limit(self) -> int:
        """How many requests may be under way at once: as many as may be rejected, at least one."""
        return max(MAX_REJECTIONS - self.rejections, 1)

    @property
    def _silence_s(self) -> float:
        return TRIAL_SILENCE_S if self.block_s else SILENCE_S
