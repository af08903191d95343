"""Which valid settings of a policy, and of a route with one, produce a warning."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.secret import Secret
from corsgate.config.model.values import (
    BearerCredentials,
    Cors,
    HeaderCredentials,
    Route,
    Server,
    Upstream,
)
from corsgate.cors.faults import faults
from corsgate.cors.warnings import route_warnings, warnings

PLAIN = Cors(allow_origins=("https://app.example",))
ANY = "dangerously_allow_any_origin_to_use_upstream_credentials"
INSECURE = "dangerously_allow_insecure_origins_with_credentials"
SUFFIXES = "dangerously_allow_subdomains_of_public_suffixes"

# Changes of a policy without warnings; the keys that get one.
POLICIES: tuple[tuple[dict[str, Any], list[str]], ...] = (
    ({}, []),
    # Duplicates: names of headers in any case, methods only in the same case.
    ({"allow_origins": ("https://a.test", "https://b.test")}, []),
    ({"allow_origins": ("https://a.test", "https://a.test")}, ["allow_origins[1]"]),
    ({"allow_methods": ("PUT", "DELETE", "PUT")}, ["allow_methods[2]"]),
    ({"allow_headers": ("X-A", "X-B", "x-a")}, ["allow_headers[2]"]),
    ({"expose_headers": ("X-A", "x-A")}, ["expose_headers[1]"]),
    ({"debug_origins": ("http://a", "http://a")}, ["debug_origins[1]"]),
    # Entries that a wider one covers.
    ({"allow_origins": ("https://a.example.com", "https://*.example.com")}, ["allow_origins[0]"]),
    ({"allow_origins": ("https://*.b.example.com", "https://*.example.com")}, ["allow_origins[0]"]),
    ({"allow_origins": ("http://localhost:1", "http://localhost:*")}, ["allow_origins[0]"]),
    ({"allow_origins": ("https://*.a.test:*", "https://x.a.test:1")}, ["allow_origins[1]"]),
    ({"allow_origins": ("https://example.com", "https://*.example.com")}, []),
    ({"allow_origins": ("http://a.example.com", "https://*.example.com")}, []),
    ({"allow_origins": ("https://a.example.com:1", "https://*.example.com")}, []),
    ({"allow_origins": ("https://a-1.test", "https://a-*.test")}, ["allow_origins[0]"]),
    ({"allow_origins": ("https://a-1.test:1", "https://a-*.test:*")}, ["allow_origins[0]"]),
    ({"allow_origins": ("https://a-*.b.test", "https://*.test")}, ["allow_origins[0]"]),
    ({"allow_origins": ("https://a-*.test", "https://a-*.test:*")}, ["allow_origins[0]"]),
    ({"allow_origins": ("https://a-*.test", "https://a-*.b.test")}, []),
    ({"allow_origins": ("https://a-.test", "https://a-*.test")}, []),
    # Methods that are always allowed, in an unusual case, or too long to pass.
    ({"allow_methods": ("GET", "HEAD", "POST")}, ["allow_methods"]),
    ({"allow_methods": ("GET", "PUT")}, []),
    ({"allow_methods": ("*",)}, []),
    ({"allow_methods": ("PROPFIND", "BREW", "VERSION-CONTROL", "M" * 64)}, []),
    ({"allow_methods": ("patch", "brew", "Purge")}, ["allow_methods[0]", "allow_methods[2]"]),
    ({"allow_methods": ("PUT", "M" * 65)}, ["allow_methods[1]"]),
    ({"allow_methods": ("PUT", "OPTIONS")}, ["allow_methods[1]"]),
    # Headers that never arrive, and those that need not be exposed.
    ({"allow_headers": ("X-Forwarded-For", "X-App")}, ["allow_headers[0]"]),
    ({"expose_headers": ("content-type", "ETag")}, ["expose_headers[0]"]),
    ({"expose_headers": ("X-A", "Keep-Alive")}, ["expose_headers[1]"]),
    # Chromium caches a preflight response for two hours.
    ({"max_age_s": 7200}, []),
    ({"max_age_s": 7201}, ["max_age"]),
    # A key that permits a risk, and one that permits nothing.
    (
        {"allow_origins": ("http://a.test",), "allow_credentials": True, INSECURE: True},
        [INSECURE],
    ),
    (
        {"allow_origins": ("http://localhost",), "allow_credentials": True, INSECURE: True},
        [INSECURE],
    ),
    ({"allow_origins": ("https://*.co.uk",), SUFFIXES: True}, [SUFFIXES]),
    ({SUFFIXES: True}, [SUFFIXES]),
    ({ANY: True}, [ANY]),
    ({"allow_origins": ("*",), ANY: True}, []),
)


def keys(found: list[tuple[str, str, str]]) -> list[str]:
    """Return the keys of findings, each of which says what is wrong and how to fix it."""
    if not all(problem and fix for _, problem, fix in found):
        raise AssertionError(found)
    return [key for key, _, _ in found]


class WarningsTests(SynchronousTestCase):
    """`warnings`."""

    def test_table(self) -> None:
        """Each setting has its warnings, and is still without faults."""
        for changes, expected in POLICIES:
            cors = attrs.evolve(PLAIN, **changes)
            self.assertEqual((changes, keys(warnings(cors, False))), (changes, expected))
            self.assertEqual(faults(cors), [], changes)

    def test_public_origins_and_a_loopback_gate(self) -> None:
        """Only public http and https origins have a warning, and only if the gate is local."""
        for origin, has_warning in (
            ("https://app.example.com", True),
            ("http://8.8.8.8", True),
            ("https://[2606:4700::1111]", True),
            ("http://localhost:4200", False),
            ("http://10.0.0.1", False),
            ("https://app.corp", False),
            ("capacitor://localhost", False),
            ("*", False),
        ):
            cors = Cors(allow_origins=(origin,))
            expected = ["allow_origins[0]"] if has_warning else []
            self.assertEqual((origin, keys(warnings(cors, True))), (origin, expected))
            self.assertEqual((origin, warnings(cors, False)), (origin, []))

    def test_danger_names_the_origin(self) -> None:
        """A permitted risk names the origin; a key without effect is to be removed."""
        for origin, problem, fix in (
            ("http://a.test", '"http://a.test"', "list https origins"),
            ("https://a.test", "no effect", "remove it"),
        ):
            cors = Cors(
                allow_origins=(origin,),
                allow_credentials=True,
                dangerously_allow_insecure_origins_with_credentials=True,
            )
            ((_, found, fixed),) = warnings(cors, False)
            self.assertIn(problem, found)
            self.assertIn(fix, fixed)

    def test_invalid_origins_are_skipped(self) -> None:
        """An entry that is a fault has no warning besides."""
        self.assertEqual(warnings(Cors(allow_origins=("nonsense", "https://a.test/")), True), [])


BEARER = BearerCredentials(token=Secret("t"))
KEY = HeaderCredentials(name="X-Key", value=Secret("k"))

# Changes of the policy, of the route, and the upstream's credentials; the keys with a warning.
ROUTES: tuple[tuple[dict[str, Any], dict[str, Any], Any, list[str]], ...] = (
    ({}, {}, None, []),
    ({}, {}, BEARER, []),
    # Authorization is not covered by "*".
    ({"allow_headers": ("*",)}, {}, None, ["cors.allow_headers"]),
    ({"allow_headers": ("*", "authorization")}, {}, None, []),
    ({"allow_headers": ("*",), "allow_credentials": True}, {}, None, []),
    ({"allow_headers": ("*",)}, {}, BEARER, []),
    ({"allow_headers": ("*",), "allow_origins": ("http://localhost:*",)}, {}, None, []),
    # What the route refuses or removes.
    ({"allow_methods": ("PUT", "DELETE")}, {"methods": ("PUT",)}, None, ["cors.allow_methods[1]"]),
    ({"allow_methods": ("*",)}, {"methods": ("PUT",)}, None, []),
    ({"allow_headers": ("X-A", "X-Remote-User")}, {}, None, ["cors.allow_headers[1]"]),
    ({"allow_headers": ("X-Remote-User",)}, {"pass_headers": ("x-remote-user",)}, None, []),
    # What the gate itself sends or hides.
    ({"allow_headers": ("X-Key", "Authorization")}, {}, KEY, ["cors.allow_headers[1]"]),
    # The name of the field with the credentials is a fault, so it has no warning.
    ({"allow_headers": ("Authorization", "X-Key")}, {}, BEARER, []),
    ({"expose_headers": ("X-Key",)}, {}, KEY, []),
    ({"expose_headers": ("WWW-Authenticate",)}, {}, KEY, ["cors.expose_headers[0]"]),
    ({"expose_headers": ("WWW-Authenticate",)}, {}, None, []),
    # Who may act with the upstream's credentials.
    ({"enforce_origin": False}, {}, BEARER, ["cors.enforce_origin"]),
    ({"enforce_origin": False}, {}, None, []),
    ({"allow_origins": ("*",), ANY: True}, {}, BEARER, [f"cors.{ANY}"]),
    ({"allow_origins": ("*",), ANY: True}, {}, None, []),
    ({"allow_origins": ("https://a.test", "http://b.test")}, {}, BEARER, ["cors.allow_origins[1]"]),
    ({"allow_origins": ("http://b.test",)}, {}, None, []),
    ({"allow_origins": ("http://127.0.0.1:1",)}, {}, BEARER, []),
    (
        {"allow_origins": ("http://b.test",), "allow_credentials": True, INSECURE: True},
        {},
        BEARER,
        [],
    ),
)


def route(changes: dict[str, Any] | None, own: dict[str, Any], credentials: Any) -> Route:
    """Return a route; its policy has these changes, or there is none."""
    upstream = Upstream(
        name="box", servers=(Server(scheme="http", host="h", port=1),), credentials=credentials
    )
    cors = None if changes is None else attrs.evolve(PLAIN, **changes)
    return Route(prefix="/", upstream=upstream, cors=cors, **own)


class RouteWarningsTests(SynchronousTestCase):
    """`route_warnings`."""

    def test_table(self) -> None:
        """Each combination of policy, route and upstream has its warnings."""
        for changes, own, credentials, expected in ROUTES:
            found = keys(route_warnings(route(changes, own, credentials), True))
            case = (changes, own, credentials)
            self.assertEqual((case, found), (case, expected))

    def test_no_policy(self) -> None:
        """A route without a policy has no warning."""
        self.assertEqual(route_warnings(route(None, {"methods": ("PUT",)}, BEARER), True), [])

    def test_shared_policy_may_allow_more_than_one_route_serves(self) -> None:
        """A shared policy has no warning for what one route drops, but still for its risks."""
        changes = {"allow_methods": ("DELETE",), "allow_headers": ("X-Remote-User",)}
        own = {"methods": ("GET",)}
        self.assertEqual(len(route_warnings(route(changes, own, None), True)), 2)
        self.assertEqual(route_warnings(route(changes, own, None), False), [])
        risky = route({"enforce_origin": False}, {}, BEARER)
        self.assertEqual(keys(route_warnings(risky, False)), ["cors.enforce_origin"])

    def test_insecure_origins_are_counted(self) -> None:
        """One warning names the first http origin and the number of the others."""
        origins = ("http://a.test", "https://b.test", "http://c.test")
        ((_, problem, _),) = route_warnings(route({"allow_origins": origins}, {}, BEARER), True)
        self.assertIn('"http://a.test" (and 1 more)', problem)
