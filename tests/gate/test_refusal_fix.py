"""What would allow a refused call."""

from __future__ import annotations

import tomllib
from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.quick import quick_config
from corsgate.cors.check import CORS_RULES
from corsgate.explain.explanation import explain
from corsgate.gate.log_text import shown
from corsgate.gate.refusal_fix import (
    MAX_CACHED,
    MAX_LINE,
    WORK_PER_SECOND,
    Remedy,
    RemedyLines,
    call_of,
    remedy,
    short_remedy,
    work_of,
)
from corsgate.gate.refusals import Refusal
from tests.support import parse

TOML = """
listen = ["tcp:5555:interface=127.0.0.1"]
[upstreams.box]
servers = ["http://127.0.0.1:1"]
[cors.app]
allow_origins = ["https://app.example"]
[routes."/v1"]
upstream = "box"
cors = "app"
"""
CONFIG = parse(TOML)
QUICK = quick_config(
    upstream="http://127.0.0.1:1",
    allow_origins=["http://localhost:4200"],
    cors_rules=CORS_RULES,
)

REFUSAL = Refusal(
    time_s=1.0,
    origin="http://app.example",
    method="GET",
    reason="the origin is not allowed",
    kind="origin",
    path="/v1/documents",
    gate_origin="http://localhost:5555",
)
PREFLIGHT = attrs.evolve(
    REFUSAL,
    origin="https://app.example",
    method="OPTIONS",
    asked_method="PUT",
    asked_headers="content-type,x-app",
)


