"""Tests of `corsgate.credentials.session.attempt`: CSRF tokens."""

from __future__ import annotations

from corsgate.config.model.secret import Secret
from corsgate.config.model.session import Csrf, SessionCredentials
from corsgate.credentials.session.signer import SessionSigner
from tests.credentials.helpers import response
from tests.credentials.session.case import COOKIES, SessionCase


class CsrfTests(SessionCase):
    """CSRF tokens."""

    def logged_in(self, csrf: Csrf) -> SessionSigner:
        """Return a signer that has logged in."""
        signer = self.signer(SessionCredentials(login_url="/login", json=COOKIES.json, csrf=csrf))
        attempt, _ = self.begin(signer)
        cookies = [(b"Set-Cookie", b"sid=1; Path=/"), (b"Set-Cookie", b"csrf=c; Path=/")]
        self.answer(response(200, *(cookies if csrf.cookie else cookies[:1])))
        attempt.end()
        return signer

    def test_fetched_once(self) -> None:
        """Changes wait for one fetch; reads don't need it."""
        signer = self.logged_in(Csrf(header="X-T", fetch="HEAD /t"))
        self.assertIsNone(self.field(self.signed(signer)[1], b"X-T"))
        waiting = [self.begin(signer, b"POST")[1] for _ in range(5)]
        self.assertEqual(len(self.asked), 2)
        _, head, _ = self.asked[1]
        self.assertEqual((head.method, head.target), (b"HEAD", b"/t"))
        self.assertIn((b"X-T", b"Fetch"), head.headers)
        self.assertIn((b"Cookie", b"sid=1"), head.headers)
        self.answer(response(200, (b"X-T", b"one")))
        found = {self.field(self.successResultOf(each), b"X-T") for each in waiting}
        self.assertEqual(found, {b"one"})

    def test_stale(self) -> None:
        """A rejected token is fetched again, once for all, and not for ever."""
        signer = self.logged_in(Csrf(header="X-T", fetch="HEAD /t"))
        self.begin(signer, b"POST")
        self.answer(response(200, (b"X-T", b"one")))
        attempts = [self.signed(signer, b"POST") for _ in range(5)]
        for attempt, signed in attempts:
            self.assertTrue(attempt.responded(signed, response(403)))
        waiting = [self.sign(attempt, b"POST") for attempt, _ in attempts]
        self.assertEqual(len(self.asked), 3)
        self.answer(response(200, (b"X-T", b"two")))
        for (attempt, _), each in zip(attempts, waiting, strict=True):
            signed = self.successResultOf(each)
            self.assertEqual(self.field(signed, b"X-T"), b"two")
            self.assertFalse(attempt.responded(signed, response(403)))
        # The user has no right to it: the next one is not sent again.
        attempt, signed = self.signed(signer, b"POST")
        self.assertFalse(attempt.responded(signed, response(403)))
        self.clock.advance(5)
        attempt, signed = self.signed(signer, b"POST")
        self.assertTrue(attempt.responded(signed, response(403)))

    def test_required(self) -> None:
        """A response may say what is missing, with any status."""
        signer = self.logged_in(Csrf(header="X-T", fetch="/t", status=409))
        self.begin(signer, b"POST")
        self.answer(response(200, (b"X-T", b"one")))
        attempt, signed = self.signed(signer, b"POST")
        self.assertFalse(attempt.responded(signed, response(403)))
        self.assertTrue(attempt.responded(signed, response(400, (b"x-t", b"Required"))))

    def test_cookie(self) -> None:
        """A token in a cookie follows the cookie."""
        signer = self.logged_in(Csrf(header="X-T", cookie="csrf", always=True))
        attempt, signed = self.signed(signer)
        self.assertEqual(self.field(signed, b"X-T"), b"c")
        later = response(403, (b"Set-Cookie", b"csrf=a%2Fb; Path=/"))
        self.assertTrue(attempt.responded(signed, later))
        signed = self.successResultOf(self.sign(attempt))
        self.assertEqual(self.field(signed, b"X-T"), b"a/b")
        self.assertFalse(attempt.responded(signed, response(403)))
        self.assertEqual(len(self.asked), 1)

    def test_from_rejection(self) -> None:
        """Without a login, the rejection itself brings the token."""
        signer = self.signer(
            SessionCredentials(
                csrf=Csrf(header="X-T", status=409, always=True),
                basic=True,
                username="u",
                password=Secret("p"),
            )
        )
        attempt, signed = self.signed(signer)
        self.assertEqual(self.field(signed, b"Authorization"), b"Basic dTpw")
        self.assertIsNone(self.field(signed, b"X-T"))
        self.assertEqual((signed.is_fresh, signed.awaits_continue), (True, True))
        head = response(409, (b"X-T", b"one"))
        self.assertTrue(attempt.responded(signed, head))
        self.assertEqual(attempt.client_head(head).headers, [])
        signed = self.successResultOf(self.sign(attempt))
        self.assertEqual(self.field(signed, b"X-T"), b"one")
        # A conflict of the application's own is not repeated.
        self.assertFalse(attempt.responded(signed, response(409)))
        attempt, signed = self.signed(signer)
        self.assertFalse(attempt.responded(signed, response(409)))
        self.assertFalse(attempt.responded(signed, response(401)))
        self.assertEqual(self.asked, [])

    def test_fetch_begins_a_session(self) -> None:
        """Without a login, the fetch comes first, so that its cookies are the gate's."""
        csrf = Csrf(header="X-T", fetch="/t", token_path="crumb")
        signer = self.signer(
            SessionCredentials(csrf=csrf, basic=True, username="u", password=Secret("p"))
        )
        _, waiting = self.begin(signer)
        self.assertIn((b"Authorization", b"Basic dTpw"), self.asked[0][1].headers)
        cookie = (b"Set-Cookie", b"sid=1; Path=/")
        self.answer(response(200, cookie), b'{"crumb": "c"}')
        signed = self.successResultOf(waiting)
        self.assertEqual(self.field(signed, b"Cookie"), b"sid=1")
        _, signed = self.signed(signer, b"POST")
        self.assertEqual(self.field(signed, b"X-T"), b"c")

    def test_protected_form(self) -> None:
        """A login form gets the token of a cookie that is fetched before."""
        signer = self.signer(
            SessionCredentials(
                login_url="/login",
                form=(("pass", Secret("p")),),
                csrf=Csrf(header="X-T", cookie="csrf", fetch="/login"),
            )
        )
        _, waiting = self.begin(signer)
        self.answer(response(200, (b"Set-Cookie", b"csrf=one; Path=/")))
        _, head, body = self.asked[1]
        self.assertIn((b"X-T", b"one"), head.headers)
        self.assertIn((b"Cookie", b"csrf=one"), head.headers)
        self.assertEqual(body, b"pass=p")
        self.cookie("1")
        signed = self.successResultOf(waiting)
        self.assertEqual(self.field(signed, b"Cookie"), b"csrf=one; sid=1")
