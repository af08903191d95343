"""Tests of `corsgate.credentials.session.messages`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.secret import Secret
from corsgate.config.model.session import SessionCredentials, parse_call
from corsgate.credentials.session.messages import (
    MAX_TOKEN_BYTES,
    asks_for_csrf,
    csrf_in,
    csrf_of_cookie,
    fetch_problem,
    has_json_error,
    is_rejection,
    json_at,
    json_code,
    login_head,
    login_problem,
    readable,
    scrubbed,
    token_in,
    with_query,
)
from tests.credentials.helpers import request, response

SECRET = Secret("p&=ä s")
FORM = (("user", Secret("u")), ("pass", SECRET), ("stay", True), ("ttl", 60))


class LoginTests(SynchronousTestCase):
    """The login's request and response."""

    def test_form(self) -> None:
        """A form is encoded as browsers do."""
        login = SessionCredentials(login_url="/login?a=b", form=FORM)
        head, body = login_head(login, parse_call(login.login_url))
        self.assertEqual((head.method, head.target), (b"POST", b"/login?a=b"))
        self.assertEqual(body, b"user=u&pass=p%26%3D%C3%A4+s&stay=true&ttl=60")
        self.assertEqual(head.headers, [(b"Content-Type", b"application/x-www-form-urlencoded")])

    def test_json(self) -> None:
        """JSON keeps booleans and numbers."""
        login = SessionCredentials(
            login_url="PUT /login", json=FORM, token_path="t", header="X-T: {token}"
        )
        head, body = login_head(login, parse_call(login.login_url))
        self.assertEqual(head.method, b"PUT")
        self.assertEqual(body, b'{"user": "u", "pass": "p&=\\u00e4 s", "stay": true, "ttl": 60}')
        self.assertEqual(
            head.headers,
            [(b"Content-Type", b"application/json"), (b"Accept", b"application/json")],
        )

    def test_basic(self) -> None:
        """Basic needs no body."""
        login = SessionCredentials(login_url="/", basic=True, username="u", password=Secret("p"))
        head, body = login_head(login, parse_call("/"))
        self.assertEqual((head.method, body), (b"GET", b""))
        self.assertEqual(head.headers, [(b"Authorization", b"Basic dTpw")])

    def test_problems(self) -> None:
        """A 2xx is a login, or a redirect with a cookie; everything else has a reason."""
        cookies = SessionCredentials(login_url="/login", form=FORM)
        token = SessionCredentials(
            login_url="/login", form=FORM, token_path="t", header="X-T: {token}"
        )
        cookie = (b"Set-Cookie", b"a=b")
        home, back = (b"Location", b"/home"), (b"Location", b"/login?failed")
        good = (
            (cookies, response(200, cookie), None),
            (cookies, response(204, cookie), None),
            (cookies, response(302, cookie, home), None),
            (token, response(200), b"t"),
            (token, response(201, cookie), b"t"),
        )
        bad = (
            (cookies, response(200), None),
            (cookies, response(302, home), None),
            (cookies, response(302, cookie, back), None),
            (cookies, response(302, (b"Set-Cookie", b"gone=; Max-Age=0"), home), None),
            (cookies, response(307, cookie, home), None),
            (cookies, response(401, cookie), None),
            (cookies, response(500, cookie), None),
            (token, response(200, cookie), None),
            (token, response(403), b"t"),
        )
        kept = (b"a",)
        for credentials, head, found in good:
            self.assertEqual(login_problem(credentials, head, found, kept), "", head)
        for credentials, head, found in bad:
            problem = login_problem(credentials, head, found, kept)
            self.assertIn(f"it responded {head.status}", problem, head)
        problem = login_problem(cookies, response(200, cookie), None, kept, has_error=True)
        self.assertIn("an error in its JSON", problem)
        self.assertEqual(login_problem(token, response(200), b"t", kept, has_error=True), "")

    def test_errors_in_json(self) -> None:
        """Only an object is an error, as JSON-RPC has it."""
        for body in (b'{"error": {"code": 1}}', b'{"error": {"message": "x"}, "result": null}'):
            self.assertTrue(has_json_error(body), body)
        for body in (b'{"error": null}', b'{"error": ""}', b'{"error": {}}', b"[1]", b"", b"{}"):
            self.assertFalse(has_json_error(body), body)

    def test_rejections(self) -> None:
        """What speaks of the URL, or of trouble, does not count against the password."""
        counts = (200, 302, 400, 401, 403, 422, 423, 429)
        others = (307, 308, 404, 405, 415, 500, 502, 503)
        self.assertEqual([each for each in (*counts, *others) if is_rejection(each)], [*counts])

    def test_fetch(self) -> None:
        """The fetch of a CSRF token may fail with a status as long as it has the token."""
        self.assertEqual(fetch_problem(200, has_token=True), "")
        self.assertEqual(fetch_problem(405, has_token=True), "")
        for status, has_token in ((200, False), (401, True), (403, False), (500, False)):
            self.assertNotEqual(fetch_problem(status, has_token=has_token), "")