class RemedyTests(SynchronousTestCase):
    """`remedy`."""

    def test_toml_allows_the_call(self) -> None:
        """With the keys that it names put in the file, the same call is allowed."""
        for refusal in (REFUSAL, PREFLIGHT, attrs.evolve(REFUSAL, has_cookies=True)):
            with self.subTest(refusal=refusal):
                call = call_of(refusal)
                assert call is not None
                if refusal.has_cookies:
                    call = attrs.evolve(call, origin=b"https://app.example")
                    refusal = attrs.evolve(refusal, origin="https://app.example")
                found = remedy(CONFIG, refusal)
                assert found.toml is not None
                table = "[cors.app]\n"
                self.assertTrue(found.toml.startswith(table), found.toml)
                keys = tomllib.loads(found.toml)["cors"]["app"]
                rest = (
                    "" if "allow_origins" in keys else 'allow_origins = ["https://app.example"]\n'
                )
                fixed = TOML.replace(
                    '[cors.app]\nallow_origins = ["https://app.example"]\n',
                    found.toml + rest + "\n",
                )
                config = parse(fixed)
                self.assertFalse(explain(CONFIG, CONFIG.written, call).allowed)
                self.assertTrue(explain(config, config.written, call).allowed)

    def test_near_miss(self) -> None:
        """What is similar and allowed is named."""
        self.assertIn("http instead of https", str(remedy(CONFIG, REFUSAL).near_miss))

    def test_look_alike(self) -> None:
        """An origin that only looks like an allowed one is said to be another."""
        found = remedy(CONFIG, attrs.evolve(REFUSAL, origin="https://app.example.evil.test"))
        self.assertIn("belongs to evil.test, not to app.example", str(found.near_miss))

    def test_no_toml(self) -> None:
        """What no browser sends as Origin has no TOML, least of all for another origin."""
        for origin in (
            "https://app.example@evil.test",
            "https://app.example:x@evil.test",
            "https://evil.test/",
            "HTTPS://evil.test",
            "https://evil.test:443",
            "https://a..b",
            "https://" + "a" * 300,
            "https://" + "a." * 300 + "x",
            "file://",
        ):
            with self.subTest(origin=origin):
                self.assertIsNone(remedy(CONFIG, attrs.evolve(REFUSAL, origin=origin)).toml)

    def test_allowed_now(self) -> None:
        """A call that the configuration now allows needs nothing."""
        found = remedy(CONFIG, attrs.evolve(REFUSAL, origin="https://app.example"))
        self.assertEqual(found.advice, ("The current configuration allows this call.",))
        self.assertIsNone(found.toml)

    def test_hostile(self) -> None:
        """Nothing that a client can send makes it fail, or makes a pattern of it."""
        for origin in (
            "-",
            "null",
            "*",
            "https://*.example",
            '"]\n[cors.app]\nallow_origins = ["*"]\n#',
            "https://a.example, https://b.example",
            "<script>alert(1)</script>",
            "\\x00\\xff...",
            "☃",
            "https://" + "a" * 3000,
        ):
            for path in ("/v1/x", "", "//", "/v1/%00\\x01", "/v1/<img src=x>"):
                for method in ("GET", "*", "A B", ""):
                    with self.subTest(origin=origin, path=path, method=method):
                        hostile = attrs.evolve(
                            PREFLIGHT,
                            origin=origin,
                            path=path,
                            asked_method=method,
                            asked_headers='a"b, *, x\\x00,,',
                        )
                        found = remedy(CONFIG, hostile)
                        self.assertIsInstance(found, Remedy)
                        self.assertNotIn('"*"', found.toml or "")
                        if found.toml:
                            tomllib.loads(found.toml)

    def test_only_what_was_sent(self) -> None:
        """An Origin that only resembles one leads to no entry: it would allow other pages."""
        for origin in (
            "https://app.lan@evil.example",
            "https://localhost#https://app.lan",
            "https://_[::1]",
            "https://evil.example/",
            "https://EVIL.example",
            "https://evil.example:443",
            "https://http://app.lan",
            " https://evil.example",
        ):
            with self.subTest(origin=origin):
                found = remedy(CONFIG, attrs.evolve(REFUSAL, origin=origin))
                self.assertIsNone(found.toml)
                self.assertIn("No browser sends such an Origin", found.advice[0])
        found = remedy(QUICK, attrs.evolve(REFUSAL, origin="http://localhost:4201/"))
        self.assertEqual((found.option, found.toml), (None, None))
        found = remedy(CONFIG, attrs.evolve(REFUSAL, origin="https://evil.example"))
        self.assertIn('"https://evil.example"', found.toml or "")

    def test_cut_short(self) -> None:
        """What is kept of a long call is another call, so nothing is proposed for it."""
        long = "https://app.example" + ".a" * 100 + ".evil.example"
        for cut in (
            attrs.evolve(REFUSAL, origin=shown(long)),
            attrs.evolve(REFUSAL, path=shown("/v1/" + "x" * 300)),
            attrs.evolve(PREFLIGHT, asked_method=shown("X" * 300)),
        ):
            with self.subTest(refusal=cut):
                found = remedy(CONFIG, cut)
                self.assertEqual((found.toml, found.near_miss), (None, None))
                self.assertIn("too long", found.advice[0])

    def test_not_cors(self) -> None:
        """A request without Origin has no page whose origin could be allowed."""
        found = remedy(CONFIG, attrs.evolve(REFUSAL, origin="-"))
        self.assertIsNone(found.toml)
        self.assertIn("no Origin", found.advice[0])

    def test_without_a_file(self) -> None:
        """In quick mode the option is named."""
        found = remedy(QUICK, attrs.evolve(REFUSAL, origin="http://localhost:4201"))
        self.assertEqual(found.option, "--allow http://localhost:4201")
        self.assertIsNone(found.toml)


