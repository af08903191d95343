"""What connections look at from time to time: whether they can give memory back."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from corsgate.transport.deadlines import NEVER, SWEEP_INTERVAL_S, Deadlines

PARTS = 11
"""How many sweeps share out the connections: thousands that rest in a single one would hold up
requests. It is prime, since objects hash by their addresses, which lie at regular distances."""

REST_S = PARTS * SWEEP_INTERVAL_S
"""How often each connection rests. What it costs is that one head of each is parsed anew."""


class Resting(Protocol):
    """A client's connection."""

    def rest(self) -> None:
        """Forget what only makes the next request cheaper, unless one is under way."""


class Idle:
    """Has connections rest from time to time, as long as there are any.

    Args:
        deadlines: Calls this.
        connections: Those that there are.

    Attributes:
        deadline_s: For the deadlines.
    """

    def __init__(self, deadlines: Deadlines, connections: Collection[Resting]) -> None:
        self.deadline_s = NEVER
        self._deadlines = deadlines
        self._connections = connections
        self._part = 0

    def start(self) -> None:
        """Begin, if it has not begun."""
        if self.deadline_s == NEVER:
            # With each sweep.
            self.deadline_s = self._deadlines.now()
            self._deadlines.add(self)

    def stop(self) -> None:
        """End: there are no connections."""
        self.deadline_s = NEVER
        self._deadlines.discard(self)

    def timed_out(self) -> None:
        """Have the next part of the connections rest."""
        self._part = (self._part + 1) % PARTS
        # A connection stays in its part, whichever others come and go.
        for connection in [each for each in self._connections if hash(each) % PARTS == self._part]:
            connection.rest()
