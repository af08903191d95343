"""How fast a client moves a body, and for how long the gate has had to wait for that."""

from __future__ import annotations

NEVER = float("inf")

CONTENDED_RATE = 16 * 1024
"""The bytes per second below which a body counts as stalled once others wait for its upstream
connection. A client that pays for this much bandwidth per connection floods the network instead."""

CONTENDED_GRACE_S = 0.5
"""How long a body may stall before others may have its upstream connection."""


class RateMeter:
    """One body's way between a client and the gate, in one direction.

    Its clock runs only between `start` and `stop`: while it is the client's turn. It keeps two
    measures, since a minimum rate and a fair share ask different things:

    - the time waited against all bytes that moved, for a minimum average rate. A client that has
      sent much has earned a pause;
    - the time stalled: what was waited, less what the bytes take at `CONTENDED_RATE`, and never
      less than zero. Nothing is earned here: bytes moved long ago, perhaps only into a socket's
      buffer, don't entitle a client to keep a connection that others need.

    Only a body's own bytes count, which is for its owner to see to: neither chunk extensions,
    padding nor trailers.
    """

    __slots__ = ("_moved_bytes", "_since_s", "_stalled_s", "_waited_s")

    def __init__(self) -> None:
        self._moved_bytes = 0
        # Since when the clock runs, or NEVER.
        self._since_s = NEVER
        self._waited_s = 0.0
        self._stalled_s = 0.0

    @property
    def moved_bytes(self) -> int:
        """How many bytes of the body have moved."""
        return self._moved_bytes

    @property
    def runs(self) -> bool:
        """Whether it is the client's turn."""
        return self._since_s != NEVER

    def start(self, now: float) -> None:
        """Let the clock run from now on; again changes nothing."""
        if self._since_s == NEVER:
            self._since_s = now

    def stop(self, now: float) -> None:
        """Stop the clock; again changes nothing."""
        if self._since_s != NEVER:
            self._settle(now)
            self._since_s = NEVER

    def progress(self, total_bytes: int, now: float) -> bool:
        """Record how many bytes have moved since the body began; return whether any are new."""
        size = total_bytes - self._moved_bytes
        if size <= 0:
            return False
        if self._since_s != NEVER:
            self._settle(now)
            self._since_s = now
        self._moved_bytes = total_bytes
        self._stalled_s = max(0.0, self._stalled_s - size / CONTENDED_RATE)
        return True

    def due_s(self, min_rate: int, grace_s: float, moved_bytes: int = 0) -> float:
        """Return when the body will have been too slow on average, if no more of it moves.

        Args:
            min_rate: The least bytes per second; 0 for no bound.
            grace_s: How many seconds it may be behind that.
            moved_bytes: What counts instead of its own bytes, if that is more.

        Returns:
            A time in seconds; NEVER while the clock stands still.
        """
        if not min_rate or self._since_s == NEVER:
            return NEVER
        earned_s = max(moved_bytes, self._moved_bytes) / min_rate
        return self._since_s + earned_s + grace_s - self._waited_s

    def stalled_s(self, now: float) -> float:
        """Return for how many seconds the body has stalled; 0 while the clock stands still."""
        if self._since_s == NEVER:
            return 0.0
        return self._stalled_s + now - self._since_s

    def _settle(self, now: float) -> None:
        waited_s = now - self._since_s
        self._waited_s += waited_s
        self._stalled_s += waited_s
