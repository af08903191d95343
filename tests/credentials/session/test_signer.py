"""Tests of `corsgate.credentials.session.signer`: when it logs in."""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from twisted.logger import capturedLogs, formatEvent

from corsgate.config.model.session import Expired, SessionCredentials
from corsgate.credentials.guard import Guard
from corsgate.credentials.session.signer import IDLE_S
from corsgate.errors import ConnectFailed, CredentialsRejected, LoginFailed, UpstreamTimedOut
from tests.credentials.helpers import SERVER, response
from tests.credentials.session.case import COOKIES, TOKEN, SessionCase

OTHER = "http://10.0.0.12:8000"


class LoginTests(SessionCase):
    """When it logs in."""

    def test_first(self) -> None:
        """The first request logs in, those that come meanwhile wait, later ones don't."""
        signer = self.signer()
        waiting = [self.begin(signer)[1] for _ in range(64)]
        self.assertEqual(len(self.asked), 1)
        self.assertEqual(self.asked[0][0], SERVER)
        self.cookie("1")
        found = {self.field(self.successResultOf(each), b"Cookie") for each in waiting}
        self.assertEqual(found, {b"sid=1"})
        self.signed(signer)
        self.assertEqual(len(self.asked), 1)

    def test_each_server(self) -> None:
        """Each server has a session of its own, unless they share it."""
        signer = self.signer()
        self.begin(signer)
        self.begin(signer, server=OTHER)
        self.assertEqual([server for server, _, _ in self.asked], [SERVER, OTHER])
        shared = self.signer(SessionCredentials(login_url="/login", json=COOKIES.json, shared=True))
        self.begin(shared)
        self.begin(shared, server=OTHER)
        self.assertEqual(len(self.asked), 3)

    def test_one_waiter_leaves(self) -> None:
        """A client that goes away does not take the login of the others with it."""
        signer = self.signer()
        (_, first), (_, second) = self.begin(signer), self.begin(signer)
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.cookie("1")
        self.successResultOf(second)

    def test_failure(self) -> None:
        """All that wait get the failure; the next one tries again."""
        signer = self.signer()
        waiting = [self.begin(signer)[1] for _ in range(3)]
        self.answer(response(503))
        for each in waiting:
            error = self.failureResultOf(each, LoginFailed).value
            self.assertEqual(
                str(error), f"{SERVER}: the gate could not log in at /login: it responded 503"
            )
        _, again = self.begin(signer)
        self.cookie("1")
        self.successResultOf(again)

    def test_no_connection(self) -> None:
        """A server that is out of reach fails as it would for any request."""
        _, waiting = self.begin(self.signer())
        self.answers[0].errback(ConnectFailed("refused"))
        self.failureResultOf(waiting, ConnectFailed)

    def test_login_elsewhere(self) -> None:
        """Another server's trouble is a failed login: it says nothing of this one."""
        login = SessionCredentials(login_url=f"{OTHER}/login", json=COOKIES.json)
        _, waiting = self.begin(self.signer(login))
        self.assertEqual(self.asked[0][0], OTHER)
        self.answers[0].errback(ConnectFailed("refused"))
        self.failureResultOf(waiting, LoginFailed)

    def test_guard(self) -> None:
        """Two rejections stop logins for 5 s; a success ends that."""
        signer = self.signer(guard=Guard("box", self.clock))
        for _ in range(2):
            _, waiting = self.begin(signer)
            self.answer(response(401))
            self.failureResultOf(waiting, LoginFailed)
        self.failureResultOf(self.begin(signer)[1], CredentialsRejected)
        self.assertEqual(len(self.asked), 2)
        self.clock.advance(5.1)
        _, waiting = self.begin(signer)
        self.cookie("1")
        self.successResultOf(waiting)

    def test_trouble_is_no_rejection(self) -> None:
        """Logins that fail for other reasons begin a pause too, but later and shorter."""
        signer = self.signer(guard=Guard("box", self.clock))
        for pause_s in (0, 0, 0, 1, 2, 4):
            _, waiting = self.begin(signer)
            self.answer(response(500))
            self.failureResultOf(waiting, LoginFailed)
            if pause_s:
                error = self.failureResultOf(self.begin(signer)[1], LoginFailed).value
                self.assertEqual(
                    str(error),
                    f"{SERVER}: the gate could not log in at /login: it responded 500"
                    f" (next attempt in {pause_s} s)",
                )
            self.clock.advance(pause_s)
        self.assertEqual(len(self.asked), 6)
        assert signer.login_failure is not None
        self.assertEqual(signer.login_failure.count, 6)
        self.assertIn("it responded 500", signer.login_failure.words)
        _, waiting = self.begin(signer)
        self.cookie("1")
        self.successResultOf(waiting)
        self.assertIsNone(signer.login_failure)

    def test_login_hangs(self) -> None:
        """After a login that took long to fail, clients get the failure at once as long again."""
        signer = self.signer()
        waiting = [self.begin(signer)[1] for _ in range(3)]
        self.clock.advance(15)
        self.answers[0].errback(UpstreamTimedOut(f"{SERVER}: it did not respond within 15 s"))
        for each in waiting:
            self.failureResultOf(each, UpstreamTimedOut)
        self.clock.advance(14)
        error = self.failureResultOf(self.begin(signer)[1], LoginFailed).value
        self.assertIn("within 15 s (next attempt in 1 s)", str(error))
        self.clock.advance(1)
        _, again = self.begin(signer)
        self.cookie("1")
        self.successResultOf(again)

    def test_no_connection_is_tried_again(self) -> None:
        """Whether a server is out of reach is for the balancer to say."""
        signer = self.signer()
        for _ in range(6):
            _, waiting = self.begin(signer)
            self.answers[-1].errback(ConnectFailed("refused"))
            self.failureResultOf(waiting, ConnectFailed)
        self.assertEqual(len(self.asked), 6)

    def test_lifetime(self) -> None:
        """A session that is too old is not tried."""
        signer = self.signer(TOKEN)
        self.begin(signer)
        self.answer(response(200), b'{"t": "one"}')
        self.clock.advance(59)
        _, signed = self.signed(signer)
        self.assertEqual(self.field(signed, b"authorization"), b"Bearer one")
        self.clock.advance(1)
        _, waiting = self.begin(signer)
        self.answer(response(200), b'{"t": "two"}')
        signed = self.successResultOf(waiting)
        self.assertEqual(self.field(signed, b"authorization"), b"Bearer two")

    def test_cookies_expire(self) -> None:
        """A session whose cookies have expired, or were deleted, is not tried."""
        signer = self.signer()
        self.begin(signer)
        self.answer(response(200, (b"Set-Cookie", b"sid=1; Max-Age=60; Path=/")))
        self.clock.advance(61)
        _, waiting = self.begin(signer)
        self.cookie("2")
        self.successResultOf(waiting)
        attempt, signed = self.signed(signer)
        gone = (b"Set-Cookie", b"sid=; Max-Age=0; Path=/")
        self.assertFalse(attempt.responded(signed, response(200, gone)))
        self.begin(signer)
        self.assertEqual(len(self.asked), 3)


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
            with capturedLogs() as events:
                self.assertFalse(attempt.responded(self.successResultOf(waiting), to_login))
            (line,) = [str(formatEvent(each)) for each in events]
            self.assertIn(f"the next login follows in {pause_s} s", line)
            self.assertFalse(late.responded(self.successResultOf(reads_late), response(200)))
            self.assertIsNotNone(self.box.login_failure)
            self.clock.advance(pause_s - 0.1)
            attempt, signed = self.signed(self.box)
            self.assertFalse(attempt.responded(signed, to_login))
            self.clock.advance(0.1)
        self.assertEqual(len(self.asked), 4)
        attempt, signed = self.signed(self.box)
        attempt.responded(signed, response(200))
        self.assertIsNone(self.box.login_failure)

    def test_login_failure(self) -> None:
        """Why a login failed is shown until one succeeds; a block does not hide it."""
        signer = self.signer()
        self.assertIsNone(signer.login_failure)
        for count in (1, 2, 2):
            attempt, signing = self.begin(signer)
            if not signing.called:
                self.answer(response(401))
            self.failureResultOf(signing)
            attempt.end()
            failure = signer.login_failure
            assert failure is not None
            self.assertEqual(failure.count, count)
            self.assertIn("could not log in at /login: it responded 401", failure.words)
        self.clock.advance(5)
        self.begin(signer)
        self.cookie("1")
        self.assertIsNone(signer.login_failure)

    def test_refused_new_session(self) -> None:
        """A box that takes any password, but then none of its sessions, is logged and shown."""
        signer = self.signer()
        attempts = [self.begin(signer) for _ in range(64)]
        self.cookie("1")
        with capturedLogs() as events:
            for attempt, signing in attempts:
                refused = response(302, (b"Location", b"/login"))
                self.assertFalse(attempt.responded(self.successResultOf(signing), refused))
        (line,) = [str(formatEvent(each)) for each in events]
        self.assertIn("it responded 302 to a request with a new session", line)
        self.assertIn("the next login follows in 5 s", line)
        assert signer.login_failure is not None
        self.assertIn("the user name or the password may be wrong", signer.login_failure.words)
        self.clock.advance(5)
        attempt, signed = self.signed(signer)
        attempt.responded(signed, response(200))
        self.assertIsNone(signer.login_failure)

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
