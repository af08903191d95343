"""Tests of `corsgate.credentials.means`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.credentials.helpers import means


class MeansTests(SynchronousTestCase):
    def test_chance_is_hidden(self) -> None:
        """The repr does not show where random bytes come from."""
        self.assertNotIn("rng", repr(means()))
