"""How a browser makes a call, as scripts of requests and responses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from twisted.trial.unittest import SynchronousTestCase

from corsgate.explain.block_causes import Cause
from corsgate.explain.browser import fetch
from corsgate.explain.call import Call
from corsgate.explain.trace import Answer, Outcome, Request, Trace, text
from corsgate.explain.url import Url
from corsgate.message.headers import Header

APP = b"https://app.example"
ACAO, ACAC = b"Access-Control-Allow-Origin", b"Access-Control-Allow-Credentials"
ACAM, ACAH = b"Access-Control-Allow-Methods", b"Access-Control-Allow-Headers"

Script: TypeAlias = Sequence[tuple[int, Sequence[Header]]]


def call(
    method: bytes = b"GET",
    *names: bytes,
    url: str = "https://api.example/v1",
    origin: bytes = APP,
    credentials: bool = False,
) -> Call:
    """Return a call of the app."""
    return Call(
        origin=origin,
        method=method,
        url=Url.parse(url),
        headers=tuple((name, b"1") for name in names),
        credentials=credentials,
    )


def play(asked: Call, *script: tuple[int, Sequence[Header]]) -> tuple[Trace, list[Request]]:
    """Return the trace of a call whose responses are given in order, and its requests."""
    answers = list(script)
    sent: list[Request] = []

    def send(request: Request) -> Answer:
        sent.append(request)
        status, headers = answers.pop(0)
        return Answer(status=status, headers=tuple(headers))

    trace = fetch(asked, send)
    if answers:
        raise AssertionError(f"{len(answers)} answers were never asked for")
    return trace, sent


FINE = (200, [(ACAO, APP)])
OPEN = (204, [(ACAO, APP), (ACAM, b"PUT"), (ACAH, b"X-App")])
COOKIES = [(ACAO, APP), (ACAC, b"true")]

BLOCKED: tuple[tuple[str, Call, Script, Cause], ...] = (
    ("none", call(), [(200, [])], Cause.MISSING_ORIGIN),
    ("other", call(), [(200, [(ACAO, b"https://b.example")])], Cause.OTHER_ORIGIN),
    ("null is another", call(), [(200, [(ACAO, b"null")])], Cause.OTHER_ORIGIN),
    ("slash", call(), [(200, [(ACAO, APP + b"/")])], Cause.INVALID_ORIGIN),
    ("case", call(), [(200, [(ACAO, APP.upper())])], Cause.INVALID_ORIGIN),
    ("pattern", call(), [(200, [(ACAO, b"https://*.example")])], Cause.INVALID_ORIGIN),
    ("twice", call(), [(200, [(ACAO, APP), (ACAO, APP)])], Cause.SEVERAL_ORIGINS),
    ("list", call(), [(200, [(ACAO, b"*, " + APP)])], Cause.SEVERAL_ORIGINS),
    ("star", call(credentials=True), [(200, [(ACAO, b"*")])], Cause.WILDCARD_ORIGIN),
    ("no cookies", call(credentials=True), [FINE], Cause.NO_CREDENTIALS),
    (
        "True",
        call(credentials=True),
        [(200, [(ACAO, APP), (ACAC, b"True")])],
        Cause.NO_CREDENTIALS,
    ),
    ("preflight refused", call(b"PUT"), [(403, [(ACAO, APP)])], Cause.PREFLIGHT_STATUS),
    ("preflight 401, bare", call(b"PUT"), [(401, [])], Cause.MISSING_ORIGIN),
    (
        "preflight moved",
        call(b"PUT"),
        [(301, [(ACAO, APP), (b"Location", b"/x")])],
        Cause.PREFLIGHT_REDIRECT,
    ),
    (
        "preflight moved, bare",
        call(b"PUT"),
        [(307, [(b"Location", b"/x")])],
        Cause.PREFLIGHT_REDIRECT,
    ),
    ("preflight moved nowhere", call(b"PUT"), [(301, [(ACAO, APP)])], Cause.PREFLIGHT_STATUS),
    ("method", call(b"DELETE"), [OPEN], Cause.METHOD),
    ("method's case", call(b"patch"), [(204, [(ACAO, APP), (ACAM, b"PATCH")])], Cause.METHOD),
    ("header", call(b"PUT", b"X-Other"), [OPEN], Cause.HEADER),
    ("no list", call(b"GET", b"X-App"), [FINE], Cause.HEADER),
    (
        "star is no Authorization",
        call(b"GET", b"Authorization"),
        [(204, [(ACAO, APP), (ACAH, b"*")])],
        Cause.HEADER,
    ),
    (
        "star and cookies, method",
        call(b"PUT", credentials=True),
        [(204, [*COOKIES, (ACAM, b"*")])],
        Cause.METHOD,
    ),
    (
        "star and cookies, header",
        call(b"GET", b"X-App", credentials=True),
        [(204, [*COOKIES, (ACAH, b"*")])],
        Cause.HEADER,
    ),
    (
        "methods",
        call(b"PUT"),
        [(204, [(ACAO, APP), (ACAM, b"PUT GET")])],
        Cause.UNREADABLE_METHODS,
    ),
    (
        "headers",
        call(b"PUT"),
        [(204, [(ACAO, APP), (ACAM, b"PUT"), (ACAH, b"a:b")])],
        Cause.UNREADABLE_HEADERS,
    ),
    ("answer after preflight", call(b"PUT"), [OPEN, (500, [])], Cause.MISSING_ORIGIN),
    ("trace", call(b"trace"), [], Cause.FORBIDDEN_METHOD),
    ("mixed", call(url="http://api.example/"), [], Cause.MIXED_CONTENT),
    ("unreadable redirect", call(), [(302, [(b"Location", b"/x")])], Cause.MISSING_ORIGIN),
    (
        "redirect to a file",
        call(),
        [(302, [(ACAO, APP), (b"Location", b"file:///x")])],
        Cause.REDIRECT_SCHEME,
    ),
    (
        "redirect with a password",
        call(),
        [(302, [(ACAO, APP), (b"Location", b"https://u:p@api.example/")])],
        Cause.REDIRECT_USERINFO,
    ),
    (
        "loop",
        call(),
        [(302, [(ACAO, APP), (b"Location", b"/x")])] * 21,
        Cause.REDIRECTS,
    ),
)

ALLOWED: tuple[tuple[str, Call, Script], ...] = (
    ("simple", call(), [FINE]),
    ("error", call(b"POST"), [(500, [(ACAO, b"*")])]),
    ("same origin", call(b"PUT", b"X-App", url="https://app.example/x"), [(404, [])]),
    ("preflight", call(b"PUT", b"X-App"), [OPEN, FINE]),
    ("empty elements", call(b"PUT"), [(200, [(ACAO, APP), (ACAM, b", GET,,PUT,")]), FINE]),
    ("two fields", call(b"PUT"), [(200, [(ACAO, APP), (ACAM, b"GET"), (ACAM, b"PUT")]), FINE]),
    ("stars", call(b"PUT", b"X-App"), [(204, [(ACAO, b"*"), (ACAM, b"*"), (ACAH, b"*")]), FINE]),
    ("head needs no listing", call(b"HEAD", b"x-app"), [OPEN, FINE]),
    ("cookies", call(credentials=True), [(200, COOKIES)]),
    ("null", call(origin=b"null"), [(200, [(ACAO, b"null")])]),
    ("loopback is trustworthy", call(url="http://localhost:5555/"), [FINE]),
    ("no Location", call(), [(302, [(ACAO, APP)])]),
)


class Verdicts(SynchronousTestCase):
    """What is blocked and what is not."""

    def test_blocked(self) -> None:
        """Each call is blocked at its own step, the last one."""
        for name, asked, script, cause in BLOCKED:
            trace, _ = play(asked, *script)
            self.assertFalse(trace.allowed, name)
            failed = trace.failed
            assert failed is not None, name
            self.assertEqual((name, failed.cause), (name, cause))
            self.assertIs(trace.steps[-1], failed)

    def test_allowed(self) -> None:
        """Each call gets through, and no step fails."""
        for name, asked, script in ALLOWED:
            trace, _ = play(asked, *script)
            self.assertEqual((name, trace.allowed, trace.failed), (name, True, None))


class Requests(SynchronousTestCase):
    """What is sent."""

    def test_preflight(self) -> None:
        """A preflight asks for the method and the names, without credentials."""
        trace, (preflight, actual) = play(
            call(b"put", b"X-B", b"X-A", credentials=True),
            (204, [*COOKIES, (ACAM, b"PUT"), (ACAH, b"x-a, x-b")]),
            (200, COOKIES),
        )
        self.assertTrue(trace.allowed)
        self.assertEqual((preflight.method, preflight.credentials), (b"OPTIONS", False))
        self.assertEqual(
            preflight.headers,
            (
                (b"Accept", b"*/*"),
                (b"Access-Control-Request-Method", b"PUT"),
                (b"Access-Control-Request-Headers", b"x-a,x-b"),
                (b"Origin", APP),
                (b"Sec-Fetch-Mode", b"cors"),
            ),
        )
        self.assertEqual((actual.method, actual.credentials), (b"PUT", True))
        self.assertEqual(actual.headers[:3], ((b"X-B", b"1"), (b"X-A", b"1"), (b"Origin", APP)))

    def test_origin(self) -> None:
        """A same-origin GET has no Origin, a same-origin POST has one."""
        for method, has in ((b"GET", False), (b"POST", True)):
            _, (request,) = play(call(method, url="https://app.example/"), (200, []))
            self.assertEqual((b"Origin", APP) in request.headers, has)

    def test_redirect_within(self) -> None:
        """A redirect within one origin keeps Origin and Authorization, after a new preflight."""
        there = [(ACAO, APP), (ACAM, b"PUT"), (ACAH, b"Authorization"), (b"Location", b"/v2")]
        trace, sent = play(
            call(b"PUT", b"Authorization"), (204, there), (307, there), (204, there), FINE
        )
        self.assertTrue(trace.allowed)
        self.assertEqual([text(request.method) for request in sent], ["OPTIONS", "PUT"] * 2)
        self.assertEqual(sent[3].url.target, "/v2")
        self.assertIn((b"Origin", APP), sent[3].headers)
        self.assertIn((b"Authorization", b"1"), sent[3].headers)

    def test_redirect_away(self) -> None:
        """A redirect to a third origin sends null and no Authorization; null must be allowed."""
        away = [(ACAO, APP), (ACAH, b"Authorization"), (b"Location", b"https://b.example/")]
        for allow, allowed in ((b"null", True), (APP, False), (b"*", True)):
            trace, sent = play(
                call(b"GET", b"Authorization"), (204, away), (302, away), (200, [(ACAO, allow)])
            )
            self.assertEqual((allow, trace.allowed), (allow, allowed))
            self.assertEqual(sent[2].headers[0], (b"Origin", b"null"))

    def test_redirect_home(self) -> None:
        """A redirect back to the page's own origin still needs CORS, with Origin null."""
        home = (302, [(ACAO, APP), (b"Location", b"https://app.example/x")])
        trace, sent = play(call(), home, (200, []))
        self.assertFalse(trace.allowed)
        self.assertIn((b"Origin", b"null"), sent[1].headers)

    def test_post_becomes_get(self) -> None:
        """302 and 303 turn POST into GET, which 307 does not."""
        for status, method in ((301, b"GET"), (302, b"GET"), (303, b"GET"), (307, b"POST")):
            there = (status, [(ACAO, APP), (b"Location", b"/x")])
            _, sent = play(call(b"POST"), there, FINE)
            self.assertEqual(sent[1].method, method)


