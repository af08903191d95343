"""Tests of `corsgate.credentials.attempt`: what is sent for one request."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from corsgate.credentials.attempt import FixedAttempt, with_fields
from tests.credentials.helpers import refusal, request


class AttemptTests(SynchronousTestCase):
    def test_fixed(self) -> None:
        """The fields come last, and no response changes them."""
        attempt = FixedAttempt([(b"X-Key", b"k"), (b"X-Tenant", b"7")])
        signed = self.successResultOf(Deferred.fromCoroutine(attempt.sign(request(), b"")))
        self.assertEqual(signed.head.headers[-2:], [(b"X-Key", b"k"), (b"X-Tenant", b"7")])
        self.assertFalse(attempt.responded(signed, refusal(b"Basic")))
        head = refusal(b"Basic")
        self.assertIs(attempt.client_head(head), head)
        attempt.end()

    def test_with_fields(self) -> None:
        """Method, target and fields are kept, and the given head isn't changed."""
        head = request(b"/a?%2F;", b"PUT", (b"X", b"1"))
        before = list(head.headers)
        made = with_fields(head, [(b"Y", b"2")])
        self.assertEqual((made.method, made.target), (b"PUT", b"/a?%2F;"))
        self.assertEqual((made.headers, head.headers), ([*before, (b"Y", b"2")], before))
