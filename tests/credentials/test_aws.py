"""Requests signed with an access key: body, clock, and what a client sends of its own."""

from __future__ import annotations

from hashlib import sha256

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from twisted.internet.defer import Deferred

from corsgate.config.model.values import AwsCredentials, Secret
from corsgate.credentials.aws import TOLERATED_SKEW_S, AwsAttempt, AwsSigner
from corsgate.credentials.servers import MAX_SERVERS
from corsgate.errors import UnsignableBody
from corsgate.message.head import RequestHead
from corsgate.message.signed import Signed
from tests.credentials.helpers import SigningTestCase, authorization_of, request, response

NOW = 1_700_000_000.0
TLS = "https://s3.example"
CLEAR = "http://10.0.0.11:9000"


def signer(service: str = "s3", token: str | None = None) -> AwsSigner:
    """Return a signer whose clock stands still."""
    credentials = AwsCredentials(
        region="eu-central-1",
        service=service,
        access_key=Secret("AKIDEXAMPLE"),
        secret_key=Secret("hunter2"),
        session_token=None if token is None else Secret(token),
    )
    return AwsSigner(credentials=credentials, wall_clock=lambda: NOW)


def value_of(head: RequestHead, name: str) -> str:
    """Return the value of a field that occurs once."""
    (value,) = (v for n, v in head.headers if n.decode().lower() == name)
    return value.decode()


class AwsTestCase(SigningTestCase):
    def of(
        self,
        attempt: AwsAttempt,
        head: RequestHead | None = None,
        body: bytes | None = b"",
    ) -> Signed:
        """Return what an attempt makes of a request."""
        signing = attempt.sign(head or request(), body)
        signed: Signed = self.successResultOf(Deferred.fromCoroutine(signing))
        return signed


class SignTests(AwsTestCase):
    """What is sent."""

    def test_fields(self) -> None:
        """The fields of the signature come last; the client's stay."""
        head = request(b"/a?b=1", b"PUT", (b"Content-Type", b"t"), (b"Via", b"1.1 x"))
        sent = self.of(signer(token="session").begin(TLS), head, b"abc").head
        self.assertEqual(sent.headers[:3], head.headers)
        self.assertEqual((sent.method, sent.target), (b"PUT", b"/a?b=1"))
        self.assertEqual(value_of(sent, "x-amz-date"), "20231114T221320Z")
        self.assertEqual(value_of(sent, "x-amz-content-sha256"), sha256(b"abc").hexdigest())
        self.assertEqual(value_of(sent, "x-amz-security-token"), "session")
        self.assertIn(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20231114/eu-central-1/s3/aws4_request,"
            " SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;"
            "x-amz-security-token, Signature=",
            authorization_of(sent) or "",
        )

    def test_signature(self) -> None:
        """It is the one that botocore makes of the same request."""
        sent = self.of(signer("es").begin(TLS), request(b"/a%20b?c", b"POST"), b"{}").head
        oracle = AWSRequest("POST", "https://box/a%20b?c", data=b"{}")
        oracle.context["timestamp"] = "20231114T221320Z"
        for name in ("X-Amz-Date", "X-Amz-Content-Sha256"):
            oracle.headers[name] = value_of(sent, name.lower())
        auth = SigV4Auth(Credentials("AKIDEXAMPLE", "hunter2"), "es", "eu-central-1")
        expected = auth.signature(
            auth.string_to_sign(oracle, auth.canonical_request(oracle)), oracle
        )
        self.assertTrue((authorization_of(sent) or "").endswith(f"Signature={expected}"))

    def test_each_day_has_its_key(self) -> None:
        """A signature of tomorrow is made with tomorrow's key."""
        now = [NOW]
        credentials = signer().credentials
        long = AwsSigner(credentials=credentials, wall_clock=lambda: now[0])
        first = authorization_of(self.sign(long, server=TLS))
        now[0] += 86_400
        fresh = AwsSigner(credentials=credentials, wall_clock=lambda: now[0])
        self.assertNotEqual(authorization_of(self.sign(long, server=TLS)), first)
        self.assertEqual(
            authorization_of(self.sign(long, server=TLS)),
            authorization_of(self.sign(fresh, server=TLS)),
        )

    def test_presigned(self) -> None:
        """A client's own signature in the query goes: a server takes one only."""
        target = b"/a?X-Amz-Signature=0&b=1&x%2damz-date=2&X-Amz-Credential=c&x-id=GetObject"
        sent = self.of(signer().begin(TLS), request(target)).head
        self.assertEqual(sent.target, b"/a?b=1&x-id=GetObject")

    def test_not_shown(self) -> None:
        """No repr shows a secret, nor the key that is made of it."""
        made = signer(token="session-token")
        sent = self.of(made.begin(TLS))
        for each in (made, made.begin(TLS), sent):
            for secret in ("hunter2", "session-token", "AKIDEXAMPLE", repr(made._key)):
                self.assertNotIn(secret, repr(each))


