"""What the access log is to say of one request."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.gate.counters import RouteCounters
from corsgate.server.request_log import RequestLog


class RequestLogTests(SynchronousTestCase):
    def test_first_outcome(self) -> None:
        """How a request ended is what was said first."""
        log = RequestLog()
        self.assertIsNone(log.outcome)
        for outcome in ("it was refused", "the client left"):
            log.conclude(outcome)
        self.assertEqual(log.outcome, "it was refused")

    def test_its_own(self) -> None:
        """What is noted of one request is not said of another one."""
        log = RequestLog()
        log.id, log.tried = "1", ["http://a.test"]
        log.conclude("x")
        other = RequestLog()
        self.assertEqual((other.id, other.tried, other.outcome), ("", None, None))

    def test_revoked(self) -> None:
        """A request that was revoked counts on its route, if anything counts."""
        log = RequestLog()
        log.count_revoked()
        log.counters = RouteCounters("/v1")
        log.count_revoked()
        self.assertEqual(log.counters.revoked, 1)
