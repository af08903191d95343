"""Tests of `corsgate.credentials.session.keeper`: when it logs in, and what it logs."""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from twisted.logger import capturedLogs, formatEvent

from corsgate.config.model.session import SessionCredentials
from corsgate.credentials.guard import Guard
from corsgate.errors import (
    ConnectFailed,
    CredentialsRejected,
    LoginFailed,
    SentToLogin,
    UpstreamTimedOut,
)
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


class FailureTests(SessionCase):
    """`login_failure`, and the log."""

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
                with self.assertRaises(SentToLogin):
                    attempt.responded(self.successResultOf(signing), refused)
        (line,) = [str(formatEvent(each)) for each in events]
        self.assertIn("it responded 302 to a request with a new session", line)
        self.assertIn("the next login follows in 5 s", line)
        assert signer.login_failure is not None
        self.assertIn("the user name or the password may be wrong", signer.login_failure.words)
        self.clock.advance(5)
        attempt, signed = self.signed(signer)
        attempt.responded(signed, response(200))
        self.assertIsNone(signer.login_failure)
