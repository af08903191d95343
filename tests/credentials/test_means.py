"""Tests of `corsgate.credentials.means`."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from corsgate.errors import UpstreamError
from tests.credentials.helpers import means, request


class MeansTests(SynchronousTestCase):
    def test_chance_is_hidden(self) -> None:
        """The repr does not show where random bytes come from."""
        self.assertNotIn("rng", repr(means()))

    def test_no_connections(self) -> None:
        """Without connections, a request of the gate's own fails as others do."""
        asking: Any = means().ask("http://a", request(), b"")
        self.failureResultOf(Deferred.fromCoroutine(asking), UpstreamError)
