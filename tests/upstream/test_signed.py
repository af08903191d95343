"""Requests that are signed: which challenges are met, and what becomes of the body."""

from __future__ import annotations

from collections.abc import Awaitable
from gzip import compress
from typing import Any

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
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
from corsgate.upstream.expectations import FRESH_S, Expectations
from corsgate.upstream.held_body import EXPECT, HeldBody
from corsgate.upstream.pins import OwnPin
from corsgate.upstream.response import RESPONSE_DONE, UpstreamResponse
from corsgate.upstream.signed import MAX_CHALLENGES, MAX_LOOKED_AT, send_signed
from tests.server.support import Body as Streamed
from tests.upstream.playing import Source, Written

HEAD = RequestHead(method=b"PUT", target=b"/", headers=[])
ORIGIN = "http://10.0.0.1"


@implementer(ICredentials, IAttempt)
class Looking:
    """Signs, and looks at bodies: one that has ``again`` is a challenge."""

    header_names = frozenset((b"x-signed",))
    fixed = None
    may_be_challenged = True

    def __init__(self) -> None:
        self.seen: list[bytes] = []

    def begin(self, server: str) -> Looking:
        """Return itself: it signs one request."""
        return self

    async def sign(self, head: RequestHead, body: bytes | None) -> Signed:
        """Sign."""
        return Signed(head=head, look=self.look)

    def look(self, body: bytes) -> bool:
        """Keep a body."""
        self.seen.append(body)
        return b"again" in body

    def responded(self, signed: Signed, response: ResponseHead) -> bool:
        """Take no head for a challenge."""
        return False

    def client_head(self, response: ResponseHead) -> ResponseHead:
        """Return the head."""
        return response

    def end(self) -> None:
        """Do nothing."""


@implementer(ICredentials, IAttempt)
class Signature:
    """Signs with a number, and takes every response for a challenge until it is content.

    Args:
        challenges: How many are challenges.
        error: What is raised for one, if anything.
        signs: Members of what it signs.
        asks: Whether it says of the first request that a challenge is likely.
    """

    header_names = frozenset((b"x-signed",))
    fixed = None
    may_be_challenged = True

    def __init__(
        self,
        challenges: int,
        error: UpstreamError | None = None,
        *,
        asks: bool = False,
        **signs: Any,
    ) -> None:
        self.signed = self.ends = 0
        self.bodies: list[bytes | None] = []
        self._challenges = challenges
        self._error = error
        self._signs = signs
        self._asks = asks

    def begin(self, server: str) -> Signature:
        """Return itself: it signs one request."""
        return self

    async def sign(self, head: RequestHead, body: bytes | None) -> Signed:
        """Sign."""
        self.signed += 1
        self.bodies.append(body)
        head = with_fields(head, [(b"X-Signed", b"%d" % self.signed)])
        asks = self._asks and self.signed == 1
        return Signed(head=head, awaits_continue=asks, **self._signs)

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
        return response.status == 401 and self.signed <= self._challenges


class Rotating(Signature):
    """Looks for other secrets after the first response.

    Args:
        challenges: How many responses are rejections or challenges.
        signs: Members of what it signs.
    """

    def __init__(self, challenges: int, **signs: Any) -> None:
        super().__init__(challenges, **signs)
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