class Steps(SynchronousTestCase):
    """What the steps of a trace say."""

    def told(self, asked: Call, *script: tuple[int, Sequence[Header]]) -> str:
        """Return the text of all steps."""
        trace, _ = play(asked, *script)
        return "\n".join(f"{step.rule} {step.seen} {step.why}" for step in trace.steps)

    def test_hidden_headers(self) -> None:
        """Headers that the script can't read are named; ``*`` exposes all except cookies."""
        came = [(b"X-Total", b"3"), (b"ETag", b"x"), (b"Set-Cookie", b"a=b")]
        said = self.told(call(), (200, [*FINE[1], *came]))
        self.assertIn("can't read etag, set-cookie, x-total", said)
        exposed = (b"Access-Control-Expose-Headers", b"*")
        self.assertIn(
            "can't read set-cookie.", self.told(call(), (200, [*FINE[1], *came, exposed]))
        )
        cookies = [*COOKIES, *came, exposed]
        self.assertIn("can't read etag", self.told(call(credentials=True), (200, cookies)))

    def test_max_age(self) -> None:
        """The lifetime of a preflight is shown; without a valid one it is 5 s."""
        for value, kept in (
            (b"600", "600 s"),
            (b"10m", "5 s"),
            (b"0" * 99, "0 s"),
            (b"9" * 9_999, "2147483648 s"),
        ):
            answer = (204, [*OPEN[1], (b"Access-Control-Max-Age", value)])
            self.assertIn(f"Cached for at most {kept}", self.told(call(b"PUT"), answer, FINE))

    def test_chromium_and_authorization(self) -> None:
        """If only ``*`` could cover Authorization, a note says that Chromium accepts that."""
        noted = 'Chromium lets "*" cover authorization; the Fetch standard does not.'
        star = (204, [(ACAO, APP), (ACAH, b"*")])
        self.assertIn(noted, self.told(call(b"GET", b"Authorization"), star))
        login = call(b"GET", b"Authorization")
        cookies = call(b"GET", b"Authorization", credentials=True)
        for asked, *script in (
            (call(b"GET", b"X-App"), star, FINE),
            (login, (204, [(ACAO, APP), (ACAH, b"x-app")])),
            (login, (204, [(ACAO, APP), (ACAH, b"*, authorization")]), FINE),
            (cookies, (204, [*COOKIES, (ACAH, b"*")])),
        ):
            self.assertNotIn("Chromium lets", self.told(asked, *script))

    def test_nothing_evil_is_printed(self) -> None:
        """A server's text can't control the terminal."""
        said = self.told(call(), (200, [(ACAO, b"\x1b[31m\xff")]))
        self.assertNotIn("\x1b", said)
        self.assertIn("\\x1b[31m", said)

    def test_outcomes(self) -> None:
        """Only the last step may fail."""
        trace, _ = play(call(b"PUT", b"X-App"), OPEN, FINE)
        self.assertNotIn(Outcome.FAIL, {step.outcome for step in trace.steps})
