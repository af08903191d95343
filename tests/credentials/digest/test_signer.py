"""The fields of a Digest signer: the examples of the RFCs, then the form of each parameter."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from unicodedata import normalize

from hypothesis import given as for_all
from hypothesis import strategies as st
from zope.interface.verify import verifyObject

from corsgate.credentials.auth_fields import parse_challenges
from corsgate.interfaces import ICredentials
from tests.credentials.helpers import (
    SERVER,
    SigningTestCase,
    authorization_of,
    challenge,
    digest_signer,
    expected_response,
    given,
    refusal,
    request,
)

CIRCLE_CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
CIRCLE = (
    b'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=%b, '
    b'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
    b'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)
JASON_CNONCE = "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v"
JASON = (
    b'Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256, '
    b'nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", '
    b'opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", charset=UTF-8, userhash=true'
)


def answering(cnonce: str) -> Callable[[int], bytes]:
    """Return a source of bytes that yields the client nonce of an example."""
    return lambda _size: b64decode(cnonce)


class AnswerTestCase(SigningTestCase):
    """Answers one challenge."""

    def answer(
        self,
        challenges: bytes,
        username: str = "admin",
        password: str = "open sesame",
        target: bytes = b"/v1/documents",
        rng: Callable[[int], bytes] | None = None,
    ) -> str:
        """Return the Authorization of a GET after the challenge."""
        signer = digest_signer(username, password, rng)
        self.assertTrue(self.challenged(signer, request(), refusal(challenges), SERVER))
        value = self.authorization(signer, request(target))
        assert value is not None
        return value


class ExampleTests(AnswerTestCase):
    def test_rfc_7616_md5_and_sha_256(self) -> None:
        """Section 3.9.1, in full."""
        responses = {
            "MD5": "8ca523f5e9506fed4657c9700eebdbec",
            "SHA-256": "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        }
        for algorithm, expected in responses.items():
            value = self.answer(
                CIRCLE % algorithm.encode(),
                "Mufasa",
                "Circle of Life",
                b"/dir/index.html",
                answering(CIRCLE_CNONCE),
            )
            self.assertEqual(
                given(value),
                {
                    "username": "Mufasa",
                    "realm": "http-auth@example.org",
                    "uri": "/dir/index.html",
                    "algorithm": algorithm,
                    "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
                    "nc": "00000001",
                    "cnonce": CIRCLE_CNONCE,
                    "qop": "auth",
                    "response": expected,
                    "opaque": "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS",
                },
            )

    def test_rfc_7616_userhash(self) -> None:
        """Section 3.9.2 with erratum 4897: the RFC's own hashes use a truncated SHA-512."""
        value = self.answer(
            JASON,
            "J\u00e4s\u00f8n Doe",
            "Secret, or not?",
            b"/doe.json",
            answering(JASON_CNONCE),
        )
        fields = given(value)
        self.assertEqual(
            fields["username"], "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b"
        )
        self.assertEqual(
            fields["response"], "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"
        )
        self.assertEqual(fields["userhash"], "true")
        self.assertNotIn("username*", fields)

    def test_rfc_2617(self) -> None:
        """Section 3.5 of RFC 2617, whose client nonce is shorter."""
        value = self.answer(
            b'Digest realm="testrealm@host.com", qop="auth,auth-int", '
            b'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
            b'opaque="5ccc069c403ebaf9f0171e9517f40e41"',
            "Mufasa",
            "Circle Of Life",
            b"/dir/index.html",
            answering("0a4f113b"),
        )
        self.assertEqual(given(value)["response"], "6629fae49393a05397450978507c4ef1")
        self.assertNotIn("algorithm", given(value))

    def test_rfc_2069(self) -> None:
        """Section 2.4 of RFC 2069, with the hash of its erratum 749; no count, no client nonce."""
        value = self.answer(
            b'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
            b'opaque="5ccc069c403ebaf9f0171e9517f40e41"',
            "Mufasa",
            "CircleOfLife",
            b"/dir/index.html",
        )
        fields = given(value)
        self.assertEqual(fields["response"], "1949323746fe6a43ef61f9606e7febea")
        self.assertEqual(set(fields), {"username", "realm", "nonce", "uri", "response", "opaque"})

    def test_session_algorithms(self) -> None:
        """The key of -sess uses the first nonce and client nonce, and then stays (3.4.2)."""
        for algorithm in ("MD5-sess", "SHA-256-sess", "SHA-512-256-sess"):
            signer = digest_signer()
            self.challenged(
                signer,
                request(),
                refusal(challenge("n", f'qop="auth", algorithm={algorithm}')),
                SERVER,
            )
            first, second = (given(self.authorization(signer)) for _ in range(2))
            session = f"n:{first['cnonce']}"
            for fields in (first, second):
                self.assertEqual(
                    fields["response"],
                    expected_response(fields, "admin", "open sesame", "GET", session),
                )
                self.assertEqual(fields["algorithm"], algorithm)
            self.assertEqual((first["nc"], second["nc"]), ("00000001", "00000002"))
            # A stateless server computes the key from each request's client nonce.
            self.assertEqual(first["cnonce"], second["cnonce"])


