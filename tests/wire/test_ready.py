"""What was worked out of a request's fields, kept for the next one with the same."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.wire.read_request import MAX_READY, Ready


class ReadyTests(SynchronousTestCase):
    def test_bound(self) -> None:
        """A client that asks for one route after the other doesn't have all of them kept."""
        ready = Ready()
        for key in range(10 * MAX_READY):
            ready[key] = key
            self.assertEqual(ready[key], key)
            self.assertLessEqual(len(ready), MAX_READY)