class LineTests(SynchronousTestCase):
    """`short_remedy` and `RemedyLines`."""

    def line(self, refusal: Refusal, config: Any = CONFIG) -> str:
        """Return the line for a refusal."""
        return short_remedy(remedy(config, refusal))

    def test_toml(self) -> None:
        """The keys to write, in one line, each under its table."""
        self.assertEqual(
            self.line(REFUSAL),
            "to allow it, write in [cors.app]: allow_origins = "
            '["https://app.example", "http://app.example"]',
        )
        self.assertEqual(
            self.line(PREFLIGHT),
            'to allow it, write in [cors.app]: allow_methods = ["PUT"], allow_headers = '
            '["content-type", "x-app"]',
        )

    def test_option(self) -> None:
        """Without a file it is an option."""
        found = self.line(attrs.evolve(REFUSAL, origin="http://localhost:4201"), QUICK)
        self.assertEqual(found, "to allow it, add --allow http://localhost:4201")

    def test_nothing(self) -> None:
        """What nothing allows has no line; nor has what no browser sends."""
        for origin in ("-", "https://evil.example/", "<script>", "https://app.example"):
            self.assertEqual(self.line(attrs.evolve(REFUSAL, origin=origin)), "", origin)

    def test_look_alike(self) -> None:
        """Who imitates an allowed origin is not proposed: the line says whose it is."""
        for origin, words in (
            ("https://app.example.evil.test", "another site: app.example.evil.test belongs to"),
            ("https://my-app-example.test", "only contains its name"),
        ):
            found = self.line(attrs.evolve(REFUSAL, origin=origin))
            self.assertIn(words, found)
            self.assertNotIn("allow_origins", found)

    def test_long(self) -> None:
        """TOML that is too long for a line is shown elsewhere."""
        origins = ", ".join(f'"https://app{n}.example"' for n in range(20))
        config = parse(TOML.replace('"https://app.example"', origins))
        found = self.line(attrs.evolve(REFUSAL, origin="https://other.test"), config)
        self.assertEqual(found, "corsgate refusals shows the TOML that allows it")
        self.assertLess(len(found), MAX_LINE)

    def test_bounded(self) -> None:
        """In a second there is time for some; what was explained is remembered, within a bound."""
        routes: Any = tuple(attrs.evolve(CONFIG.routes[0], prefix=f"/v1/{n}") for n in range(240))
        config = attrs.evolve(CONFIG, routes=routes)
        lines = RemedyLines(lambda: config)
        most = WORK_PER_SECOND // work_of(config)
        calls = [attrs.evolve(REFUSAL, origin=f"https://a{n}.test") for n in range(2 * most)]
        found = [lines.line(each, 0.5) for each in calls]
        self.assertEqual([bool(each) for each in found], [True] * most + [False] * most)
        # The first are known, and the others get their time.
        found = [lines.line(each, 1.5) for each in calls]
        self.assertEqual([bool(each) for each in found], [True] * 2 * most)
        small = RemedyLines(lambda: CONFIG)
        for n in range(2 * MAX_CACHED):
            call = attrs.evolve(REFUSAL, origin=f"https://a{n}.test")
            self.assertIn(f"a{n}.test", small.line(call, float(n)))
        self.assertLessEqual(len(small._known), MAX_CACHED)

    def test_huge(self) -> None:
        """A configuration of thousands of routes is not gone through for a line."""
        routes: Any = tuple(attrs.evolve(CONFIG.routes[0], prefix=f"/v1/{n}") for n in range(3000))
        lines = RemedyLines(lambda: attrs.evolve(CONFIG, routes=routes))
        self.assertEqual(lines.line(REFUSAL, 0.0), "")

    def test_reload(self) -> None:
        """Another configuration has another fix."""
        config = CONFIG
        lines = RemedyLines(lambda: config)
        self.assertIn("allow_origins", lines.line(REFUSAL, 0.0))
        config = parse(TOML.replace('["https://', '["http://app.example", "https://'))
        self.assertEqual(lines.line(REFUSAL, 0.0), "")

    def test_own_fault(self) -> None:
        """A fault of the explainer costs the line, not the request's end; the log has it."""
        lines = RemedyLines(lambda: CONFIG)
        none: Any = None
        self.assertEqual(lines.line(attrs.evolve(REFUSAL, path=none), 0.0), "")
        self.assertEqual(len(self.flushLoggedErrors()), 1)