class Asking(SynchronousTestCase):
    """Bodies that wait for 100 Continue."""

    def setUp(self) -> None:
        """Know no server."""
        self.clock = Clock()
        self.expectations = Expectations(self.clock)
        self.body = Streamed(3)
        self.sent: list[tuple[Signed, Body | None]] = []
        self.sources: list[Source] = []
        self.written = Written()

    def send(
        self,
        signature: Signature,
        *statuses: int | UpstreamError,
        body: Body | None = None,
        client_waits: bool = False,
        takes: bool = False,
    ) -> Deferred[UpstreamResponse]:
        """Send a request to a server that responds with these statuses, or fails.

        Args:
            signature: Signs it.
            statuses: What it gets for each try.
            body: Its body; by default one that can be sent once.
            client_waits: Whether the client waits for 100 Continue.
            takes: Whether the server asks for the body first.
        """
        left = list(statuses)

        async def send(signed: Signed, payload: Body | None) -> UpstreamResponse:
            self.sent.append((signed, payload))
            if payload is not None:
                payload.startProducing(self.written)
            if takes and isinstance(payload, HeldBody):
                payload.informed(ResponseHead(100, b"", []))
            self.sources.append(Source())
            got = left.pop(0)
            if isinstance(got, UpstreamError):
                if payload is not None:
                    payload.stopProducing()
                raise got
            return UpstreamResponse(self.sources[-1], ResponseHead(got, b"", []), -1)

        return Deferred.fromCoroutine(
            send_signed(
                signature,
                HEAD,
                ORIGIN,
                lambda: body or self.body,
                send,
                expectations=self.expectations,
                client_waits=client_waits,
            )
        )

    @property
    def asked(self) -> list[bool]:
        """Whether each request had Expect."""
        return [EXPECT in signed.head.headers for signed, _ in self.sent]

    def assert_whole(self, deferred: Deferred[UpstreamResponse], status: int) -> None:
        """Assert that the client gets a status, and that the body was taken once."""
        self.assertEqual(self.successResultOf(deferred).head.status, status)
        self.assertEqual(self.body.started, 1)

    def test_challenged(self) -> None:
        """A challenge before the body was asked for costs nothing, and is met without asking."""
        self.assert_whole(self.send(Signature(1, asks=True), 401, 201), 201)
        self.assertEqual(self.asked, [True, False])
        self.assertEqual([source.calls for source in self.sources], [["give up"], []])
        self.assertIs(self.sent[1][1], self.body)

    def test_asked_for(self) -> None:
        """A server that asks for the body gets it; if it challenges then, the body is gone."""
        self.assert_whole(self.send(Signature(0, asks=True), 201, takes=True), 201)
        self.setUp()
        failed = self.send(Signature(1, asks=True), 401, takes=True)
        self.failureResultOf(failed, ChallengedMidUpload)
        self.assertEqual((self.body.started, len(self.sent)), (1, 1))

    def test_refused(self) -> None:
        """Another final response is the client's, and the body stays where it is."""
        got = self.successResultOf(self.send(Signature(0, asks=True), 413))
        self.assertEqual((got.head.status, self.body.started), (413, 0))

    def test_rejected(self) -> None:
        """After 417 the request is signed and sent again, without Expect, and so is the next."""
        signature = Signature(0, asks=True)
        self.assert_whole(self.send(signature, 417, 201), 201)
        self.assertEqual((self.asked, signature.signed), ([True, False], 2))
        self.body = Streamed(3)
        self.assert_whole(self.send(Signature(0, asks=True), 201), 201)
        self.assertEqual(self.asked, [True, False, False])

    def test_cut(self) -> None:
        """A server that cuts the connection instead gets the request without Expect, and once."""
        reset = ConnectionReset("cut")
        signature = Signature(0, asks=True)
        self.assert_whole(self.send(signature, reset, 201), 201)
        self.assertEqual((self.asked, signature.ends), ([True, False], 1))
        self.setUp()
        failed = self.send(Signature(0, asks=True), reset, reset)
        self.assertIs(self.failureResultOf(failed, ConnectionReset).value, reset)
        self.assertEqual(self.asked, [True, False])

    def test_cut_mid_upload(self) -> None:
        """One that cuts it after it asked for the body may have acted: nothing is sent again."""
        failed = self.send(Signature(0, asks=True), ConnectionReset("cut"), takes=True)
        self.failureResultOf(failed, ConnectionReset)
        self.assertEqual(len(self.sent), 1)

    def test_always_rejected(self) -> None:
        """A server with 417 for everything is asked no more than twice."""
        self.assert_whole(self.send(Signature(0, asks=True), 417, 417), 417)

    def test_lapsed(self) -> None:
        """A server whose last challenge is not fresh any more is asked, though it is signed."""
        for after_s, asked in ((0, False), (FRESH_S - 1, False), (1, True)):
            self.clock.advance(after_s)
            if not after_s:
                self.successResultOf(self.send(Signature(1), 401, 200, body=KeptBody(b"abc")))
            self.sent.clear()
            self.body = Streamed(3)
            self.successResultOf(self.send(Signature(0), 413))
            self.assertEqual(self.asked, [asked])

    def test_unlikely(self) -> None:
        """A server that has never sent a challenge isn't asked, unless the client waits too."""
        for client_waits in (False, True):
            self.sent.clear()
            self.successResultOf(self.send(Signature(0), 413, client_waits=client_waits))
            self.assertEqual(self.asked, [client_waits])

    def test_waiting_client(self) -> None:
        """What a waiting client sends after a challenge isn't asked for again."""
        self.assert_whole(self.send(Signature(1), 401, 201, client_waits=True), 201)
        self.assertEqual(self.asked, [True, False])

    def test_kept(self) -> None:
        """A body that can be sent again, or is empty, needn't wait."""
        for body in (KeptBody(b"abc"), Streamed(0)):
            self.sent.clear()
            self.successResultOf(self.send(Signature(0, asks=True), 201, body=body))
            self.assertEqual(self.asked, [False])


