"""Several credentials in one request."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from corsgate.config.model.credentials import SingleCredentials
from corsgate.config.model.values import (
    AwsCredentials,
    BearerCredentials,
    DigestCredentials,
    HeaderCredentials,
    QueryCredentials,
    Secret,
    SeveralCredentials,
)
from corsgate.credentials.build import build
from corsgate.credentials.combined import CombinedAttempt
from corsgate.interfaces import ICredentials
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.signed import Signed
from tests.credentials.helpers import (
    SERVER,
    SigningTestCase,
    authorization_of,
    challenge,
    expected_response,
    given,
    means,
    refusal,
    request,
    response,
)

KEY = HeaderCredentials(name="X-Api-Key", value=Secret("k1"))
TENANT = HeaderCredentials(name="X-Tenant", value=Secret("7"))
QUERY = QueryCredentials(name="api_key", value=Secret("s3cret!"))
DIGEST = DigestCredentials(username="admin", password=Secret("open sesame"))


def several(*parts: SingleCredentials) -> ICredentials:
    """Return a signer."""
    found = build(SeveralCredentials(parts=parts), means())
    assert found is not None
    return found


class CombinedTests(SigningTestCase):
    """`CombinedSigner` and `CombinedAttempt`."""

    def test_fixed(self) -> None:
        """If all parts are fixed, the whole is: nobody needs to sign."""
        signer = several(KEY, BearerCredentials(token=Secret("t")), TENANT)
        self.assertEqual(
            signer.fixed,
            ((b"X-Api-Key", b"k1"), (b"X-Tenant", b"7"), (b"Authorization", b"Bearer t")),
        )
        self.assertEqual(signer.header_names, {b"x-api-key", b"x-tenant", b"authorization"})
        self.assertFalse(signer.may_be_challenged)

    def test_query_is_no_fixed_field(self) -> None:
        """A part that isn't fixed makes all sign."""
        signer = several(KEY, QUERY)
        self.assertIsNone(signer.fixed)
        head = self.sign(signer, request(b"/a?b=c"))
        self.assertEqual(head.target, b"/a?b=c&api_key=s3cret%21")
        self.assertEqual(head.headers, [(b"Host", b"box"), (b"X-Api-Key", b"k1")])

    def test_digest_signs_the_query(self) -> None:
        """The parameter is there before the target is hashed, whatever the order in the file."""
        for parts in ((DIGEST, QUERY, KEY), (KEY, QUERY, DIGEST)):
            signer = several(*parts)
            self.assertTrue(signer.may_be_challenged)
            attempt = signer.begin(SERVER)
            head = request(b"/a")
            first: Signed = self.successResultOf(Deferred.fromCoroutine(attempt.sign(head, b"")))
            self.assertEqual(first.head.target, b"/a?api_key=s3cret%21")
            self.assertFalse(first.has_credentials)
            self.assertTrue(attempt.responded(first, refusal(challenge("n"))))
            second: Signed = self.successResultOf(Deferred.fromCoroutine(attempt.sign(head, b"")))
            attempt.end()
            self.assertEqual(second.head.target, b"/a?api_key=s3cret%21")
            self.assertIn((b"X-Api-Key", b"k1"), second.head.headers)
            fields = given(authorization_of(second.head))
            self.assertEqual(fields["uri"], "/a?api_key=s3cret%21")
            expected = expected_response(fields, "admin", "open sesame", "GET")
            self.assertEqual(fields["response"], expected)

    def test_aws_signs_last(self) -> None:
        """A parameter and a field of Amazon's are signed with the rest."""
        aws = AwsCredentials(
            region="r", service="es", access_key=Secret("AK"), secret_key=Secret("SK")
        )
        own = HeaderCredentials(name="X-Amz-Own", value=Secret("k"))
        head = self.sign(several(aws, own, QUERY), request(b"/a"))
        self.assertEqual(head.target, b"/a?api_key=s3cret%21")
        value = authorization_of(head)
        assert value is not None
        self.assertIn("SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-own,", value)

    def test_responses_pass_all(self) -> None:
        """What one part removes from a response stays removed."""
        signer = several(QUERY, DIGEST)
        attempt = signer.begin(SERVER)
        moved = response(302, (b"Location", b"/b?api_key=s3cret%21"), (b"X", b"1"))
        found = attempt.client_head(moved)
        self.assertEqual(found.headers, [(b"Location", b"/b"), (b"X", b"1")])

    def test_all_end(self) -> None:
        """Each attempt ends, also after one that fails to."""
        ended = []

        class Attempt:
            def __init__(self, number: int) -> None:
                self.number = number

            async def sign(self, head: RequestHead, body: bytes | None) -> Signed:
                return Signed(head=head)

            def responded(self, signed: Signed, response: ResponseHead) -> bool:
                return False

            def client_head(self, response: ResponseHead) -> ResponseHead:
                return response

            def end(self) -> None:
                ended.append(self.number)
                if self.number == 1:
                    raise ValueError("no")

        attempts: list[object] = [Attempt(number) for number in range(3)]
        with self.assertRaises(ValueError):
            CombinedAttempt(attempts).end()  # type: ignore[arg-type]  # not declared
        self.assertEqual(ended, [0, 1, 2])
