"""Which errors and statuses count as which cause of a failure."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.balance.failure_causes import CAUSE_OF_STATUS, cause_of
from corsgate.config.model.balancing import CAUSES
from corsgate.errors import (
    BadUpstreamResponse,
    ChallengedMidUpload,
    ConnectFailed,
    ConnectionReset,
    ConnectTimedOut,
    CredentialsRejected,
    HandshakeFailed,
    LoginFailed,
    NoServer,
    OutOfDescriptors,
    QueueFull,
    UnsignableBody,
    UpstreamBusy,
    UpstreamError,
    UpstreamFull,
    UpstreamTimedOut,
    WeakChallenge,
)


class CauseTests(SynchronousTestCase):
    """`cause_of` and `CAUSE_OF_STATUS`."""

    def test_what_speaks_against_a_server(self) -> None:
        """Each failure of a server has its cause; a timeout while connecting is ``connect``."""
        for error, cause in (
            (ConnectFailed, "connect"),
            (ConnectTimedOut, "connect"),
            (ConnectionReset, "reset"),
            (UpstreamTimedOut, "timeout"),
        ):
            self.assertEqual((error, cause_of(error("x"))), (error, cause))

    def test_what_does_not(self) -> None:
        """The gate's own limits, and what every server would do alike, have no cause."""
        for error in (
            UpstreamError,
            UpstreamBusy,
            QueueFull,
            UpstreamFull,
            OutOfDescriptors,
            NoServer,
            BadUpstreamResponse,
            ChallengedMidUpload,
            WeakChallenge,
            UnsignableBody,
            CredentialsRejected,
            LoginFailed,
            HandshakeFailed,
        ):
            self.assertEqual((error, cause_of(error("x"))), (error, None))

    def test_statuses(self) -> None:
        """Only the statuses that can be configured count, each under its own name."""
        self.assertEqual(CAUSE_OF_STATUS, {500: "500", 502: "502", 503: "503", 504: "504"})

    def test_every_cause_can_occur(self) -> None:
        """No word of ``retry_on`` and ``eject`` is without a meaning."""
        errors = (ConnectFailed("x"), ConnectionReset("x"), UpstreamTimedOut("x"))
        self.assertEqual({*map(cause_of, errors), *CAUSE_OF_STATUS.values()}, set(CAUSES))
