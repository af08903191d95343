"""Tests of `corsgate.credentials.session.attempt`: when a request is signed again."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs, formatEvent

from corsgate.config.model.session import Expired, SessionCredentials
from corsgate.credentials.means import OwnResponse
from corsgate.credentials.session.attempt import IDLE_S
from corsgate.errors import SentToLogin
from corsgate.message.headers import Header
from tests.credentials.helpers import SERVER, request, response
from tests.credentials.session.case import COOKIES, SessionCase


class ExpiryTests(SessionCase):
    """When it logs in again."""

    def setUp(self) -> None:
        """Log in."""
        super().setUp()
        self.box = self.signer()
        attempt, _ = self.begin(self.box)
        self.cookie("1")
        attempt.end()

    def test_again(self) -> None:
        """A 401 brings a login, once for all requests that got one, and each is sent again."""
        attempts = [self.signed(self.box) for _ in range(64)]
        for attempt, signed in attempts:
            self.assertTrue(attempt.responded(signed, response(401)))
        waiting = [self.sign(attempt) for attempt, _ in attempts]
        self.assertEqual(len(self.asked), 2)
        self.cookie("2")
        found = {self.field(self.successResultOf(each), b"Cookie") for each in waiting}
        self.assertEqual(found, {b"sid=2"})

    def test_newer_session(self) -> None:
        """A late 401 to an old session uses the new one, without a login."""
        late, old = self.signed(self.box)
        attempt, signed = self.signed(self.box)
        self.assertTrue(attempt.responded(signed, response(401)))
        self.sign(attempt)
        self.cookie("2")
        # A cookie that belongs to the old session does not end up in the new one.
        gone = (b"Set-Cookie", b"sid=anonymous; Path=/")
        self.assertTrue(late.responded(old, response(401, gone)))
        again = self.successResultOf(self.sign(late))
        self.assertEqual(self.field(again, b"Cookie"), b"sid=2")
        self.assertEqual(len(self.asked), 2)

    def test_once_per_request(self) -> None:
        """A request whose new session is refused too keeps its response."""
        attempt, signed = self.signed(self.box)
        self.assertTrue(attempt.responded(signed, response(401)))
        waiting = self.sign(attempt)
        self.cookie("2")
        self.assertFalse(attempt.responded(self.successResultOf(waiting), response(401)))

    def test_useless(self) -> None:
        """Where logins don't help, refusals bring none for 5 s, then 10 s, until one helps."""
        for pause_s in (5, 10, 20):
            attempt, signed = self.signed(self.box)
            self.assertTrue(attempt.responded(signed, response(401)))
            waiting = self.sign(attempt)
            self.cookie("2")
            self.assertFalse(attempt.responded(self.successResultOf(waiting), response(401)))
            for advance_s in (0, pause_s - 0.1):
                self.clock.advance(advance_s)
                attempt, signed = self.signed(self.box)
                self.assertFalse(attempt.responded(signed, response(401)))
            self.clock.advance(0.1)
        attempt, signed = self.signed(self.box)
        self.assertTrue(attempt.responded(signed, response(401)))
        waiting = self.sign(attempt)
        self.cookie("3")
        self.assertFalse(attempt.responded(self.successResultOf(waiting), response(200)))
        attempt, signed = self.signed(self.box)
        self.assertTrue(attempt.responded(signed, response(401)))

    def test_wrong_password_beside_public_pages(self) -> None:
        """A box gives a cookie for a wrong password too; its public pages bring no more logins."""
        to_login = response(302, (b"Location", b"/login?next=/x"))
        for pause_s in (5, 10, 20):
            attempt, signed = self.signed(self.box)
            self.assertTrue(attempt.responded(signed, to_login))
            waiting = self.sign(attempt)
            (early, reads_early), (late, reads_late) = self.begin(self.box), self.begin(self.box)
            self.cookie("2")
            self.assertFalse(early.responded(self.successResultOf(reads_early), response(200)))
            with capturedLogs() as events, self.assertRaises(SentToLogin):
                attempt.responded(self.successResultOf(waiting), to_login)
            (line,) = [str(formatEvent(each)) for each in events]
            self.assertIn(f"the next login follows in {pause_s} s", line)
            self.assertFalse(late.responded(self.successResultOf(reads_late), response(200)))
            self.assertIsNotNone(self.box.login_failure)
            self.clock.advance(pause_s - 0.1)
            attempt, signed = self.signed(self.box)
            with self.assertRaisesRegex(SentToLogin, "to the login page: the user name or"):
                attempt.responded(signed, to_login)
            self.clock.advance(0.1)
        self.assertEqual(len(self.asked), 4)
        attempt, signed = self.signed(self.box)
        attempt.responded(signed, response(200))
        self.assertIsNone(self.box.login_failure)

    def test_redirect_of_the_login_page(self) -> None:
        """A redirect of the login page to itself, such as for a slash, is not about the session."""
        attempt = self.box.begin(SERVER)
        login = Deferred.fromCoroutine(attempt.sign(request(b"/login?next=/x"), b""))
        redirect = response(301, (b"Location", b"/login/?next=/x"))
        self.assertFalse(attempt.responded(self.successResultOf(login), redirect))
        self.assertEqual(len(self.asked), 1)

    def test_idle(self) -> None:
        """A session that was long unused has probably expired, so an upload waits."""
        self.assertFalse(self.signed(self.box)[1].awaits_continue)
        self.clock.advance(IDLE_S)
        self.assertTrue(self.signed(self.box)[1].awaits_continue)
        self.assertFalse(self.signed(self.box)[1].awaits_continue)

    def test_json(self) -> None:
        """An error code in a JSON body tells it too."""
        expired = Expired(json_path="error.code", json_values=(498,))
        signer = self.signer(
            SessionCredentials(login_url="/login", json=COOKIES.json, expired=expired)
        )
        self.begin(signer)
        self.cookie("1")
        for body, again in (
            (b'{"error": {"code": 400}}', False),
            (b"{}", False),
            (b'{"error": {"code": 498}}', True),
        ):
            attempt, signed = self.signed(signer)
            self.assertFalse(attempt.responded(signed, response(200)))
            assert signed.look is not None
            self.assertEqual(signed.look(body), again, body)

    def test_client_head(self) -> None:
        """The session's cookies don't reach the client, others do; most heads stay as they are."""
        attempt, signed = self.signed(self.box)
        head = response(200, (b"Set-Cookie", b"sid=2"), (b"Set-Cookie", b"lang=de"), (b"A", b"b"))
        attempt.responded(signed, head)
        self.assertEqual(
            attempt.client_head(head).headers, [(b"Set-Cookie", b"lang=de"), (b"A", b"b")]
        )
        plain = response(200, (b"A", b"b"))
        self.assertIs(attempt.client_head(plain), plain)


