"""How fast a client sends or reads a body, and how long the gate has waited for it."""

from __future__ import annotations

NEVER = float("inf")

CONTENDED_RATE = 16 * 1024
"""A body below this many bytes per second counts as stalled once others wait for its connection.

A client with so much bandwidth for each connection could rather flood the network.
"""

CONTENDED_GRACE_S = 0.5
"""How long a body may stall before others may have its upstream connection."""


class RateMeter:
    """The progress of one body between a client and the gate, in one direction.

    Its clock runs only between `start` and `stop`, while the gate waits for the client. It keeps
    two measures, because a minimum rate and a fair share need different ones:

    - The waiting time, compared with all bytes that moved, gives the average rate. A client that
      has sent much may pause.
    - The stalled time is the waiting time, less the time that the bytes take at `CONTENDED_RATE`,
      and never below zero. Here earlier bytes don't allow a pause. They may have moved long ago,
      or only into a socket's buffer, while others need the connection now.

    The owner must count only the body's own bytes, without chunk extensions, padding and trailers.
    """

    __slots__ = ("_moved_bytes", "_since_s", "_stalled_s", "_waited_s")

    def __init__(self) -> None:
        self._moved_bytes = 0
        # When the clock was started, or NEVER.
        self._since_s = NEVER
        self._waited_s = 0.0
        self._stalled_s = 0.0

    @property
    def moved_bytes(self) -> int:
        """How many bytes of the body have moved."""
        return self._moved_bytes

    @property
    def runs(self) -> bool:
        """Whether the clock runs, because the gate waits for the client."""
        return self._since_s != NEVER

    def start(self, now: float) -> None:
        """Start the clock, unless it runs already."""
        if self._since_s == NEVER:
            self._since_s = now

    def stop(self, now: float) -> None:
        """Stop the clock, if it runs."""
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
        """Return when the body becomes too slow on average, if no more of it moves.

        Args:
            min_rate: The minimum in bytes per second; 0 for no bound.
            grace_s: How many seconds it may be behind the minimum.
            moved_bytes: A count to use instead of its own, if that is higher.

        Returns:
            A time in seconds; NEVER while the clock is stopped.
        """
        if not min_rate or self._since_s == NEVER:
            return NEVER
        earned_s = max(moved_bytes, self._moved_bytes) / min_rate
        return self._since_s + earned_s + grace_s - self._waited_s

    def stalled_s(self, now: float) -> float:
        """Return for how many seconds the body has stalled; 0 while the clock is stopped."""
        if self._since_s == NEVER:
            return 0.0
        return self._stalled_s + now - self._since_s

    def _settle(self, now: float) -> None:
        waited_s = now - self._since_s
        self._waited_s += waited_s
        self._stalled_s += waited_s
