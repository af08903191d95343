"""What others see of credentials that log in."""

from __future__ import annotations

import attrs
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from corsgate.config.model.command import Command
from corsgate.config.model.credentials import HeaderCredentials, SeveralCredentials
from corsgate.config.model.secret import Secret
from corsgate.config.model.session import SessionCredentials
from corsgate.credentials.build import build
from corsgate.credentials.login_failure import LoginFailure, log_out_of, login_failure_of
from corsgate.credentials.secret_commands import SecretCommands
from corsgate.interfaces import ILogin, ILogOut
from tests.credentials.helpers import means


@implementer(ILogin, ILogOut)
class LoggedIn:
    """Credentials that have logged in, or could not."""

    def __init__(self, login_failure: LoginFailure | None = None) -> None:
        self.login_failure = login_failure
        self.left: Deferred[None] = Deferred()

    def log_out(self) -> Deferred[None]:
        """Log out."""
        return self.left


class LoginFailureTests(SynchronousTestCase):
    def test_count(self) -> None:
        """Failures in a row are counted."""
        first = LoginFailure.after(None, 1.0, "a")
        self.assertEqual(first, LoginFailure(time_s=1.0, words="a", count=1))
        self.assertEqual(LoginFailure.after(first, 2.0, "b").count, 2)

    def test_of_several(self) -> None:
        """The first failure is shown; what doesn't log in has none."""
        failure = LoginFailure(time_s=1.0, words="a", count=1)
        self.assertIs(login_failure_of([None, object(), LoggedIn(), LoggedIn(failure)]), failure)
        self.assertIsNone(login_failure_of([object(), LoggedIn()]))

    def test_log_out(self) -> None:
        """All log out."""
        signers = [LoggedIn(), object(), LoggedIn()]
        leaving = log_out_of(signers)
        signers[0].left.callback(None)  # type: ignore[attr-defined]  # it is `LoggedIn`
        self.assertNoResult(leaving)
        signers[2].left.callback(None)  # type: ignore[attr-defined]  # the same
        self.successResultOf(leaving)
        self.successResultOf(log_out_of([object()]))

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
