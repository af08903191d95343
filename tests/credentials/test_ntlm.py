"""The steps of NTLM, one response at a time; `tests.gate.test_ntlm` has the rest."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from threading import Lock
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred, TimeoutError, fail, maybeDeferred
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import NtlmCredentials, Secret
from corsgate.credentials.ntlm import MAX_HANDSHAKES, NtlmSigner
from corsgate.credentials.servers import MAX_SERVERS
from corsgate.credentials.shared import Shared
from corsgate.errors import HandshakeFailed, UpstreamBusy
from corsgate.interfaces import IAttempt
from corsgate.message.signed import Signed
from tests.credentials.helpers import (
    SERVER,
    FakePin,
    authorization_of,
    means,
    refusal,
    request,
    response,
)
from tests.ntlm_box import challenge_message

CREDENTIALS = NtlmCredentials(username="alice", password=Secret("open sesame"))
OFFERS = (b"Negotiate", b"NTLM")
LockType = type(Lock())


class NtlmTests(SynchronousTestCase):
    """`NtlmSigner`, with connections that are there at once."""

    def setUp(self) -> None:
        """Make a signer, and an attempt."""
        self.signer = NtlmSigner(CREDENTIALS, means())
        self.attempt = self.signer.begin(SERVER)

    def sign(
        self, attempt: IAttempt | None = None, body: bytes | None = b"", method: bytes = b"GET"
    ) -> Signed:
        """Return what an attempt sends next."""
        head = request(b"/v1/x?y", method, (b"Content-Type", b"a/b"), (b"If-Match", b'"1"'))
        signing = (attempt or self.attempt).sign(head, body)
        signed: Signed = self.successResultOf(Deferred.fromCoroutine(signing))
        return signed

    def message(self, signed: Signed) -> tuple[str, int]:
        """Return the scheme of a request, and which message of NTLM it has."""
        scheme, _, token = (authorization_of(signed.head) or "").partition(" ")
        raw = b64decode(token)
        return scheme, raw[raw.index(b"NTLMSSP\0") + 8]

    def log_in(self) -> FakePin:
        """Go through a handshake; return its connection, which is idle then."""
        signed = self.sign()
        self.attempt.responded(signed, refusal(b"NTLM " + b64encode(challenge_message(self))))
        signed = self.sign()
        self.assertEqual(self.message(signed), ("NTLM", 3))
        self.assertFalse(self.attempt.responded(signed, response(200)))
        self.attempt.end()
        pin = signed.pins
        assert isinstance(pin, FakePin)
        return pin

    def test_what_counts_as_rejected(self) -> None:
        """Only a 401 to the last message says that the credentials are wrong."""
        first = self.sign()
        self.assertEqual((first.is_fresh, first.has_credentials), (False, False))
        challenge = refusal(b"NTLM " + b64encode(challenge_message(self)))
        self.assertTrue(self.attempt.responded(first, challenge))
        last = self.sign()
        self.assertEqual((last.is_fresh, last.has_credentials), (True, True))
        self.assertIs(last.pins, first.pins)
        self.assertFalse(self.attempt.responded(last, refusal(*OFFERS)))
        self.attempt.end()
        self.assertTrue(last.pins.lost)

    def test_used_again(self) -> None:
        """An authenticated connection is used again, by one request at a time."""
        pin = self.log_in()
        attempts = [self.signer.begin(SERVER) for _ in range(2)]
        first, second = map(self.sign, attempts)
        self.assertIs(first.pins, pin)
        self.assertIsNone(authorization_of(first.head))
        self.assertEqual((first.is_fresh, first.has_credentials), (False, True))
        self.assertIsNot(second.pins, pin)
        self.assertEqual(self.message(second), ("NTLM", 1))

    def test_other_server(self) -> None:
        """A connection to one server is not used for another."""
        pin = self.log_in()
        self.assertIsNot(self.sign(self.signer.begin("http://10.0.0.12:8000")).pins, pin)

    def test_unfinished(self) -> None:
        """A connection is closed where no response came, or a handshake was not finished."""
        signed = self.sign()
        self.attempt.end()
        self.assertTrue(signed.pins.lost)

    def test_other_scheme(self) -> None:
        """Negotiate is used where the server does not offer NTLM; each scheme once."""
        self.assertTrue(self.attempt.responded(self.sign(), refusal(b"Negotiate")))
        signed = self.sign()
        self.assertEqual(self.message(signed), ("Negotiate", 1))
        self.assertFalse(self.attempt.responded(signed, refusal(*OFFERS)))

    def test_no_scheme(self) -> None:
        """A server that offers neither scheme, or a message that is no base64, ends it."""
        for offered in (b'Basic realm="x"', b"NTLMv9", b"NTLM !"):
            attempt = self.signer.begin(SERVER)
            self.assertFalse(attempt.responded(self.sign(attempt), refusal(offered)))

    def test_streamed_body(self) -> None:
        """A GET without fields of the body goes first; then the upload with what is due."""
        step = self.sign(body=None, method=b"POST")
        self.assertFalse(step.sends_body)
        self.assertEqual((step.head.method, step.head.target), (b"GET", b"/v1/x?y"))
        names = [name for name, _ in step.head.headers]
        self.assertEqual(names, [b"Host", b"Authorization"])
        self.assertTrue(self.attempt.responded(step, response(405)))
        signed = self.sign(body=None, method=b"POST")
        self.assertEqual((signed.head.method, signed.sends_body), (b"POST", True))
        self.assertEqual(self.message(signed), ("NTLM", 1))

    def test_lost_in_the_middle(self) -> None:
        """A server that closes each connection gets few tries."""
        for _ in range(MAX_HANDSHAKES):
            signed = self.sign()
            challenge = refusal(b"NTLM " + b64encode(challenge_message(self)))
            self.assertTrue(self.attempt.responded(signed, challenge))
            signed.pins.lost = True
        signing = Deferred.fromCoroutine(self.attempt.sign(request(), b""))
        self.failureResultOf(signing, HandshakeFailed)

    def test_unreadable(self) -> None:
        """A message that can't be read is an error of the server's, and is not shown."""
        for raw in (b"NTLMSSP\0\2", b"rubbish", b"NTLMSSP\0\1\0\0\0" + b"\0" * 60):
            attempt = self.signer.begin(SERVER)
            signed = self.sign(attempt)
            self.assertTrue(attempt.responded(signed, refusal(b"NTLM " + b64encode(raw))))
            signing = Deferred.fromCoroutine(attempt.sign(request(), b""))
            failure = self.failureResultOf(signing, HandshakeFailed)
            self.assertNotIn("NTLMSSP", failure.getErrorMessage())

    def reused(self, last: int) -> bool:
        """Let the server refuse a connection; return whether it was used without a handshake.

        Args:
            last: The status of the response to the new handshake.
        """
        self.attempt = self.signer.begin(SERVER)
        signed = self.sign()
        is_reuse = authorization_of(signed.head) is None
        if is_reuse:
            self.assertTrue(self.attempt.responded(signed, refusal(*OFFERS)))
            again = self.sign()
            self.assertIs(again.pins, signed.pins)
            signed = again
        challenge = refusal(b"NTLM " + b64encode(challenge_message(self)))
        self.assertTrue(self.attempt.responded(signed, challenge))
        self.assertFalse(self.attempt.responded(self.sign(), response(last)))
        self.attempt.end()
        return is_reuse

    def test_one_environment(self) -> None:
        """All signers hold the same lock while the environment has the workstation's name."""
        locks: list[Any] = []

        def in_thread(call: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
            locks.extend(each for each in arguments if isinstance(each, LockType))
            return maybeDeferred(call, *arguments)

        shared = Shared()
        signers = [
            NtlmSigner(CREDENTIALS, evolve(means(), in_thread=in_thread, shared=shared))
            for _ in range(2)
        ]
        for signer in signers:
            self.sign(signer.begin(SERVER))
        first, second = locks
        self.assertIs(first, second)

    def test_no_thread(self) -> None:
        """If all threads are busy, the request fails as in other cases of too much load."""
        signer = NtlmSigner(CREDENTIALS, evolve(means(), in_thread=lambda *_: fail(TimeoutError())))
        attempt = signer.begin(SERVER)
        signing = Deferred.fromCoroutine(attempt.sign(request(b"/"), b""))
        self.failureResultOf(signing, UpstreamBusy)
        attempt.end()

    def test_refused_reuse(self) -> None:
        """A server that twice accepts only a new handshake gets one for each request."""
        self.log_in()
        self.assertEqual([self.reused(200) for _ in range(4)], [True, True, False, False])

    def test_refused_resource(self) -> None:
        """A 401 that a new handshake does not change is about the resource."""
        for _ in range(4):
            self.attempt = self.signer.begin(SERVER)
            self.log_in()
            self.assertTrue(self.reused(401))

    def test_bounded(self) -> None:
        """What is known of servers is bounded."""
        for number in range(MAX_SERVERS + 5):
            self.signer.begin(f"http://10.0.0.1:{number}")
        self.assertLessEqual(len(self.signer._servers), MAX_SERVERS)
