"""What a server's refusal of the gate's credentials means, in words."""

from __future__ import annotations

from base64 import b64encode

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.command import Command
from corsgate.config.model.credentials import (
    AwsCredentials,
    BasicCredentials,
    BearerCredentials,
    Credentials,
    DigestCredentials,
    HeaderCredentials,
    QueryCredentials,
    SeveralCredentials,
)
from corsgate.config.model.secret import Secret
from corsgate.config.model.session import Csrf, SessionCredentials
from corsgate.credentials.refusal import kind_of, refusal_words
from corsgate.message.headers import HeaderList
from tests.credentials.oauth2.helpers import credentials as oauth2

WORD = "pa55word-of-the-gate"
BASIC = BasicCredentials(username="admin", password=Secret(WORD))
DIGEST = DigestCredentials(username="admin", password=Secret(WORD))
BEARER = BearerCredentials(token=Secret(WORD))
HEADER = HeaderCredentials(name="X-Api-Key", value=Secret(WORD))
QUERY = QueryCredentials(name="api_key", value=Secret(WORD))
AWS = AwsCredentials(
    region="us-east-1", service="s3", access_key=Secret(WORD), secret_key=Secret(WORD)
)
SEVERAL = SeveralCredentials(parts=(HEADER, BASIC))
SESSION = SessionCredentials(login_url="/login", form=(("pass", Secret(WORD)),))
ALL = (BASIC, DIGEST, BEARER, HEADER, QUERY, AWS, SEVERAL, SESSION)


def asks(*values: bytes) -> HeaderList:
    """Return a response's fields with challenges."""
    return [(b"WWW-AUTHENTICATE", value) for value in values]


