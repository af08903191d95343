"""Requests that are signed: which challenges are met, and what becomes of the body."""

from __future__ import annotations

import attrs
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from corsgate.credentials.attempt import with_fields
from corsgate.errors import (
    ChallengedMidUpload,
    ConnectionReset,
    PinnedConnectionLost,
    UpstreamError,
)
from corsgate.interfaces import IAttempt, ICredentials
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.signed import Signed
from corsgate.upstream.body import Body, KeptBody
from corsgate.upstream.pins import OwnPin
from corsgate.upstream.response import UpstreamResponse
from corsgate.upstream.signed import MAX_CHALLENGES, MAX_STEPS, send_signed
from tests.server.support import Body as Streamed
from tests.upstream.playing import Source

HEAD = RequestHead(method=b"PUT", target=b"/", headers=[])
ORIGIN = "http://10.0.0.1"


@implementer(ICredentials, IAttempt)
class Signature:
    """Signs with a number, and takes every response for a challenge until it is content.

    Args:
        challenges: How many are challenges.
        error: What is raised for one, if anything.
    """

    header_names = frozenset((b"x-signed",))
    fixed = None
    may_be_challenged = True

    def __init__(self, challenges: int, error: UpstreamError | None = None) -> None:
        self.signed = self.ends = 0
        self.bodies: list[bytes | None] = []
        self._challenges = challenges
        self._error = error

    def begin(self, server: str) -> Signature:
        """Return itself: it signs one request."""
        return self

    async def sign(self, head: RequestHead, body: bytes | None) -> Signed:
        """Sign."""
        self.signed += 1
        self.bodies.append(body)
        return Signed(head=with_fields(head, [(b"X-Signed", b"%d" % self.signed)]))

    def client_head(self, response: ResponseHead) -> ResponseHead:
        """Mark the head that the client gets."""
        return ResponseHead(response.status, b"marked", response.headers)

    def end(self) -> None:
        """Count the ends."""
        self.ends += 1

    def responded(self, signed: Signed, response: ResponseHead) -> bool:
        """Return whether this is a challenge."""
        if self._error is not None:
            raise self._error
        return self.signed <= self._challenges


class SignedTests(SynchronousTestCase):
    def send(self, signature: Signature, body: Body | None = None) -> Deferred[UpstreamResponse]:
        """Send a request to a server that responds at once."""
        verifyObject(ICredentials, signature)
        verifyObject(IAttempt, signature)
        self.sent: list[tuple[bytes, Body | None]] = []
        self.sources: list[Source] = []

        async def send(signed: Signed, payload: Body | None) -> UpstreamResponse:
            self.sent.append((signed.head.headers[-1][1], payload))
            self.sources.append(Source())
            return UpstreamResponse(self.sources[-1], ResponseHead(401, b"", []), -1)

        return Deferred.fromCoroutine(send_signed(signature, HEAD, ORIGIN, lambda: body, send))

    def test_content(self) -> None:
        """What is not challenged is sent once."""
        signature = Signature(0)
        response = self.successResultOf(self.send(signature))
        self.assertEqual(self.sent, [(b"1", None)])
        self.assertEqual((response.head.reason, signature.ends), (b"marked", 1))

    def test_challenged(self) -> None:
        """What is challenged is signed anew, its body sent again and the response read off."""
        body, signature = KeptBody(b"abc"), Signature(1)
        self.successResultOf(self.send(signature, body))
        self.assertEqual(signature.bodies, [b"abc", b"abc"])
        self.assertEqual(self.sent, [(b"1", body), (b"2", body)])
        self.assertEqual([source.calls for source in self.sources], [[], []])

    def test_loop(self) -> None:
        """A server that is never content gets its way in the end: its challenge is passed on."""
        self.successResultOf(self.send(Signature(99)))
        self.assertEqual(len(self.sent), MAX_CHALLENGES + 1)

    def test_mid_upload(self) -> None:
        """A body that is gone can't be sent again; the rest of the response isn't wanted."""
        signature = Signature(1)
        self.failureResultOf(self.send(signature, Streamed(3)), ChallengedMidUpload)
        self.assertEqual((signature.bodies, signature.ends), ([None], 1))
        self.assertEqual(self.sources[0].calls, ["give up"])

    def test_unmet(self) -> None:
        """A challenge that can't be met is an error, its response read off all the same."""
        error = UpstreamError("it wants a scheme that is too weak")
        failure = self.failureResultOf(self.send(Signature(1, error)), UpstreamError)
        self.assertIs(failure.value, error)
        self.assertEqual(len(self.sent), 1)


