"""A server's circuit: failures in a row, longer and longer ejections, and trials."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.balance.circuit import MAX_EJECTION_S, Circuit, CircuitState


def ejected(circuit: Circuit, now: float) -> float:
    """Eject a server, wait until that is over, let it pass its trial; return how long it took."""
    circuit.eject(now, 10.0)
    lasted_s = circuit.until_s - now
    circuit.look(circuit.until_s)
    circuit.succeeded()
    return lasted_s


class RecordTests(SynchronousTestCase):
    def test_in_a_row(self) -> None:
        """Enough failures in a row are too many; a success restarts the count."""
        circuit = Circuit(0.0)
        self.assertEqual([circuit.failed(3) for _ in range(2)], [False, False])
        circuit.succeeded()
        self.assertEqual([circuit.failed(3) for _ in range(3)], [False, False, True])

    def test_never(self) -> None:
        """Without a bound, no row is too long."""
        circuit = Circuit(0.0)
        self.assertFalse(any(circuit.failed(0) for _ in range(99)))

    def test_states(self) -> None:
        """The server is out until the time is over, then on trial, then in use."""
        circuit = Circuit(0.0)
        circuit.eject(5.0, 10.0)
        circuit.look(14.9)
        self.assertIs(circuit.state, CircuitState.OPEN)
        circuit.look(15.0)
        self.assertIs(circuit.state, CircuitState.HALF_OPEN)
        self.assertTrue(circuit.succeeded())
        self.assertIs(circuit.state, CircuitState.CLOSED)
        self.assertFalse(circuit.succeeded())

    def test_one_strike(self) -> None:
        """On trial, the first failure is too many."""
        circuit = Circuit(0.0)
        circuit.eject(0.0, 10.0)
        circuit.look(10.0)
        self.assertTrue(circuit.failed(5))

    def test_late_results(self) -> None:
        """Requests from before the ejection neither end nor repeat it."""
        circuit = Circuit(0.0)
        circuit.eject(0.0, 10.0)
        self.assertFalse(circuit.succeeded())
        self.assertFalse(any(circuit.failed(2) for _ in range(5)))
        self.assertEqual((circuit.state, circuit.until_s), (CircuitState.OPEN, 10.0))

    def test_longer_each_time(self) -> None:
        """10 s times how often it happened lately, and no more than the cap."""
        circuit = Circuit(0.0)
        now, lasted = 0.0, []
        for _ in range(40):
            lasted.append(ejected(circuit, now))
            now = circuit.until_s
        self.assertEqual(lasted[:4], [10.0, 20.0, 30.0, 40.0])
        self.assertEqual(set(lasted[29:]), {MAX_EJECTION_S})

    def test_forgiven(self) -> None:
        """Each 10 s of good service reduces the count by one."""
        circuit = Circuit(0.0)
        for _ in range(3):
            ejected(circuit, circuit.until_s)
        self.assertEqual(ejected(circuit, circuit.until_s + 20.0), 20.0)
        self.assertEqual(ejected(circuit, circuit.until_s + 1000.0), 10.0)

    def test_readmitted(self) -> None:
        """If there is no other server, it is used at once, with a new count."""
        circuit = Circuit(0.0)
        circuit.eject(0.0, 10.0)
        circuit.readmit()
        self.assertIs(circuit.state, CircuitState.CLOSED)
        self.assertFalse(circuit.failed(2))
