"""Requests whose bodies wait for 100 Continue, and responses whose bodies are looked at."""

from __future__ import annotations

from gzip import compress

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from corsgate.errors import (
    ChallengedMidUpload,
    ConnectionReset,
    UpstreamError,
)
from corsgate.message.head import ResponseHead
from corsgate.message.signed import Signed
from corsgate.upstream.body import Body, KeptBody
from corsgate.upstream.expectations import FRESH_S, Expectations
from corsgate.upstream.held_body import EXPECT, HeldBody
from corsgate.upstream.response import RESPONSE_DONE, UpstreamResponse
from corsgate.upstream.signed import MAX_LOOKED_AT, OfHead, send_signed
from tests.server.support import Body as Streamed
from tests.upstream.playing import Source, Written
from tests.upstream.signatures import HEAD, ORIGIN, Looking, Signature


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

        async def send(signed: Signed, payload: Body | None, _: OfHead) -> UpstreamResponse:
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

        async def send(signed: Signed, *_: object) -> UpstreamResponse:
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
        usual, data = b"application/json; charset=utf-8", b'{"again": 1}'
        for kind, coding, sent in (
            (usual, b"", data),
            (usual, b"gzip", compress(data)),
            (b"application/problem+JSON ", b"", data),
            (b"text/json", b"", data),
        ):
            looking, body = self.send((kind, coding, sent), (kind, coding, b"fine"))
            self.assertEqual(looking.seen[0], data)
            self.assertEqual(body, b"fine")

    def test_client_leaves(self) -> None:
        """If the client leaves while the body arrives, nobody gets the half that has come."""
        source, fields = Source(), [(b"Content-Type", b"application/json")]
        early = UpstreamResponse(source, ResponseHead(200, b"OK", fields), -1)

        def give_up(response: UpstreamResponse) -> None:
            response.body_ended(Failure(ConnectionReset("cut")))
            response.flush()

        async def send(*_: object) -> UpstreamResponse:
            return early

        source.give_up_response = give_up  # type: ignore[method-assign]  # of this one object
        looking = Looking()
        sending = Deferred.fromCoroutine(send_signed(looking, HEAD, ORIGIN, lambda: None, send))
        early.body_data(b'{"a')
        early.flush()
        sending.cancel()
        self.failureResultOf(sending, CancelledError)
        self.assertEqual(looking.seen, [])

    def test_untouched(self) -> None:
        """Compressed bodies reach the client as they came."""
        sent = compress(b'{"fine": 1}')
        looking, body = self.send((b"application/json", b"gzip", sent))
        self.assertEqual((looking.seen, body), ([b'{"fine": 1}'], sent))

    def test_not_looked_at(self) -> None:
        """Other types, streams, other compressions and long bodies are not looked at."""
        data = b'{"again": 1}'
        for kind, coding, sent in (
            (b"text/html", b"", data),
            (b"application/x-ndjson", b"", data),
            (b"application/json-seq", b"", data),
            (b"application/json;stream=watch", b"", data),
            (b"application/stream+json", b"", data),
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