class FormTests(AnswerTestCase):
    def test_interface(self) -> None:
        """It is credentials, owns Authorization, and may be challenged."""
        signer = digest_signer()
        verifyObject(ICredentials, signer)
        self.assertEqual(signer.header_names, {b"authorization"})
        self.assertTrue(signer.may_be_challenged)

    def test_quotes(self) -> None:
        """Old servers want quotes on all but algorithm, qop and nc (RFC 7616 3.4)."""
        value = self.answer(challenge("n", 'qop="auth", algorithm="MD5", opaque=o, userhash=true'))
        for name in ("username", "realm", "nonce", "uri", "response", "cnonce", "opaque"):
            self.assertRegex(value, f'[ ,]{name}="')
        for plain in ("algorithm=MD5", "qop=auth", "nc=00000001", "userhash=true"):
            self.assertIn(f", {plain}", value)

    def test_algorithm_as_spelled(self) -> None:
        """The algorithm's name is sent back in the server's own case."""
        self.assertIn("algorithm=md5,", self.answer(challenge("n", 'qop=auth, algorithm="md5"')))

    def test_escapes(self) -> None:
        """Quotes and backslashes are escaped when sent, but not when hashed."""
        value = self.answer(
            rb'Digest realm="a \"b\" \\c", nonce="\"\\", opaque="\\\"", qop="auth"',
            'ad"min\\',
            target=b'/a"b\\c',
        )
        (credentials,) = parse_challenges((value.encode(),))
        fields = {name.decode(): each.decode() for name, each in credentials.parameters.items()}
        self.assertEqual(fields["username"], 'ad"min\\')
        self.assertEqual(fields["realm"], 'a "b" \\c')
        self.assertEqual(fields["nonce"], '"\\')
        self.assertEqual(fields["opaque"], '\\"')
        self.assertEqual(fields["uri"], '/a"b\\c')
        self.assertEqual(
            fields["response"], expected_response(fields, 'ad"min\\', "open sesame", "GET")
        )
        self.assertIn(r'username="ad\"min\\"', value)

    def test_target_as_sent(self) -> None:
        """The target is hashed and sent byte for byte, including the query."""
        target = b"/a/../b//%2F;?uri=/test.json&x=%2f;?"
        fields = given(self.answer(challenge("n"), target=target))
        self.assertEqual(fields["uri"], target.decode())
        self.assertEqual(
            fields["response"], expected_response(fields, "admin", "open sesame", "GET")
        )

    def test_method(self) -> None:
        """The method is hashed in its own case."""
        signer = digest_signer()
        self.challenged(signer, request(), refusal(challenge("n")), SERVER)
        fields = given(self.authorization(signer, request(method=b"PUT")))
        self.assertEqual(
            fields["response"], expected_response(fields, "admin", "open sesame", "PUT")
        )

    def test_user_name(self) -> None:
        """A non-ASCII name is sent in plain UTF-8, as curl does, whatever charset is announced."""
        for more in ('qop="auth", charset=UTF-8', 'qop="auth"'):
            value = self.answer(challenge("n", more), "J\u00e4s\u00f8n Doe")
            self.assertIn('username="J\u00e4s\u00f8n Doe",', value)
            self.assertEqual(
                given(value)["response"],
                expected_response(given(value), "J\u00e4s\u00f8n Doe", "open sesame", "GET"),
            )

    def test_normal_form(self) -> None:
        """Both Unicode forms of an accent give the same result (RFC 7616 4)."""
        composed = self.answer(challenge("n", "charset=UTF-8"), "\u00e4", "\u00f8\u00e4")
        apart = self.answer(challenge("n", "charset=UTF-8"), "a\u0308", "\u00f8a\u0308")
        self.assertEqual(composed, apart)

    def test_rest_of_head_is_kept(self) -> None:
        """Method, target and fields are kept, and the given head isn't changed."""
        signer = digest_signer()
        self.challenged(signer, request(), refusal(challenge("n")), SERVER)
        head = request(b"/a", b"PUT", (b"X", b"1"), (b"x", b"2"))
        before = list(head.headers)
        signed = self.sign(signer, head)
        self.assertEqual((signed.method, signed.target), (b"PUT", b"/a"))
        self.assertEqual(signed.headers[:-1], before)
        self.assertEqual(head.headers, before)

    def test_repr_shows_nothing(self) -> None:
        """No repr shows the password, a nonce, or values derived from them."""
        signer = digest_signer()
        self.challenged(signer, request(), refusal(challenge("the-nonce")), SERVER)
        fields = given(self.authorization(signer))
        for shown in (repr(signer), repr(signer._queues[SERVER].server)):
            for secret in ("open sesame", "the-nonce", fields["cnonce"], fields["response"]):
                self.assertNotIn(secret, shown)

    @for_all(
        st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=20),
        st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1),
        st.sampled_from(["MD5", "SHA-256", "SHA-512-256"]),
    )
    def test_server_agrees(self, username: str, password: str, algorithm: str) -> None:
        """For any user and password, a server computes the same hash from the field."""
        value = self.answer(
            challenge("n", f'qop="auth", algorithm={algorithm}'), username, password
        )
        (credentials,) = parse_challenges((value.encode(),))
        fields = {name.decode(): each.decode() for name, each in credentials.parameters.items()}
        username, password = normalize("NFC", username), normalize("NFC", password)
        self.assertEqual(fields["username"], username)
        self.assertEqual(fields["response"], expected_response(fields, username, password, "GET"))

    @for_all(st.lists(st.binary(), max_size=3))
    def test_junk(self, values: list[bytes]) -> None:
        """A 401 full of junk raises no error, and later requests stay unsigned."""
        signer = digest_signer()
        answered = refusal(*(b"Digest " + value for value in values))
        if not self.challenged(signer, request(), answered, SERVER):
            self.assertIsNone(authorization_of(self.sign(signer)))