class ClientLoginTests(SessionCase):
    """A client that logs in or out at the box itself."""

    def sent(
        self, method: bytes, target: bytes, login: str, logout: str = "", *fields: Header
    ) -> bytes | None:
        """Return the cookies with which a client's request is sent; check what it changes."""
        signer = self.signer(
            SessionCredentials(login_url=login, json=COOKIES.json, logout_url=logout)
        )
        self.begin(signer)
        self.cookie("1")
        attempt = signer.begin(SERVER)
        head = request(target, method, (b"Cookie", b"sid=mine; a=b"), *fields)
        signed = self.successResultOf(Deferred.fromCoroutine(attempt.sign(head, b"")))
        sent = self.field(signed, b"cookie")
        if not signed.has_credentials:
            changes = response(302, (b"Set-Cookie", b"sid=2; Path=/"), (b"Location", b"/login"))
            self.assertFalse(attempt.responded(signed, changes))
            self.assertEqual(attempt.client_head(changes).headers, [(b"Location", b"/login")])
            self.assertEqual(self.field(self.signed(signer)[1], b"cookie"), b"sid=1")
        return sent

    def test_is_not_signed(self) -> None:
        """It goes without the session, which the box could give to another user, or end."""
        for method, target in (
            (b"POST", b"/login"),
            (b"POST", b"/login/"),
            (b"PUT", b"/LOGIN;v=1?next=/x"),
            (b"POST", b"//log%69n"),
            (b"POST", b"/log%2569n"),
            (b"POST", b"/%25252Flogin"),
            (b"POST", b"/\\login"),
            (b"POST", b"/%5Clogin%5c"),
            (b"POST", b"/login%3Bx"),
            (b"POST", b"/login%3fx=1"),
            (b"POST", b"/logout"),
            (b"GET", b"/logout?now"),
        ):
            sent = self.sent(method, target, "/login", "/logout")
            self.assertEqual(sent, b"a=b", (method, target))

    def test_server_with_a_path(self) -> None:
        """The path of the server's own URL comes before that of the login, and only this path."""
        signer = self.signer()
        self.begin(signer)
        head = response(200, (b"Set-Cookie", b"sid=1; Path=/"))
        self.answers[-1].callback(OwnResponse(head=head, body=b"", target=b"/box/login"))
        for target, is_signed in (
            (b"/box/login", False),
            (b"/login", True),
            (b"/box/api/login", True),
            (b"/box/box/login", True),
        ):
            signing = signer.begin(SERVER).sign(request(target, b"POST"), b"")
            signed = self.successResultOf(Deferred.fromCoroutine(signing))
            self.assertEqual(signed.has_credentials, is_signed, target)

    def test_others_are_signed(self) -> None:
        """The login page, a session's resource, and other calls at the same URL are signed."""
        for method, target, login, logout in (
            (b"GET", b"/login", "/login", ""),
            (b"POST", b"/login2", "/login", ""),
            (b"POST", b"/api/login", "/login", "/logout"),
            (b"POST", b"/api/logout", "/login", "/logout"),
            (b"POST", b"/", "/login", ""),
            (b"POST", b"/x", "/", ""),
            (b"GET", b"/_session", "/_session", "DELETE /_session"),
            (b"GET", b"/api/session", "/api/login", "DELETE /api/session"),
            (b"POST", b"/entry.cgi?api=Files&method=list", "/entry.cgi?api=Auth&method=login", ""),
            (b"POST", b"/json", "/json?login", ""),
        ):
            self.assertEqual(self.sent(method, target, login, logout), b"a=b; sid=1", target)

    def test_query(self) -> None:
        """The login's parameters count in any order and spelling, since servers decode them."""
        for query in (
            b"method=login&api=Auth&user=x",
            b"method=log%69n&%61pi=Auth",
            b"Api=auth;METHOD=login",
            b"api=Files&api=Auth&method=login",
        ):
            sent = self.sent(b"POST", b"/entry.cgi?" + query, "/entry.cgi?api=Auth&method=login")
            self.assertEqual(sent, b"a=b", query)

    def test_method_overrides(self) -> None:
        """A field that replaces the method at some servers makes a GET the client's login."""
        for name in (b"X-HTTP-Method-Override", b"x_http.method"):
            for target, expected in (
                (b"/login", b"a=b"),
                (b"/out", b"a=b"),
                (b"/x", b"a=b; sid=1"),
            ):
                sent = self.sent(b"GET", target, "/login", "DELETE /out", (name, b"POST"))
                self.assertEqual(sent, expected, (name, target))
