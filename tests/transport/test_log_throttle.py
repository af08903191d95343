"""Lines of the log about what clients do: so few that nobody can flood it."""

from __future__ import annotations

from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from corsgate.transport.log_throttle import INTERVAL_S, LogThrottle, Throttle, place_of


def broken() -> Failure:
    """Return a failure that was raised here."""
    try:
        raise ValueError
    except ValueError:
        return Failure()


class ThrottleTests(SynchronousTestCase):
    def test_one_per_interval(self) -> None:
        """The first line is written, those right behind it are counted, and the next says so."""
        throttle = Throttle()
        self.assertEqual(throttle.due(5.0), "")
        for _ in range(3):
            self.assertIsNone(throttle.due(5.0 + INTERVAL_S / 2))
        more = " (3 more since the last such line)"
        self.assertEqual(throttle.due(5.0 + INTERVAL_S), more)
        self.assertEqual(throttle.due(5.0 + 2 * INTERVAL_S), "")

    def test_kinds(self) -> None:
        """One kind of line does not keep another one from being written."""
        throttle = LogThrottle()
        said = [throttle.due(kind, 1.0) for kind in ("a", "b", "a", "b")]
        self.assertEqual(said, ["", "", None, None])


class PlaceTests(SynchronousTestCase):
    def test_where_it_was_raised(self) -> None:
        """The place is that of the innermost frame."""
        file, line = place_of(broken())
        self.assertTrue(file.endswith("test_log_throttle.py"), file)
        self.assertEqual((file, line), place_of(broken()))

    def test_not_raised(self) -> None:
        """An exception that nobody raised has its type for a place."""
        self.assertEqual(place_of(Failure(ValueError())), ("ValueError", 0))
