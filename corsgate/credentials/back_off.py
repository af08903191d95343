"""How long to wait after failures: doubling, up to a bound."""

from __future__ import annotations

import attrs


@attrs.define(kw_only=True, eq=False)
class BackOff:
    """Counts failures in a row, and says until when nothing should be tried.

    Attributes:
        first_s: The first pause in seconds.
        most_s: The longest pause in seconds.
        free: How many failures in a row cause no pause.
        failures: How many failures in a row there were.
        until_s: When the pause ends, in seconds of the clock of `failed`.
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
            at_least_s: A pause that the other side asks for; no more than `most_s` of it counts.
        """
        self.failures += 1
        doubled = self.failures - self.free - 1
        # The exponent is bounded: a float overflows past 1023.
        pause_s = 0.0 if doubled < 0 else self.first_s * 2.0 ** min(doubled, 30)
        pause_s = min(max(pause_s, at_least_s), self.most_s)
        self.until_s = now_s + pause_s
        return pause_s

    def failed_together(self, now_s: float) -> bool:
        """Record a failure unless there is a pause, since of many at once only one counts.

        Args:
            now_s: The time in seconds.

        Returns:
            Whether it counts.
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
