"""Eject a server for a while if the requests sent to it fail.

There are three states, as in a circuit breaker: in use, ejected until a certain time, and then on
trial. A server on trial gets one request at a time, and the first one to end decides.
"""

from __future__ import annotations

from enum import Enum

MAX_EJECTION_S = 300.0
"""The longest time for which a server is ejected."""


class CircuitState(Enum):
    """The state of a server, as its requests have shown it."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Circuit:
    """The circuit breaker of one server.

    Args:
        now: The time in seconds.

    Attributes:
        state: The state.
        until_s: When the ejection ends; for a server in use, when its last ejection ended.
        failures: The number of requests in a row that failed.
    """

    __slots__ = ("_count", "failures", "state", "until_s")

    def __init__(self, now: float) -> None:
        self.state = CircuitState.CLOSED
        self.until_s = now
        self.failures = 0
        # The number of recent ejections.
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
            most: The number of failures in a row that eject a server; 0 for no limit.

        Returns:
            Whether the server should be ejected, if enough others are left.
        """
        self.failures += 1
        if self.state is CircuitState.HALF_OPEN:
            return True
        return self.state is CircuitState.CLOSED and 0 < most <= self.failures

    def eject(self, now: float, time_s: float) -> None:
        """Eject the server, for longer each time.

        For every `time_s` that a server is in use, one earlier ejection is forgotten. So a server
        that has been well for long starts from the beginning.

        Args:
            now: The time in seconds.
            time_s: The duration of the first ejection in seconds.
        """
        if self._count:
            well_s = max(now - self.until_s, 0.0)
            self._count = max(self._count - int(well_s / time_s), 0)
        self._count += 1
        self.failures = 0
        self.state = CircuitState.OPEN
        self.until_s = now + min(time_s * self._count, MAX_EJECTION_S)

    def look(self, now: float) -> None:
        """Start the trial of a server whose ejection is over."""
        if self.state is CircuitState.OPEN and now >= self.until_s:
            self.state = CircuitState.HALF_OPEN

    def readmit(self) -> None:
        """Use the server again without a trial."""
        self.state = CircuitState.CLOSED
        self.failures = 0
