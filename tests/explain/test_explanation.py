"""Explanations of calls through a gate, whose fixes work."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.toml.lines import key_text
from corsgate.config.toml.writer import toml_tables, toml_value
from corsgate.explain.block_causes import Cause
from corsgate.explain.call import Call
from corsgate.explain.explanation import Explanation, explain
from corsgate.explain.report import as_text
from corsgate.explain.url import Url
from tests.support import parse

CONFIG = """
listen = ["tcp:5555:interface=127.0.0.1"]
[upstreams.a]
servers = ["http://10.0.0.1:8000"]
credentials = { type = "bearer", token = "t" }
[upstreams.b]
servers = ["http://10.0.0.2:8000"]
[cors.spa]
allow_origins = ["http://localhost:4200", "https://app.example", "https://*.sub.example"]
allow_methods = ["PUT"]
allow_headers = ["Content-Type"]
[cors.public]
allow_origins = ["*"]
expose_headers = ["*"]
[routes."/v1"]
upstream = "a"
cors = "spa"
[routes."/v2"]
upstream = "b"
cors = "spa"
methods = ["GET"]
[routes."/open"]
upstream = "b"
cors = "public"
[routes."/inline"]
upstream = "b"
cors = { allow_origins = ["https://app.example"], max_age = "10m" }
[routes."/plain"]
upstream = "b"
[routes."/guarded"]
upstream = "a"
[routes."/table"]
upstream = "b"
[routes."/table".cors]
allow_origins = ["https://app.example"]
enforce_origin = false
"""

APP = "http://localhost:4200"
OWN = (
    CONFIG
    + f"""
