"""Tests of `corsgate.credentials.session.signer`: when it logs out."""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from twisted.logger import capturedLogs, formatEvent

from corsgate.errors import ConnectFailed
from tests.credentials.helpers import SERVER, response
from tests.credentials.session.case import TOKEN, SessionCase


class LogoutTests(SessionCase):
    """When it logs out."""

    def test_waits_for_attempts(self) -> None:
        """A session is ended once no request needs it, with all that it needs."""
        signer = self.signer(TOKEN)
        attempt, _ = self.begin(signer)
        self.answer(response(200), b'{"t": "one"}')
        left = signer.log_out()
        self.assertEqual(len(self.asked), 1)
        attempt.end()
        server, head, _ = self.asked[1]
        self.assertEqual((server, head.method, head.target), (SERVER, b"POST", b"/logout"))
        self.assertIn((b"Authorization", b"Bearer one"), head.headers)
        self.assertNoResult(left)
        self.answer(response(204))
        self.successResultOf(left)

    def test_failure(self) -> None:
        """What goes wrong is logged, and harms nothing."""
        signer = self.signer(TOKEN)
        attempt, _ = self.begin(signer)
        self.answer(response(200), b'{"t": "one"}')
        attempt.end()
        left = signer.log_out()
        self.answers[-1].errback(ConnectFailed("refused"))
        self.successResultOf(left)

    def test_late_request(self) -> None:
        """A request that comes after the logout has its session ended too."""
        signer = self.signer(TOKEN)
        attempt, _ = self.begin(signer)
        self.answer(response(200), b'{"t": "one"}')
        left = signer.log_out()
        attempt.end()
        self.answer(response(204))
        self.successResultOf(left)
        attempt, _ = self.begin(signer)
        self.answer(response(200), b'{"t": "two"}')
        attempt.end()
        self.assertIn((b"Authorization", b"Bearer two"), self.asked[-1][1].headers)
        self.assertEqual(self.asked[-1][1].target, b"/logout")

    def test_given_up(self) -> None:
        """A logout that takes too long is no longer waited for."""
        signer = self.signer(TOKEN)
        attempt, _ = self.begin(signer)
        self.answer(response(200), b'{"t": "one"}')
        left = signer.log_out()
        left.cancel()
        self.failureResultOf(left, CancelledError)
        attempt.end()
        self.assertEqual(self.asked[-1][1].target, b"/logout")
        left = signer.log_out()
        self.successResultOf(left)

    def test_given_up_at_the_server(self) -> None:
        """A logout that a server doesn't finish ends without a traceback."""
        signer = self.signer(TOKEN)
        attempt, _ = self.begin(signer)
        self.answer(response(200), b'{"t": "one"}')
        attempt.end()
        left = signer.log_out()
        left.addErrback(lambda failure: failure.trap(CancelledError))
        with capturedLogs() as events:
            left.cancel()
        self.successResultOf(left)
        self.assertEqual([formatEvent(each) for each in events], [])

    def test_nothing_to_end(self) -> None:
        """Without a session or a logout_url there is nothing to ask."""
        self.successResultOf(self.signer(TOKEN).log_out())
        signer = self.signer()
        attempt, _ = self.begin(signer)
        self.cookie("1")
        attempt.end()
        self.successResultOf(signer.log_out())
        self.assertEqual(len(self.asked), 1)
