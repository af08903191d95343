"""Idle connections give memory back, a part of them at a time."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.server.idle import PARTS, REST_S, Idle
from corsgate.transport.deadlines import SWEEP_INTERVAL_S, Deadlines

COUNT = 10 * PARTS


class Connection:
    """Counts how often it rests; hashes as if it lay at a regular distance from others."""

    def __init__(self, number: int) -> None:
        self.rests = 0
        self._hash = 100 * number

    def __hash__(self) -> int:
        return self._hash

    def rest(self) -> None:
        """Count."""
        self.rests += 1


class IdleTests(SynchronousTestCase):
    """Each connection has its turn."""

    def test_parts(self) -> None:
        """No sweep has more than its part to do, and after all of them each has rested once."""
        clock = Clock()
        connections = {Connection(number) for number in range(COUNT)}
        idle = Idle(Deadlines(clock), connections)
        idle.start()
        before = 0
        for _ in range(PARTS):
            clock.advance(SWEEP_INTERVAL_S)
            rested = sum(each.rests for each in connections)
            self.assertEqual(rested - before, COUNT // PARTS)
            before = rested
        self.assertEqual({each.rests for each in connections}, {1})
        idle.stop()
        clock.advance(REST_S)
        self.assertEqual({each.rests for each in connections}, {1})
        self.assertEqual(clock.getDelayedCalls(), [])
