"""What the connections of one listener have in common."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.server.support import Serving


class ContextTests(SynchronousTestCase):
    def test_date(self) -> None:
        """The date is that of the second, and is worked out once in it."""
        serving = Serving()
        context = serving.site.context
        serving.clock.advance(1_700_000_000.2)
        first = context.date()
        self.assertEqual(first, b"Tue, 14 Nov 2023 22:13:20 GMT")
        serving.clock.advance(0.5)
        self.assertIs(context.date(), first)
        serving.clock.advance(0.5)
        self.assertEqual(context.date(), b"Tue, 14 Nov 2023 22:13:21 GMT")

    def test_time(self) -> None:
        """Its time is that of the deadlines."""
        serving = Serving()
        clock: Clock = serving.clock
        clock.advance(7)
        self.assertEqual(serving.site.context.now(), 7)

    def test_drain(self) -> None:
        """A site that drains says so to all of its connections."""
        serving = Serving()
        self.assertFalse(serving.site.context.draining)
        self.successResultOf(serving.site.drain())
        self.assertTrue(serving.site.context.draining)
