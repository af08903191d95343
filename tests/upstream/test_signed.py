"""Requests that are signed: which challenges are met, and what becomes of the body."""

from __future__ import annotations

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

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
from corsgate.upstream.signed import MAX_CHALLENGES, OfHead, send_signed
from tests.server.support import Body as Streamed
from tests.upstream.playing import Source
from tests.upstream.signatures import HEAD, ORIGIN, Rotating, Signature


class SignedTests(SynchronousTestCase):
    def send(self, signature: Signature, body: Body | None = None) -> Deferred[UpstreamResponse]:
        """Send a request to a server that responds at once."""
        verifyObject(ICredentials, signature)
        verifyObject(IAttempt, signature)
        self.sent: list[tuple[bytes, Body | None]] = []
        self.sources: list[Source] = []

        async def send(
            signed: Signed, payload: Body | None, client_head: OfHead
        ) -> UpstreamResponse:
            self.sent.append((signed.head.headers[-1][1], payload))
            self.early = client_head(ResponseHead(103, b"", []))
            self.sources.append(Source())
            return UpstreamResponse(self.sources[-1], ResponseHead(401, b"", []), -1)

        return Deferred.fromCoroutine(send_signed(signature, HEAD, ORIGIN, lambda: body, send))

    def test_content(self) -> None:
        """What is not challenged is sent once."""
        signature = Signature(0)
        response = self.successResultOf(self.send(signature))
        self.assertEqual(self.sent, [(b"1", None)])
        self.assertEqual((response.head.reason, signature.ends), (b"marked", 1))

    def test_interim(self) -> None:
        """The sender can remove the gate's own fields from an interim response, too."""
        self.successResultOf(self.send(Signature(0)))
        self.assertEqual((self.early.status, self.early.reason), (103, b"marked"))

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

        async def send(signed: Signed, *_: object) -> UpstreamResponse:
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
