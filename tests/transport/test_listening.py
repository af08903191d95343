"""Listening sockets: how many connections are accepted in a row, and how they are closed."""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import Factory
from twisted.internet.tcp import Port
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.endpoint import DEFAULT_BACKLOG
from corsgate.transport.listening import (
    ACCEPT_PAUSE_S,
    ACCEPTS_PER_TURN,
    accept_queued,
    stop_listening,
    tend,
)


class QueuePort(Port):
    """A port without a socket, in whose queue connections wait.

    Args:
        reactor: Where it is read.
        queued: How many wait.

    Attributes:
        accepts: How many were accepted by each call.
        complains: Whether it logs a line when it accepts.
    """

    def __init__(self, reactor: Any, queued: int = 0) -> None:
        super().__init__(0, Factory(), reactor=reactor)
        self.connected = True
        self.numberAccepts = 100
        self.queued = queued
        self.accepts: list[int] = []
        self.complains = False
        self.stopped = False

    def doRead(self) -> None:
        """Accept as many as may be in a row."""
        taken = min(self.numberAccepts, self.queued)
        self.queued -= taken
        self.sessionno += taken
        self.accepts.append(taken)
        # As Twisted does, it wants more at once where it has taken all that it may.
        self.numberAccepts = 100
        if self.complains:
            port: Any = self
            port._logger.error("no descriptor")

    def stopListening(self, connDone: Any = None) -> None:
        """Note it."""
        self.stopped = True


class TendedTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Begin with a port that is tended."""
        self.reactor = MemoryReactorClock()
        self.port = QueuePort(self.reactor, 50)
        self.shortages = 0
        tend(self.port, self.reactor, self.short)
        self.port.startReading()

    def short(self) -> None:
        """Count."""
        self.shortages += 1

    @property
    def reading(self) -> bool:
        """Whether the port accepts connections."""
        return self.port in self.reactor.readers

    def test_few_in_a_row(self) -> None:
        """However many wait, few are accepted at a time."""
        for _ in range(4):
            self.port.doRead()
        self.assertEqual(self.port.accepts, [16, 16, 16, 2])
        self.assertEqual((ACCEPTS_PER_TURN, self.shortages, self.reading), (16, 0, True))

    def test_short_of_descriptors(self) -> None:
        """Where Twisted complains, nothing is accepted for a while, and somebody is told."""
        self.port.complains = True
        self.port.doRead()
        self.assertEqual((self.shortages, self.reading), (1, False))
        self.port.complains = False
        self.reactor.advance(ACCEPT_PAUSE_S)
        self.assertTrue(self.reading)
        self.port.doRead()
        self.assertEqual((self.shortages, self.reading), (1, True))

    def test_closed_meanwhile(self) -> None:
        """A port that was closed meanwhile is not read again."""
        self.port.complains = True
        self.port.doRead()
        self.port.connected = False
        self.reactor.advance(ACCEPT_PAUSE_S)
        self.assertFalse(self.reading)

    def test_others(self) -> None:
        """A port of another kind is left as it is."""
        other = object()
        tend(other, self.reactor, self.short)
        accept_queued(other)


class StopTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Begin without a port."""
        self.reactor = MemoryReactorClock()

    def test_queue_is_accepted(self) -> None:
        """What waits in the queue is accepted when a socket is closed."""
        port = QueuePort(self.reactor, 250)
        self.successResultOf(stop_listening(port, self.reactor, handed_over=False))
        self.reactor.advance(0)
        self.assertEqual((port.queued, port.stopped), (0, True))

    def test_handed_over(self) -> None:
        """The queue of a socket that was handed over is left to the next process."""
        port = QueuePort(self.reactor, 5)
        self.successResultOf(stop_listening(port, self.reactor, handed_over=True))
        self.reactor.advance(0)
        self.assertEqual((port.queued, port.stopped), (5, True))

    def test_no_end(self) -> None:
        """Where more come as fast as they are accepted, that ends too."""
        port = QueuePort(self.reactor, 10 * DEFAULT_BACKLOG)
        accept_queued(port)
        taken = sum(port.accepts)
        self.assertTrue(DEFAULT_BACKLOG < taken < DEFAULT_BACKLOG + 200, taken)
