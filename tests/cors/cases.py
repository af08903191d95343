"""Policies and requests as tables: the decision on each, with all its CORS headers."""

from __future__ import annotations

from typing import TypeAlias

from corsgate.config.model.values import Cors
from corsgate.cors.decide import Decision, Verdict, decide
from corsgate.cors.origin import MAX_ORIGIN_BYTES
from corsgate.cors.policy import Policy, compile_policy
from corsgate.message.headers import Header, index_headers

FORWARD, PREFLIGHT, REFUSE = Verdict.FORWARD, Verdict.PREFLIGHT, Verdict.REFUSE

OWN = b"https://gate.example"
APP = b"https://app.example"
SUB = b"https://x.sub.example"
EVIL = b"https://evil.test"
EXTENSION = b"moz-extension://2c127fa4-62c7-7e4f-90e5-472b45eecfdc"
LONG = b"https://" + b"a" * MAX_ORIGIN_BYTES

POLICIES: dict[str, Policy | None] = {
    "none": None,
    "plain": compile_policy(Cors(allow_origins=("https://app.example", "https://*.sub.example"))),
    "full": compile_policy(
        Cors(
            allow_origins=("https://app.example",),
            allow_methods=("GET", "PUT", "DELETE", "PUT"),
            allow_headers=("Content-Type", "If-Match", "Authorization"),
            expose_headers=("X-Total", "ETag"),
            allow_credentials=True,
            max_age_s=600,
        )
    ),
    "simple": compile_policy(
        Cors(allow_origins=("https://app.example",), allow_methods=("POST", "GET"), max_age_s=0)
    ),
    "lenient": compile_policy(
        Cors(allow_origins=("https://app.example",), enforce_origin=False, max_age_s=5)
    ),
    "stars": compile_policy(
        Cors(
            allow_origins=("https://app.example",),
            allow_methods=("*",),
            allow_headers=("*",),
            expose_headers=("*",),
        )
    ),
    "echo": compile_policy(
        Cors(
            allow_origins=("https://app.example",),
            allow_methods=("*",),
            allow_headers=("*", "Authorization"),
            allow_credentials=True,
        )
    ),
    "echo-names": compile_policy(
        Cors(
            allow_origins=("https://app.example",),
            allow_methods=("PUT",),
            allow_headers=("*",),
            allow_credentials=True,
            max_age_s=60,
        )
    ),
    "echo-methods": compile_policy(
        Cors(
            allow_origins=("https://app.example",),
            allow_methods=("*",),
            allow_headers=("X-A",),
            allow_credentials=True,
        )
    ),
    "public": compile_policy(
        Cors(
            allow_origins=("*",),
            allow_methods=("*",),
            allow_headers=("*", "Authorization"),
            expose_headers=("*",),
        )
    ),
    "null": compile_policy(
        Cors(
            allow_origins=("https://app.example", "null", "moz-extension://*"),
            dangerously_allow_null_origin=True,
            dangerously_allow_any_browser_extension=True,
        )
    ),
    "public-lenient": compile_policy(Cors(allow_origins=("*",), enforce_origin=False)),
}

