"""Tests of `corsgate.config.model.cors`: the value of a policy."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.cors import PREFLIGHT_STATUSES, Cors
from corsgate.errors import BadValue


class CorsTests(SynchronousTestCase):
    """`Cors`."""

    def test_preflight_status(self) -> None:
        """Only a status that serves a purpose is taken, and 204 by default."""
        self.assertEqual(Cors(allow_origins=()).preflight_status, 204)
        for status in PREFLIGHT_STATUSES:
            self.assertEqual(
                Cors(allow_origins=(), preflight_status=status).preflight_status, status
            )
        for status in (0, 201, 299, 302, 403):
            with self.assertRaises(BadValue):
                Cors(allow_origins=(), preflight_status=status)

    def test_strangers(self) -> None:
        """Only entries that name nobody admit pages of unknown owners."""
        for origin, admits in (
            ("*", True),
            ("null", True),
            ("chrome-extension://*", True),
            ("https://*.example.com", False),
            ("http://localhost:*", False),
            ("https://app.example", False),
        ):
            self.assertEqual(Cors(allow_origins=(origin,)).admits_strangers, admits, origin)
