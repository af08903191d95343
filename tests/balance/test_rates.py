"""How fast a client moves a body, by cases and by random events."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.balance.rates import CONTENDED_RATE, NEVER, RateMeter

EVENTS = ("start", "stop", "move", "wait")


class RateTests(SynchronousTestCase):
    def test_nothing_moves(self) -> None:
        """Without progress a body is due after the grace, and stalls from the start."""
        meter = RateMeter()
        meter.start(10.0)
        self.assertEqual(meter.due_s(240, 5.0), 15.0)
        self.assertEqual(meter.stalled_s(13.0), 3.0)

    def test_not_its_turn(self) -> None:
        """While the clock is stopped, nothing is due and nothing stalls."""
        meter = RateMeter()
        self.assertEqual((meter.due_s(240, 5.0), meter.stalled_s(9.0)), (NEVER, 0.0))
        meter.start(0.0)
        meter.stop(4.0)
        meter.stop(9.0)
        self.assertEqual((meter.due_s(240, 5.0), meter.stalled_s(99.0)), (NEVER, 0.0))
        meter.start(100.0)
        meter.start(100.5)
        self.assertEqual((meter.due_s(240, 5.0), meter.stalled_s(100.5)), (101.0, 4.5))

    def test_earned(self) -> None:
        """Each byte earns its time at the minimum rate, also bytes counted elsewhere."""
        meter = RateMeter()
        meter.start(0.0)
        self.assertTrue(meter.progress(240, 1.0))
        self.assertEqual(meter.due_s(240, 5.0), 6.0)
        self.assertEqual(meter.due_s(240, 5.0, 480), 7.0)
        self.assertEqual(meter.due_s(240, 5.0, 100), 6.0)
        self.assertEqual(meter.due_s(0, 5.0), NEVER)

    def test_no_progress(self) -> None:
        """The same number again is no progress."""
        meter = RateMeter()
        meter.start(0.0)
        self.assertEqual([meter.progress(size, 1.0) for size in (0, 5, 5, 4, 6)], [0, 1, 0, 0, 1])
        self.assertEqual(meter.moved_bytes, 6)

    def test_stalls_anew(self) -> None:
        """A body stalls as soon as it stops moving, no matter how much has moved."""
        meter = RateMeter()
        meter.start(0.0)
        meter.progress(100 * CONTENDED_RATE, 2.0)
        self.assertEqual(meter.stalled_s(5.0), 3.0)

    def test_drips(self) -> None:
        """Single bytes make almost no difference."""
        meter = RateMeter()
        meter.start(0.0)
        for second in range(100):
            meter.progress(second, float(second))
        self.assertGreater(meter.stalled_s(100.0), 99.0)

    @given(st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(1, 99))))
    def test_any_course(self, course: list[tuple[str, int]]) -> None:
        """It never stalls longer than the waiting time, and moving more is never worse."""
        meter, now, moved, waited, runs = RateMeter(), 0.0, 0, 0.0, False
        for event, amount in course:
            before = meter.stalled_s(now)
            due_s = meter.due_s(10, 5.0)
            if event == "start":
                meter.start(now)
                runs = True
            elif event == "stop":
                meter.stop(now)
                runs = False
            elif event == "wait":
                now += amount
                waited += amount * runs
            else:
                moved += amount * 1000
                self.assertTrue(meter.progress(moved, now))
                self.assertLessEqual(meter.stalled_s(now), before)
                self.assertGreaterEqual(meter.due_s(10, 5.0), due_s)
            self.assertEqual(meter.runs, runs)
            self.assertTrue(0 <= meter.stalled_s(now) <= waited)
            if runs:
                self.assertAlmostEqual(meter.due_s(10, 5.0) - now, 5 + moved / 10 - waited)
