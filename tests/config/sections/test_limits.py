"""Tests of `corsgate.config.sections.limits`: the limits of the file and of routes."""

from __future__ import annotations

import attrs

from corsgate.config.model.limits import Limits
from corsgate.config.sections.limits import LIMITS, ROUTE_LIMITS, read_limits
from tests.config.support import TableTestCase, noted, table_of


class LimitTests(TableTestCase):
    """``[limits]``, and a route's own."""

    def test_what_is_unsaid_stays(self) -> None:
        """A route's limits start from the file's."""
        start = Limits(first_byte_timeout_s=5, max_body_bytes=10)
        table = table_of('max_body_bytes = "1KiB"')
        found = read_limits(table, start, ROUTE_LIMITS)
        self.assertEqual(found, attrs.evolve(start, max_body_bytes=1024))
        self.assertEqual(noted(table), [])

    def test_which_limits_a_route_has(self) -> None:
        """Those that apply once the route is known; the others would come too late."""
        names = {field.name.removesuffix("_s") for field in attrs.fields(Limits)}
        self.assertEqual(set(LIMITS.names), names)
        self.assertLess(set(ROUTE_LIMITS.names), names)
        for name in names:
            table = table_of(f"{name} = {'1' if 'headers' in name else '1048576'}")
            read_limits(table, Limits(), ROUTE_LIMITS)
            refused = "a route can't set it; set it under [limits]"
            found = any(refused in each for each in noted(table))
            self.assertEqual((name, found), (name, name not in ROUTE_LIMITS.names))

    def test_a_fault_leaves_the_start(self) -> None:
        """The reading goes on with what held before."""
        table = table_of('max_headers = 0\nmax_head_bytes = "1KiB"')
        found = read_limits(table, Limits())
        self.assertEqual((found.max_headers, found.max_head_bytes), (100, 1024))
        self.assertEqual(noted(table), ["c.toml:1: max_headers: 0 is too small; write 1 or more"])

    def test_limits_of_upstreams(self) -> None:
        """A limit that each upstream has is not taken for an unknown key."""
        table = table_of("max_queue = 5")
        read_limits(table, Limits())
        fix = "each upstream has its own; set it under [upstreams.NAME]"
        self.assertEqual(noted(table), [f"c.toml:1: max_queue: {fix}"])
