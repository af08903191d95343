"""The logins behind signers that consist of others, or that replace others."""

from __future__ import annotations

import attrs
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from corsgate.config.model.command import Command
from corsgate.config.model.secret import Secret
from corsgate.config.model.session import SessionCredentials
from corsgate.config.model.values import BearerCredentials, HeaderCredentials, SeveralCredentials
from corsgate.credentials.build import build
from corsgate.credentials.combined import CombinedSigner
from corsgate.credentials.guard import Guard
from corsgate.credentials.logins import first_login_failure, log_out_all
from corsgate.credentials.oauth2_tokens import LoginFailure
from corsgate.credentials.rotating import RotatingCredentials
from corsgate.credentials.secret_commands import SecretCommands
from corsgate.interfaces import IAttempt, ICredentials, ILogin, ILogOut
from tests.credentials.helpers import means, response
from tests.credentials.session_case import SessionCase

FAILURE = LoginFailure(time_s=1.0, words="no token", count=2)
PASSWORD = Secret("old", Command(arguments=("pass",)))
SESSION = SessionCredentials(login_url="/login", form=(("pass", PASSWORD),), logout_url="/logout")


@implementer(ICredentials, ILogin, ILogOut)
class LoggedIn:
    """Has logged in somewhere, and failed elsewhere."""

    header_names: frozenset[bytes] = frozenset()
    fixed = None
    may_be_challenged = True
    login_failure = FAILURE

    def __init__(self) -> None:
        self.left: Deferred[None] = Deferred()
        self.asked = 0

    def begin(self, server: str) -> IAttempt:
        """Sign nothing."""
        raise NotImplementedError

    def log_out(self) -> Deferred[None]:
        """Wait for the test."""
        self.asked += 1
        return self.left


class LoginsTests(SynchronousTestCase):
    """`log_out_all`, `first_login_failure`, and who uses them."""

    def setUp(self) -> None:
        """Have a part that logs in, and one that does not."""
        self.login = LoggedIn()
        header = build(HeaderCredentials(name="X", value=Secret("x")), means())
        assert header is not None
        self.parts: list[ICredentials] = [header, self.login]

    def test_parts(self) -> None:
        """Whoever has logged in is asked, and nobody else."""
        self.assertIs(first_login_failure(self.parts), FAILURE)
        self.assertIsNone(first_login_failure(self.parts[:1]))
        self.successResultOf(log_out_all(self.parts[:1]))
        leaving = log_out_all(self.parts)
        self.assertNoResult(leaving)
        self.login.left.callback(None)
        self.assertIsNone(self.successResultOf(leaving))

    def test_given_up(self) -> None:
        """Whoever gives up sees the same as with one alone."""
        leaving = log_out_all(self.parts)
        leaving.cancel()
        self.failureResultOf(leaving, CancelledError)

    def test_combined(self) -> None:
        """Several credentials log out together, and the failure of one is theirs."""
        signer = CombinedSigner(parts=self.parts)
        verifyObject(ILogin, signer)
        verifyObject(ILogOut, signer)
        self.assertIs(signer.login_failure, FAILURE)
        leaving = signer.log_out()
        self.assertNoResult(leaving)
        self.login.left.callback(None)
        self.successResultOf(leaving)

    def test_rotating(self) -> None:
        """Credentials with a command log out, too, and show why a login failed."""
        first, second = signers = [self.login, LoggedIn()]
        commands = SecretCommands(lambda: 0.0, lambda _: succeed(b"new"))
        credentials, making = BearerCredentials(token=PASSWORD), iter(signers)
        signer = RotatingCredentials(credentials, lambda _: next(making), commands, means().guard)
        verifyObject(ILogin, signer)
        verifyObject(ILogOut, signer)
        self.assertIs(signer.login_failure, FAILURE)
        self.assertTrue(self.successResultOf(Deferred.fromCoroutine(signer.renew(first))))
        # What the first one has left behind ends by itself, and is waited for.
        self.assertEqual((first.asked, second.asked), (1, 0))
        leaving = signer.log_out()
        for each in signers:
            self.assertNoResult(leaving)
            each.left.callback(None)
        self.successResultOf(leaving)
        first.asked = 0
        self.successResultOf(signer.log_out())
        self.assertEqual(first.asked, 0)


class SessionTests(SessionCase):
    """A session whose password comes from a command, with a header beside it."""

    def test_logged_out(self) -> None:
        """A new password brings a new session, and that one ends with the gate."""
        world = attrs.evolve(
            means(),
            ask=self.ask,
            guard=Guard("box", self.clock),
            commands=SecretCommands(self.clock.seconds, lambda _: succeed(b"new")),
        )
        key = HeaderCredentials(name="X-Key", value=Secret("k"))
        signer = build(SeveralCredentials(parts=(key, SESSION)), world)
        assert isinstance(signer, RotatingCredentials)
        attempt = signer.begin("http://box")
        signing = self.sign(attempt)
        self.cookie("one")
        signed = self.successResultOf(signing)
        self.assertEqual(self.field(signed, b"cookie"), b"sid=one")
        attempt.end()
        # The box has forgotten the session, and does not know the password any more.
        attempt = signer.begin("http://box")
        signed = self.successResultOf(self.sign(attempt))
        self.assertIs(attempt.responded(signed, response(401)), True)
        signing = self.sign(attempt)
        self.answer(response(401))
        self.assertEqual(self.asked[-1][2], b"pass=new")
        self.cookie("two")
        self.successResultOf(signing)
        attempt.end()
        before = len(self.asked)
        leaving = signer.log_out()
        self.assertNoResult(leaving)
        self.assertEqual(len(self.asked), before + 1)
        self.assertEqual(self.asked[-1][1].target, b"/logout")
        self.answer(response(200))
        self.successResultOf(leaving)
