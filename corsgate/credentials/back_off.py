"""Pauses after failures, which double up to a maximum."""

from __future__ import annotations

import attrs


@attrs.define(kw_only=True, eq=False)
class BackOff:
    """Counts consecutive failures, and computes the pause after them.

    Attributes:
        first_s: The first pause in seconds.
        most_s: The longest pause in seconds.
        free: How many consecutive failures cause no pause.
        failures: The number of consecutive failures so far.
        until_s: When the pause ends, in seconds of the clock that `failed` is called with.
    """

    first_s: float
    most_s: float
    free: int = 0
    failures: int = attrs.field(default=0, init=False)
    until_s: float = attrs.field(default=0.0, init=False)

    def failed(self, now_s: float, at_least_s: float = 0.0) -> float:
        """Record a failure, and return the pause in seconds.

        Args:
            now_s: The time in seconds.
            at_least_s: The pause that the server asks for in seconds, which `most_s` limits.
        """
        self.failures += 1
        doubled = self.failures - self.free - 1
        # Limit the exponent: a float overflows above 1023.
        pause_s = 0.0 if doubled < 0 else self.first_s * 2.0 ** min(doubled, 30)
        pause_s = min(max(pause_s, at_least_s), self.most_s)
        self.until_s = now_s + pause_s
        return pause_s

    def failed_together(self, now_s: float) -> bool:
        """Record a failure, except during a pause: of many failures at the same time, one counts.

        Args:
            now_s: The time in seconds.

        Returns:
            Whether the failure was counted.
        """
        counts = not self.left_s(now_s)
        if counts:
            self.failed(now_s)
        return counts

    def succeeded(self) -> None:
        """Forget the failures, and end the pause."""
        self.failures, self.until_s = 0, 0.0

    def left_s(self, now_s: float) -> float:
        """Return how many seconds of the pause are left; 0 if there is none."""
        return max(self.until_s - now_s, 0.0) if self.failures else 0.0