[routes."/own"]
upstream = "a"
cors = {{ allow_origins = ["{APP}"], allow_methods = ["PUT"] }}
"""
)


def ask(
    origin: str = APP,
    method: str = "GET",
    path: str = "/v1/x",
    *names: str,
    credentials: bool = False,
    base: str = "http://localhost:5555",
    toml: str = CONFIG,
) -> Explanation:
    """Return the explanation of a call."""
    call = Call(
        origin=origin.encode(),
        method=method.encode(),
        url=Url.parse(base + path),
        headers=tuple((name.encode(), b"application/json") for name in names),
        credentials=credentials,
    )
    return explain(parse(toml), tomllib.loads(toml), call)


def fixed(toml: str, change: str) -> str:
    """Return a configuration with the keys of a fix in place of its own."""
    document = tomllib.loads(toml)

    def merge(into: dict[str, Any], new: dict[str, Any]) -> None:
        for key, value in new.items():
            # A policy inside a route is replaced as a whole.
            if isinstance(value, dict) and isinstance(into.get(key), dict) and key != "cors":
                merge(into[key], value)
            else:
                into[key] = value

    new = tomllib.loads(change)
    policies = new.pop("cors", {})
    merge(document, new)
    for name, keys in policies.items():
        document["cors"][name].update(keys)
    top = "".join(
        f"{key} = {toml_value(value)}\n" for key, value in document.items() if value is not None
    )
    return top


class Verdicts(SynchronousTestCase):
    """Allowed or not, and why."""

    def test_allowed(self) -> None:
        """A call that gate and browser let through is allowed, without a proposal."""
        for origin, method, path, names in (
            (APP, "GET", "/v1/x", ()),
            (APP, "put", "/v1/x", ("Content-Type",)),
            ("https://deep.er.sub.example", "POST", "/v1", ()),
            ("https://any.example", "GET", "/open", ()),
            ("http://localhost:5555", "DELETE", "/v1/x", ("X-App",)),
            ("null", "GET", "/open", ()),
        ):
            found = ask(origin, method, path, *names)
            self.assertTrue(found.allowed, (origin, method, found.reason))
            self.assertEqual((found.reason, found.toml, found.cause), ("", "", None))
            self.assertEqual((found.near_misses, found.advice), ((), ()))

    def test_patterns(self) -> None:
        """The gate says by which entry an origin is allowed, and passes preflights as written."""
        toml = CONFIG.replace(
            "[cors.spa]",
            "[cors.spa]\npreflight_status = 200\ndangerously_allow_null_origin = true\n"
            "dangerously_allow_any_browser_extension = true\n"
            "dangerously_allow_any_origin_to_use_upstream_credentials = true",
        ).replace(
            '"https://*.sub.example"', '"https://pr-*.sub.example", "null", "moz-extension://*"'
        )
        for origin, by in (
            ("https://pr-1.sub.example", ' by "https://pr-*.sub.example"'),
            ("moz-extension://abc", ' by "moz-extension://*"'),
            ("null", ""),
        ):
            found = ask(origin, "PUT", toml=toml)
            self.assertTrue(found.allowed, found.reason)
            said = [(answer.status, answer.by) for _, answer in found.trace.exchanges]
            why = f"origin {origin} is allowed{by}"
            self.assertEqual(said, [(200, why), (200, why)])
        found = ask("https://pr-1.x.sub.example", "PUT", toml=toml)
        self.assertIn('"https://pr-*.sub.example" matches one or more', found.near_misses[0])
        self.assertIn('"https://pr-1.x.sub.example"]', found.toml)

    def test_any_method(self) -> None:
        """A method is what the policy says, however few servers know it."""
        for method in ("LIST", "VERSION-CONTROL", "patch"):
            toml = CONFIG.replace('"PUT"', f'"{method}"')
            self.assertTrue(ask(APP, method, toml=toml).allowed, method)
            self.assertTrue(ask(APP, method, toml=fixed(CONFIG, ask(APP, method).toml)).allowed)

    def test_bad_path(self) -> None:
        """A page that may read the route reads why its path is bad, behind a preflight too."""
        for method in ("GET", "PUT"):
            found = ask(APP, method, "/v1/%2")
            self.assertFalse(found.allowed)
            self.assertIn("two hexadecimal digits", found.reason)
            self.assertIsNone(found.cause)

    def test_reasons(self) -> None:
        """The gate's own reason is reported, with the browser's cause."""
        for found, reason, cause in (
            (ask("https://evil.example"), "is not allowed", Cause.MISSING_ORIGIN),
            (ask(APP, "DELETE"), "DELETE' is not in allow_methods", Cause.PREFLIGHT_STATUS),
            (ask(APP, "PUT", "/v1", "X-App"), "'x-app' is not in", Cause.PREFLIGHT_STATUS),
            (ask(credentials=True), "does not allow them", Cause.NO_CREDENTIALS),
            (ask(APP, "FOO", path="/open"), "'FOO' is not in", Cause.PREFLIGHT_STATUS),
            (
                ask(APP, "M" * 65, toml=CONFIG.replace('"PUT"', f'"{"M" * 65}"')),
                "longer than 64 bytes",
                None,
            ),
            (ask(path="/nowhere"), "no route covers /nowhere", Cause.MISSING_ORIGIN),
            (ask(base="http://gate.example:5555"), "does not serve the host", Cause.MISSING_ORIGIN),
            (ask(APP, "PUT", "/v2/x"), "does not serve the method PUT", None),
            (ask(path="/v1/%2e%2e"), "no route covers /", Cause.MISSING_ORIGIN),
            (ask(path="/v1/%2"), "two hexadecimal digits", None),
            (ask(path="/%2"), "two hexadecimal digits", Cause.MISSING_ORIGIN),
            (ask(path="/plain"), "no CORS policy", Cause.MISSING_ORIGIN),
            (ask(path="/guarded"), "injects credentials", Cause.MISSING_ORIGIN),
            (ask("http://other.example", path="/table"), "is not allowed", Cause.MISSING_ORIGIN),
        ):
            self.assertFalse(found.allowed)
            self.assertIn(reason, found.reason)
            self.assertEqual((reason, found.cause), (reason, cause))

    def test_unrouted(self) -> None:
        """With ``debug``, a page of an allowed origin sees the 404 of a path without a route."""
        toml = (
            'listen = ["tcp:5555:interface=127.0.0.1"]\n[upstreams.a]\nservers = ["http://a"]\n'
            '[routes."/v1"]\nupstream = "a"\n'
            f'cors = {{ allow_origins = ["{APP}"], debug = true }}\n'
        )
        for method in ("GET", "PUT"):
            found = ask(APP, method, "/v2/x", toml=toml)
            self.assertEqual((found.allowed, found.cause, found.refused_by), (False, None, "gate"))
            self.assertEqual(found.reason, "no route covers /v2/x")
            self.assertIn(": refused by the gate with 404\n", as_text(found))
            for origin, plain in (
                (APP, toml.replace(", debug = true", "")),
                ("http://other.example", toml),
            ):
                found = ask(origin, method, "/v2/x", toml=plain)
                self.assertEqual(found.cause, Cause.MISSING_ORIGIN)
                self.assertIn(": blocked\n", as_text(found))

    def test_route(self) -> None:
        """The route and its policy are named as in the file."""
        for path, route, policy in (
            ("/v1/x", "/v1", "[cors.spa]"),
            ("/inline", "/inline", 'cors of [routes."/inline"]'),
            ("/plain/x", "/plain", ""),
            ("/none", "", ""),
        ):
            found = ask(path=path)
            self.assertEqual((found.route, found.policy), (route, policy))

    def test_exact_headers(self) -> None:
        """The response has exactly the gate's headers."""
        (_, preflight), (_, actual) = ask(APP, "PUT").trace.exchanges
        self.assertEqual(
            preflight.headers,
            (
                (b"Access-Control-Allow-Origin", b"http://localhost:4200"),
                (b"Access-Control-Allow-Methods", b"PUT"),
                (b"Access-Control-Allow-Headers", b"Content-Type"),
                (b"Vary", b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
            ),
        )
        self.assertEqual(preflight.status, 204)
        self.assertIn(
            (b"Vary", b"Origin, Sec-Fetch-Site, Sec-Fetch-Mode, Sec-Fetch-Dest"), actual.headers
        )

    def test_debug(self) -> None:
        """A policy with debug gives its reason here too, and still refuses."""
        toml = CONFIG.replace("[cors.spa]", "[cors.spa]\ndebug = true")
        found = ask(APP, "DELETE", toml=toml)
        self.assertEqual((found.allowed, found.cause), (False, Cause.METHOD))
        (_, answer), *_ = found.trace.exchanges
        self.assertEqual((answer.status, answer.headers[0][0]), (204, b"Corsgate-Reason"))
        self.assertIn("DELETE' is not in allow_methods", found.reason)
        self.assertIn('allow_methods = ["PUT", "DELETE"]', found.toml)
        self.assertEqual(ask("https://evil.example", toml=toml).cause, Cause.MISSING_ORIGIN)


class Fixes(SynchronousTestCase):
    """The changes that are proposed."""

    def test_smallest(self) -> None:
        """Only the missing keys are proposed, in their table."""
        spa = '["http://localhost:4200", "https://app.example", "https://*.sub.example"'
        for found, toml in (
            (
                ask("https://b.example"),
                f'[cors.spa]\nallow_origins = {spa}, "https://b.example"]\n',
            ),
            (
                ask(APP, "DELETE", "/v1", "X-App", "content-type"),
                '[cors.spa]\nallow_methods = ["PUT", "DELETE"]\n'
                'allow_headers = ["Content-Type", "X-App"]\n',
            ),
            (ask(credentials=True), "[cors.spa]\nallow_credentials = true\n"),
            (ask(APP, "PUT", "/v2"), '[routes."/v2"]\nmethods = ["GET", "PUT"]\n'),
            (
                ask(APP, path="/inline"),
                '[routes."/inline"]\ncors = { allow_origins = ["https://app.example", '
                '"http://localhost:4200"], max_age = "10m" }\n',
            ),
            (
                ask(APP, path="/plain"),
                '[routes."/plain"]\ncors = { allow_origins = ["http://localhost:4200"] }\n',
            ),
            (
                ask(APP, path="/open", credentials=True),
                '[cors.public]\nallow_origins = ["http://localhost:4200"]\n'
                "expose_headers = []\nallow_credentials = true\n",
            ),
            (
                ask(base="http://gate.example:5555"),
                'hosts = ["localhost", "127.0.0.1", "[::1]", "gate.example"]\n',
            ),
        ):
            self.assertEqual(found.toml, toml)

    def test_they_work(self) -> None:
        """Written into the file, a fix allows the call; the file stays without faults."""
        count = 0
        for origin in (APP, "https://b.example", "http://localhost:4200/"):
            for method in ("GET", "PUT", "PURGE"):
                for path in ("/v1", "/v2", "/open", "/inline", "/plain", "/guarded", "/table"):
                    for names in ((), ("X-App", "Authorization")):
                        for credentials in (False, True):
                            found = ask(origin, method, path, *names, credentials=credentials)
                            if not found.toml:
                                continue
                            count += 1
                            toml = fixed(CONFIG, found.toml)
                            again = ask(
                                origin.rstrip("/"),
                                method,
                                path,
                                *names,
                                credentials=credentials,
                                toml=toml,
                            )
                            self.assertTrue(again.allowed, (origin, method, path, found.toml))
        self.assertGreater(count, 150)

    def test_new_route(self) -> None:
        """With only one upstream, a path without a route gets one."""
        toml = (
            'listen = ["tcp:5555:interface=127.0.0.1"]\n[upstreams.a]\nservers = ["http://h:1"]\n'
            '[routes."/v1"]\nupstream = "a"\n'
        )
        found = ask(path="/v2/x", toml=toml)
        self.assertEqual(
            found.toml,
            '[routes."/v2"]\nupstream = "a"\n'
            'cors = { allow_origins = ["http://localhost:4200"] }\n',
        )
        self.assertTrue(ask(path="/v2/x", toml=fixed(toml, found.toml)).allowed)
        self.assertIn("The routes are: /v1", "\n".join(found.advice))
        self.assertEqual(ask(path="/v3").toml, "")

    def test_what_no_policy_can_allow(self) -> None:
        """If no change helps, none is proposed and the reason is given."""
        for found, told in (
            (ask("null"), "dangerously_allow_null_origin = true"),
            (ask("not an origin"), "allow_origins"),
            (ask("https://app.example", base="http://localhost.example:5555"), "https"),
            (ask(APP, "TRACK"), "another method"),
            (ask(APP, "M" * 65), "longer than 64 bytes"),
        ):
            self.assertEqual((found.allowed, found.toml), (False, ""))
            self.assertIn(told, "\n".join(found.advice))

    def test_shared(self) -> None:
        """Advice names the other routes and origins that a change affects."""
        self.assertIn("[cors.spa] is also the policy of /v2.", ask(APP, "DELETE").advice)
        useless = ask(APP, "PUT", "/own", "Authorization", toml=OWN)
        self.assertEqual(useless.toml, "")
        self.assertIn('"Authorization" can\'t come from a script', "\n".join(useless.advice))
        # Of two routes with the same policy, one has a use for the header.
        shared = ask(APP, "GET", "/v2", "Authorization")
        self.assertIn('allow_headers = ["Content-Type", "Authorization"]', shared.toml)
        self.assertEqual(ask(APP, "PUT", "/own", "X-App", toml=OWN).advice, ())
        lost = ask(APP, path="/open", credentials=True).advice
        self.assertIn("other origins lose", "\n".join(lost))


class TomlTests(SynchronousTestCase):
    """`toml_value` and `toml_tables`."""

    @given(
        st.recursive(
            st.booleans() | st.text() | st.integers(-(2**63), 2**63 - 1),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=10,
        )
    )
    def test_read_undoes_write(self, value: Any) -> None:
        """Reading a written value returns the same value."""
        self.assertEqual(tomllib.loads(f"x = {toml_value(value)}"), {"x": value})

    def test_tables(self) -> None:
        """Keys come below their table's header, which is written once."""
        text = toml_tables([((), "a", 1), (("b", "/c"), "d", "e"), (("b", "/c"), "f", True)])
        self.assertEqual(text, 'a = 1\n\n[b."/c"]\nd = "e"\nf = true\n')
        self.assertEqual(key_text(("b", "/c")), 'b."/c"')