VARY = (b"Vary", b"Origin")
VARY_BOTH = (b"Vary", b"Origin, Sec-Fetch-Site, Sec-Fetch-Mode, Sec-Fetch-Dest")
VARY_SITE = (b"Vary", b"Sec-Fetch-Site, Sec-Fetch-Mode, Sec-Fetch-Dest")
VARY_PRE = (b"Vary", b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
CREDENTIALS = (b"Access-Control-Allow-Credentials", b"true")
EXPOSE = (b"Access-Control-Expose-Headers", b"X-Total, ETag")
EXPOSE_ALL = (b"Access-Control-Expose-Headers", b"*")


def allow(origin: bytes) -> Header:
    """Return the field that allows an origin."""
    return (b"Access-Control-Allow-Origin", origin)


def methods(value: bytes) -> Header:
    """Return the field that allows methods."""
    return (b"Access-Control-Allow-Methods", value)


def names(value: bytes) -> Header:
    """Return the field that allows request headers."""
    return (b"Access-Control-Allow-Headers", value)


def max_age(value: bytes) -> Header:
    """Return the field with the lifetime of a preflight response."""
    return (b"Access-Control-Max-Age", value)


FULL_PREFLIGHT = (
    allow(APP),
    CREDENTIALS,
    methods(b"GET, PUT, DELETE"),
    names(b"Content-Type, If-Match, Authorization"),
    max_age(b"600"),
    VARY_PRE,
)
FULL_REFUSED = (allow(APP), CREDENTIALS, VARY_PRE)

Actual: TypeAlias = tuple[str, bytes, tuple[bytes, ...], bool, Verdict, tuple[Header, ...]]

# Policy; method; Origin fields; whether credentials are injected; verdict; all headers.
ACTUAL: tuple[Actual, ...] = (
    ("none", b"GET", (), False, FORWARD, ()),
    ("none", b"GET", (EVIL,), False, FORWARD, ()),
    ("none", b"POST", (b"null",), False, FORWARD, ()),
    ("none", b"GET", (APP, APP), False, FORWARD, ()),
    ("none", b"GET", (), True, FORWARD, (VARY_BOTH,)),
    ("none", b"POST", (OWN,), True, FORWARD, (VARY_BOTH,)),
    ("none", b"GET", (EVIL,), True, REFUSE, (VARY_BOTH,)),
    ("none", b"POST", (b"null",), True, REFUSE, (VARY_BOTH,)),
    ("none", b"POST", (b"",), True, REFUSE, (VARY_BOTH,)),
    ("none", b"POST", (OWN, OWN), True, REFUSE, (VARY_BOTH,)),
    ("none", b"OPTIONS", (), True, FORWARD, (VARY_BOTH,)),
    ("none", b"OPTIONS", (EVIL,), True, REFUSE, (VARY_BOTH,)),
    ("plain", b"GET", (), False, FORWARD, (VARY,)),
    ("plain", b"GET", (APP,), False, FORWARD, (allow(APP), VARY)),
    ("plain", b"GET", (SUB,), False, FORWARD, (allow(SUB), VARY)),
    ("plain", b"DELETE", (APP,), False, FORWARD, (allow(APP), VARY)),
    ("plain", b"OPTIONS", (APP,), False, FORWARD, (allow(APP), VARY)),
    ("plain", b"OPTIONS", (), False, FORWARD, (VARY,)),
    ("plain", b"OPTIONS", (EVIL,), False, REFUSE, (VARY,)),
    ("plain", b"GET", (), True, FORWARD, (VARY_BOTH,)),
    ("plain", b"GET", (APP,), True, FORWARD, (allow(APP), VARY_BOTH)),
    ("plain", b"GET", (OWN,), False, FORWARD, (VARY,)),
    ("plain", b"POST", (OWN,), True, FORWARD, (VARY_BOTH,)),
    ("plain", b"GET", (EVIL,), False, REFUSE, (VARY,)),
    ("plain", b"GET", (EVIL,), True, REFUSE, (VARY_BOTH,)),
    ("plain", b"GET", (b"null",), False, REFUSE, (VARY,)),
    ("plain", b"GET", (b"",), False, REFUSE, (VARY,)),
    ("plain", b"GET", (b"*",), False, REFUSE, (VARY,)),
    ("plain", b"GET", (APP + b"/",), False, REFUSE, (VARY,)),
    ("plain", b"GET", (APP + b".evil.test",), False, REFUSE, (VARY,)),
    ("plain", b"GET", (b"https://sub.example",), False, REFUSE, (VARY,)),
    ("plain", b"GET", (APP.upper(),), False, REFUSE, (VARY,)),
    ("plain", b"GET", (OWN + b":443",), False, REFUSE, (VARY,)),
    ("plain", b"GET", (APP, APP), False, REFUSE, (VARY,)),
    ("plain", b"GET", (APP, EVIL), False, REFUSE, (VARY,)),
    ("plain", b"GET", (APP + b" " + APP,), False, REFUSE, (VARY,)),
    ("plain", b"GET", (LONG,), False, REFUSE, (VARY,)),
    ("full", b"GET", (), False, FORWARD, (VARY,)),
    ("full", b"GET", (APP,), False, FORWARD, (allow(APP), CREDENTIALS, EXPOSE, VARY)),
    ("full", b"PATCH", (APP,), True, FORWARD, (allow(APP), CREDENTIALS, EXPOSE, VARY_BOTH)),
    ("full", b"GET", (EVIL,), False, REFUSE, (VARY,)),
    ("lenient", b"GET", (), True, FORWARD, (VARY,)),
    ("lenient", b"GET", (APP,), True, FORWARD, (allow(APP), VARY)),
    ("lenient", b"POST", (EVIL,), True, FORWARD, (VARY,)),
    ("lenient", b"POST", (EVIL,), False, FORWARD, (VARY,)),
    ("lenient", b"POST", (APP, APP), False, FORWARD, (VARY,)),
    ("lenient", b"POST", (b"null",), False, FORWARD, (VARY,)),
    ("lenient", b"POST", (LONG,), False, FORWARD, (VARY,)),
    ("stars", b"GET", (APP,), False, FORWARD, (allow(APP), EXPOSE_ALL, VARY)),
    ("stars", b"GET", (EVIL,), False, REFUSE, (VARY,)),
    ("public", b"GET", (), False, FORWARD, (allow(b"*"), EXPOSE_ALL)),
    ("public", b"GET", (APP,), False, FORWARD, (allow(b"*"), EXPOSE_ALL)),
    ("public", b"POST", (b"null",), False, FORWARD, (allow(b"*"), EXPOSE_ALL)),
    ("public", b"POST", (OWN,), False, FORWARD, (allow(b"*"), EXPOSE_ALL)),
    ("public", b"OPTIONS", (EVIL,), False, FORWARD, (allow(b"*"), EXPOSE_ALL)),
    ("public", b"GET", (EVIL,), True, FORWARD, (allow(b"*"), EXPOSE_ALL, VARY_SITE)),
    ("public", b"GET", (), True, FORWARD, (allow(b"*"), EXPOSE_ALL, VARY_SITE)),
    ("public", b"GET", (APP, EVIL), False, REFUSE, (allow(b"*"), EXPOSE_ALL)),
    ("public", b"GET", (LONG,), True, REFUSE, (allow(b"*"), EXPOSE_ALL, VARY_SITE)),
    ("public-lenient", b"GET", (EVIL,), True, FORWARD, (allow(b"*"),)),
    ("public-lenient", b"GET", (LONG,), False, FORWARD, (allow(b"*"),)),
    ("public-lenient", b"GET", (APP, EVIL), True, FORWARD, (allow(b"*"),)),
)

Preflight: TypeAlias = tuple[
    str, bytes, tuple[bytes, ...], tuple[bytes, ...], Verdict, tuple[Header, ...]
]

# Policy; Origin; Access-Control-Request-Method and -Headers fields; verdict; all headers.
PREFLIGHTS: tuple[Preflight, ...] = (
    ("none", APP, (b"GET",), (), REFUSE, (VARY_PRE,)),
    ("none", OWN, (b"PUT",), (b"x-a",), REFUSE, (VARY_PRE,)),
    ("plain", APP, (b"GET",), (), PREFLIGHT, (allow(APP), VARY_PRE)),
    ("plain", SUB, (b"POST",), (), PREFLIGHT, (allow(SUB), VARY_PRE)),
    ("plain", APP, (b"HEAD",), (b"",), PREFLIGHT, (allow(APP), VARY_PRE)),
    ("plain", APP, (b"PUT",), (), REFUSE, (allow(APP), VARY_PRE)),
    ("plain", APP, (b"get",), (), REFUSE, (allow(APP), VARY_PRE)),
    ("plain", APP, (b"GET",), (b"content-type",), REFUSE, (allow(APP), VARY_PRE)),
    ("plain", EVIL, (b"GET",), (), REFUSE, (VARY_PRE,)),
    ("plain", OWN, (b"GET",), (), REFUSE, (VARY_PRE,)),
    ("plain", APP.upper(), (b"GET",), (), REFUSE, (VARY_PRE,)),
    ("plain", SUB.title(), (b"GET",), (), REFUSE, (VARY_PRE,)),
    ("plain", b"null", (b"GET",), (), REFUSE, (VARY_PRE,)),
    ("plain", LONG, (b"GET",), (), REFUSE, (VARY_PRE,)),
    ("full", APP, (b"GET",), (), PREFLIGHT, FULL_PREFLIGHT),
    ("full", APP, (b"PUT",), (), PREFLIGHT, FULL_PREFLIGHT),
    ("full", APP, (b"DELETE",), (b"if-match",), PREFLIGHT, FULL_PREFLIGHT),
    ("full", APP, (b"POST",), (b"authorization,content-type",), PREFLIGHT, FULL_PREFLIGHT),
    ("full", APP, (b"PUT",), (b"IF-MATCH , Content-Type",), PREFLIGHT, FULL_PREFLIGHT),
    ("full", APP, (b"PUT",), (b"content-type", b"if-match"), PREFLIGHT, FULL_PREFLIGHT),
    ("full", APP, (b"PUT",), (b",\t,if-match,,", b""), PREFLIGHT, FULL_PREFLIGHT),
    ("full", APP, (b"PUT",), (b"if-match,if-match",), PREFLIGHT, FULL_PREFLIGHT),
    ("full", APP, (b"PATCH",), (), REFUSE, FULL_REFUSED),
    ("full", APP, (b"put",), (), REFUSE, FULL_REFUSED),
    ("full", APP, (b"PUT ",), (), REFUSE, FULL_REFUSED),
    ("full", APP, (b"",), (), REFUSE, FULL_REFUSED),
    ("full", APP, (b"*",), (), REFUSE, FULL_REFUSED),
    ("full", APP, (b"PUT, DELETE",), (), REFUSE, FULL_REFUSED),
    ("full", APP, (b"PUT", b"PUT"), (), REFUSE, FULL_REFUSED),
    ("full", APP, (b"PUT",), (b"x-a",), REFUSE, FULL_REFUSED),
    ("full", APP, (b"PUT",), (b"*",), REFUSE, FULL_REFUSED),
    ("full", APP, (b"PUT",), (b"if-match", b"x-a"), REFUSE, FULL_REFUSED),
    ("full", APP, (b"PUT",), (b"if-match content-type",), REFUSE, FULL_REFUSED),
    ("full", APP, (b"PUT",), (b"if-match\x0b",), REFUSE, FULL_REFUSED),
    ("full", EVIL, (b"PUT",), (b"if-match",), REFUSE, (VARY_PRE,)),
    ("simple", APP, (b"POST",), (), PREFLIGHT, (allow(APP), max_age(b"0"), VARY_PRE)),
    ("lenient", APP, (b"POST",), (), PREFLIGHT, (allow(APP), max_age(b"5"), VARY_PRE)),
    ("lenient", EVIL, (b"POST",), (), REFUSE, (VARY_PRE,)),
    (
        "stars",
        APP,
        (b"PROPFIND",),
        (b"depth",),
        PREFLIGHT,
        (allow(APP), methods(b"*"), names(b"*"), VARY_PRE),
    ),
    ("stars", APP, (b"PUT",), (b"authorization",), REFUSE, (allow(APP), VARY_PRE)),
    ("stars", APP, (b"PUT",), (b"x-a,Authorization",), REFUSE, (allow(APP), VARY_PRE)),
    ("stars", APP, (b"TRACE",), (), REFUSE, (allow(APP), VARY_PRE)),
    ("stars", APP, (b"connect",), (), REFUSE, (allow(APP), VARY_PRE)),
    ("stars", APP, (b"P T",), (), REFUSE, (allow(APP), VARY_PRE)),
    ("stars", APP, (b"PUT",), (b"x a",), REFUSE, (allow(APP), VARY_PRE)),
    ("echo", APP, (b"GET",), (), PREFLIGHT, (allow(APP), CREDENTIALS, VARY_PRE)),
    ("echo", APP, (b"PUT",), (), PREFLIGHT, (allow(APP), CREDENTIALS, methods(b"PUT"), VARY_PRE)),
    (
        "echo",
        APP,
        (b"patch",),
        (b"X-B, authorization", b"x-a,x-b"),
        PREFLIGHT,
        (
            allow(APP),
            CREDENTIALS,
            methods(b"patch"),
            names(b"authorization, x-a, x-b"),
            VARY_PRE,
        ),
    ),
    ("echo", APP, (b"P\r\nT",), (), REFUSE, FULL_REFUSED),
    ("echo", APP, (b"PUT",), (b"x-a\r\nset-cookie: y",), REFUSE, FULL_REFUSED),
    ("echo", APP, (b"PUT",), (b"x-\xff",), REFUSE, FULL_REFUSED),
    ("echo", EVIL, (b"PUT",), (), REFUSE, (VARY_PRE,)),
    (
        "echo-names",
        APP,
        (b"PUT",),
        (b"x-a",),
        PREFLIGHT,
        (allow(APP), CREDENTIALS, methods(b"PUT"), names(b"x-a"), max_age(b"60"), VARY_PRE),
    ),
    ("echo-names", APP, (b"PATCH",), (b"x-a",), REFUSE, FULL_REFUSED),
    ("echo-names", APP, (b"PUT",), (b"authorization",), REFUSE, FULL_REFUSED),
    (
        "echo-methods",
        APP,
        (b"PATCH",),
        (),
        PREFLIGHT,
        (allow(APP), CREDENTIALS, methods(b"PATCH"), names(b"X-A"), VARY_PRE),
    ),
    ("echo-methods", APP, (b"PATCH",), (b"x-b",), REFUSE, FULL_REFUSED),
    (
        "public",
        EVIL,
        (b"PUT",),
        (b"authorization,x-a",),
        PREFLIGHT,
        (allow(b"*"), methods(b"*"), names(b"*, Authorization"), VARY_PRE),
    ),
    ("public-lenient", b"null", (b"GET",), (), PREFLIGHT, (allow(b"*"), VARY_PRE)),
    ("public-lenient", APP, (b"PUT",), (), REFUSE, (allow(b"*"), VARY_PRE)),
    ("public", LONG, (b"PUT",), (), REFUSE, (VARY_PRE,)),
)

# Policy; method; Origin fields; Sec-Fetch-Site; Sec-Fetch-Mode; verdict with credentials injected.
FETCH_SITES: tuple[tuple[str, bytes, tuple[bytes, ...], bytes, bytes | None, Verdict], ...] = (
    ("plain", b"GET", (), b"cross-site", b"no-cors", REFUSE),
    ("plain", b"HEAD", (), b"cross-site", b"no-cors", REFUSE),
    ("plain", b"POST", (APP,), b"cross-site", b"no-cors", FORWARD),
    ("plain", b"POST", (SUB,), b"cross-site", b"no-cors", FORWARD),
    ("plain", b"POST", (EVIL,), b"cross-site", b"no-cors", REFUSE),
    ("plain", b"POST", (b"null",), b"cross-site", b"no-cors", REFUSE),
    ("plain", b"POST", (APP, APP), b"cross-site", b"no-cors", REFUSE),
    ("plain", b"POST", (OWN,), b"cross-site", b"no-cors", REFUSE),
    ("plain", b"POST", (), b"cross-site", b"no-cors", REFUSE),
    ("plain", b"OPTIONS", (APP,), b"cross-site", b"no-cors", FORWARD),
    ("plain", b"GET", (APP,), b"cross-site", b"cors", FORWARD),
    ("plain", b"GET", (APP,), b"cross-site", b"websocket", FORWARD),
    ("plain", b"GET", (EVIL,), b"cross-site", b"websocket", REFUSE),
    ("plain", b"GET", (), b"same-site", b"no-cors", REFUSE),
    ("plain", b"HEAD", (), b"same-site", b"no-cors", REFUSE),
    ("plain", b"POST", (APP,), b"same-site", b"no-cors", FORWARD),
    ("plain", b"POST", (EVIL,), b"same-site", b"no-cors", REFUSE),
    ("plain", b"GET", (APP,), b"same-site", b"cors", FORWARD),
    ("plain", b"GET", (), b"same-origin", b"no-cors", FORWARD),
    ("plain", b"POST", (OWN,), b"same-origin", b"navigate", FORWARD),
    ("plain", b"GET", (), b"none", b"navigate", FORWARD),
    ("plain", b"GET", (), b"CROSS-SITE", b"no-cors", FORWARD),
    ("plain", b"GET", (), b"not-cross-site", b"no-cors", FORWARD),
    ("none", b"GET", (), b"cross-site", b"no-cors", REFUSE),
    ("none", b"GET", (), b"same-site", b"no-cors", REFUSE),
    ("public", b"GET", (), b"same-site", b"no-cors", FORWARD),
    ("lenient", b"GET", (), b"same-site", b"no-cors", FORWARD),
    ("none", b"POST", (APP,), b"cross-site", b"no-cors", REFUSE),
    ("full", b"POST", (APP,), b"cross-site", b"no-cors", FORWARD),
    ("full", b"POST", (SUB,), b"cross-site", b"no-cors", REFUSE),
    ("public", b"GET", (), b"cross-site", b"no-cors", REFUSE),
    ("public", b"GET", (APP,), b"cross-site", b"cors", FORWARD),
    ("public", b"POST", (APP,), b"cross-site", b"no-cors", REFUSE),
    ("lenient", b"GET", (), b"cross-site", b"no-cors", FORWARD),
    # What every page or extension may have says of nobody that it may act without CORS.
    ("null", b"POST", (APP,), b"cross-site", b"no-cors", FORWARD),
    ("null", b"POST", (b"null",), b"cross-site", b"cors", FORWARD),
    ("null", b"GET", (b"null",), b"cross-site", b"websocket", FORWARD),
    ("null", b"POST", (b"null",), b"cross-site", b"no-cors", REFUSE),
    ("null", b"POST", (b"null",), b"cross-site", b"navigate", REFUSE),
    ("null", b"POST", (b"null",), b"same-site", b"no-cors", REFUSE),
    ("null", b"POST", (b"null",), b"same-site", b"navigate", REFUSE),
    ("null", b"POST", (b"null",), b"same-origin", b"navigate", FORWARD),
    ("null", b"POST", (EXTENSION,), b"cross-site", b"cors", FORWARD),
    ("null", b"POST", (EXTENSION,), b"cross-site", b"no-cors", REFUSE),
    ("null", b"POST", (APP,), b"same-site", b"no-cors", FORWARD),
)


def run(
    policy: str,
    method: bytes,
    headers: list[Header],
    *,
    credentialed: bool = False,
    allow_framing: bool = False,
) -> Decision:
    """Decide on a request to the gate with one of the policies above."""
    index = index_headers([(b"Host", b"gate.example"), *headers])
    return decide(
        POLICIES[policy],
        method,
        index,
        OWN,
        credentialed=credentialed,
        allow_framing=allow_framing,
    )


def preflight(
    policy: str, origin: bytes, asked: tuple[bytes, ...], asked_names: tuple[bytes, ...]
) -> Decision:
    """Decide on a preflight."""
    headers = [
        (b"Origin", origin),
        *((b"Access-Control-Request-Method", value) for value in asked),
        *((b"access-control-request-HEADERS", value) for value in asked_names),
    ]
    return run(policy, b"OPTIONS", headers)
