"""Credentials that are the same in every request."""

from __future__ import annotations

from zope.interface.verify import verifyObject

from corsgate.config.model.values import (
    BasicCredentials,
    BearerCredentials,
    HeaderCredentials,
    Secret,
)
from corsgate.credentials.static import StaticSigner, basic, bearer, header
from corsgate.interfaces import ICredentials
from corsgate.message.signed import Signed
from tests.credentials.helpers import SERVER, SigningTestCase, challenge, refusal, request


def basic_signer(username: str, password: str) -> StaticSigner:
    """Return a signer by RFC 7617."""
    return basic(BasicCredentials(username=username, password=Secret(password)))


class StaticSignerTests(SigningTestCase):
    def test_interface(self) -> None:
        """All kinds are credentials."""
        for signer in (
            basic_signer("admin", "admin"),
            bearer(BearerCredentials(token=Secret("t"))),
            header(HeaderCredentials(name="X-Api-Key", value=Secret("k"))),
        ):
            verifyObject(ICredentials, signer)

    def test_basic(self) -> None:
        """The examples of RFC 7617 2 and 2.1 are reproduced."""
        cases = [
            ("Aladdin", "open sesame", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            ("test", "123\u00a3", "Basic dGVzdDoxMjPCow=="),
            ("", "a:b", "Basic OmE6Yg=="),
        ]
        for username, password, expected in cases:
            self.assertEqual(self.authorization(basic_signer(username, password)), expected)

    def test_basic_is_normalised(self) -> None:
        """Both Unicode forms of an accent give the same result (RFC 7617 2.1)."""
        self.assertEqual(
            self.authorization(basic_signer("a\u0308", "x")),
            self.authorization(basic_signer("\u00e4", "x")),
        )

    def test_bytes_of_the_environment(self) -> None:
        """A password that is not UTF-8 is sent as the same bytes."""
        self.assertEqual(self.authorization(basic_signer("a", "\udcff")), "Basic YTr/")

    def test_bearer(self) -> None:
        """A token follows the scheme's name."""
        signer = bearer(BearerCredentials(token=Secret("abc.def-123=")))
        self.assertEqual(self.authorization(signer), "Bearer abc.def-123=")

    def test_header(self) -> None:
        """A custom field is added under its name, and is removed from the client's fields."""
        signer = header(HeaderCredentials(name="X-Api-Key", value=Secret("s3cret")))
        self.assertIn((b"X-Api-Key", b"s3cret"), self.sign(signer).headers)
        self.assertEqual(signer.header_names, {b"x-api-key", b"authorization"})

    def test_rest_of_head_is_kept(self) -> None:
        """Method, target and fields are kept, and the given head isn't changed."""
        head = request(b"/a?%2F;", b"PUT", (b"X", b"1"), (b"x", b"2"))
        before = list(head.headers)
        signed = self.sign(basic_signer("a", "b"), head)
        self.assertEqual((signed.method, signed.target), (b"PUT", b"/a?%2F;"))
        self.assertEqual(signed.headers[:-1], before)
        self.assertEqual(head.headers, before)

    def test_never_challenged(self) -> None:
        """A refusal is final: another attempt would send the same."""
        signer = basic_signer("a", "b")
        self.assertFalse(signer.may_be_challenged)
        attempt = signer.begin(SERVER)
        sent = Signed(head=self.sign(signer))
        self.assertFalse(attempt.responded(sent, refusal(b"Basic realm=x", challenge("n"))))

    def test_repr_shows_no_secret(self) -> None:
        """No repr shows the secret or its encoded form."""
        signer = basic_signer("Aladdin", "open sesame")
        self.assertNotIn("open sesame", repr(signer))
        self.assertNotIn("QWxhZGRpbjpvcGVuIHNlc2FtZQ", repr(signer))
        key = header(HeaderCredentials(name="X-Api-Key", value=Secret("s3cret")))
        self.assertNotIn("s3cret", repr(key))
