"""Tests of `corsgate.config.sections.routes`: the place of a route, and its limits."""

from __future__ import annotations

import attrs
from hypothesis import given
from hypothesis import strategies as st

from corsgate.config.model.limits import Limits
from corsgate.config.sections.routes import ROUTE_LIMITS, parse_place, read_limits
from corsgate.errors import BadValue
from tests.config.support import OPEN, TableTestCase, noted, parse, table_of


class PlaceTests(TableTestCase):
    """The key of a route."""

    def test_places(self) -> None:
        """A prefix, perhaps after a host, which is put into the form of a Host value."""
        for key, place in {
            "/": (None, "/"),
            "/v1/a": (None, "/v1/a"),
            "API.example/": ("api.example", "/"),
            "[0:0::1]/v1": ("[::1]", "/v1"),
        }.items():
            self.assertEqual(parse_place(key), place)

    def test_faults(self) -> None:
        """The fix is the key that was probably meant."""
        bad = {
            "v1": '"v1" has no slash; write "/v1"',
            "api.example": '"api.example" has no slash; write "api.example/"',
            "localhost": '"localhost" has no slash; write "localhost/"',
            "": '"" has no slash; write "/"',
            "https://a.example/v1": '"https://a.example/v1" has a scheme; write "a.example/v1"',
            "a:80/v1": '"a:80/v1" has a port; write "a/v1", which matches any port',
            "a b/": '"a b" is not a host name; write a host name or an IP address',
            "a/v1/": ('"/v1/" ends with "/"; write "/v1", which matches /v1 and everything below'),
        }
        self.assert_checked(parse_place, [], bad)

    @given(st.text(max_size=20))
    def test_any_key_is_a_place_or_a_fault(self, key: str) -> None:
        """The parts of a place are the key itself, except for the case of the host."""
        try:
            host, prefix = parse_place(key)
        except BadValue:
            return
        self.assertTrue(prefix.startswith("/"))
        self.assertEqual(parse_place(f"{host or ''}{prefix}"), (host, prefix))


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
        self.assertLess(set(ROUTE_LIMITS), names)
        for name in names:
            table = table_of(f"{name} = {'1' if 'headers' in name else '1048576'}")
            read_limits(table, Limits(), ROUTE_LIMITS)
            refused = "a route can't set it; set it under [limits]"
            found = any(refused in each for each in noted(table))
            self.assertEqual((name, found), (name, name not in ROUTE_LIMITS))

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


class RouteTests(TableTestCase):
    """``[routes."[host]/prefix"]``."""

    def test_defaults(self) -> None:
        """A route that names only its upstream changes nothing, and opens nothing."""
        (route,) = parse('listen = ["tcp:0:interface=127.0.0.1"]\n' + OPEN).routes
        self.assertEqual(
            (route.host, route.prefix, route.cors, route.methods), (None, "/", None, None)
        )
        self.assertEqual((route.strip_prefix, route.allow_framing), (False, False))
        self.assertEqual((route.pass_headers, route.limits), ((), Limits()))
