"""Servers that fail more of their requests than the others."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.balance.outliers import outliers


def found(*counts: tuple[int, int]) -> str:
    """Return the letters of the outliers among servers a, b, c..."""
    return "".join(outliers({chr(ord("a") + i): each for i, each in enumerate(counts)}))


GOOD = (200, 0)


class OutlierTests(SynchronousTestCase):
    def test_one_is_worse(self) -> None:
        """Every third request fails on one of six: it is the outlier."""
        self.assertEqual(found(GOOD, GOOD, (200, 66), GOOD, GOOD, GOOD), "c")

    def test_deviations(self) -> None:
        """With five servers one can be 2 deviations below the mean at most: 1.9 can be reached."""
        self.assertEqual(found(GOOD, GOOD, GOOD, GOOD, (200, 1)), "e")

    def test_all_alike(self) -> None:
        """Where all fail alike, the fault is elsewhere."""
        self.assertEqual(found(*[(200, 150)] * 6), "")

    def test_two_are_worse(self) -> None:
        """The worse half of a split pool is no outlier."""
        self.assertEqual(found(GOOD, GOOD, GOOD, (200, 100), (200, 100)), "")

    def test_too_few_servers(self) -> None:
        """Four don't show what is usual."""
        self.assertEqual(found(GOOD, GOOD, GOOD, (200, 199)), "")

    def test_too_few_requests(self) -> None:
        """A server with few requests isn't judged, nor counted among the five."""
        self.assertEqual(found(GOOD, GOOD, GOOD, GOOD, GOOD, (99, 99)), "")
        self.assertEqual(found(GOOD, GOOD, GOOD, (99, 0), (200, 199)), "")

    @given(st.lists(st.integers(0, 200), min_size=5, max_size=20))
    def test_never_the_better_half(self, failures: list[int]) -> None:
        """Whatever fails, an outlier is worse than the mean, and never are all outliers."""
        counts = {index: (200, failed) for index, failed in enumerate(failures)}
        odd = outliers(counts)
        self.assertLess(len(odd), len(failures))
        mean = sum(failures) / len(failures)
        self.assertTrue(all(failures[index] > mean for index in odd))
