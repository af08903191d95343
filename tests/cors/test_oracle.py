"""For all responses of the gate, a browser by the letter of Fetch does what the policy means."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.cors import PREFLIGHT_STATUSES
from corsgate.config.model.values import Cors
from corsgate.cors.debug import tell
from corsgate.cors.decide import Verdict, decide
from corsgate.cors.faults import faults
from corsgate.cors.policy import Policy, compile_policy
from corsgate.message.headers import index_headers
from tests.cors import cases, oracle
from tests.cors.intent import allows_origin, lets_read, lets_send, readable
from tests.cors.oracle import Header, NetworkError, Request, Response
from tests.explain import cases_browser

GATE = b"https://gate.example.com"
UPSTREAM: list[Header] = [
    (b"Content-Type", b"application/json"),
    (b"ETag", b'"1"'),
    (b"X-Total", b"5"),
    (b"X-total", b"6"),
    (b"Set-Cookie", b"a=b"),
    (b"Server", b"box"),
    (b"X-Powered-By", b"box"),
]

PATTERNS = (
    "https://app.example.com",
    "https://*.example.com",
    "https://*.b.example.com:*",
    "https://app.example.com:8443",
    "http://localhost:*",
    "http://*.localhost:3000",
    "http://127.0.0.1:8080",
    "http://[::1]:*",
    "https://[2001:db8::1]",
    "capacitor://localhost",
    "chrome-extension://abcdef",
    "chrome-extension://*",
    "https://app*.example.com",
    "https://*--x.b.example.com:*",
    "https://a.b*.example.com:8443",
    "null",
)
METHODS = ("PUT", "DELETE", "PATCH", "GET", "PROPFIND", "POST")
NAMES = ("Content-Type", "If-Match", "X-App", "Authorization", "Accept", "Range", "x-b")

ORIGINS = st.builds(
    lambda scheme, host, port: f"{scheme}://{host}{port}",
    st.sampled_from(("https", "http", "capacitor", "chrome-extension")),
    st.sampled_from(
        (
            *("app.example.com", "example.com", "a.b.example.com", "b.example.com"),
            *("app.example.com.evil.test", "evilexample.com", "xapp.example.com", "example.co"),
            *("app-1.example.com", "pr-7--x.b.example.com", "a.bc.example.com", "app_.example.com"),
            *("localhost", "app.localhost", "127.0.0.1", "127.0.0.2", "[::1]", "[2001:db8::1]"),
            *("[::ffff:7f00:1]", "abcdef", "abcdefg", "gate.example.com"),
        )
    ),
    st.sampled_from(("", "", "", ":8443", ":3000", ":8080", ":1", ":65535")),
) | st.sampled_from((*(p for p in PATTERNS if "*" not in p), GATE.decode()))


def listed(names: Sequence[str]) -> st.SearchStrategy[tuple[str, ...]]:
    """Return lists of some of the names in any order, or the star."""
    return st.lists(st.sampled_from(names), max_size=4).map(tuple) | st.just(("*",))


@st.composite
def policies(draw: st.DrawFn) -> Cors:
    """Return policies without faults."""
    headers = draw(listed(NAMES))
    if headers == ("*",) and draw(st.booleans()):
        headers = ("*", "Authorization")
    auto = draw(st.booleans())
    cors = Cors(
        allow_origins=draw(
            st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=5).map(tuple) | st.just(("*",))
        ),
        allow_methods=draw(listed(METHODS)),
        allow_headers=headers,
        expose_headers=() if auto else draw(listed(("ETag", "x-total", "Server", "X-None"))),
        expose_auto=auto,
        allow_credentials=draw(st.booleans()),
        max_age_s=draw(st.none() | st.integers(0, 86_400)),
        enforce_origin=draw(st.booleans()),
        debug=draw(st.booleans()),
        preflight_status=draw(st.sampled_from(PREFLIGHT_STATUSES)),
        dangerously_allow_any_browser_extension=True,
        dangerously_allow_null_origin=True,
        dangerously_allow_null_origin_with_credentials=True,
    )
    assume(not faults(cors))
    return cors


def allowed_pages(cors: Cors) -> list[bytes]:
    """Return origins that a policy allows: two for each pattern."""
    found = set()
    for pattern in cors.allow_origins:
        if pattern == "*":
            found |= {"https://any.test", "null"}
            continue
        for name, port in (("a.", ""), ("b.a.", ":81")):
            exact = pattern.replace("*.", name, pattern.count("//*.")).replace(":*", port)
            found.add(exact.replace("*", name.replace(".", "-")))
    return [origin.encode() for origin in sorted(found)]


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Return requests that scripts may attempt."""
    value = st.sampled_from(
        (
            *(b"", b"x", b"application/json", b"text/plain", b"Text/Plain; charset=utf-8"),
            *(b"bytes=0-99", b"bytes=-5", b"a" * 128, b"a" * 129, b"(comment)", b"*/*"),
        )
    )
    names = (
        *(name.encode() for name in NAMES),
        *(b"content-type", b"ACCEPT", b"Accept-Language", b"X-Other", b"Cookie", b"Sec-X"),
        *(b"Origin", b"X-HTTP-Method-Override", b"authorization", b"*"),
    )
    return Request(
        origin=draw(ORIGINS).encode(),
        target_origin=GATE,
        method=draw(
            st.sampled_from(
                (
                    *(b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"PATCH", b"PROPFIND", b"get"),
                    *(b"put", b"patch", b"Delete", b"TRACE", b"connect", b"FOO", b"*", b"OPTIONS"),
                )
            )
        ),
        headers=draw(st.lists(st.tuples(st.sampled_from(names), value), max_size=4)),
        include=draw(st.booleans()),
        listens=draw(st.booleans()),
    )