class WordsTests(SynchronousTestCase):
    """`refusal_words`."""

    def test_echoed_secret(self) -> None:
        """A realm with the secret that the server got is not shown, whole or in base64."""
        basic = b64encode(f"admin:{WORD}".encode())
        for scheme, credentials in ((b"Basic", BASIC), (b"Digest", DIGEST), (b"Bearer", BEARER)):
            for realm in (b"Basic " + basic, basic, b"for " + WORD.encode()):
                words = refusal_words(credentials, 401, asks(scheme + b' realm="%b"' % realm))
                self.assertIn("which the gate has: ", words)
                self.assertNotIn("realm", words)
        self.assertIn(
            '(realm "for Basic")', refusal_words(BASIC, 401, asks(b'Basic realm="for Basic"'))
        )

    def test_other_kind(self) -> None:
        """A server that asks for another scheme is the usual mistake."""
        for credentials, challenge, words in (
            (DIGEST, b'Basic realm="box"', "it asks for Basic, the gate has digest"),
            (BASIC, b"NTLM, Negotiate", "it asks for NTLM or Negotiate, the gate has basic"),
            (BEARER, b"x-own a=1", "it asks for x-own, the gate has bearer"),
            (HEADER, b'Bearer realm="x"', "it asks for Bearer, the gate has the header X-Api-Key"),
            (QUERY, b"Basic", "it asks for Basic, the gate has the parameter api_key"),
            (AWS, b"Basic", "it asks for Basic, the gate has aws_sigv4"),
            (
                SEVERAL,
                b"Digest a=b",
                "it asks for Digest, the gate has the header X-Api-Key and basic",
            ),
        ):
            self.assertEqual(
                refusal_words(credentials, 401, asks(challenge)),
                f"the server refused the gate's credentials: {words}",
            )

    def test_same_kind(self) -> None:
        """If the scheme is right, user name, password or token is probably wrong."""
        words = refusal_words(DIGEST, 401, asks(b'Basic realm="a"', b'Digest realm="the box"'))
        self.assertIn('it asks for Digest (realm "the box"), which the gate has', words)
        self.assertIn("the user name or the password is probably wrong", words)
        words = refusal_words(BEARER, 401, asks(b'Bearer error="invalid_token"'))
        self.assertTrue(words.endswith("is probably wrong or has expired (invalid_token)"), words)

    def test_session_without_a_login(self) -> None:
        """A session whose requests have Basic each, such as Transmission's, has what is asked."""
        session = SessionCredentials(
            basic=True,
            username="gate",
            password=Secret(WORD),
            csrf=Csrf(header="X-Id", status=409),
        )
        words = refusal_words(session, 401, asks(b'Basic realm="Transmission"'))
        self.assertIn("which the gate has: the user name or the password is probably wrong", words)
        self.assertIn("the gate has a login session", refusal_words(SESSION, 401, asks(b"Basic")))

    def test_same_kind_among_several(self) -> None:
        """The part that the server asks for is probably the wrong one."""
        words = refusal_words(SEVERAL, 401, asks(b'Basic realm="a"'))
        self.assertTrue(words.endswith("the user name or the password is probably wrong"), words)

    def test_oauth2(self) -> None:
        """A token is sent as a bearer token, and was probably made for something else."""
        words = refusal_words(oauth2(), 401, asks(b'Bearer error="invalid_token"'))
        self.assertIn("it asks for Bearer, which the gate has", words)
        self.assertTrue(words.endswith("for another API, or lacks a scope (invalid_token)"), words)
        words = refusal_words(oauth2(), 401, asks(b"Basic"))
        self.assertTrue(words.endswith("it asks for Basic, the gate has oauth2"), words)

    def test_unsigned(self) -> None:
        """Digest that found nothing to answer was not sent."""
        words = refusal_words(DIGEST, 401, asks(b'Digest realm="r", qop="auth-int"'), signed=False)
        self.assertIn("in a way that the gate can't answer", words)
        words = refusal_words(DIGEST, 403, [], signed=False)
        self.assertIn("without asking for credentials", words)
        self.assertIn("does not say what it asks for", refusal_words(DIGEST, 401, [], signed=False))

    def test_repeated_secrets(self) -> None:
        """A server's text that repeats a secret is not shown, in any form or part of it."""
        pair = b64encode(f"admin:{WORD}".encode())
        for said in (
            WORD.encode(),
            WORD[3:12].upper().encode(),
            WORD.encode().hex().encode(),
            pair,
        ):
            words = refusal_words(BASIC, 401, asks(b'Basic realm="%b"' % said))
            self.assertIn("it asks for Basic, which", words)
            words = refusal_words(BASIC, 401, asks(b"%b realm=a" % said.rstrip(b"=")))
            self.assertIn("it asks for an unknown scheme, the gate has basic", words)
            words = refusal_words(BEARER, 401, asks(b'Bearer error="%b"' % said.lower()))
            self.assertTrue(words.endswith("is probably wrong or has expired"), words)

    def test_unknown_secrets(self) -> None:
        """No text is shown of a server that may have got a secret that is not known here."""
        rotated = BasicCredentials(
            username="admin", password=Secret(WORD, Command(arguments=("pass",)))
        )
        for credentials in (rotated, SeveralCredentials(parts=(HEADER, oauth2())), SESSION):
            words = refusal_words(credentials, 401, asks(b'Basic realm="a", b c=d, e f=g'))
            self.assertNotIn("realm", words)
            words = refusal_words(credentials, 401, asks(b"b c=d, e f=g"))
            self.assertIn("it asks for an unknown scheme, the gate has", words)

    def test_no_challenge(self) -> None:
        """A 401 without a challenge says less, and a 403 may be about the resource."""
        words = refusal_words(BASIC, 401, [])
        self.assertIn("it got basic, and does not say what it asks for", words)
        words = refusal_words(BEARER, 403, asks(b'Bearer error="insufficient_scope"'))
        self.assertIn("they may lack the right to this resource (insufficient_scope)", words)

    def test_wrong_key(self) -> None:
        """Many servers respond 403 to a wrong key, so the key itself may be wrong."""
        for credentials in (QUERY, SEVERAL):
            words = refusal_words(credentials, 403, [])
            self.assertIn("they may be wrong, or lack the right to this resource", words)

    def test_kinds(self) -> None:
        """Each kind has a name, and no secret in it."""
        self.assertEqual(
            [kind_of(each) for each in ALL],
            [
                *("basic", "digest", "bearer", "the header X-Api-Key", "the parameter api_key"),
                *("aws_sigv4", "the header X-Api-Key and basic", "a login session"),
            ],
        )

    @given(
        st.sampled_from(ALL),
        st.sampled_from([401, 403]),
        st.lists(st.binary(max_size=60) | st.just(b'Digest realm="\xff\x9b\'\\"<b>"'), max_size=3),
        st.booleans(),
    )
    def test_safe(
        self, credentials: Credentials, status: int, values: list[bytes], signed: bool
    ) -> None:
        """Whatever a server sends, the words are one short line of ASCII without a secret."""
        words = refusal_words(credentials, status, asks(*values), signed=signed)
        self.assertTrue(words.isascii() and words.isprintable(), words)
        self.assertLess(len(words), 500)
        self.assertNotIn(WORD, words)

    def test_long(self) -> None:
        """A server's words are shortened, and a long one is not shown: it may be a hash."""
        challenge = b", ".join(b"s%d a=1" % n for n in range(9))
        words = refusal_words(BASIC, 401, asks(challenge))
        self.assertIn("it asks for s0 or s1 or s2 or s3 or 5 more, the gate has basic", words)
        words = refusal_words(BASIC, 401, asks(b'Basic realm="%b"' % (b"a realm " * 100)))
        self.assertLess(len(words), 250)
        self.assertIn("a realm a realm a realm a realm a realm ...", words)
        for word in (b"r" * 20, b"0123456789abcdef" * 2, b64encode(b"NTLMSSP" * 9)):
            words = refusal_words(BASIC, 401, asks(b'Basic realm="%b"' % word))
            self.assertNotIn("realm", words)
            words = refusal_words(BASIC, 401, asks(word.rstrip(b"=") + b" a=1"))
            self.assertIn("it asks for an unknown scheme", words)
