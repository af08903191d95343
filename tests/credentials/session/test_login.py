"""Tests of `corsgate.credentials.session.login`; `test_session` tests when it is used."""

from __future__ import annotations

import attrs

from corsgate.config.model.secret import Secret
from corsgate.config.model.session import Csrf, SessionCredentials
from corsgate.credentials.session.cookie_jar import MAX_COOKIES, CookieJar
from corsgate.credentials.session.login import MAX_NAMES, Login, LoginRejected, Session
from tests.credentials.helpers import SERVER, means, request, response
from tests.credentials.session.case import COOKIES, TOKEN, SessionCase


class SigningTests(SessionCase):
    """`Login.signed`."""

    def signed_with(self, credentials: SessionCredentials, session: Session) -> list[object]:
        """Return the target and the fields of a signed request, without Host."""
        login = Login(credentials, means())
        head = request(b"/x?a=b", b"POST", (b"Cookie", b"sid=mine; a=b"))
        signed = login.signed(head, session, {b"sid"}, with_csrf=True)
        self.assertEqual(signed.method, b"POST")
        return [signed.target, *signed.headers[1:]]

    def test_everything(self) -> None:
        """A token, cookies and a CSRF token may be needed together."""
        session = Session(server=SERVER, made_s=0, used_s=0, token=b"t/1", csrf=b"c")
        session.jar.store(response(200, (b"Set-Cookie", b"sid=1; Path=/")), b"/", 1.7e9)
        fields = {"login_url": "/login", "json": (("a", Secret("b")),), "token_path": "t"}
        csrf = Csrf(header="X-T")
        cookies = (b"Cookie", b"a=b; sid=1")
        self.assertEqual(
            self.signed_with(
                SessionCredentials(**fields, header="X-A: T {token}", csrf=csrf),  # type: ignore[arg-type]
                session,
            ),
            [b"/x?a=b", cookies, (b"X-A", b"T t/1"), (b"X-T", b"c")],
        )
        self.assertEqual(
            self.signed_with(SessionCredentials(**fields, query="k"), session),  # type: ignore[arg-type]
            [b"/x?a=b&k=t%2F1", cookies],
        )

    def test_nothing_is_shown(self) -> None:
        """The repr of a session has no secret."""
        session = Session(server=SERVER, made_s=0, used_s=0, token=b"s3cret", csrf=b"s3cret")
        session.jar.store(response(200, (b"Set-Cookie", b"sid=s3cret")), b"/", 1.7e9)
        self.assertNotIn("s3cret", repr(session))
        self.assertNotIn("s3cret", repr(session.jar))
        self.assertIsInstance(session.jar, CookieJar)

    def test_many_names(self) -> None:
        """A box that sets thousands of cookies does not fill the memory."""
        signer = self.signer()
        attempt, waiting = self.begin(signer)
        cookies = [(b"Set-Cookie", b"n%d=1; Path=/" % n) for n in range(MAX_NAMES + 50)]
        self.answer(response(200, *cookies))
        self.successResultOf(waiting)
        left = attempt.client_head(response(200, *cookies)).headers
        self.assertEqual(left, cookies[:50])
        # Those that the jar has are among those that clients don't get.
        signed = self.signed(signer)[1]
        sent = (self.field(signed, b"cookie") or b"").split(b"; ")
        self.assertEqual(sent, [each[1].partition(b";")[0] for each in cookies[-MAX_COOKIES:]])


class JsonRpcTests(SessionCase):
    """Boxes that respond 200 to every login."""

    def test_failures(self) -> None:
        """Neither a cookie beside an error nor a result without a cookie is a login."""
        token = attrs.evolve(TOKEN, token_path="result.1.t")
        cookie = (b"Set-Cookie", b"sid=1; Path=/")
        for credentials, headers, body, reason in (
            (COOKIES, [cookie], b'{"error": {"code": 200}}', "with an error in its JSON"),
            (COOKIES, [], b'{"result": false, "error": null}', "without a session cookie"),
            (token, [cookie], b'{"error": {"code": -32602}}', "an error in its JSON, and without"),
            (token, [cookie], b'{"result": [6]}', "without a token at result.1.t"),
        ):
            signer = self.signer(credentials)
            before = len(self.asked)
            for _ in range(2):
                _, waiting = self.begin(signer)
                self.answer(response(200, *headers), body)
                failure = self.failureResultOf(waiting, LoginRejected)
                self.assertIn(reason, str(failure.value))
            _, waiting = self.begin(signer)
            self.failureResultOf(waiting)
            self.assertEqual(len(self.asked) - before, 2, body)

    def test_successes(self) -> None:
        """An error of null is none, and a token counts whatever is beside it."""
        token = attrs.evolve(TOKEN, token_path="result.1.t")
        for credentials, body in (
            (COOKIES, b'{"result": true, "error": null}'),
            (token, b'{"result": [0, {"t": "abc"}], "error": {"code": 0}}'),
        ):
            _, waiting = self.begin(self.signer(credentials))
            self.answer(response(200, (b"Set-Cookie", b"sid=1; Path=/")), body)
            self.successResultOf(waiting)
