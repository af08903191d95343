"""A route that is ready to serve."""

from __future__ import annotations

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.shortcuts import Shortcuts
from tests.gate.fakes import compiled
from tests.support import BASIC, DIGEST


class CompiledRouteTests(SynchronousTestCase):
    def test_direct(self) -> None:
        """What is signed alike each time is sent at once; what is challenged is not."""
        for credentials, direct in (("", True), (BASIC, True), (DIGEST, False)):
            route = compiled(MemoryReactorClock(), upstream=credentials)
            self.assertEqual(route.direct, direct, credentials)
            self.assertEqual(route.credentialed, bool(credentials))
        self.assertFalse(compiled(MemoryReactorClock(), shortcuts=Shortcuts(direct=False)).direct)
