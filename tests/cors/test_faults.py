"""The faults of a policy, and of a route with one."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.secret import Secret
from corsgate.config.model.values import (
    BasicCredentials,
    BearerCredentials,
    Cors,
    Credentials,
    HeaderCredentials,
    QueryCredentials,
    Route,
    Server,
    SeveralCredentials,
    Upstream,
)
from corsgate.config.sections.policies import Finding
from corsgate.cors.faults import faults, injection_faults, route_faults
from corsgate.cors.policy import compile_policy
from corsgate.errors import BadValue, PolicyError

SPA = Cors(allow_origins=("https://spa.example",))

# Changes of a valid policy; the keys with faults; a part of the first fix.
FAULTS: tuple[tuple[dict[str, object], tuple[str, ...], str], ...] = (
    ({"allow_origins": ()}, ("allow_origins",), "remove the policy to allow no origin"),
    ({"allow_origins": ("null",)}, ("allow_origins[0]",), "dangerously_allow_null_origin = true"),
    (
        {"allow_origins": ("null",), "allow_credentials": True},
        ("allow_origins[0]",),
        "dangerously_allow_null_origin_with_credentials = true",
    ),
    (
        {"allow_origins": ("moz-extension://*", "chrome-extension://*")},
        ("allow_origins[0]", "allow_origins[1]"),
        "dangerously_allow_any_browser_extension = true",
    ),
    ({"allow_origins": ("https://*example.com",)}, ("allow_origins[0]",), "https://*.example.com"),
    ({"debug_origins": ("null", "*")}, ("debug_origins[0]", "debug_origins[1]"), "developers"),
    ({"allow_headers": ("X-A", "X-*")}, ("allow_headers[1]",), "each name"),
    ({"expose_headers": ("X-*", "*-A")}, ("expose_headers[0]", "expose_headers[1]"), "each name"),
    ({"allow_methods": ("M-*",)}, ("allow_methods[0]",), "each name"),
    ({"expose_headers": ("access-control-max-age",)}, ("expose_headers[0]",), "leave it out"),
    ({"expose_headers": ("Access-Control-X",)}, ("expose_headers[0]",), "leave it out"),
    (
        {"allow_origins": ("https://a.example", "https://b.example/", "c")},
        ("allow_origins[1]", "allow_origins[2]"),
        '"https://b.example"',
    ),
    (
        {"allow_origins": ("*",), "allow_credentials": True},
        ("allow_origins[0]",),
        "list the origins",
    ),
    ({"allow_origins": ("*", "https://a.example")}, ("allow_origins",), "alone"),
    ({"allow_methods": ("*", "PUT")}, ("allow_methods",), "alone"),
    ({"allow_methods": ("",)}, ("allow_methods[0]",), "write a method"),
    ({"allow_methods": ("PUT, DELETE",)}, ("allow_methods[0]",), "write a method"),
    ({"allow_methods": ("PÜT",)}, ("allow_methods[0]",), "write a method"),
    ({"allow_methods": ("\ud800",)}, ("allow_methods[0]",), "write a method"),
    ({"allow_methods": ("PUT\r\nX: y",)}, ("allow_methods[0]",), "write a method"),
    ({"allow_methods": ("CONNECT",)}, ("allow_methods[0]",), "leave it out"),
    (
        {"allow_methods": ("PUT", "trace", "Track")},
        ("allow_methods[1]", "allow_methods[2]"),
        "leave it out",
    ),
    ({"allow_methods": ("get",)}, ("allow_methods[0]",), '"GET"'),
    ({"allow_methods": ("Delete",)}, ("allow_methods[0]",), '"DELETE"'),
    ({"allow_headers": ("X Y",)}, ("allow_headers[0]",), "one name"),
    ({"allow_headers": ("X-A, X-B",)}, ("allow_headers[0]",), "one name"),
    ({"allow_headers": ("X-\N{SNOWMAN}",)}, ("allow_headers[0]",), "one name"),
    ({"allow_headers": ("X:",)}, ("allow_headers[0]",), "one name"),
    ({"allow_headers": ("Cookie",)}, ("allow_headers[0]",), "leave it out"),
    ({"allow_headers": ("origin",)}, ("allow_headers[0]",), "leave it out"),
    ({"allow_headers": ("Content-Length",)}, ("allow_headers[0]",), "leave it out"),
    ({"allow_headers": ("Sec-Fetch-Site",)}, ("allow_headers[0]",), "leave it out"),
    ({"allow_headers": ("PROXY-X",)}, ("allow_headers[0]",), "leave it out"),
    ({"allow_headers": ("*", "X-A")}, ("allow_headers",), "alone"),
    ({"expose_headers": ("Set-Cookie",)}, ("expose_headers[0]",), "leave it out"),
    ({"expose_headers": ("X-A", "set-cookie2")}, ("expose_headers[1]",), "leave it out"),
    ({"expose_headers": ("",)}, ("expose_headers[0]",), "one name"),
    (
        {"expose_headers": ("*",), "allow_credentials": True},
        ("expose_headers[0]",),
        "list the headers",
    ),
    ({"expose_headers": ("*", "X-A")}, ("expose_headers",), "alone"),
)

FAULTLESS: tuple[dict[str, object], ...] = (
    {},
    {"allow_origins": ("*",)},
    {"allow_origins": ("https://a.example", "https://a.example")},
    {"allow_methods": ("GET", "PUT", "PUT", "PATCH", "PROPFIND", "PURGE")},
    {"allow_methods": ("*",), "allow_credentials": True},
    {"allow_headers": ("*",), "allow_credentials": True},
    {"allow_headers": ("*", "Authorization")},
    {"allow_headers": ("authorization", "*"), "allow_credentials": True},
    {"allow_headers": ("Content-Type", "content-type", "X-Secret", "User-Agent", "Security")},
    {"expose_headers": ("*",)},
    {"expose_headers": ("X-Total", "ETag"), "allow_credentials": True},
    {"allow_origins": ("http://localhost:*", "http://[::1]:1"), "allow_credentials": True},
    {"allow_origins": ("http://a.example",)},
    {"max_age_s": 0},
    {"max_age_s": 86_400},
)


def _cors(changes: dict[str, object]) -> Cors:
    fields = {field.name: getattr(SPA, field.name) for field in attrs.fields(Cors)}
    return Cors(**{**fields, **changes})


class FaultsTests(SynchronousTestCase):
    """`faults`."""

    def test_faults(self) -> None:
        """Each fault has its key, its problem and its fix."""
        for changes, keys, fix in FAULTS:
            found = faults(_cors(changes))
            self.assertEqual(tuple(key for key, _, _ in found), keys, changes)
            self.assertIn(fix, found[0][2], changes)
            self.assertTrue(all(problem for _, problem, _ in found), changes)

    def test_faultless(self) -> None:
        """Valid settings have no fault, repeated entries included."""
        for changes in FAULTLESS:
            self.assertEqual(faults(_cors(changes)), [], changes)

    def test_max_age_out_of_bounds(self) -> None:
        """A negative age, or one of more than a day, is rejected here or by the model."""
        for seconds in (-1, 86_401):
            try:
                cors = _cors({"max_age_s": seconds})
            except BadValue:
                continue
            self.assertEqual([key for key, _, _ in faults(cors)], ["max_age"])

    def test_faults_of_all_keys_at_once(self) -> None:
        """Faults of all keys are reported together, and compiling raises them all."""
        cors = _cors(
            {
                "allow_origins": ("null", "https://a.example:443"),
                "allow_methods": ("put",),
                "allow_headers": ("Cookie",),
                "expose_headers": ("Set-Cookie",),
            }
        )
        keys = [key for key, _, _ in faults(cors)]
        self.assertEqual(
            keys,
            [
                "allow_origins[0]",
                "allow_origins[1]",
                "allow_methods[0]",
                "allow_headers[0]",
                "expose_headers[0]",
            ],
        )
        error = self.assertRaises(PolicyError, compile_policy, cors)
        self.assertIsInstance(error, ValueError)
        self.assertEqual([key for key, _, _ in error.faults], keys)
        for key in keys:
            self.assertIn(key, str(error))

    @given(st.lists(st.text(max_size=12), max_size=3), st.lists(st.text(max_size=12), max_size=3))
    def test_any_text_compiles_or_raises(self, methods: list[str], names: list[str]) -> None:
        """Any text is either compiled or rejected as a whole."""
        cors = _cors(
            {
                "allow_methods": tuple(methods),
                "allow_headers": tuple(names),
                "expose_headers": tuple(names),
            }
        )
        if faults(cors):
            self.assertRaises(PolicyError, compile_policy, cors)
        else:
            compile_policy(cors)

    def test_each_danger_needs_its_own_key(self) -> None:
        """A risky entry is a fault until the key that names the risk is set, and no other."""
        insecure = "dangerously_allow_insecure_origins_with_credentials"
        suffixes = "dangerously_allow_subdomains_of_public_suffixes"
        for risk, at, right, wrong in (
            (
                {"allow_origins": ("http://a.example",), "allow_credentials": True},
                "allow_origins[0]",
                insecure,
                suffixes,
            ),
            ({"allow_origins": ("https://*.co.uk",)}, "allow_origins[0]", suffixes, insecure),
            ({"debug_origins": ("https://*.co.uk",)}, "debug_origins[0]", suffixes, insecure),
        ):
            cors = _cors(dict(risk))
            for keys, found in (((), [at]), ((wrong,), [at]), ((right,), [])):
                changed = _cors({**risk, **dict.fromkeys(keys, True)})
                self.assertEqual((risk, keys, [f[0] for f in faults(changed)]), (risk, keys, found))
            ((_, _, fix),) = faults(cors)
            self.assertIn(f"set {right} = true", fix)


KEY = HeaderCredentials(name="X-Key", value=Secret("k"))


def of_route(changes: Mapping[str, object], credentials: Credentials | None) -> list[Finding]:
    """Return the faults of a route to an upstream with these credentials."""
    server = Server(scheme="http", host="h", port=1)
    upstream = Upstream(name="box", servers=(server,), credentials=credentials)
    route = Route(prefix="/", upstream=upstream, cors=_cors(dict(changes)))
    return [*route_faults(route), *injection_faults(route, [upstream])]


class RouteFaultsTests(SynchronousTestCase):
    """`route_faults`."""

    def test_any_origin_with_injected_credentials(self) -> None:
        """Only ``*`` on a route that injects credentials is a fault, unless its key is set."""
        dangerous = "dangerously_allow_any_origin_to_use_upstream_credentials"
        for changes, injects, keys in (
            (None, True, []),
            ({}, True, []),
            ({"allow_origins": ("*",)}, False, []),
            ({"allow_origins": ("*",)}, True, ["cors"]),
            ({"allow_origins": ("*",), dangerous: True}, True, []),
        ):
            upstream = Upstream(
                name="box",
                servers=(Server(scheme="http", host="h", port=1),),
                credentials=HeaderCredentials(name="X-Key", value=Secret("k")) if injects else None,
            )
            cors = None if changes is None else _cors(dict(changes))
            found = route_faults(Route(prefix="/", upstream=upstream, cors=cors))
            self.assertEqual((changes, injects, [f[0] for f in found]), (changes, injects, keys))

    def test_null_with_injected_credentials(self) -> None:
        """``null`` is as open as ``*``; its own key does not permit what the other one does."""
        null = {"allow_origins": ("null",), "dangerously_allow_null_origin": True}
        any_origin = "dangerously_allow_any_origin_to_use_upstream_credentials"
        for changes, keys in ((null, ["cors"]), ({**null, any_origin: True}, [])):
            self.assertEqual([key for key, _, _ in of_route(changes, KEY)], keys)
            self.assertEqual(of_route(changes, None), [])

    def test_a_parameter_is_no_field(self) -> None:
        """Credentials in the query take no field from scripts, but are credentials."""
        query = QueryCredentials(name="X-Key", value=Secret("k"))
        self.assertEqual(of_route({"allow_headers": ("X-Key",)}, query), [])
        (finding,) = of_route({"allow_origins": ("*",)}, query)
        self.assertEqual(finding[0], "cors")

    def test_name_of_the_credentials(self) -> None:
        """No script may send or read the field that the gate sends, in any spelling."""
        for credentials, name in (
            (KEY, "x-key"),
            (HeaderCredentials(name="X_Key", value=Secret("k")), "x_key"),
            (SeveralCredentials(parts=(KEY, BearerCredentials(token=Secret("t")))), "X-KEY"),
            (BearerCredentials(token=Secret("t")), "Authorization"),
            (BasicCredentials(username="u", password=Secret("p")), "AUTHORIZATION"),
        ):
            for changes, keys in (
                ({"allow_headers": ("X-A", name)}, ["cors.allow_headers[1]"]),
                ({"expose_headers": (name,)}, ["cors.expose_headers[0]"]),
                ({"allow_headers": ("*",)}, []),
                ({"allow_headers": ("X-Other",)}, []),
            ):
                found = [key for key, _, _ in of_route(changes, credentials)]
                self.assertEqual((name, changes, found), (name, changes, keys))
                self.assertEqual(of_route(changes, None), [])
        self.assertEqual(of_route({"allow_headers": ("Authorization",)}, KEY), [])

    def test_shared_policy(self) -> None:
        """A name that another route with the same policy has a use for is no fault."""
        server = Server(scheme="http", host="h", port=1)
        keyed = Upstream(name="a", servers=(server,), credentials=KEY)
        bearer = Upstream(
            name="b", servers=(server,), credentials=BearerCredentials(token=Secret("t"))
        )
        bare = Upstream(name="c", servers=(server,))
        route = Route(prefix="/", upstream=keyed, cors=_cors({"allow_headers": ("X-Key",)}))
        for others, count in (([], 1), ([keyed], 1), ([bearer], 0), ([keyed, bare], 0)):
            self.assertEqual(len(injection_faults(route, [keyed, *others])), count)
        self.assertEqual(injection_faults(attrs.evolve(route, cors=None), [keyed]), [])
