"""Tests of `corsgate.config.sections.policies`: a policy's shape, and where findings go."""

from __future__ import annotations

import attrs

from corsgate.config.model.values import Cors, Route, Upstream
from corsgate.config.sections.policies import (
    CORS_KEYS,
    NO_RULES,
    CorsRules,
    Finding,
    check_route,
    path_of,
    read_cors,
)
from corsgate.config.sections.server_url import parse_server
from corsgate.config.toml.reader import Item
from tests.config.support import TableTestCase, noted, table_of

DANGEROUS = [name for name in CORS_KEYS.names if name.startswith("dangerously_")]
ORIGINS = 'allow_origins = ["https://a.example"]\n'


def read(source: str, rules: CorsRules = NO_RULES) -> tuple[Cors | None, list[str]]:
    """Return what a policy's table is read as, and what was recorded."""
    table = table_of(source)
    return read_cors(table, rules, local=False), noted(table)


class ReadTests(TableTestCase):
    """``[cors.NAME]``."""

    def test_least(self) -> None:
        """Origins are all that is needed; every danger is off, and origins are enforced."""
        found, recorded = read(ORIGINS)
        self.assertEqual((found, recorded), (Cors(allow_origins=("https://a.example",)), []))
        assert found is not None
        self.assertTrue(found.enforce_origin)
        self.assertEqual({getattr(found, key) for key in DANGEROUS}, {False})

    def test_dangerous_keys(self) -> None:
        """Each of them can be written, and turns on itself alone."""
        self.assertEqual(len(DANGEROUS), 6)
        plain = Cors(allow_origins=("https://a.example",))
        for key in DANGEROUS:
            found, recorded = read(f"{ORIGINS}{key} = true")
            assert found is not None
            self.assertEqual(
                (attrs.asdict(found), recorded), ({**attrs.asdict(plain), key: True}, [])
            )

    def test_exposed_headers(self) -> None:
        """A list, or the word "auto"; another word is a fault."""
        for value, names, auto, recorded in (
            ('["X-A"]', ("X-A",), False, []),
            ('"auto"', (), True, []),
            (
                '"all"',
                (),
                False,
                [
                    "c.toml:2: expose_headers: it is text;"
                    ' write an array, such as ["X-Total"], or "auto"'
                ],
            ),
        ):
            found, noticed = read(f"{ORIGINS}expose_headers = {value}")
            assert found is not None
            self.assertEqual(
                (found.expose_headers, found.expose_auto, noticed), (names, auto, recorded)
            )

    def test_max_age_is_whole_seconds(self) -> None:
        """The header has no fractions (Fetch #http-access-control-max-age)."""
        found, recorded = read(f'{ORIGINS}max_age = "2000ms"')
        assert found is not None
        self.assertEqual((found.max_age_s, recorded), (2, []))
        _, recorded = read(f'{ORIGINS}max_age = "1500ms"')
        fault = 'c.toml:2: max_age: "1500ms" is not a whole number of seconds; round it'
        self.assertEqual(recorded, [fault])

    def test_preflight_status(self) -> None:
        """It is 204 or 200; any other value is a fault."""
        for value, status, recorded in (
            ("200", 200, []),
            ("204", 204, []),
            (
                "302",
                204,
                [
                    "c.toml:2: preflight_status: 302 is not a status for preflight responses;"
                    " write 204 or 200"
                ],
            ),
            (
                '"200"',
                204,
                ['c.toml:2: preflight_status: "200" is text; write a whole number, without quotes'],
            ),
        ):
            found, noticed = read(f"{ORIGINS}preflight_status = {value}")
            assert found is not None
            self.assertEqual((value, found.preflight_status), (value, status))
            self.assertEqual(noticed, recorded)

    def test_without_origins(self) -> None:
        """There is no policy, and the rules are not asked about half of one."""

        def never(cors: Cors) -> list[Finding]:
            self.fail(f"asked about {cors}")

        for source in ("", "allow_origins = 5", 'allow_origins = ["a", 5]'):
            found, recorded = read(source, CorsRules(faults=never))
            self.assertEqual((source, found, len(recorded)), (source, None, 1))


class FindingTests(TableTestCase):
    """What the rules find is recorded where it is written."""

    def test_paths(self) -> None:
        """A finding's key may have indexes."""
        for key, path in {
            "max_age": ("max_age",),
            "cors.allow_origins[12]": ("cors", "allow_origins", 12),
        }.items():
            self.assertEqual(path_of(key), path)

    def test_of_a_policy(self) -> None:
        """Faults and warnings have the line of their key; the rules learn who can ask."""
        asked = []

        def warn(cors: Cors, local: bool) -> list[Finding]:
            asked.append(local)
            return [("allow_origins", "it is odd", "leave it")]

        rules = CorsRules(
            faults=lambda cors: [("allow_origins[0]", "it is wrong", "fix it")], warnings=warn
        )
        for local in (True, False):
            table = table_of("# one\n" + ORIGINS)
            read_cors(table, rules, local=local)
            self.assertEqual(
                noted(table),
                [
                    "c.toml:2: allow_origins[0]: it is wrong; fix it",
                    "c.toml:2: allow_origins: it is odd; leave it",
                ],
            )
        self.assertEqual(asked, [True, False])

    def test_of_a_route(self) -> None:
        """They go to the key that names or holds the policy, without its own name."""
        upstream = Upstream(name="a", servers=(parse_server("http://a"),))
        route = Route(prefix="/", upstream=upstream, cors=Cors(allow_origins=("*",)))
        own = []

        def warn(route: Route, is_own: bool) -> list[Finding]:
            own.append(is_own)
            return [("cors", "it is odd", "leave it")]

        rules = CorsRules(
            route_faults=lambda route: [("cors.allow_origins[0]", "it is wrong", "fix it")],
            route_warnings=warn,
        )
        for source in ('cors_report_only = "p"', 'cors_report_only = { allow_origins = ["*"] }'):
            table = table_of(source)
            raw = table.raw["cors_report_only"]
            check_route(Item(table.notes, ("cors_report_only",), raw), route, rules)
            self.assertEqual(
                noted(table),
                [
                    "c.toml:1: cors_report_only.allow_origins[0]: it is wrong; fix it",
                    "c.toml:1: cors_report_only: it is odd; leave it",
                ],
            )
        self.assertEqual(own, [False, True])
