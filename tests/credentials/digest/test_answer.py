"""Answers to challenges that no RFC has an example of; `test_digest` has the others."""

from __future__ import annotations

from hashlib import md5, sha256

from twisted.trial.unittest import SynchronousTestCase

from corsgate.credentials.auth_fields import parse_challenges
from corsgate.credentials.digest.answer import Login
from corsgate.credentials.digest.challenge import DigestChallenge, strongest_challenge
from tests.credentials.helpers import challenge, counting_rng, given, refusal


def hashed(*parts: str, algorithm: str = "md5") -> str:
    """Return a hash of parts, joined by colons."""
    return {"md5": md5, "sha256": sha256}[algorithm](":".join(parts).encode()).hexdigest()


class AnswerTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Make a user."""
        self.login = Login(username=b"admin", password=b"pw", rng=counting_rng())

    def offer(self, more: str) -> DigestChallenge:
        """Return a challenge."""
        offer = strongest_challenge(refusal(challenge("n", more)).headers)
        assert offer is not None
        return offer

    def answer(self, more: str, body: bytes = b"") -> str:
        """Return the Authorization of a PUT."""
        session = self.login.session(self.offer(more))
        return self.login.answer(session, 1, b"PUT", b"/a", body).decode()

    def test_auth_int(self) -> None:
        """With auth-int the hash of the body is part of the response (RFC 7616 3.4.3)."""
        for algorithm, name in (("MD5", "md5"), ("SHA-256", "sha256")):
            for body in ("", '{"b": 2}'):
                value = self.answer(f'qop="auth-int", algorithm={algorithm}', body.encode())
                fields = given(value)
                self.assertEqual(fields["qop"], "auth-int")
                a1 = hashed("admin", "box", "pw", algorithm=name)
                a2 = hashed("PUT", "/a", hashed(body, algorithm=name), algorithm=name)
                expected = hashed(
                    a1, "n", "00000001", fields["cnonce"], "auth-int", a2, algorithm=name
                )
                self.assertEqual(fields["response"], expected)

    def test_auth_does_not_cover_body(self) -> None:
        """With auth, and without qop, the body doesn't count."""
        for more in ('qop="auth"', "algorithm=MD5"):
            login = Login(username=b"admin", password=b"pw", rng=lambda size: b"x" * size)
            session = login.session(self.offer(more))
            one = login.answer(session, 1, b"PUT", b"/a", b"")
            self.assertEqual(one, login.answer(session, 1, b"PUT", b"/a", b"body"))

    def test_spelling(self) -> None:
        """An algorithm is sent back as the server spells it, in quotes if it must be."""
        self.assertIn("algorithm=SHA256,", self.answer('qop="auth", algorithm="SHA256"'))
        value = self.answer('qop="auth", algorithm="SHA-512/256"')
        self.assertIn('algorithm="SHA-512/256",', value)
        self.assertEqual(len(parse_challenges([value.encode()])), 1)

    def test_too_long_next_nonce(self) -> None:
        """A next nonce that is too long to be sent back is not used."""
        session = self.login.session(self.offer('qop="auth"'))
        self.assertIsNone(self.login.next_session(session, b"n" * 5000))
        following = self.login.next_session(session, b"m")
        assert following is not None
        self.assertEqual((following.offer.nonce, following.key), (b"m", session.key))
