"""What the guard learns from the responses to signed requests, and when it stops them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.credentials.guard import Guard
from corsgate.errors import CredentialsRejected
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.headers import Header
from corsgate.message.signed import Signed
from corsgate.upstream.response import UpstreamResponse
from corsgate.upstream.signed import send_signed
from tests.upstream.playing import Source
from tests.upstream.signatures import HEAD, ORIGIN, Rotating, Signature


class Slow(Signature):
    """Takes long to sign."""

    def __init__(self, challenges: int, **signs: Any) -> None:
        super().__init__(challenges, **signs)
        self.waits: Deferred[None] = Deferred()

    async def sign(self, head: RequestHead, body: bytes | None) -> Signed:
        """Wait for the test."""
        signed = await super().sign(head, body)
        if not self.waits.called:
            await self.waits
        return signed


class GuardedTests(SynchronousTestCase):
    """`send_signed` with a guard."""

    def send(self, signature: Signature, guard: Guard) -> Deferred[UpstreamResponse]:
        """Send a request to a server that responds with 401 at once."""
        self.sent: list[bytes] = []

        async def send(signed: Signed, *_: object) -> UpstreamResponse:
            self.sent.append(signed.head.headers[-1][1])
            return UpstreamResponse(Source(), ResponseHead(401, b"", []), -1)

        sending = send_signed(signature, HEAD, ORIGIN, lambda: None, send, guard)
        return Deferred.fromCoroutine(sending)

    def guarded(
        self,
        *statuses: int,
        challenges: int = 0,
        fields: Sequence[Header] = (),
        **signs: Any,
    ) -> Guard:
        """Return a guard after requests that got these statuses in turn, each signed once more."""
        guard = Guard("box", Clock())
        left = list(statuses)

        async def send(signed: Signed, *_: object) -> UpstreamResponse:
            head = ResponseHead(left.pop(0), b"", list(fields))
            return UpstreamResponse(Source(), head, -1)

        while left:
            signature = Signature(challenges, None, **signs)
            sending = send_signed(signature, HEAD, ORIGIN, lambda: None, send, guard)
            self.result: Deferred[Any] = Deferred.fromCoroutine(sending)
            self.result.addErrback(lambda failure: failure.trap(CredentialsRejected))
            if guard.block(ORIGIN) is not None:
                break
        return guard

    def test_rejects(self) -> None:
        """Two 401s to signed requests block the server, unless it accepts one between them."""
        self.assertIsNotNone(self.guarded(401, 401).block(ORIGIN))
        self.assertIsNone(self.guarded(401, 200, 401).block(ORIGIN))
        self.assertEqual(list(self.guarded(401, 200).proven), [ORIGIN])

    def test_ignores_unsigned(self) -> None:
        """A 401 to a request without the credentials is no rejection, and a 200 no acceptance."""
        self.assertIsNone(self.guarded(401, 401, 401, has_credentials=False).block(ORIGIN))
        self.assertEqual(self.guarded(200, has_credentials=False).proven, {})

    def test_counts_each_try(self) -> None:
        """A fresh request that is rejected and signed again was a try at the password."""
        self.assertIsNotNone(self.guarded(401, 401, challenges=2).block(ORIGIN))

    def test_knows_expired(self) -> None:
        """What has expired is no rejection, nor what is stale; but four in a row are enough."""
        stale = [(b"WWW-Authenticate", b'Digest realm="r", nonce="n", STALE="Yes"')]
        self.assertIsNone(self.guarded(401, 401, 200, challenges=2, is_fresh=False).block(ORIGIN))
        self.assertIsNone(self.guarded(401, 401, 200, challenges=2, fields=stale).block(ORIGIN))
        self.assertIsNotNone(self.guarded(*[401] * 6, challenges=2, fields=stale).block(ORIGIN))

    def test_stops_an_attempt(self) -> None:
        """A request is not signed again once the server is blocked; its attempt ends."""
        self.guarded(401, 401, 401, challenges=2)
        self.assertIs(self.successResultOf(self.result), CredentialsRejected)

    def test_while_other_secrets_are_looked_for(self) -> None:
        """The rejection counts once it is known that there is no other secret, and once."""
        for is_fresh in (True, False):
            signature, guard = Rotating(1, is_fresh=is_fresh), Guard("box", Clock())
            response = self.send(signature, guard)
            self.assertEqual(guard._servers[ORIGIN].lockout.failures, 0)
            signature.renewed.callback(False)
            self.assertEqual(self.successResultOf(response).head.status, 401)
            self.assertEqual(guard._servers[ORIGIN].lockout.failures, 1)
            self.assertEqual(guard._servers[ORIGIN].lockout.rejections, int(is_fresh))

    def test_client_leaves_while_other_secrets_are_looked_for(self) -> None:
        """The rejection counts all the same."""
        signature, guard = Rotating(1), Guard("box", Clock())
        response = self.send(signature, guard)
        response.cancel()
        self.failureResultOf(response, CancelledError)
        self.assertEqual(guard._servers[ORIGIN].lockout.rejections, 1)

    def test_other_secrets_are_found(self) -> None:
        """The rejection of the ones before does not count."""
        signature, guard = Rotating(1), Guard("box", Clock())
        response = self.send(signature, guard)
        guard.forget()
        signature.renewed.callback(True)
        self.assertEqual(self.successResultOf(response).head.status, 401)
        self.assertEqual(len(self.sent), 2)
        self.assertEqual(guard._servers[ORIGIN].lockout.rejections, 1)

    def test_when_the_secret_changes_while_it_is_signed(self) -> None:
        """A request that takes long to sign, such as with NTLM, is signed again."""
        guard, slow = Guard("box", Clock()), Slow(0)
        response = self.send(slow, guard)
        guard.forget()
        slow.waits.callback(None)
        self.successResultOf(response)
        self.assertEqual(self.sent, [b"2"])

    def test_when_the_secret_changes(self) -> None:
        """A request that was signed before that, and waited, is signed again."""
        guard = Guard("box", Clock())
        first = [self.successResultOf(Deferred.fromCoroutine(guard.admit(ORIGIN))) for _ in "ab"]
        response = self.send(Signature(0), guard)
        self.assertEqual(self.sent, [])
        guard.forget()
        self.successResultOf(response)
        self.assertEqual(self.sent, [b"2"])
        for each in first:
            each.end()