class TokenTests(SynchronousTestCase):
    """Tokens in responses and requests."""

    def test_paths(self) -> None:
        """A dotted path leads through objects and arrays; anything else is nothing."""
        body = b'{"a": {"b": [{"c": "t"}]}, "n": 7, "s": "498", "x": true, "z": null}'
        found = {"a.b.0.c": "t", "n": 7, "a.b.1.c": None, "a.c": None, "n.x": None, "q": None}
        self.assertEqual({path: json_at(body, path) for path in found}, found)
        tokens = {"a.b.0.c": b"t", "n": b"7", "x": None, "z": None, "a": None}
        self.assertEqual({path: token_in(body, path) for path in tokens}, tokens)
        codes = {"n": 7, "s": 498, "a": None, "z": None, "q": None}
        self.assertEqual({path: json_code(body, path) for path in codes}, codes)

    def test_rubbish(self) -> None:
        """A box's rubbish is no token."""
        deep = b"[" * 100_000
        for body in (b"", b"<html>", b"\xff", b"nul", deep, b'{"t": 1e999}'):
            self.assertIsNone(token_in(body, "t"), body[:20])
            self.assertIsNone(json_code(body, "t"), body[:20])
        long = "x" * (MAX_TOKEN_BYTES + 1)
        for token in ("", "a\\r\\nX: y", " a", "\\u00e4", "\\u0000", long):
            self.assertIsNone(token_in(f'{{"t": "{token}"}}'.encode(), "t"), token[:20])

    def test_query(self) -> None:
        """The token is encoded, and replaces the client's own."""
        found = {
            b"/x": b"/x?t=a%2Bb%3D",
            b"/x?": b"/x?t=a%2Bb%3D",
            b"/x?a=%2F&b": b"/x?a=%2F&b&t=a%2Bb%3D",
            b"/x?t=1&tt=2&%74=3": b"/x?tt=2&t=a%2Bb%3D",
            b"/x?a;t=1&T=2&+t=3": b"/x?a&t=a%2Bb%3D",
            b"*": b"*",
        }
        self.assertEqual({each: with_query(each, "t", b"a+b=") for each in found}, found)

    def test_scrubbed(self) -> None:
        """A token that a response repeats is hidden, also when it is encoded."""
        token = b"a+b=cdefg"
        fields = [(b"Location", b"/x?t=a%2Bb%3Dcdefg&u=1"), (b"X", token), (b"Y", b"a")]
        self.assertEqual(
            scrubbed(fields, token), [(b"Location", b"/x?t=***&u=1"), (b"X", b"***"), fields[2]]
        )
        # A number as a token must not change a Content-Length.
        length = [(b"Content-Length", b"1721")]
        self.assertEqual(scrubbed(length, b"7"), length)

    def test_csrf(self) -> None:
        """A token comes in its own field, or in the one that replaces it."""
        name = "X-CSRF-Token"
        for field, value, token in (
            (b"x-csrf-token", b"abc", b"abc"),
            (b"X-Updated-CSRF-Token", b"abc", b"abc"),
            (b"x-csrf-token", b"Required", None),
            (b"x-csrf-token", b"fetch", None),
            (b"x-csrf-token", b"\xe4", None),
            (b"x-other", b"abc", None),
        ):
            self.assertEqual(csrf_in(response(200, (field, value)), name), token, (field, value))
        self.assertTrue(asks_for_csrf(response(403, (b"x-csrf-token", b"Required")), name))
        self.assertFalse(asks_for_csrf(response(403, (b"x-csrf-token", b"abc")), name))
        self.assertEqual(csrf_of_cookie(b"a%3Db"), b"a=b")
        self.assertIsNone(csrf_of_cookie(b"a%0d%0aX: y"))

    def test_readable(self) -> None:
        """Errors come without a compression that can't be undone."""
        head = request(b"/", b"GET", (b"Accept-Encoding", b"gzip, br"), (b"A", b"br"))
        self.assertEqual(readable(head).headers[1:], [(b"Accept-Encoding", b"gzip"), (b"A", b"br")])
        head = request(b"/", b"GET", (b"accept-encoding", b"br"))
        self.assertEqual(readable(head).headers[1:], [(b"accept-encoding", b"identity")])
