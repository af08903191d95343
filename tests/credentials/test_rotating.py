"""Credentials whose secrets come from a command."""

from __future__ import annotations

import re
from collections.abc import Awaitable
from typing import Any

import attrs
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from corsgate.config.model.command import Command
from corsgate.config.model.values import (
    AwsCredentials,
    BasicCredentials,
    BearerCredentials,
    Credentials,
    DigestCredentials,
    HeaderCredentials,
    QueryCredentials,
    Secret,
    SeveralCredentials,
)
from corsgate.credentials.build import build
from corsgate.credentials.guard import Guard
from corsgate.credentials.rotating import DOUBTED_AFTER_S, RotatingCredentials, can_rotate
from corsgate.credentials.secret_commands import INTERVAL_S, SecretCommands
from corsgate.errors import CredentialsRejected, UpstreamError
from corsgate.interfaces import IAttempt, ICredentials
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.signed import Signed
from tests.credentials.helpers import means

SERVER = "http://10.0.0.11:8000"
COMMAND = Command(arguments=("pass", "show", "box"))
OLD = Secret("old-secret", COMMAND)
GET = RequestHead(method=b"GET", target=b"/", headers=[(b"Host", b"a")])
REFUSED = ResponseHead(401, b"", [])
FINE = ResponseHead(200, b"", [])
CHALLENGE = ResponseHead(
    401, b"", [(b"WWW-Authenticate", b'Digest realm="r", nonce="n", qop="auth"')]
)
KINDS: tuple[Credentials, ...] = (
    BasicCredentials(username="a", password=OLD),
    BearerCredentials(token=OLD),
    HeaderCredentials(name="X-Api-Key", value=OLD),
    DigestCredentials(username="a", password=OLD),
)


def without_chance(signed: Signed) -> list[tuple[bytes, bytes]]:
    """Return the fields of a request, without Digest's client nonce and what depends on it."""
    chance = re.compile(rb', cnonce="[^"]*", response="[^"]*"')
    return [(name, chance.sub(b"", value)) for name, value in signed.head.headers]


@implementer(ICredentials, IAttempt)
class LoggingIn:
    """Credentials that log in before they sign, for which the secret must be valid."""

    header_names = frozenset((b"authorization",))
    fixed = None
    may_be_challenged = True

    def __init__(self, credentials: Credentials, valid: str) -> None:
        assert isinstance(credentials, BearerCredentials)
        self.secret = credentials.token.reveal()
        self.valid = valid
        self.ended = 0

    def begin(self, server: str) -> LoggingIn:
        """Return itself."""
        return self

    async def sign(self, head: RequestHead, body: bytes | None) -> Signed:
        """Log in."""
        if self.secret != self.valid:
            raise UpstreamError(self.secret)
        target = f"/{self.secret}".encode()
        return Signed(head=RequestHead(method=b"GET", target=target, headers=[]))

    def responded(self, signed: Signed, response: ResponseHead) -> bool:
        """Do nothing more."""
        return False

    def client_head(self, response: ResponseHead) -> ResponseHead:
        """Return it as it is."""
        return response

    def end(self) -> None:
        """Count."""
        self.ended += 1