class LookTests(SynchronousTestCase):
    """Bodies that say that a request must be signed again."""

    def send(self, *responses: tuple[bytes, bytes, bytes]) -> tuple[Looking, bytes]:
        """Send a request; return the signature, and the body that the client gets.

        Args:
            responses: Content-Type, Content-Encoding and body of each response.
        """
        left = list(responses)

        async def send(signed: Signed, body: Body | None) -> UpstreamResponse:
            kind, coding, data = left.pop(0)
            fields = [(b"Content-Type", kind), (b"Content-Length", b"%d" % len(data))]
            if coding:
                fields.append((b"Content-Encoding", coding))
            response = UpstreamResponse(Source(), ResponseHead(200, b"OK", fields), len(data), data)
            response.body_ended(RESPONSE_DONE)
            return response

        looking = Looking()
        sending = send_signed(looking, HEAD, ORIGIN, lambda: None, send)
        response = self.successResultOf(Deferred.fromCoroutine(sending))
        self.assertEqual(left, [])
        whole = response.take_whole()
        assert whole is not None
        return looking, whole

    def test_again(self) -> None:
        """A short JSON body may be a challenge; the client gets the last one, untouched."""
        kind, data = b"application/json; charset=utf-8", b'{"again": 1}'
        for coding, sent in ((b"", data), (b"gzip", compress(data))):
            looking, body = self.send((kind, coding, sent), (kind, coding, b"fine"))
            self.assertEqual(looking.seen[0], data)
            self.assertEqual(body, b"fine")

    def test_untouched(self) -> None:
        """Compressed bodies reach the client as they came."""
        sent = compress(b'{"fine": 1}')
        looking, body = self.send((b"application/json", b"gzip", sent))
        self.assertEqual((looking.seen, body), ([b'{"fine": 1}'], sent))

    def test_not_looked_at(self) -> None:
        """Other types, other compressions and long bodies are not looked at."""
        data = b'{"again": 1}'
        for kind, coding, sent in (
            (b"text/html", b"", data),
            (b"application/json", b"br", data),
            (b"application/json", b"", data * 1000),
        ):
            looking, body = self.send((kind, coding, sent))
            self.assertEqual((looking.seen, body), ([], sent))

    def test_rubbish(self) -> None:
        """What is no gzip, or unpacks to far more, is no challenge."""
        for sent in (b"again", compress(b" " * 10_000_000)[:4000]):
            looking, body = self.send((b"application/json", b"gzip", sent))
            self.assertEqual(body, sent)
            self.assertLessEqual(len(looking.seen[0]), MAX_LOOKED_AT)


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
