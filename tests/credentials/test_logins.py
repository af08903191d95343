"""What credentials that log in say and leave behind."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as DeferredTimedOut
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from corsgate.config.model.credentials import HeaderCredentials
from corsgate.config.model.secret import Secret
from corsgate.credentials.build import build
from corsgate.credentials.logins import LoginFailure, log_out, login_failure
from corsgate.interfaces import ILogin, ILogOut
from tests.credentials.helpers import means

FAILURE = LoginFailure(time_s=1.0, words="down", count=2)
SIMPLE = build(HeaderCredentials(name="X-Key", value=Secret("k")), means())


@implementer(ILogin, ILogOut)
class Leaves:
    """Credentials that log in, and out when the test says."""

    def __init__(self, failure: LoginFailure | None = None) -> None:
        self.login_failure = failure
        self.left: Deferred[None] = Deferred()

    def log_out(self) -> Deferred[None]:
        """Return a Deferred that the test fires."""
        return self.left


class LoginTests(SynchronousTestCase):
    """`login_failure` and `log_out`."""

    def test_failure(self) -> None:
        """The first failure is reported; credentials that don't log in have none."""
        self.assertIsNone(login_failure([None, SIMPLE, Leaves()]))  # type: ignore[list-item]
        self.assertIs(login_failure([SIMPLE, Leaves(), Leaves(FAILURE)]), FAILURE)  # type: ignore[list-item]

    def test_log_out(self) -> None:
        """All log out; those that leave nothing behind have nothing to do."""
        self.assertIsNone(self.successResultOf(log_out([None, SIMPLE])))
        one, other = Leaves(), Leaves()
        left = log_out([one, SIMPLE, other])  # type: ignore[list-item]
        one.left.callback(None)
        self.assertNoResult(left)
        other.left.callback(None)
        self.assertIsNone(self.successResultOf(left))

    def test_time_limit(self) -> None:
        """A time-out gives up all of them, and is a time-out."""
        clock, one, other = Clock(), Leaves(), Leaves()
        left = log_out([one, other]).addTimeout(5, clock)  # type: ignore[list-item]
        clock.advance(5)
        self.failureResultOf(left, DeferredTimedOut)
        for each in (one, other):
            self.assertTrue(each.left.called)

    def test_fails(self) -> None:
        """The failure is that of the one that failed."""
        one = Leaves()
        left = log_out([one])  # type: ignore[list-item]
        one.left.errback(CancelledError())
        self.failureResultOf(left, CancelledError)
