"""Explanations of calls that a route with ``by_url`` or ``allow_paths`` refuses."""

from __future__ import annotations

import tomllib

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.by_url import OUTSIDE
from corsgate.explain.call import Call
from corsgate.explain.explanation import Explanation, explain
from corsgate.explain.reach import account_refusal, missing_pattern, reach_refusal
from corsgate.explain.url import Url
from tests.support import parse

CONFIG = """
listen = ["tcp:5555:interface=127.0.0.1"]
[upstreams.box]
servers = ["http://box.lan/geo"]
[upstreams.signed]
servers = ["http://signed.lan"]
credentials = { type = "bearer", token = "t" }
[cors.app]
allow_origins = ["http://localhost:4200"]
[routes."/v1"]
upstream = "box"
cors = "app"
allow_paths = ["GET /v1/docs/**", "/v1/*/search"]
[routes."/proxy"]
by_url = ["box", "signed"]
cors = "app"
allow_paths = ["GET /geo/**"]
[routes."/"]
by_url = ["box"]
"""
PATHS, URLS, ROOT = parse(CONFIG).routes
ORIGIN = b"http://localhost:4200"


def explained(target: str, method: bytes = b"GET") -> Explanation:
    """Return an explanation of a call."""
    url = Url.parse(f"http://localhost:5555{target}")
    call = Call(origin=ORIGIN, method=method, url=url)
    return explain(parse(CONFIG), tomllib.loads(CONFIG), call)


class ReachTests(SynchronousTestCase):
    """What is refused, and what would allow it."""

    def test_refusals(self) -> None:
        """The reasons are those that the gate gives."""
        for route, method, target, words in (
            (PATHS, b"GET", b"/v1/docs?x", ""),
            (PATHS, b"PUT", b"/v1/docs", "this method on this path"),
            (PATHS, b"GET", b"/v1/x", "does not allow this path"),
            (URLS, b"GET", b"/proxy?http://box.lan/geo/x", ""),
            (URLS, b"GET", b"/proxy?http://signed.lan/geo", ""),
            (URLS, b"GET", b"/proxy?http://signed.lan/x", "does not allow this path"),
            (URLS, b"GET", b"/proxy?http://box.lan/x", OUTSIDE),
            (URLS, b"GET", b"/proxy?http://evil.example/geo", OUTSIDE),
            (URLS, b"GET", b"/proxy?http://a@box.lan/geo", "the URL has a user name"),
            (URLS, b"GET", b"/proxy", "the target has no http or https URL"),
            (ROOT, b"PUT", b"/?http://box.lan/geo", ""),
        ):
            found = reach_refusal(route, method, target)
            self.assertEqual(bool(found), bool(words), target)
            self.assertIn(words, found, target)

    def test_missing_pattern(self) -> None:
        """The narrowest pattern is for the method and path alone; not everything has one."""
        for route, method, target, pattern in (
            (PATHS, b"PUT", b"/v1/a%20b;c/%C3%A9?x", "PUT /v1/a%20b;c/%C3%A9"),
            (PATHS, b"PUT", b"/v1/*", "PUT /v1/%2A"),
            (PATHS, b"GET", b"/v1/docs", None),
            (PATHS, b"GET", b"/v1/a%2Fb", None),
            (PATHS, b"GET", b"/v1//b", None),
            (URLS, b"GET", b"/proxy?http://signed.lan/x", "GET /x"),
            (URLS, b"GET", b"/proxy?http://evil.example/x", None),
            (ROOT, b"GET", b"/?http://box.lan/geo", None),
        ):
            found = missing_pattern(route, method, target)
            self.assertEqual(None if found is None else found.text, pattern, target)

    def test_explained(self) -> None:
        """The preflight passes, the request gets 403, and the fix adds a pattern."""
        found = explained("/v1/other")
        self.assertEqual(
            (found.allowed, found.reason), (False, "this route does not allow this path")
        )
        self.assertIn(
            'allow_paths = ["GET /v1/docs/**", "/v1/*/search", "GET /v1/other"]', found.toml
        )
        self.assertTrue(explained("/v1/docs").allowed)
        found = explained("/proxy?http://evil.example/")
        self.assertEqual((found.allowed, found.reason, found.toml), (False, OUTSIDE, ""))
        self.assertTrue(explained("/proxy?url=http%3A%2F%2Fbox.lan%2Fgeo%2Fx").allowed)

    def test_preflight(self) -> None:
        """A preflight that the policy grants is granted; the request then gets 403."""
        wide = CONFIG.replace('4200"]', '4200"]\nallow_methods = ["PUT"]')
        url = Url.parse("http://localhost:5555/v1/docs")
        call = Call(origin=ORIGIN, method=b"PUT", url=url)
        found = explain(parse(wide), tomllib.loads(wide), call)
        self.assertEqual([answer.status for _, answer in found.trace.exchanges], [204, 403])


class AccountTests(SynchronousTestCase):
    """``credentials_by_origin``: who has credentials."""

    def test_refusals(self) -> None:
        """An origin that is not named needs the upstream's own credentials, on any route."""
        by_origin = 'credentials_by_origin = { "http://localhost:4200" = "t" }'
        source = CONFIG.replace("[upstreams.box]\n", f"[upstreams.box]\n{by_origin}\n").replace(
            "[cors.app]", '[credentials.t]\ntype = "bearer"\ntoken = "t"\n[cors.app]'
        )
        paths, urls, _ = parse(source).routes
        for route, target, origins, words in (
            (paths, b"/v1/docs", (ORIGIN,), ""),
            (paths, b"/v1/docs", (b"http://b",), "no credentials for requests from http://b"),
            (paths, b"/v1/docs", (), "no credentials for requests without Origin"),
            (urls, b"/proxy?http://box.lan/geo", (b"http://b",), "the upstream box has no"),
            (urls, b"/proxy?http://signed.lan/geo", (b"http://b",), ""),
        ):
            found = account_refusal(route, target, origins)
            self.assertEqual(bool(found), bool(words), (target, origins))
            self.assertIn(words, found)

    def test_explained(self) -> None:
        """`explain` says so, as the gate does."""
        source = CONFIG.replace(
            "[upstreams.box]\n",
            '[upstreams.box]\ncredentials_by_origin = { "http://b.example" = "t" }\n',
        ).replace("[cors.app]", '[credentials.t]\ntype = "bearer"\ntoken = "t"\n[cors.app]')
        call = Call(origin=ORIGIN, method=b"GET", url=Url.parse("http://localhost:5555/v1/docs"))
        found = explain(parse(source), tomllib.loads(source), call)
        self.assertFalse(found.allowed)
        self.assertIn("has no credentials for requests from http://localhost:4200", found.reason)
