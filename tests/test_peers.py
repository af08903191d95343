"""What the tests wait with."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.peers import Watched


class WatchedTests(SynchronousTestCase):
    """A condition is asked at each change, and its answer goes to whoever waits."""

    def setUp(self) -> None:
        """Watch a list."""
        self.watched = Watched()
        self.items: list[int] = []

    def test_value(self) -> None:
        """The first true value is the answer."""
        last = self.watched.when(lambda: self.items and self.items[-1])
        self.watched.changed()
        self.assertNoResult(last)
        self.items.append(7)
        self.watched.changed()
        self.assertEqual(self.successResultOf(last), 7)

    def test_failure(self) -> None:
        """A condition that fails is told to whoever waits for it, and to nobody else."""

        def one() -> int:
            if len(self.items) > 1:
                raise ValueError("more than one")
            return 0

        failing, other = self.watched.when(one), self.watched.when(lambda: len(self.items) > 1)
        self.items += [1, 2]
        self.watched.changed()
        self.failureResultOf(failing, ValueError)
        self.assertTrue(self.successResultOf(other))
