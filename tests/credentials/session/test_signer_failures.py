"""What is said of logins that fail, or that don't help."""

from __future__ import annotations

from twisted.logger import capturedLogs, formatEvent

from tests.credentials.helpers import response
from tests.credentials.session.case import SessionCase


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
