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
        """A server out of six that fails every third request is the outlier."""
        self.assertEqual(found(GOOD, GOOD, (200, 66), GOOD, GOOD, GOOD), "c")

    def test_deviations(self) -> None:
        """Of five servers one can be at most 2 deviations below the mean, so 1.9 is possible."""
        self.assertEqual(found(GOOD, GOOD, GOOD, GOOD, (200, 1)), "e")

    def test_all_alike(self) -> None:
        """If all fail alike, there is no outlier."""
        self.assertEqual(found(*[(200, 150)] * 6), "")

    def test_two_are_worse(self) -> None:
        """The worse half of a split pool has no outlier."""
        self.assertEqual(found(GOOD, GOOD, GOOD, (200, 100), (200, 100)), "")

    def test_too_few_servers(self) -> None:
        """Four servers are too few."""
        self.assertEqual(found(GOOD, GOOD, GOOD, (200, 199)), "")

    def test_too_few_requests(self) -> None:
        """A server with few requests is neither judged nor counted among the five."""
        self.assertEqual(found(GOOD, GOOD, GOOD, GOOD, GOOD, (99, 99)), "")
        self.assertEqual(found(GOOD, GOOD, GOOD, (99, 0), (200, 199)), "")

    @given(st.lists(st.integers(0, 200), min_size=5, max_size=20))
    def test_never_the_better_half(self, failures: list[int]) -> None:
        """An outlier is always worse than the mean, and never are all servers outliers."""
        counts = {index: (200, failed) for index, failed in enumerate(failures)}
        odd = outliers(counts)
        self.assertLess(len(odd), len(failures))
        mean = sum(failures) / len(failures)
        self.assertTrue(all(failures[index] > mean for index in odd))
