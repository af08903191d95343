"""Refusals explained when somebody looks."""

from __future__ import annotations

import tomllib
from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from corsgate.admin.refused_calls import (
    MAX_CACHED,
    MAX_NEW,
    SHOWN,
    RefusedCalls,
    Remedy,
    call_of,
    remedy,
)
from corsgate.config.quick import quick_config
from corsgate.cors.check import CORS_RULES
from corsgate.explain.explanation import explain
from corsgate.gate.log_text import shown
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


def refusals(count: int) -> list[tuple[str, Refusal]]:
    """Return refusals of different origins, the newest last."""
    return [
        ("/v1", attrs.evolve(REFUSAL, time_s=float(n), origin=f"https://a{n}.example"))
        for n in range(count)
    ]


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
        self.assertEqual(found.advice, ("The configuration in force allows this call.",))
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
        self.assertEqual(found.option, "--allow-origin http://localhost:4201")
        self.assertIsNone(found.toml)


class RefusedCallsTests(SynchronousTestCase):
    """`RefusedCalls`."""

    def test_newest_first(self) -> None:
        """The newest of all routes come first, and only so many."""
        found = RefusedCalls().shown(CONFIG, refusals(SHOWN + 5))
        self.assertEqual(len(found), SHOWN)
        self.assertEqual(found[0]["origin"], f"https://a{SHOWN + 4}.example")
        self.assertEqual(found[0]["url"], "http://localhost:5555/v1/documents")

    def test_bounded(self) -> None:
        """Only some are explained at once, the others the next time; none is kept for ever."""
        calls = RefusedCalls()
        first = calls.shown(CONFIG, refusals(SHOWN))
        self.assertEqual(sum(each["toml"] is not None for each in first), MAX_NEW)
        second = calls.shown(CONFIG, refusals(SHOWN))
        self.assertEqual(sum(each["toml"] is not None for each in second), SHOWN)
        for n in range(MAX_CACHED // MAX_NEW + 5):
            calls.shown(CONFIG, refusals((n + 1) * MAX_NEW))
        self.assertLessEqual(len(calls._known), MAX_CACHED)

    def test_cached(self) -> None:
        """The same refusal at another time is the same explanation; another configuration isn't."""
        calls = RefusedCalls()
        calls.shown(CONFIG, [("/v1", REFUSAL)])
        (known,) = calls._known.values()
        later = attrs.evolve(REFUSAL, time_s=9.0, id="b", count=3)
        (shown,) = calls.shown(CONFIG, [("/v1", later)])
        self.assertIs(next(iter(calls._known.values())), known)
        self.assertEqual((shown["count"], shown["time_s"]), (3, 9.0))
        fixed = parse(TOML.replace('["https://', '["http://app.example", "https://'))
        (shown,) = calls.shown(fixed, [("/v1", later)])
        self.assertIsNone(shown["toml"])

    def test_many_routes(self) -> None:
        """With thousands of routes one is explained at once."""
        routes: Any = tuple(attrs.evolve(CONFIG.routes[0], prefix=f"/v1/{n}") for n in range(2500))
        config = attrs.evolve(CONFIG, routes=routes)
        found = RefusedCalls().shown(config, refusals(3))
        explained = [each for each in found if each["toml"] or each["advice"]]
        self.assertEqual(len(explained), 1)

    def test_long_policy(self) -> None:
        """With thousands of entries one is explained now and then."""
        origins = "".join(f', "https://a{n}.other"' for n in range(1200))
        config = parse(TOML.replace('"https://app.example"', '"https://app.example"' + origins))
        calls, seen = RefusedCalls(), []
        for _ in range(5):
            found = calls.shown(config, refusals(10))
            seen.append(sum(each["toml"] is not None for each in found))
        self.assertEqual(seen, [1, 1, 1, 2, 2])