class BodyTests(AwsTestCase):
    """What is signed of a body."""

    def test_streamed(self) -> None:
        """S3 takes a body unsigned, where TLS or the machine protects it."""
        for server in (TLS, "http://localhost:9000", "http://[::1]:9000", "unix:/run/s3.sock"):
            sent = self.of(signer().begin(server), body=None).head
            self.assertEqual(value_of(sent, "x-amz-content-sha256"), "UNSIGNED-PAYLOAD")

    def test_unsignable(self) -> None:
        """Elsewhere the body must be known; the client learns what is wrong with it."""
        for service, server, words in (
            ("s3", CLEAR, "the upstream is reached without TLS"),
            ("es", TLS, "it is too large, or comes without Content-Length"),
        ):
            signing = signer(service).begin(server).sign(request(), None)
            failed = self.failureResultOf(Deferred.fromCoroutine(signing), UnsignableBody)
            self.assertIn(words, str(failed.value))

    def test_chunks_signed_by_the_client(self) -> None:
        """Chunks that were signed for another key would be stored with their signatures."""
        head = request(b"/a", b"PUT", (b"Content-Encoding", b"gzip, AWS-chunked"))
        for body in (None, b"5;chunk-signature=0"):
            signing = signer().begin(TLS).sign(head, body)
            failed = self.failureResultOf(Deferred.fromCoroutine(signing), UnsignableBody)
            self.assertIn("aws-chunked", str(failed.value))


class ClockTests(AwsTestCase):
    """A server whose clock differs from the gate's."""

    late = b"Tue, 14 Nov 2023 22:43:20 GMT"  # 30 minutes later

    def test_learned(self) -> None:
        """The request is signed once more, by the server's time, and so are those that follow."""
        made = signer()
        attempt = made.begin(TLS)
        self.assertTrue(attempt.responded(self.of(attempt), response(403, (b"Date", self.late))))
        again = self.of(attempt)
        self.assertEqual(value_of(again.head, "x-amz-date"), "20231114T224320Z")
        self.assertFalse(attempt.responded(again, response(200, (b"Date", self.late))))
        later = self.sign(made, server=TLS)
        self.assertEqual(value_of(later, "x-amz-date"), "20231114T224320Z")
        other = self.sign(made, server="https://other.example")
        self.assertEqual(value_of(other, "x-amz-date"), "20231114T221320Z")

    def test_at_once(self) -> None:
        """Requests that were signed before the time was learned are signed again, too."""
        made = signer()
        attempts = [made.begin(TLS) for _ in range(3)]
        sent = [self.of(attempt) for attempt in attempts]
        for attempt, each in zip(attempts, sent, strict=True):
            self.assertTrue(attempt.responded(each, response(403, (b"Date", self.late))))
            self.assertEqual(value_of(self.of(attempt).head, "x-amz-date"), "20231114T224320Z")

    def test_in_vain(self) -> None:
        """If the server's time doesn't help, there is no third try, and it is forgotten."""
        made = signer()
        for _ in range(2):
            attempt = made.begin(TLS)
            first = self.of(attempt)
            self.assertEqual(value_of(first.head, "x-amz-date"), "20231114T221320Z")
            self.assertTrue(attempt.responded(first, response(403, (b"Date", self.late))))
            again = self.of(attempt)
            self.assertFalse(attempt.responded(again, response(403, (b"Date", self.late))))
            self.assertEqual(made.skews, {})

    def test_learned_anew(self) -> None:
        """When the clocks agree again, the difference is forgotten in the same way."""
        made = signer()
        made.skews[TLS] = 1800.0
        attempt = made.begin(TLS)
        right = response(403, (b"Date", b"Tue, 14 Nov 2023 22:13:20 GMT"))
        self.assertTrue(attempt.responded(self.of(attempt), right))
        self.assertEqual(value_of(self.of(attempt).head, "x-amz-date"), "20231114T221320Z")

    def test_another_reason(self) -> None:
        """A refusal without a difference, or a success with one, is final."""
        for status, *dates in (
            (403, b"Tue, 14 Nov 2023 22:13:25 GMT"),
            (403,),
            (403, b"yesterday"),
            (403, b"Tue, 14 Nov 99999 22:13:25 GMT"),
            (403, b"Fri, 31 Dec 9999 23:59:59 GMT"),
            (403, self.late, self.late),
            (200, self.late),
            (404, self.late),
            (500, self.late),
        ):
            made = signer()
            attempt = made.begin(TLS)
            fields = [(b"Date", date) for date in dates]
            self.assertFalse(attempt.responded(self.of(attempt), response(status, *fields)))
            self.assertEqual(made.skews, {})
            attempt.end()

    def test_bounded(self) -> None:
        """The number of remembered clocks is bounded."""
        made = signer()
        for number in range(MAX_SERVERS + 1):
            self.assertTrue(made.learn_clock(f"https://{number}", self.late, 0.0))
        self.assertEqual(len(made.skews), MAX_SERVERS)
        self.assertNotIn("https://0", made.skews)
        self.assertGreater(1800, TOLERATED_SKEW_S)
