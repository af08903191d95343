"""Tests of `corsgate.message.signed`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.message.head import RequestHead
from corsgate.message.signed import Signed


class SignedTests(SynchronousTestCase):
    def test_no_secret_is_shown(self) -> None:
        """The repr of a signed request hides its head."""
        head = RequestHead(method=b"GET", target=b"/?key=s3cret", headers=[])
        self.assertNotIn("s3cret", repr(Signed(head=head)))
