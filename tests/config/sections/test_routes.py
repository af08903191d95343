"""Tests of `corsgate.config.sections.routes`: the place of a route, and its limits."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from corsgate.config.model.limits import Limits
from corsgate.config.model.values import Cors, Route, Upstream
from corsgate.config.schema import config_schema
from corsgate.config.sections.policies import NO_RULES, CorsRules
from corsgate.config.sections.routes import (
    OF_UPSTREAMS,
    parse_place,
    read_routes,
)
from corsgate.config.sections.server_url import parse_server
from corsgate.config.sections.upstreams import OF_ROUTES
from corsgate.config.toml.reader import Named
from corsgate.errors import BadValue
from tests.config.support import TableTestCase, noted, table_of

A = Upstream(name="a", servers=(parse_server("http://a"),))
P = Cors(allow_origins=("https://app.example",))


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


class RouteTests(TableTestCase):
    """``[routes."[host]/prefix"]``."""

    def read(self, source: str, rules: CorsRules = NO_RULES) -> tuple[list[Route], list[str]]:
        """Return the routes of a document with upstream "a" and policy "p", and the records."""
        top = table_of(source)
        upstreams = Named(section="upstreams", entries={"a": A})
        policies = Named(section="cors", entries={"p": P})
        found = read_routes(top, upstreams, policies, Limits(), rules)
        return [route for _, route in found], noted(top)

    def test_defaults(self) -> None:
        """A route that names only its upstream changes nothing, and opens nothing."""
        (route,), recorded = self.read('[routes."/"]\nupstream = "a"')
        self.assertEqual((route, recorded), (Route(prefix="/", upstream=A), []))
        self.assertEqual((route.host, route.cors, route.methods), (None, None, None))
        self.assertEqual((route.strip_prefix, route.allow_framing), (False, False))

    def test_faults_leave_the_others(self) -> None:
        """A route without an upstream is none; every fault is recorded all the same."""
        source = (
            '[routes."/v1/"]\nupstream = "b"\nmethods = []\n[routes."/"]\nupstream = "a"\n'
            '[routes."/x".limits]\nmax_headers = 1\n'
        )
        found, recorded = self.read(source)
        self.assertEqual(found, [Route(prefix="/", upstream=A)])
        self.assertEqual(
            [fault.partition(";")[0] for fault in recorded],
            [
                'c.toml:1: routes."/v1/": "/v1/" ends with "/"',
                'c.toml:2: routes."/v1/".upstream: there is no [upstreams.b]',
                'c.toml:3: routes."/v1/".methods: it is empty',
                'c.toml:6: routes."/x".upstream: it is missing',
                'c.toml:7: routes."/x".limits.max_headers: a route can\'t set it',
            ],
        )

    def test_keys_of_others(self) -> None:
        """A key of an upstream or of a policy is said to belong there."""
        source = '[routes."/"]\nupstream = "a"\norigin = "gate"\nmax_age = "5m"\n'
        _, recorded = self.read(source)
        self.assertEqual(
            recorded,
            [
                'c.toml:3: routes."/".origin: it belongs to an upstream; write it in'
                " [upstreams.NAME]",
                'c.toml:4: routes."/".max_age: it belongs to a policy; write it in [cors.NAME], or'
                " in cors = { ... }",
            ],
        )

    def test_no_key_is_refused_that_is_read(self) -> None:
        """What a route refuses is a key of an upstream, and the other way round."""
        sections: Any = config_schema()["properties"]
        keys = {
            name: set(sections[name]["additionalProperties"]["properties"])
            for name in ("routes", "upstreams")
        }
        for known, refused in (("upstreams", OF_UPSTREAMS), ("routes", OF_ROUTES)):
            self.assertEqual(set(refused) - keys[known], set())
        self.assertEqual(set(OF_UPSTREAMS) & keys["routes"], set())
        self.assertEqual(set(OF_ROUTES) & keys["upstreams"], set())

    def test_the_same_place_twice(self) -> None:
        """Two spellings of one host are one place."""
        source = '[routes."a/"]\nupstream = "a"\n[routes."A/"]\nupstream = "a"\n'
        _, recorded = self.read(source)
        twice = '"A/" is the same route as "a/"; remove one of them'
        self.assertEqual(recorded, [f'c.toml:3: routes."A/": {twice}'])

    def test_both_policies_are_checked(self) -> None:
        """The rules get the route with each policy as its own, at the key that names it."""
        rules = CorsRules(
            route_faults=lambda route: [("cors.max_age", f"it is wrong: {route.cors == P}", "fix")]
        )
        for keys, expected in (
            ("", []),
            ('cors = "p"', ['c.toml:3: routes."/".cors.max_age: it is wrong: True; fix']),
            (
                'cors_report_only = "p"',
                ['c.toml:3: routes."/".cors_report_only.max_age: it is wrong: True; fix'],
            ),
        ):
            _, recorded = self.read(f'[routes."/"]\nupstream = "a"\n{keys}', rules)
            self.assertEqual(recorded, expected)
