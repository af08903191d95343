"""A server's record: failures in a row, ejections that get longer, and trials."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.balance.circuit import MAX_EJECTION_S, Record, Use


def ejected(record: Record, now: float) -> float:
    """Eject a server, wait until that is over, let it pass its trial; answer how long it took."""
    record.eject(now, 10.0)
    lasted_s = record.until_s - now
    record.look(record.until_s)
    record.succeeded()
    return lasted_s


class RecordTests(SynchronousTestCase):
    def test_in_a_row(self) -> None:
        """So many failures in a row are too many; a success starts the row anew."""
        record = Record(0.0)
        self.assertEqual([record.failed(3) for _ in range(2)], [False, False])
        record.succeeded()
        self.assertEqual([record.failed(3) for _ in range(3)], [False, False, True])

    def test_never(self) -> None:
        """Without a bound, no row is too long."""
        record = Record(0.0)
        self.assertFalse(any(record.failed(0) for _ in range(99)))

    def test_states(self) -> None:
        """Out until the time is over, then on trial, then in use."""
        record = Record(0.0)
        record.eject(5.0, 10.0)
        record.look(14.9)
        self.assertIs(record.use, Use.EJECTED)
        record.look(15.0)
        self.assertIs(record.use, Use.TRIAL)
        self.assertTrue(record.succeeded())
        self.assertIs(record.use, Use.IN)
        self.assertFalse(record.succeeded())

    def test_one_strike(self) -> None:
        """On trial, the first failure is too many."""
        record = Record(0.0)
        record.eject(0.0, 10.0)
        record.look(10.0)
        self.assertTrue(record.failed(5))

    def test_late_results(self) -> None:
        """What was sent before the ejection neither ends nor repeats it."""
        record = Record(0.0)
        record.eject(0.0, 10.0)
        self.assertFalse(record.succeeded())
        self.assertFalse(any(record.failed(2) for _ in range(5)))
        self.assertEqual((record.use, record.until_s), (Use.EJECTED, 10.0))

    def test_longer_each_time(self) -> None:
        """10 s times how often it happened lately, and no more than the cap."""
        record = Record(0.0)
        now, lasted = 0.0, []
        for _ in range(40):
            lasted.append(ejected(record, now))
            now = record.until_s
        self.assertEqual(lasted[:4], [10.0, 20.0, 30.0, 40.0])
        self.assertEqual(set(lasted[29:]), {MAX_EJECTION_S})

    def test_forgiven(self) -> None:
        """Each 10 s of good service make it one fewer."""
        record = Record(0.0)
        for _ in range(3):
            ejected(record, record.until_s)
        self.assertEqual(ejected(record, record.until_s + 20.0), 20.0)
        self.assertEqual(ejected(record, record.until_s + 1000.0), 10.0)

    def test_readmitted(self) -> None:
        """Where there is no other, it is used at once, with a clean row."""
        record = Record(0.0)
        record.eject(0.0, 10.0)
        record.readmit()
        self.assertIs(record.use, Use.IN)
        self.assertFalse(record.failed(2))