class PinnedTests(SynchronousTestCase):
    """Requests that go over a connection of the credentials' own."""

    def attempts(
        self,
        error: type[UpstreamError],
        body: Body | None = None,
        *,
        method: bytes = b"GET",
        kept: bool = True,
        is_fresh: bool = False,
    ) -> int:
        """Return how often a request is sent whose first connection ends with an error."""
        pin = OwnPin(lambda _: None)
        pin.kept = kept
        signature = Signature(0)
        sign, sent = signature.sign, []

        async def sign_pinned(head: RequestHead, body: bytes | None) -> Signed:
            signed = await sign(head, body)
            return attrs.evolve(signed, pins=pin, is_fresh=is_fresh)

        signature.sign = sign_pinned  # type: ignore[method-assign]  # of this one object

        async def send(signed: Signed, _: Body | None) -> UpstreamResponse:
            sent.append(signed)
            if len(sent) == 1:
                raise error("it closed")
            return UpstreamResponse(Source(), ResponseHead(200, b"", []), -1)

        head = RequestHead(method=method, target=b"/", headers=[])
        result = Deferred.fromCoroutine(send_signed(signature, head, ORIGIN, lambda: body, send))
        result.addErrback(lambda failure: failure.trap(error))
        self.successResultOf(result)
        self.assertEqual(signature.ends, 1)
        return len(sent)

    def test_closed_while_idle(self) -> None:
        """What can't act twice is sent again, on another connection."""
        self.assertEqual(self.attempts(ConnectionReset), 2)
        self.assertEqual(self.attempts(ConnectionReset, KeptBody(b"a"), method=b"PUT"), 2)
        self.assertEqual(self.attempts(ConnectionReset, KeptBody(b"a"), method=b"POST"), 1)
        self.assertEqual(self.attempts(ConnectionReset, kept=False), 1)

    def test_closed_on_the_password(self) -> None:
        """The server may have rejected the user so: the password is not sent again."""
        self.assertEqual(self.attempts(ConnectionReset, is_fresh=True), 1)

    def test_closed_before(self) -> None:
        """Nothing was sent, so anything is sent on another."""
        body = KeptBody(b"a")
        self.assertEqual(
            self.attempts(PinnedConnectionLost, body, method=b"POST", is_fresh=True), 2
        )

    def test_other_errors(self) -> None:
        """Any other failure is passed on."""
        self.assertEqual(self.attempts(UpstreamError), 1)

    def test_steps(self) -> None:
        """A handshake may have more steps than a challenge, but it ends."""
        sent = []
        signature = Signature(99)
        sign = signature.sign

        async def sign_pinned(head: RequestHead, body: bytes | None) -> Signed:
            return attrs.evolve(await sign(head, body), pins=OwnPin(lambda _: None))

        signature.sign = sign_pinned  # type: ignore[method-assign]  # of this one object

        async def send(signed: Signed, _: Body | None) -> UpstreamResponse:
            sent.append(signed)
            return UpstreamResponse(Source(), ResponseHead(401, b"", []), -1)

        sending = send_signed(signature, HEAD, ORIGIN, lambda: None, send)
        self.successResultOf(Deferred.fromCoroutine(sending))
        self.assertEqual(len(sent), MAX_STEPS + 1)
