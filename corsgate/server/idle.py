"""Have idle connections free memory from time to time."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from corsgate.transport.deadlines import NEVER, SWEEP_INTERVAL_S, Deadlines

PARTS = 11
"""Each sweep handles one of this many parts, because thousands of connections at once would delay
requests. It is prime, since objects hash by their addresses, which lie at regular distances."""

REST_S = PARTS * SWEEP_INTERVAL_S
"""The interval in seconds at which each connection rests. The cost is that its next head has to be
parsed in full."""


class Resting(Protocol):
    """A client's connection."""

    def rest(self) -> None:
        """Drop what would make the next request cheaper, unless one is in progress."""


class Idle:
    """Has connections rest from time to time, as long as there are any.

    Args:
        deadlines: Calls back for each part.
        connections: All connections.

    Attributes:
        deadline_s: When the next part is due, in seconds.
    """

    def __init__(self, deadlines: Deadlines, connections: Collection[Resting]) -> None:
        self.deadline_s = NEVER
        self._deadlines = deadlines
        self._connections = connections
        self._part = 0

    def start(self) -> None:
        """Start, unless already started."""
        if self.deadline_s == NEVER:
            # This is due in every sweep.
            self.deadline_s = self._deadlines.now()
            self._deadlines.add(self)

    def stop(self) -> None:
        """Stop, since there are no connections."""
        self.deadline_s = NEVER
        self._deadlines.discard(self)

    def timed_out(self) -> None:
        """Have the next part of the connections rest."""
        self._part = (self._part + 1) % PARTS
        # A connection stays in its part, regardless of the others.
        for connection in [each for each in self._connections if hash(each) % PARTS == self._part]:
            connection.rest()
