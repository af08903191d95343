"""The CORS headers of paths without a route."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Cors
from corsgate.cors.decision import Verdict
from corsgate.cors.policy import Policy, compile_policy
from corsgate.cors.unrouted import RoutePolicy, decide_unrouted, nearest
from corsgate.message.headers import Header, index_headers

APP = b"http://localhost:4200"
OTHER = b"https://other.example"


def policy(*origins: str, **keys: object) -> Policy:
    """Return a policy with `debug`, unless the keys say otherwise."""
    given = {"debug": True, **keys}
    return compile_policy(Cors(allow_origins=origins, **given))  # type: ignore[arg-type]


def at(path: str, found: Policy, host: bytes | None = None) -> RoutePolicy:
    """Return a route's policy."""
    segments = tuple(path[1:].encode().split(b"/")) if path != "/" else ()
    return RoutePolicy(host=host, path=segments, policy=found)


NAMED = policy("http://localhost:4200", allow_credentials=True, max_age_s=600)
ANY = policy("*")
QUIET = policy("http://localhost:4200", debug=False)
REMOTE = policy(
    "http://localhost:4200",
    "https://other.example",
    debug=False,
    debug_origins=("https://other.example",),
)


class NearestTests(SynchronousTestCase):
    """`nearest`."""

    def found(
        self,
        *routes: RoutePolicy,
        path: str = "/v2/x",
        origins: Sequence[bytes] = (APP,),
        loopback: bool = True,
        host: bytes = b"localhost",
    ) -> Policy | None:
        """Return the nearest policy."""
        index = index_headers([(b"Origin", origin) for origin in origins])
        path_segments = path[1:].encode().split(b"/")
        return nearest(routes, host, path_segments, index, loopback=loopback)

    def test_longest_common_prefix(self) -> None:
        """Whole segments count, and the first among equals wins."""
        first, second, third = (policy("http://localhost:4200") for _ in range(3))
        routes = (at("/a", first), at("/a/b", second), at("/a/c", third))
        for path, wanted in (
            ("/a/b/x", second),
            ("/a/c", third),
            ("/a/bb", first),
            ("/a", first),
            ("/b/c", first),
        ):
            self.assertIs(self.found(*routes, path=path), wanted, path)
        self.assertIs(self.found(at("/z", third), *routes, path="/q"), third)

    def test_star_is_for_its_own_prefix(self) -> None:
        """A policy for every origin does not open the paths that have nothing in common with it."""
        self.assertIsNone(self.found(at("/v1", ANY)))
        self.assertIs(self.found(at("/v1", ANY), path="/v1x/../v1/y"), None)
        self.assertIs(self.found(at("/v1/docs", ANY), path="/v1/dosc"), ANY)
        self.assertIs(self.found(at("/v1", ANY), at("/w", NAMED)), NAMED)

    def test_not_allowed(self) -> None:
        """Another origin, several Origin fields, or none: no policy."""
        for origins in ((OTHER,), (), (APP, APP), (b"null",), (APP + b"/",), (b"x" * 9000,)):
            self.assertIsNone(self.found(at("/v1", NAMED), origins=origins), origins)

    def test_who_may_know(self) -> None:
        """Without debug nobody; with it this machine; by debug_origins that origin anywhere."""
        self.assertIsNone(self.found(at("/v1", QUIET)))
        self.assertIsNone(self.found(at("/v1", NAMED), loopback=False))
        self.assertIsNone(self.found(at("/v1", REMOTE)))
        self.assertIs(self.found(at("/v1", REMOTE), origins=[OTHER], loopback=False), REMOTE)

    def test_host(self) -> None:
        """A route of another host does not count."""
        self.assertIsNone(self.found(at("/v1", NAMED, b"api.localhost")))
        self.assertIs(self.found(at("/v1", NAMED, b"api.localhost"), host=b"api.localhost"), NAMED)


class DecisionTests(SynchronousTestCase):
    """`decide_unrouted`."""

    def test_actual(self) -> None:
        """The policy's own headers for an actual request, and the reason."""
        for method in (b"GET", b"DELETE", b"OPTIONS"):
            decision = decide_unrouted(NAMED, method, index_headers([(b"Origin", APP)]))
            assert decision is not None
            self.assertIs(decision.verdict, Verdict.FORWARD)
            found = dict(decision.headers)
            self.assertEqual(found[b"Access-Control-Allow-Origin"], APP)
            self.assertEqual(found[b"Access-Control-Allow-Credentials"], b"true")
            self.assertEqual(found[b"Corsgate-Reason"], b"no route serves this path")
            self.assertEqual(decision.headers[-1], (b"Vary", b"Origin"))

    def preflight(self, *fields: Header) -> dict[bytes, bytes] | None:
        """Return the headers of the response to a preflight."""
        index = index_headers([(b"Origin", APP), *fields])
        decision = decide_unrouted(NAMED, b"OPTIONS", index)
        if decision is None:
            return None
        self.assertIs(decision.verdict, Verdict.PREFLIGHT)
        return dict(decision.headers)

    def test_preflight(self) -> None:
        """Whatever is asked for is granted, and not for later."""
        asked = (b"Access-Control-Request-Method", b"PUT")
        names = (b"Access-Control-Request-Headers", b"authorization,x-a")
        found = self.preflight(asked, names)
        assert found is not None
        self.assertEqual(found[b"Access-Control-Allow-Methods"], b"PUT")
        self.assertEqual(found[b"Access-Control-Allow-Headers"], b"authorization, x-a")
        self.assertEqual(found[b"Access-Control-Max-Age"], b"0")
        self.assertIn(b"Origin", found[b"Vary"])
        self.assertNotIn(b"Access-Control-Allow-Headers", self.preflight(asked) or {})

    def test_no_preflight_of_a_browser(self) -> None:
        """What no browser asks for is not repeated."""
        method = b"Access-Control-Request-Method"
        names = b"Access-Control-Request-Headers"
        for fields in (
            [(method, b"a b")],
            [(method, b"")],
            [(method, b"PUT"), (method, b"PUT")],
            [(method, b"PUT"), (names, b"x y")],
            [(method, b"PUT"), (names, b"x" * 9000)],
        ):
            self.assertIsNone(self.preflight(*fields), fields)
