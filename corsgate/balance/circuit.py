"""Whether a server is left out for a while, by how the requests sent to it end.

Three states, as of a circuit breaker: in use; ejected until a time; on trial after that, with
one request at a time, of which the first to end decides.
"""

from __future__ import annotations

from enum import Enum

MAX_EJECTION_S = 300.0
"""A server is ejected for this at most, however often it was before."""


class CircuitState(Enum):
    """What a server's requests say of it."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Circuit:
    """How the requests sent to one server ended, as far as it still counts.

    Args:
        now: The time in seconds.

    Attributes:
        state: The state.
        until_s: When an ejection ends; of a server that is in use, when the last one did.
        failures: How many requests in a row failed.
    """

    __slots__ = ("_count", "failures", "state", "until_s")

    def __init__(self, now: float) -> None:
        self.state = CircuitState.CLOSED
        self.until_s = now
        self.failures = 0
        # How often it was ejected lately.
        self._count = 0

    def succeeded(self) -> bool:
        """Record that a request was served; return whether that ended a trial."""
        self.failures = 0
        if self.state is not CircuitState.HALF_OPEN:
            return False
        self.state = CircuitState.CLOSED
        return True

    def failed(self, most: int) -> bool:
        """Record that a request failed.

        Args:
            most: So many failures in a row are too many; 0 for no bound.

        Returns:
            Whether the server is to be ejected, if others can do without it.
        """
        self.failures += 1
        if self.state is CircuitState.HALF_OPEN:
            return True
        return self.state is CircuitState.CLOSED and 0 < most <= self.failures

    def eject(self, now: float, time_s: float) -> None:
        """Leave the server out, for longer the more often that happens.

        Each time counts for as long as `time_s` after the server came back: one that is well
        for long starts anew.

        Args:
            now: The time in seconds.
            time_s: How long for the first time.
        """
        if self._count:
            well_s = max(now - self.until_s, 0.0)
            self._count = max(self._count - int(well_s / time_s), 0)
        self._count += 1
        self.failures = 0
        self.state = CircuitState.OPEN
        self.until_s = now + min(time_s * self._count, MAX_EJECTION_S)

    def look(self, now: float) -> None:
        """Begin the trial of a server whose ejection is over."""
        if self.state is CircuitState.OPEN and now >= self.until_s:
            self.state = CircuitState.HALF_OPEN

    def readmit(self) -> None:
        """Use the server at once, since there is no other."""
        self.state = CircuitState.CLOSED
        self.failures = 0
