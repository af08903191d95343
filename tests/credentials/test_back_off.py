"""Tests of `corsgate.credentials.back_off`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.credentials.back_off import BackOff


class BackOffTests(SynchronousTestCase):
    def test_doubles_to_a_bound(self) -> None:
        """Each pause is twice as long as the one before, up to the longest."""
        back_off = BackOff(first_s=5.0, most_s=300.0)
        pauses = [back_off.failed(100.0) for _ in range(9)]
        self.assertEqual(pauses, [5, 10, 20, 40, 80, 160, 300, 300, 300])
        self.assertEqual(back_off.left_s(150.0), 250.0)
        self.assertEqual(back_off.left_s(400.0), 0.0)

    def test_free_failures(self) -> None:
        """The first failures may cause no pause."""
        back_off = BackOff(first_s=5.0, most_s=300.0, free=1)
        self.assertEqual([back_off.failed(0.0) for _ in range(3)], [0, 5, 10])

    def test_success_ends_it(self) -> None:
        """A success ends the pause, and the next failure begins from the start."""
        back_off = BackOff(first_s=5.0, most_s=300.0)
        back_off.failed(0.0)
        back_off.failed(0.0)
        back_off.succeeded()
        self.assertEqual(back_off.left_s(0.0), 0.0)
        self.assertEqual(back_off.failed(0.0), 5.0)

    def test_asked_for(self) -> None:
        """A longer pause that the other side asks for counts, within the bound."""
        back_off = BackOff(first_s=1.0, most_s=60.0)
        self.assertEqual(back_off.failed(0.0, 20.0), 20.0)
        self.assertEqual(back_off.failed(0.0, 1e9), 60.0)

    def test_many_failures(self) -> None:
        """Thousands of failures in a row don't overflow."""
        back_off = BackOff(first_s=1.0, most_s=60.0)
        self.assertEqual({back_off.failed(0.0) for _ in range(5000)} - {1, 2, 4, 8, 16, 32}, {60})

    def test_failed_together(self) -> None:
        """Within a pause nothing more is learned."""
        back_off, now_s, found = BackOff(first_s=5.0, most_s=300.0), 100.0, []
        for _ in range(9):
            self.assertTrue(back_off.failed_together(now_s))
            self.assertFalse(back_off.failed_together(now_s))
            found.append(back_off.left_s(now_s))
            now_s += found[-1]
        self.assertEqual(found, [5, 10, 20, 40, 80, 160, 300, 300, 300])
