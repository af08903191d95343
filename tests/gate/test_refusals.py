"""What is kept and logged of requests that the CORS decision refused."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.gate.refusals import KEPT, KEPT_PER_SECOND, Refusals
from tests.gate.fakes import FakeRequest, logged


class RefusalTests(SynchronousTestCase):
    """`Refusals`."""

    def setUp(self) -> None:
        """Make one by a clock."""
        self.clock = Clock()
        self.refusals = Refusals(lambda: 1000.0 + self.clock.seconds())

    def refuse(self, origin: bytes, reason: str | None = "not allowed") -> None:
        """Record a request of an origin."""
        request: Any = FakeRequest(self.clock, headers=[(b"Origin", origin)])
        request.log.route, request.log.refused = "/v1", reason
        self.refusals.record(request, self.clock.seconds())

    def test_not_refused(self) -> None:
        """A request that was not refused is none."""
        self.refuse(b"https://a.example", None)
        self.assertEqual((self.refusals.total("/v1"), self.refusals.last("/v1")), (0, []))

    def test_in_a_row(self) -> None:
        """Those that differ in nothing are one with a count; the newest comes first."""
        for origin in (b"https://a.example", b"https://a.example", b"https://b.example"):
            self.refuse(origin)
            self.clock.advance(0.1)
        found = [(each.origin, each.count) for each in self.refusals.last("/v1")]
        self.assertEqual(found, [("https://b.example", 1), ("https://a.example", 2)])

    def test_flood(self) -> None:
        """A flood is counted in full, and costs neither memory nor log."""
        said = logged(self)
        for second in range(2 * KEPT):
            for number in range(2 * KEPT_PER_SECOND):
                self.refuse(b"https://%d-%d.example" % (second, number))
            self.clock.advance(1)
        self.assertEqual(self.refusals.total("/v1"), 4 * KEPT * KEPT_PER_SECOND)
        self.assertEqual(len(self.refusals.last("/v1")), KEPT)
        self.assertEqual(len(said()), 2 * KEPT)

    def test_nothing_of_a_line_end(self) -> None:
        """What a client sends can't begin a line of its own."""
        said = logged(self)
        self.refuse(b"https://a\x0b\x85.example")
        (line,) = said()
        self.assertIn("https://a\\x0b\\x85.example", line)
