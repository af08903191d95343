"""The connections of one listener: who has each, and whether any is left."""

from __future__ import annotations

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Limits
from corsgate.server.admission import Admission, Spare
from corsgate.server.connections import Connections
from corsgate.transport.deadlines import NEVER, Deadlines

HERE = IPv4Address("TCP", "192.0.2.1", 5000)


class Held:
    """What has a connection, and notes what it is told."""

    spare = Spare.NO

    def __init__(self) -> None:
        self.deadline_s = NEVER
        self.told: list[str] = []

    def shed(self) -> None:
        """Note it."""
        self.told.append("shed")

    def drain(self) -> None:
        """Note it."""
        self.told.append("drain")

    def rest(self) -> None:
        """Note it."""
        self.told.append("rest")

    def cut(self, outcome: str) -> None:
        """Note it."""
        self.told.append(outcome)


class ConnectionsTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Begin with a listener that takes one connection of each client."""
        self.clock = Clock()
        deadlines = Deadlines(self.clock)
        self.admission = Admission(deadlines, Limits(max_connections_per_client=1))
        self.connections = Connections(deadlines, self.admission)

    def connect(self) -> Held:
        """Return what has a new connection."""
        admitted = self.connections.admit(HERE)
        assert admitted is not None
        held = Held()
        self.connections.begin(held, admitted)
        self.connections.add(held)
        return held

    def test_place(self) -> None:
        """A connection has its client's place until it is gone."""
        held = self.connect()
        self.assertEqual(self.connections.client_of(held), "192.0.2.1")
        self.assertIsNone(self.connections.admit(HERE))
        self.connections.lost(held)
        self.assertIsNone(self.connections.client_of(held))
        self.assertEqual(self.admission.connections, 0)
        self.connect()

    def test_handed_over(self) -> None:
        """What takes a connection over has its place, and the one before has none."""
        before, after = self.connect(), Held()
        self.connections.hand_over(before, after)
        self.assertEqual(self.connections.channels, {after})
        self.connections.lost(before)
        self.assertEqual(self.admission.connections, 1)
        self.assertEqual(self.connections.client_of(after), "192.0.2.1")

    def test_drain(self) -> None:
        """Each is told, and the end is told once none is left."""
        held = self.connect()
        emptied = self.connections.drain()
        self.assertEqual(held.told, ["drain"])
        self.assertNoResult(emptied)
        self.connections.lost(held)
        self.successResultOf(emptied)
        self.successResultOf(self.connections.drain())

    def test_cut(self) -> None:
        """All are cut, with the reason."""
        held = self.connect()
        self.connections.cut("the end")
        self.assertEqual(held.told, ["the end"])

    def test_rest(self) -> None:
        """Those that there are rest from time to time; where there is none, nobody is woken."""
        held = self.connect()
        self.clock.pump([1.0] * 15)
        self.assertIn("rest", held.told)
        self.connections.lost(held)
        self.assertEqual(self.clock.getDelayedCalls(), [])