class SimulatedGate:
    """The decision code with an upstream behind it; counts the forwarded requests.

    Args:
        policy: The route's.
        credentialed: Whether the route injects credentials.
    """

    def __init__(self, policy: Policy, *, credentialed: bool = False) -> None:
        self.policy = policy
        self.credentialed = credentialed
        self.forwarded: list[bytes] = []

    def __call__(self, method: bytes, headers: Sequence[Header]) -> Response:
        """Return the gate's response to a request."""
        index = index_headers(headers)
        decision = decide(self.policy, method, index, GATE, credentialed=self.credentialed)
        if decision.verdict is Verdict.FORWARD:
            self.forwarded.append(method)
            ours = decision.exposing(UPSTREAM).headers
            return Response(200, [*UPSTREAM, *ours])
        if decision.verdict is Verdict.REFUSE and self.policy.debugs:
            decision = tell(self.policy, decision, index, loopback=True)
        passed = decision.verdict is Verdict.PREFLIGHT
        status = self.policy.source.preflight_status if passed else 403
        return Response(status, decision.headers)


def always(response: Response) -> oracle.Server:
    """Return a server that sends one response for all requests."""
    return lambda _method, _headers: response


class OracleTests(SynchronousTestCase):
    """The gate's decisions, judged by `tests.cors.oracle`, against `tests.cors.intent`."""

    @settings(max_examples=250)
    @given(policies(), st.lists(requests(), min_size=1, max_size=4), st.booleans())
    def test_verdicts(self, cors: Cors, asked: list[Request], credentialed: bool) -> None:
        """A script can read exactly the responses and headers that the policy means."""
        policy = compile_policy(cors)
        # Also from each other allowed page: a cached response must not reach another page.
        asked += [attrs.evolve(one, origin=page) for one in asked for page in allowed_pages(cors)]
        for request in [*asked, *asked]:
            gate = SimulatedGate(policy, credentialed=credentialed)
            result = oracle.fetch(request, gate)
            if result is None:
                continue
            meant = lets_read(cors, _as_made(request))
            got = isinstance(result, Response) and result.status == 200
            event(f"meant {meant}" if meant == got else "wrong")
            self.assertEqual(got, meant, (cors, request, result))
            if isinstance(result, Response) and request.origin != GATE:
                theirs = {name.lower() for name, _ in UPSTREAM}
                names = theirs & {name.lower() for name, _ in result.headers}
                self.assertEqual(names, readable(cors, UPSTREAM), (cors, request))
            if isinstance(result, NetworkError) and cors.enforce_origin:
                may = allows_origin(cors, request.origin.decode())
                self.assertTrue(may or not gate.forwarded, (cors, request))

    @settings(max_examples=100)
    @given(policies(), ORIGINS, st.booleans(), st.sampled_from((b"no-cors", b"navigate", b"cors")))
    def test_sent_without_cors(
        self, cors: Cors, origin: str, credentialed: bool, mode: bytes
    ) -> None:
        """Another site's beacon, form or simple fetch gets through only if the policy means it."""
        policy = compile_policy(cors)
        for page in {origin.encode(), *allowed_pages(cors)} - {GATE}:
            gate = SimulatedGate(policy, credentialed=credentialed)
            headers = [
                (b"Origin", page),
                (b"Sec-Fetch-Site", b"cross-site"),
                (b"Sec-Fetch-Mode", mode),
            ]
            gate(b"POST", headers)
            meant = lets_send(cors, page.decode(), credentialed=credentialed and mode != b"cors")
            self.assertEqual(bool(gate.forwarded), meant, (cors, page))

    @settings(max_examples=100)
    @given(policies(), requests())
    def test_nothing_needless(self, cors: Cors, request: Request) -> None:
        """An allowed response has only CORS headers that a browser needs."""
        policy = compile_policy(cors)
        gate = SimulatedGate(policy)
        if not isinstance(oracle.fetch(request, gate), Response) or request.origin == GATE:
            return
        for method, headers in (
            (b"GET", [(b"Origin", request.origin)]),
            (
                b"OPTIONS",
                [(b"Origin", request.origin), (b"Access-Control-Request-Method", b"GET")],
            ),
        ):
            names = [name for name, _ in gate(method, headers).headers]
            preflight = method == b"OPTIONS"
            self.assertEqual(names.count(b"Access-Control-Allow-Origin"), 1)
            self.assertEqual(b"Access-Control-Allow-Credentials" in names, cors.allow_credentials)
            for name in (b"Access-Control-Allow-Methods", b"Access-Control-Allow-Headers"):
                self.assertLessEqual(names.count(name), int(preflight))
            self.assertEqual(
                b"Access-Control-Max-Age" in names, preflight and cors.max_age_s is not None
            )
            self.assertFalse(preflight and b"Access-Control-Expose-Headers" in names)

    @settings(max_examples=100)
    @given(policies(), requests(), st.booleans())
    def test_vary(self, cors: Cors, request: Request, credentialed: bool) -> None:
        """Vary names every part of the request that changes the response."""
        gate = SimulatedGate(compile_policy(cors), credentialed=credentialed)
        one = gate(b"GET", [(b"Origin", request.origin)])
        for other in ([], [(b"Origin", GATE)], [(b"Origin", b"https://x.test")]):
            second = gate(b"GET", other)
            vary = (oracle.get(b"Vary", one.headers) or b"").lower().split(b", ")
            differ = [h for h in one.headers if h[0].lower().startswith(b"access-control-")] != [
                h for h in second.headers if h[0].lower().startswith(b"access-control-")
            ]
            self.assertTrue(b"origin" in vary or not differ, (cors, request, other))

    def test_table(self) -> None:
        """Each script reads its response, or is stopped at the intended step."""
        policies = {name: compile_policy(cors) for name, cors in cases_browser.POLICIES.items()}
        for case in cases_browser.CASES:
            name, origin, method, headers, include, expected = case
            request = Request(
                origin=origin.encode(),
                target_origin=GATE,
                method=method.encode(),
                headers=headers,
                include=include,
            )
            result = oracle.fetch(request, SimulatedGate(policies[name]))
            outcome = result.step if isinstance(result, NetworkError) else cases_browser.READ
            self.assertTrue(outcome != cases_browser.READ or _status(result) == 200, case)
            self.assertEqual(outcome, expected, case)
            meant = lets_read(cases_browser.POLICIES[name], _as_made(request))
            self.assertEqual(meant, expected == cases_browser.READ, case)

    def test_tables_are_large(self) -> None:
        """There are at least 250 pairs of a request and a policy, none twice."""
        tables = (cases.ACTUAL, cases.PREFLIGHTS, cases.FETCH_SITES, cases_browser.CASES)
        pairs = [str(case) for table in tables for case in table]
        self.assertGreaterEqual(len(set(pairs)), 250)
        self.assertEqual(len(set(pairs)), len(pairs))

    def test_oracle_refuses(self) -> None:
        """The oracle detects the faults in the responses of a careless gate."""
        request = Request(origin=b"https://a", target_origin=GATE, method=b"PUT", include=True)
        allow = (b"Access-Control-Allow-Origin", b"https://a")
        credentials = (b"Access-Control-Allow-Credentials", b"true")
        put = (b"Access-Control-Allow-Methods", b"PUT")
        for status, headers, step in (
            (204, [allow, credentials], "preflight: method"),
            (204, [credentials, put], "preflight: CORS check"),
            (204, [(b"Access-Control-Allow-Origin", b"*"), put], "preflight: CORS check"),
            (204, [allow, allow, credentials, put], "preflight: CORS check"),
            (204, [allow, put], "preflight: CORS check"),
            (403, [allow, credentials, put], "preflight: status"),
            (
                204,
                [allow, credentials, (b"Access-Control-Allow-Methods", b"*")],
                "preflight: method",
            ),
            (204, [allow, credentials, (put[0], b"put")], "preflight: method"),
            (204, [allow, credentials, (put[0], b"P T")], "preflight: syntax"),
        ):
            result = oracle.fetch(request, always(Response(status, headers)))
            self.assertEqual(result, NetworkError(step), headers)
        good = always(Response(204, [allow, credentials, put]))
        self.assertIsInstance(oracle.fetch(request, good), Response)


def _status(result: object) -> int:
    return result.status if isinstance(result, Response) else 0


def _as_made(request: Request) -> Request:
    """Return a request without the headers that scripts can't set."""
    headers = [each for each in request.headers if not oracle.is_forbidden(*each)]
    return attrs.evolve(request, headers=headers)
