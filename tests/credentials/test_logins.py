"""Tests of `corsgate.credentials.logins`."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, FirstError
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from corsgate.config.model.command import Command
from corsgate.config.model.values import HeaderCredentials, Secret, SeveralCredentials
from corsgate.credentials.build import build
from corsgate.credentials.combined import CombinedSigner
from corsgate.credentials.logins import log_out_of, log_out_of_all, login_failure_of
from corsgate.credentials.rotating import RotatingCredentials
from corsgate.credentials.secret_commands import SecretCommands
from corsgate.interfaces import ILogin, ILogOut
from tests.credentials.helpers import means

KEY = HeaderCredentials(name="X-Key", value=Secret("k"))


@implementer(ILogin, ILogOut)
class LoggedIn:
    """Credentials that have logged in somewhere, and could not do it again."""

    header_names: frozenset[bytes] = frozenset()
    fixed = None
    may_be_challenged = True
    login_failure = "it is down"

    def __init__(self) -> None:
        self.left: Deferred[None] = Deferred()
        self.asked = 0

    def log_out(self) -> Deferred[None]:
        """Return what the test fires."""
        self.asked += 1
        return self.left


class LoginTests(SynchronousTestCase):
    """`log_out_of`, `log_out_of_all` and `login_failure_of`."""

    def test_none(self) -> None:
        """Credentials without a login have nothing to end."""
        for each in (None, build(KEY, means())):
            self.assertIsNone(self.successResultOf(log_out_of(each)))
            self.assertIsNone(login_failure_of(each))

    def test_several(self) -> None:
        """A login among several credentials is one of the whole."""
        login = LoggedIn()
        key = build(KEY, means())
        assert key is not None
        parts: list[Any] = [key, login]
        whole = CombinedSigner(parts=parts)
        self.assertEqual(login_failure_of(None, whole), "it is down")
        left = log_out_of(whole)
        self.assertNoResult(left)
        login.left.callback(None)
        self.assertIsNone(self.successResultOf(left))

    def test_failure(self) -> None:
        """One that fails doesn't keep the others from logging out."""
        one: Any = LoggedIn()
        two: Any = LoggedIn()
        left = log_out_of_all(one, two)
        one.left.errback(ValueError("no"))
        self.failureResultOf(left, FirstError)
        self.assertEqual(two.asked, 1)

    def test_secret_of_a_command(self) -> None:
        """Nor does it matter where the secret comes from."""
        login: Any = LoggedIn()

        given = means()
        commands = SecretCommands(given.seconds, lambda _: Deferred())
        secret = Secret("old", Command(arguments=("pass",)))
        credentials = SeveralCredentials(
            parts=(HeaderCredentials(name="X-A", value=secret), KEY),
        )
        signer = RotatingCredentials(credentials, lambda _: login, commands, given.guard)
        self.assertEqual(login_failure_of(signer), "it is down")
        log_out_of(signer)
        self.assertEqual(login.asked, 1)
