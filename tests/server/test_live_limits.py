"""Limits that change while connections hold them."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.limits import Limits
from corsgate.server.live_limits import change, live_copy


class LiveLimitsTests(SynchronousTestCase):
    """`live_copy` and `change`."""

    def test_changed(self) -> None:
        """All fields change in place; the limits that they come from don't."""
        first, second = Limits(), Limits(max_headers=7, keep_alive_timeout_s=1.0)
        live = live_copy(first)
        change(live, second)
        self.assertEqual(live, second)
        self.assertEqual(first, Limits())
        with self.assertRaises(attrs.exceptions.FrozenInstanceError):
            live.max_headers = 8  # type: ignore[misc]
