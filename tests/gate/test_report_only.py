"""A policy that is tried beside the one that counts."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Cors
from corsgate.cors.decide import decide
from corsgate.cors.policy import compile_policy
from corsgate.gate.report_only import ReportOnly
from tests.gate.fakes import FakeRequest, logged

ORIGIN = "https://app.example"
OWN = b"http://localhost"


class ReportOnlyTests(SynchronousTestCase):
    """`ReportOnly`."""

    def setUp(self) -> None:
        """Try a policy for one origin."""
        self.clock = Clock()
        policy = compile_policy(Cors(allow_origins=(ORIGIN,)))
        self.report_only = ReportOnly("/v1", policy)

    def compare(self, live: Cors | None, origin: str) -> None:
        """Compare what a live policy decides on a request of an origin."""
        request: Any = FakeRequest(self.clock, headers=[(b"Origin", origin.encode())])
        policy = None if live is None else compile_policy(live)
        decision = decide(policy, b"GET", request.index, OWN, credentialed=False)
        self.report_only.compare(request, decision, OWN, credentialed=False)

    def test_same(self) -> None:
        """Where both decide alike, it is only counted."""
        said = logged(self)
        self.compare(Cors(allow_origins=(ORIGIN,)), ORIGIN)
        self.assertEqual((self.report_only.tried, dict(self.report_only.changes)), (1, {}))
        self.assertEqual(said(), [])

    def test_change(self) -> None:
        """What would change is counted by what it is, and logged once a second."""
        said = logged(self)
        other = "https://other.example"
        for _ in range(3):
            self.compare(Cors(allow_origins=(other,)), other)
        self.assertEqual(dict(self.report_only.changes), {"would refuse it": 3})
        (line,) = said()
        self.assertIn(f"origin {other}: cors_report_only would refuse it", line)
        self.clock.advance(1)
        self.compare(None, ORIGIN)
        self.assertIn("(2 more since the last such line)", said()[-1])
