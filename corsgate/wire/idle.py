"""What connections look at from time to time: whether they can give memory back."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from corsgate.wire.sweeper import NEVER, Sweeper

REST_S = 10.0
"""How often idle connections forget. What it costs is that one head of each is parsed anew."""


class Resting(Protocol):
    """A client's connection."""

    def rest(self) -> None:
        """Forget what only makes the next request cheaper, unless one is under way."""


class Idle:
    """Has connections rest from time to time, as long as there are any.

    Args:
        sweeper: Calls this.
        connections: Those that there are.

    Attributes:
        deadline_s: For the sweeper.
    """

    def __init__(self, sweeper: Sweeper, connections: Collection[Resting]) -> None:
        self.deadline_s = NEVER
        self._sweeper = sweeper
        self._connections = connections

    def start(self) -> None:
        """Begin, if it has not begun."""
        if self.deadline_s == NEVER:
            self.deadline_s = self._sweeper.now() + REST_S
            self._sweeper.add(self)

    def stop(self) -> None:
        """End: there are no connections."""
        self.deadline_s = NEVER
        self._sweeper.discard(self)

    def timed_out(self) -> None:
        """Have all connections rest."""
        self.deadline_s = self._sweeper.now() + REST_S
        for connection in list(self._connections):
            connection.rest()
