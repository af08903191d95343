"""Which credentials and challenges authenticate a connection rather than a request."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.message.connection_auth import (
    challenge_binds,
    credentials_bind,
    without_connection_challenges,
)

TOKEN = b"TlRMTVNTUAABAAAAB4IIogAAAAA="

PIECES = st.sampled_from(
    (
        *(b"NTLM", b"Negotiate", b"kerberos", b"Basic", b"Digest", b"TlRM==", b"realm=x", b"a=b"),
        *(b" ", b"\t", b", ", b",", b"=", b'"', b"\\", b'realm="x, NTLM"'),
    )
)


class CredentialsTests(SynchronousTestCase):
    """Authorization."""

    def test_bind(self) -> None:
        """A scheme that authenticates the connection is found in any spelling."""
        for values in (
            [b"NTLM " + TOKEN],
            [b"ntlm " + TOKEN],
            [b"nTlM\t" + TOKEN],
            [b"Negotiate " + TOKEN],
            [b"Kerberos " + TOKEN],
            [b"Nego2 " + TOKEN],
            [b"CredSSP " + TOKEN],
            # A server may be less strict than the grammar.
            [b"NTLM"],
            [b"NTLM=" + TOKEN],
            [b"NTLM:" + TOKEN],
            [b" NTLM " + TOKEN],
            [b"\xa0NTLM " + TOKEN],
            [b", NTLM " + TOKEN],
            [b"Basic YTpi, NTLM " + TOKEN],
            [b"Basic YTpi", b"NTLM " + TOKEN],
            [b"," * 30_000 + b" NTLM " + TOKEN],
        ):
            self.assertTrue(credentials_bind(values), values)

    def test_do_not_bind(self) -> None:
        """Credentials that are sent with each request bind no connection."""
        for values in (
            [],
            [b""],
            [b"Basic TlRMOk5UTE0="],
            [b"Bearer NTLM"],
            [b'Digest username="NTLM", realm="Negotiate"'],
            [b'Digest realm="my NTLM box"'],
            [b"XNTLM " + TOKEN],
            [b"x-Negotiate " + TOKEN],
        ):
            self.assertFalse(credentials_bind(values), values)


class ChallengeTests(SynchronousTestCase):
    """WWW-Authenticate."""

    def test_binds(self) -> None:
        """A token is a step of a handshake."""
        for values in (
            [b"NTLM " + TOKEN],
            [b"ntlm\t" + TOKEN],
            [b"Negotiate " + TOKEN],
            [b"Negotiate   " + TOKEN],
            [b'Negotiate realm="x"'],
            [b"Negotiate", b"NTLM " + TOKEN],
            [b"Negotiate, NTLM " + TOKEN],
            [b'Basic realm="a, b", NTLM ' + TOKEN],
            [b'Basic realm="a \\" b", NTLM ' + TOKEN],
            # An unterminated quoted string: its content is unknown.
            [b'Basic realm="a, NTLM ' + TOKEN],
        ):
            self.assertTrue(challenge_binds(values), values)

    def test_does_not_bind(self) -> None:
        """A bare offer binds nothing, and neither does a similar word."""
        for values in (
            [],
            [b""],
            [b"NTLM"],
            [b"Negotiate "],
            [b"Negotiate, NTLM"],
            [b"NTLM, Basic realm=x"],
            [b"NTLM , Basic realm=x"],
            [b'Basic realm="use, NTLM please"'],
            [b'Digest realm="r", nonce="n, Negotiate xyz", qop="auth"'],
            [b"Digest negotiate = x"],
            [b"Basic realm=x, negotiate = y"],
            [b"NTLMv9 " + TOKEN],
        ):
            self.assertFalse(challenge_binds(values), values)


class WithoutTests(SynchronousTestCase):
    """What is passed on to clients that can't do a handshake."""

    def left(self, *values: bytes) -> list[bytes]:
        """Return the challenges that are left."""
        fields = [(b"WWW-Authenticate", value) for value in values]
        return [value for _, value in without_connection_challenges(fields)]

    def test_removed(self) -> None:
        """The schemes' challenges are removed, those of others stay as they are."""
        basic, digest = b'Basic realm="a, NTLM b"', b'Digest realm="r", nonce="n, x", qop="auth"'
        for value, left in (
            (b"NTLM", []),
            (b"negotiate", []),
            (b"NTLM " + TOKEN, []),
            (b"Negotiate, NTLM", []),
            (b'Negotiate realm="x", charset="y"', []),
            (b"Negotiate, %b, NTLM" % basic, [basic]),
            (b"%b ,NTLM %b, %b" % (digest, TOKEN, basic), [digest + b", " + basic]),
            (b"Basic realm=x, negotiate=y, NTLM", [b"Basic realm=x, negotiate=y"]),
            (b'Basic realm="a, NTLM', []),
            (b'Basic realm="a \\", NTLM", NTLM', [b'Basic realm="a \\", NTLM"']),
        ):
            self.assertEqual(self.left(value), left, value)

    def test_kept(self) -> None:
        """Without such a challenge nothing is changed."""
        for value in (b'Basic  realm="NTLM" ,,', b'Digest realm="a, Negotiate"', b'"', b""):
            self.assertEqual(self.left(value), [value])
        headers = [(b"A", b"NTLM x"), (b"Proxy-Authenticate", b"NTLM")]
        self.assertIs(without_connection_challenges(headers), headers)

    def test_any_case(self) -> None:
        """A field's name may be spelled in any case."""
        self.assertEqual(without_connection_challenges([(b"www-AUTHENTICATE", b"NTLM")]), [])

    @given(st.lists(PIECES, max_size=8).map(b"".join))
    def test_laws(self, value: bytes) -> None:
        """The remaining challenges bind nothing, and removing twice is removing once."""
        left = self.left(value)
        self.assertFalse(challenge_binds(left))
        self.assertEqual(self.left(*left), left)
