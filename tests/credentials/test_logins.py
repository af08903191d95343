"""What credentials that log in say and leave behind."""

from __future__ import annotations

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as DeferredTimedOut
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from corsgate.config.model.command import Command
from corsgate.config.model.credentials import HeaderCredentials, SeveralCredentials
from corsgate.config.model.secret import Secret
from corsgate.config.model.session import SessionCredentials
from corsgate.credentials.build import build
from corsgate.credentials.logins import LoginFailure, log_out_of, login_failure_of
from corsgate.credentials.secret_commands import SecretCommands
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
    """`login_failure_of` and `log_out_of`."""

    def test_failure(self) -> None:
        """The first failure is reported; credentials that don't log in have none."""
        self.assertIsNone(login_failure_of([None, SIMPLE, Leaves()]))  # type: ignore[list-item]
        self.assertIs(login_failure_of([SIMPLE, Leaves(), Leaves(FAILURE)]), FAILURE)  # type: ignore[list-item]

    def test_log_out(self) -> None:
        """All log out; those that leave nothing behind have nothing to do."""
        self.assertIsNone(self.successResultOf(log_out_of([None, SIMPLE])))
        one, other = Leaves(), Leaves()
        left = log_out_of([one, SIMPLE, other])  # type: ignore[list-item]
        one.left.callback(None)
        self.assertNoResult(left)
        other.left.callback(None)
        self.assertIsNone(self.successResultOf(left))

    def test_time_limit(self) -> None:
        """A time-out gives up all of them, and is a time-out."""
        clock, one, other = Clock(), Leaves(), Leaves()
        left = log_out_of([one, other]).addTimeout(5, clock)  # type: ignore[list-item]
        clock.advance(5)
        self.failureResultOf(left, DeferredTimedOut)
        for each in (one, other):
            self.assertTrue(each.left.called)

    def test_fails(self) -> None:
        """The failure is that of the one that failed."""
        one = Leaves()
        left = log_out_of([one])  # type: ignore[list-item]
        one.left.errback(CancelledError())
        self.failureResultOf(left, CancelledError)

    def test_count(self) -> None:
        """Failures in a row are counted."""
        first = LoginFailure.after(None, 1.0, "a")
        self.assertEqual(first, LoginFailure(time_s=1.0, words="a", count=1))
        self.assertEqual(LoginFailure.after(first, 2.0, "b").count, 2)

    def test_paused(self) -> None:
        """The rest of a pause is rounded up, so it is never 0 s."""
        for left_s, shown in ((0.2, 1), (4.0, 4), (4.1, 5)):
            self.assertEqual(str(FAILURE.paused(left_s)), f"down (next attempt in {shown} s)")

    def test_wrapped(self) -> None:
        """Credentials that consist of others pass both on."""
        command = Secret("p", Command(arguments=("pass",)))
        session = SessionCredentials(login_url="/login", json=(("pass", command),))
        key = HeaderCredentials(name="X-Api-Key", value=Secret("k"))
        world = attrs.evolve(
            means(), commands=SecretCommands(means().seconds, lambda _: Deferred())
        )
        for credentials in (session, SeveralCredentials(parts=(key, session)), key):
            signer = build(credentials, world)
            if credentials is key:
                self.assertFalse(ILogin.providedBy(signer))
                continue
            verifyObject(ILogin, signer)
            verifyObject(ILogOut, signer)
            self.assertIsNone(login_failure_of([signer]))
            self.successResultOf(log_out_of([signer]))
