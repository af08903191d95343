"""Whether a failed attempt may be repeated."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.balance.retry import may_resend, may_try_another_server
from corsgate.errors import (
    BadUpstreamResponse,
    ConnectFailed,
    ConnectionReset,
    ConnectTimedOut,
    QueueFull,
    UpstreamBusy,
    UpstreamError,
    UpstreamTimedOut,
)

NOTHING_SENT = (ConnectFailed("x"), ConnectTimedOut("x"), QueueFull("x"))
MAY_HAVE_ACTED = (
    UpstreamError("x"),
    UpstreamTimedOut("x"),
    BadUpstreamResponse("x"),
    ConnectionReset("x"),
)
IDEMPOTENT = (b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE")
NOT_IDEMPOTENT = (b"POST", b"PATCH", b"LOCK", b"MKCOL", b"get", b"")


class AnotherServerTests(SynchronousTestCase):
    def test_nothing_sent(self) -> None:
        """Without a connection nothing was sent, so another server may be asked."""
        for error in NOTHING_SENT:
            self.assertTrue(may_try_another_server(error), error)

    def test_waited(self) -> None:
        """Who has waited for one server in vain doesn't wait for another too."""
        self.assertFalse(may_try_another_server(UpstreamBusy("x")))

    def test_may_have_acted(self) -> None:
        """A server that was connected to may have acted, so no other may."""
        for error in MAY_HAVE_ACTED:
            self.assertFalse(may_try_another_server(error), error)


class ResendTests(SynchronousTestCase):
    def test_idempotent(self) -> None:
        """A reset before any byte lets an idempotent request be sent again."""
        for method in IDEMPOTENT:
            self.assertTrue(may_resend(ConnectionReset("x"), method, replayable=True), method)

    def test_not_idempotent(self) -> None:
        """Any other method may act twice; methods are compared case and all."""
        for method in NOT_IDEMPOTENT:
            self.assertFalse(may_resend(ConnectionReset("x"), method, replayable=True), method)

    def test_body_is_gone(self) -> None:
        """What can't be sent whole isn't sent again."""
        for method in IDEMPOTENT:
            self.assertFalse(may_resend(ConnectionReset("x"), method, replayable=False), method)

    def test_other_failures(self) -> None:
        """After a byte of a response, or a time-out, nothing is sent again."""
        for error in (*MAY_HAVE_ACTED[:3], *NOTHING_SENT):
            self.assertFalse(may_resend(error, b"GET", replayable=True), error)
