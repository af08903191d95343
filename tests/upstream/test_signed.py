"""Requests that are signed: which challenges are met, and what becomes of the body."""

from __future__ import annotations

from gzip import compress

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from corsgate.credentials.attempt import with_fields
from corsgate.errors import ChallengedMidUpload, UpstreamError
from corsgate.interfaces import IAttempt, ICredentials
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.signed import Signed
from corsgate.upstream.body import Body, KeptBody
from corsgate.upstream.response import RESPONSE_DONE, UpstreamResponse
from corsgate.upstream.signed import MAX_CHALLENGES, MAX_LOOKED_AT, send_signed
from tests.server.support import Body as Streamed
from tests.upstream.playing import Source

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
