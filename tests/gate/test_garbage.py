"""What a request leaves behind."""

from __future__ import annotations

import gc

from twisted.trial.unittest import SynchronousTestCase

from corsgate.gate.garbage import settle
from tests.wire.support import Served, answer

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class GarbageTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Put the collector back afterwards as it was."""
        self.addCleanup(gc.set_threshold, *gc.get_threshold())
        self.addCleanup(gc.unfreeze)

    def test_settle(self) -> None:
        """What is there by now is not looked through again."""
        settle()
        self.assertGreater(gc.get_freeze_count(), 0)
        self.assertGreater(gc.get_threshold()[0], 700)

    def test_no_cycles(self) -> None:
        """A request that was answered is gone without the collector's help."""
        served = Served(render=lambda request: answer(request, b"body"))
        served.send(REQUEST, REQUEST)
        served.requests.clear()
        served.recorded.clear()
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        for _ in range(10):
            served.send(REQUEST)
            served.requests.clear()
            served.recorded.clear()
        self.assertEqual(gc.collect(), 0)
