"""Tests of `corsgate.config.sections.request_rules`: what an upstream is shown of who asks."""

from __future__ import annotations

import attrs

from corsgate.config.model.request_rules import RequestRules
from corsgate.config.sections.request_rules import read_request_rules, vouching_warnings
from tests.config.support import TableTestCase, noted, parse, sources, table_of

SERVED = """
listen = ["tcp:5555"]
[upstreams.a]
servers = ["http://127.0.0.1:8000"]
origin = "{origin}"
[routes."/v1"]
upstream = "a"
{cors}
"""


class ReadTests(TableTestCase):
    """`read_request_rules`."""

    def read(self, source: str) -> tuple[RequestRules, list[str]]:
        """Return what a table is read as, and what was recorded."""
        table = table_of(source)
        return read_request_rules(table, (), sources()), noted(table)

    def test_origin(self) -> None:
        """A word, an origin, or nothing."""
        self.assertEqual(self.read(""), (RequestRules(), []))
        self.assertEqual(self.read('origin = "gate"'), (RequestRules(origin="gate"), []))

    def test_forwarded(self) -> None:
        """All, none or a list of names in any case."""
        for source, wanted in (
            ('forwarded = "all"', RequestRules()),
            ('forwarded = "none"', RequestRules(forwarded=())),
            ("forwarded = []", RequestRules(forwarded=())),
            ('forwarded = ["X-Forwarded-For"]', RequestRules(forwarded=("x-forwarded-for",))),
            ("via = false", RequestRules(via=False)),
        ):
            self.assertEqual(self.read(source), (wanted, []), source)

    def test_faults(self) -> None:
        """A fault has its place and its fix."""
        for source, wanted in (
            ("origin = true", "true is a boolean"),
            ('origin = "proxy"', '"proxy" is unknown'),
            ('forwarded = "some"', '"some" is unknown'),
            ("forwarded = 1", "it is unknown"),
            ('forwarded = ["x-real-ip"]', 'forwarded: "x-real-ip" is unknown'),
            ('via = "no"', '"no" is text'),
        ):
            _, recorded = self.read(source)
            self.assertEqual(len(recorded), 1)
            self.assertIn(source.partition(" ")[0], recorded[0])
            self.assertIn(wanted, recorded[0])


class VouchingTests(TableTestCase):
    """`vouching_warnings`."""

    def warned(self, origin: str, cors: str) -> list[str]:
        """Return the warnings of a configuration about `origin`."""
        found = parse(SERVED.format(origin=origin, cors=cors)).warnings
        return [each.problem for each in found if each.key == "upstreams.a.origin"]

    def test_unchecked_pages(self) -> None:
        """An upstream that is told to trust pages that nobody checks produces one warning."""
        for cors, why in (
            ("", "has no CORS policy"),
            ('cors = { allow_origins = ["*"] }', "allows any origin"),
            (
                'cors = { allow_origins = ["https://a.example", "null"],'
                " dangerously_allow_null_origin = true }",
                'allows the origin "null", or any extension',
            ),
            (
                'cors = { allow_origins = ["https://a.example"], enforce_origin = false }',
                "does not enforce its policy",
            ),
        ):
            for origin in ("server", "gate", "drop", "https://a.example"):
                (problem,) = self.warned(origin, cors)
                self.assertIn(f'the route "/v1" {why}', problem)
            self.assertEqual(self.warned("keep", cors), [])

    def test_strangers(self) -> None:
        """An origin that strangers can have is not checked either."""
        cors = 'cors = { allow_origins = ["null"], dangerously_allow_null_origin = true }'
        (problem,) = self.warned("server", cors)
        self.assertIn('the route "/v1" allows the origin "null", or any extension', problem)

    def test_each_upstream_of_a_route(self) -> None:
        """Each upstream that a URL may lead to is looked at."""
        toml = SERVED.format(origin="keep", cors="").replace(
            'upstream = "a"', 'by_url = ["a", "b"]'
        )
        other = '[upstreams.b]\nservers = ["http://127.0.0.1:8001"]\norigin = "drop"\n'
        found = parse(toml.replace("[routes", f"{other}[routes")).warnings
        self.assertIn("upstreams.b.origin", [each.key for each in found])

    def test_checked_pages(self) -> None:
        """Where the gate checks the origin, there is nothing to warn of."""
        cors = 'cors = { allow_origins = ["https://a.example"] }'
        self.assertEqual(self.warned("server", cors), [])

    def test_once(self) -> None:
        """Each upstream is named once, however many routes it has."""
        routes = parse(
            SERVED.format(origin="server", cors="") + '[routes."/v2"]\nupstream = "a"\n'
        ).routes
        self.assertEqual(len(list(vouching_warnings(routes))), 1)

    def test_by_url(self) -> None:
        """Each upstream of a route with ``by_url`` is looked at."""
        (one,) = parse(SERVED.format(origin="keep", cors="")).routes
        (two,) = parse(SERVED.format(origin="server", cors="")).routes
        by_url = attrs.evolve(
            one, by_url=(one.upstream, attrs.evolve(two.upstream, name="b")), host=None
        )
        self.assertEqual([name for name, _, _ in vouching_warnings([by_url])], ["b"])
