"""Requests that are signed: which challenges are met, and what becomes of the body."""

from __future__ import annotations

from collections.abc import Awaitable

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from corsgate.credentials.attempt import with_fields
from corsgate.errors import ChallengedMidUpload, UpstreamError
from corsgate.interfaces import IAttempt, ICredentials
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.signed import Signed
from corsgate.upstream.body import Body, KeptBody
from corsgate.upstream.response import UpstreamResponse
from corsgate.upstream.signed import MAX_CHALLENGES, send_signed
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

    def responded(self, signed: Signed, response: ResponseHead) -> bool | Awaitable[bool]:
        """Return whether this is a challenge."""
        if self._error is not None:
            raise self._error
        return self.signed <= self._challenges


class Rotating(Signature):
    """Looks for other secrets after the first response.

    Args:
        challenges: How many responses are rejections or challenges.
    """

    def __init__(self, challenges: int) -> None:
        super().__init__(challenges)
        self.renewed: Deferred[bool] = Deferred()

    def responded(self, signed: Signed, response: ResponseHead) -> bool | Awaitable[bool]:
        """Return whether there are other secrets, or this is a challenge."""
        return self.renewed if self.signed == 1 else super().responded(signed, response)


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

    def test_other_secrets(self) -> None:
        """After a rejection, other secrets are waited for, and begin with a challenge again."""
        signature = Rotating(MAX_CHALLENGES + 1)
        response = self.send(signature)
        self.assertNoResult(response)
        self.assertEqual((len(self.sent), signature.ends), (1, 0))
        signature.renewed.callback(True)
        self.successResultOf(response)
        self.assertEqual(len(self.sent), MAX_CHALLENGES + 2)
        self.assertEqual([each.calls for each in self.sources], [[]] * len(self.sources))

    def test_no_other_secrets(self) -> None:
        """If there are none, the rejection is passed on."""
        signature = Rotating(1)
        response = self.send(signature)
        signature.renewed.callback(False)
        self.assertEqual(self.successResultOf(response).head.status, 401)
        self.assertEqual((len(self.sent), signature.ends), (1, 1))

    def test_client_leaves(self) -> None:
        """A client that leaves meanwhile leaves no response behind."""
        signature = Rotating(1)
        response = self.send(signature)
        response.cancel()
        self.failureResultOf(response, CancelledError)
        self.assertEqual((self.sources[0].calls, signature.ends), (["give up"], 1))

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