class RotatingTests(SynchronousTestCase):
    """`RotatingCredentials`, with each kind."""

    def setUp(self) -> None:
        """Have a command that prints what the test says, at once."""
        self.clock = Clock()
        self.clock.advance(1000)
        self.printed = b"new-secret\n"
        self.runs = 0
        self.waits: Deferred[bytes] | None = None
        self.means = attrs.evolve(
            means(),
            seconds=self.clock.seconds,
            guard=Guard("box", self.clock),
            commands=SecretCommands(self.clock.seconds, self.run_command),
        )

    def run_command(self, command: Command) -> Deferred[bytes]:
        """Run the command."""
        self.runs += 1
        return succeed(self.printed) if self.waits is None else self.waits

    def made(self, credentials: Credentials) -> RotatingCredentials:
        """Return a signer."""
        found = build(credentials, self.means)
        assert isinstance(found, RotatingCredentials)
        return found

    def sign(self, attempt: IAttempt) -> Signed:
        """Return a signed request."""
        return self.successResultOf(Deferred.fromCoroutine(attempt.sign(GET, b"")))

    def settled(self, again: bool | Awaitable[bool]) -> bool:
        """Return the result of `responded`."""
        if isinstance(again, bool):
            return again

        async def wait() -> bool:
            return await again

        return self.successResultOf(Deferred.fromCoroutine(wait()))

    def first(self, attempt: IAttempt) -> Signed:
        """Return the first request with credentials."""
        signed = self.sign(attempt)
        if not signed.has_credentials:
            self.assertTrue(attempt.responded(signed, CHALLENGE))
            signed = self.sign(attempt)
        return signed

    def test_provided(self) -> None:
        """It is like any other credentials, except that nothing is fixed."""
        for credentials in KINDS:
            signer = self.made(credentials)
            verifyObject(ICredentials, signer)
            verifyObject(IAttempt, signer.begin(SERVER))
            self.assertIsNone(signer.fixed)
            self.assertTrue(signer.may_be_challenged)
            self.assertIn(b"authorization", signer.header_names)

    def test_only_commands(self) -> None:
        """Secrets from elsewhere don't cost anything."""
        plain = BearerCredentials(token=Secret("x"))
        self.assertFalse(can_rotate(plain))
        self.assertNotIsInstance(build(plain, self.means), RotatingCredentials)

    def test_rotated(self) -> None:
        """A rejection has the command run; the request is signed again with another secret."""
        for credentials in KINDS:
            signer = self.made(credentials)
            attempt = signer.begin(SERVER)
            old = self.first(attempt)
            self.assertTrue(self.settled(attempt.responded(old, REFUSED)), credentials.kind)
            new = self.first(attempt)
            self.assertNotEqual(old.head.headers[-1][1], new.head.headers[-1][1])
            expected = build(self.changed(credentials, "new-secret"), self.means)
            assert expected is not None
            same = self.first(expected.begin(SERVER))
            self.assertEqual(without_chance(new), without_chance(same))
            self.assertFalse(self.settled(attempt.responded(new, FINE)))
            attempt.end()
            # The next request begins with it.
            again = self.first(signer.begin(SERVER))
            self.assertEqual(again.head.headers[-1][0], new.head.headers[-1][0])

    @staticmethod
    def changed(credentials: Any, text: str) -> Credentials:
        """Return credentials with another secret, which no command printed."""
        name = {"basic": "password", "bearer": "token", "header": "value", "digest": "password"}
        fields = {name[credentials.kind]: Secret(text)}
        rest = {"username": "a"} if "password" in fields else {}
        named = {"name": "X-Api-Key"} if credentials.kind == "header" else {}
        return type(credentials)(**fields, **rest, **named)  # type: ignore[no-any-return]

    def test_unchanged(self) -> None:
        """The same secret is not sent again: it would be another failed login."""
        self.printed = b"old-secret"
        attempt = self.made(KINDS[0]).begin(SERVER)
        self.assertFalse(self.settled(attempt.responded(self.first(attempt), REFUSED)))
        self.assertEqual(self.runs, 1)

    def test_rejected_twice(self) -> None:
        """The new secret is rejected too: that is the end."""
        attempt = self.made(KINDS[0]).begin(SERVER)
        self.assertTrue(self.settled(attempt.responded(self.first(attempt), REFUSED)))
        self.assertFalse(self.settled(attempt.responded(self.first(attempt), REFUSED)))
        self.assertEqual(self.runs, 1)

    def test_other_responses(self) -> None:
        """Only a 401 to a request with the password is a rejection."""
        signer = self.made(KINDS[0])
        attempt = signer.begin(SERVER)
        signed = self.first(attempt)
        for status in (200, 403, 407, 500):
            self.assertFalse(self.settled(attempt.responded(signed, ResponseHead(status, b"", []))))
        unsigned = Signed(head=GET, has_credentials=False)
        self.assertFalse(self.settled(attempt.responded(unsigned, REFUSED)))
        self.assertEqual(self.runs, 0)
        self.assertTrue(self.settled(attempt.responded(Signed(head=GET, is_fresh=False), REFUSED)))

    def test_forbidden(self) -> None:
        """A 403 rejects a key that is not new, for kinds whose servers respond so; 400 for AWS."""
        aws = AwsCredentials(
            region="us-east-1", service="s3", access_key=Secret("A"), secret_key=OLD
        )
        key = HeaderCredentials(name="X", value=Secret("x"))
        for credentials, statuses in (
            (KINDS[0], ()),
            (KINDS[2], (403,)),
            (QueryCredentials(name="key", value=OLD), (403,)),
            (SeveralCredentials(parts=(key, BearerCredentials(token=OLD))), (403,)),
            (aws, (400, 403)),
        ):
            for status in (200, 400, 403, 404, 500):
                refused = ResponseHead(status, b"", [])
                signer = self.made(credentials)
                attempt = signer.begin(SERVER)
                signed = self.first(attempt)
                self.clock.advance(DOUBTED_AFTER_S - 1)
                self.assertFalse(self.settled(attempt.responded(signed, refused)))
                self.clock.advance(1)
                again = self.settled(attempt.responded(signed, refused))
                self.assertIs(again, status in statuses, (credentials, status))

    def test_rejected_together(self) -> None:
        """Requests that were rejected meanwhile are signed with what the first one has found."""
        self.waits = Deferred()
        signer = self.made(KINDS[1])
        attempts = [signer.begin(SERVER) for _ in range(64)]
        signed = [self.first(each) for each in attempts]
        found: list[Deferred[bool]] = []
        for each, sent in zip(attempts[:63], signed, strict=False):
            again: Any = each.responded(sent, REFUSED)
            found.append(Deferred.fromCoroutine(again))
        self.assertEqual(self.runs, 1)
        self.waits.callback(b"new-secret")
        self.assertEqual({self.successResultOf(each) for each in found}, {True})
        # This one was still on its way with the old secret.
        self.assertTrue(self.settled(attempts[63].responded(signed[63], REFUSED)))
        self.assertEqual(self.runs, 1)
        for each in attempts:
            self.assertIn(b"Bearer new-secret", self.sign(each).head.headers[-1])

    def test_others_wait(self) -> None:
        """While another secret is looked for, the old one goes to that server no more."""
        self.waits = Deferred()
        signer = self.made(KINDS[1])
        first = signer.begin(SERVER)
        again: Any = first.responded(self.first(first), REFUSED)
        renewed = Deferred.fromCoroutine(again)
        later, gone = (
            Deferred.fromCoroutine(signer.begin(SERVER).sign(GET, b"")) for _ in range(2)
        )
        self.assertNoResult(later)
        # A server that has rejected nothing is not concerned, and who gives up ends nothing.
        elsewhere = self.sign(signer.begin("http://10.0.0.12:8000"))
        self.assertIn(b"Bearer old-secret", elsewhere.head.headers[-1])
        gone.cancel()
        self.failureResultOf(gone, CancelledError)
        self.waits.callback(b"new-secret")
        self.assertTrue(self.successResultOf(renewed))
        self.assertIn(b"Bearer new-secret", self.successResultOf(later).head.headers[-1])
        self.assertEqual(self.runs, 1)

    def test_login_refused(self) -> None:
        """A kind that can't log in does so once more with another secret, or fails as it did."""
        valid = b"new-secret"
        begun: list[LoggingIn] = []

        def make(credentials: Credentials) -> LoggingIn:
            begun.append(LoggingIn(credentials, valid.decode()))
            return begun[-1]

        commands = self.means.commands
        assert commands is not None
        signer = RotatingCredentials(KINDS[1], make, commands, self.means.guard)
        attempt = signer.begin(SERVER)
        self.assertEqual(self.sign(attempt).head.target, b"/new-secret")
        self.assertEqual((self.runs, begun[0].ended, begun[1].ended), (1, 1, 0))
        attempt.end()
        self.assertEqual(begun[1].ended, 1)
        # The next secret is no better.
        self.clock.advance(INTERVAL_S + 1)
        begun[1].valid = "none"
        self.printed = b"third-secret"
        attempt = signer.begin(SERVER)
        again = Deferred.fromCoroutine(attempt.sign(GET, b""))
        self.assertEqual(str(self.failureResultOf(again, UpstreamError).value), "third-secret")
        self.assertEqual(self.runs, 2)

    def block(self, signer: RotatingCredentials) -> None:
        """Have a server reject a secret twice, and its command print the same one."""
        self.printed = b"old-secret"
        attempt = signer.begin(SERVER)
        for _ in range(2):
            place = self.means.guard.admit_login(SERVER)
            self.assertFalse(self.settled(attempt.responded(self.first(attempt), REFUSED)))
            place.rejected()

    def test_block_ends(self) -> None:
        """A request that a block stops has the command run; another secret ends the block."""
        signer, guard = self.made(KINDS[0]), self.means.guard
        self.block(signer)
        self.printed = b"new-secret"
        self.assertRaises(CredentialsRejected, guard.check, SERVER)
        self.assertEqual(self.runs, 1)
        self.clock.advance(INTERVAL_S)
        guard.admit_login(SERVER).rejected()
        self.assertRaises(CredentialsRejected, guard.check, SERVER)
        self.assertEqual(self.runs, 2)
        guard.check(SERVER)
        self.assertIsNone(guard.block(SERVER))
        self.assertIn(b"Basic YTpuZXctc2VjcmV0", self.first(signer.begin(SERVER)).head.headers[-1])

    def test_block_with_slow_command(self) -> None:
        """However many requests a block stops, one command runs, and none of them waits for it."""
        signer, guard = self.made(KINDS[0]), self.means.guard
        self.block(signer)
        self.clock.advance(INTERVAL_S)
        guard.admit_login(SERVER).rejected()
        self.waits = Deferred()
        for _ in range(64):
            self.assertRaises(CredentialsRejected, guard.check, SERVER)
        self.assertEqual(self.runs, 2)
        self.waits.callback(b"new-secret")
        guard.check(SERVER)

    def test_changed_before_it_is_sent(self) -> None:
        """A request that was signed, but not sent, is signed again with another secret."""
        signer = self.made(KINDS[1])
        waiting, rejected = signer.begin(SERVER), signer.begin(SERVER)
        self.assertIn(b"Bearer old-secret", self.sign(waiting).head.headers[-1])
        self.assertTrue(self.settled(rejected.responded(self.first(rejected), REFUSED)))
        self.assertIn(b"Bearer new-secret", self.sign(waiting).head.headers[-1])

    def test_not_valid(self) -> None:
        """A secret that can't be sent is logged without being shown; the old one stays."""
        self.printed = b"hunter2 hunter2"
        signer = self.made(KINDS[1])
        attempt = signer.begin(SERVER)
        with capturedLogs() as events:
            self.assertFalse(self.settled(attempt.responded(self.first(attempt), REFUSED)))
        lines = [str(each["log_format"]).format(**each) for each in events]
        self.assertEqual(len(lines), 1)
        self.assertIn("is not valid", lines[0])
        self.assertNotIn("hunter2", str(events))

    def test_logged(self) -> None:
        """A rotation is logged, with the program alone."""
        attempt = self.made(KINDS[1]).begin(SERVER)
        with capturedLogs() as events:
            self.assertTrue(self.settled(attempt.responded(self.first(attempt), REFUSED)))
        lines = [str(each["log_format"]).format(**each) for each in events]
        self.assertEqual(
            lines, ['a secret was rejected; "pass" printed a new one, which is used from now on']
        )
