"""Which Digest challenge is chosen."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.credentials.digest.challenge import DigestChallenge, strongest_challenge
from corsgate.errors import WeakChallenge
from tests.credentials.helpers import challenge, refusal

UNANSWERABLE = [
    b'Basic realm="box"',
    b"Negotiate YIIB==",
    b'Digest realm="box", qop="auth"',
    b"Digest",
    challenge("n", 'qop="auth", algorithm=SHA-1'),
    challenge("n", 'qop="auth", algorithm="MD5,SHA-256"'),
    challenge("n", "algorithm=MD5-sess"),
    challenge("n", 'qop="auth-conf", algorithm=SHA256sess'),
    challenge("n" * 4097),
    challenge("n", realm="r" * 4097),
    challenge("n" * 2000, f'opaque="{"o" * 2097}"'),
]


class StrongestOfferTests(SynchronousTestCase):
    def strongest(self, *challenges: bytes) -> DigestChallenge:
        """Return the chosen offer; there must be one."""
        offer = strongest_challenge(refusal(*challenges).headers)
        assert offer is not None
        return offer

    def test_unanswerable(self) -> None:
        """Unsupported challenges yield no offer, alone or together."""
        for each in UNANSWERABLE:
            self.assertIsNone(strongest_challenge(refusal(each).headers), each)
        self.assertIsNone(strongest_challenge(refusal(*UNANSWERABLE).headers))
        self.assertIsNone(strongest_challenge([]))

    def test_found_among_others(self) -> None:
        """The supported one is found at any position, in one field or in several."""
        good = challenge("good")
        others = UNANSWERABLE[:8]
        for place in range(len(others) + 1):
            challenges = [*others[:place], good, *others[place:]]
            self.assertEqual(self.strongest(*challenges).nonce, b"good")
            self.assertEqual(self.strongest(b", ".join(challenges)).nonce, b"good")

    def test_strongest_hash(self) -> None:
        """The strongest hash is chosen, in any order of the challenges (RFC 7616 3.7)."""
        md5 = challenge("1", 'qop="auth", algorithm=MD5')
        sha = challenge("2", 'qop="auth", algorithm="sha-256-SESS"')
        short = challenge("3", 'qop="auth", algorithm=SHA-512-256')
        self.assertEqual(self.strongest(md5, sha).nonce, b"2")
        self.assertEqual(self.strongest(sha, md5).nonce, b"2")
        self.assertEqual(self.strongest(short, sha, md5).nonce, b"3")
        self.assertEqual(self.strongest(md5, sha, short).nonce, b"3")

    def test_first_of_equals(self) -> None:
        """Of equal ones the server's first is chosen, but one with qop is preferred."""
        old = challenge("old", "algorithm=MD5")
        self.assertEqual(self.strongest(challenge("a"), challenge("b")).nonce, b"a")
        self.assertEqual(self.strongest(old, challenge("new")).nonce, b"new")
        self.assertIsNone(self.strongest(old).qop)

    def test_flags(self) -> None:
        """Flags are read in any case, quoted or not; any other value means off."""
        cases = [
            ("stale=true", True),
            ('stale="TRUE"', True),
            ("stale=false", False),
            ("stale=' True '", True),
            ("stale=yes", True),
            ("stale=1", True),
            ("stale=", False),
            ("stale=no", False),
            ("opaque=true", False),
        ]
        for text, stale in cases:
            self.assertIs(self.strongest(challenge("n", text)).stale, stale, text)
        offer = self.strongest(challenge("n", 'userhash="True"'))
        self.assertTrue(offer.userhash)

    def test_protection(self) -> None:
        """``auth`` is preferred; ``auth-int`` is used where it is the only one."""
        cases = [
            ('qop="auth,auth-int"', b"auth"),
            ("qop=auth-int,auth", b"auth"),
            ('qop="auth-int"', b"auth-int"),
            ('qop="auth-conf, AUTH-INT"', b"auth-int"),
            ('qop="unknown"', None),
            ('qop=""', None),
        ]
        for text, qop in cases:
            self.assertEqual(self.strongest(challenge("n", text)).qop, qop, text)
        one, both = challenge("1", 'qop="auth-int"'), challenge("2", 'qop="auth"')
        self.assertEqual(self.strongest(one, both).nonce, b"2")
        self.assertEqual(self.strongest(one, challenge("3", "algorithm=MD5")).nonce, b"1")

    def test_spellings(self) -> None:
        """An algorithm is known in other spellings too, and keeps its own."""
        cases = [
            ("SHA256", b"sha-256"),
            ("sha_256-SESS", b"sha-256"),
            ('"SHA-512/256"', b"sha-512-256"),
            ("Sha512256", b"sha-512-256"),
            ("MD5-sess", b"md5"),
        ]
        for text, name in cases:
            found = self.strongest(challenge("n", f'qop="auth", algorithm={text}'))
            self.assertEqual((found.hash_name, found.algorithm), (name, text.strip('"').encode()))
            self.assertIs(found.of_session, text.lower().endswith("sess"))

    def test_repr_keeps_nonce(self) -> None:
        """The repr hides nonce and opaque."""
        shown = repr(self.strongest(challenge("s3cret", 'opaque="s3cret"')))
        self.assertNotIn("s3cret", shown)


MD5 = challenge("n", 'qop="auth"')
MD5_SESS = challenge("n", 'qop="auth", algorithm=md5-SESS')
RFC_2069 = challenge("n", "algorithm=MD5")
SHA_256 = challenge("n", 'qop="auth", algorithm=SHA-256')
SHA_256_SESS = challenge("n", 'qop="auth", algorithm=SHA-256-sess')
SHA_256_BARE = challenge("n", "algorithm=SHA-256")
SHA_512_256 = challenge("n", 'qop="auth", algorithm=SHA-512-256')


class MinimumTests(SynchronousTestCase):
    """Challenges below the configured minimum are rejected."""

    def test_min_algorithm(self) -> None:
        """A -sess variant is as strong as its base."""
        cases = {
            "MD5": ((), (MD5, MD5_SESS, RFC_2069, SHA_256, SHA_512_256)),
            "SHA-256": ((MD5, MD5_SESS, RFC_2069), (SHA_256, SHA_256_SESS, SHA_512_256)),
            "SHA-512-256": ((MD5, RFC_2069, SHA_256, SHA_256_SESS), (SHA_512_256,)),
        }
        for minimum, (weak, strong) in cases.items():
            for each in weak:
                with self.assertRaises(WeakChallenge, msg=(minimum, each)):
                    strongest_challenge(refusal(each).headers, minimum)
            for each in strong:
                self.assertIsNotNone(strongest_challenge(refusal(each).headers, minimum))

    def test_require_qop(self) -> None:
        """A challenge of RFC 2069 is accepted by default, but not if qop is required."""
        for each in (RFC_2069, SHA_256_BARE):
            self.assertIsNotNone(strongest_challenge(refusal(each).headers))
            with self.assertRaises(WeakChallenge):
                strongest_challenge(refusal(each).headers, require_qop=True)
        self.assertIsNotNone(strongest_challenge(refusal(MD5).headers, require_qop=True))

    def test_strongest_that_meets_both(self) -> None:
        """Of several, the strongest that meets both minima is chosen."""
        every = refusal(RFC_2069, MD5, SHA_256_BARE, SHA_256).headers
        offer = strongest_challenge(every, "SHA-256", require_qop=True)
        assert offer is not None
        self.assertEqual((offer.hash_name, offer.qop), (b"sha-256", b"auth"))
        split = refusal(MD5, SHA_256_BARE).headers
        with self.assertRaises(WeakChallenge) as caught:
            strongest_challenge(split, "SHA-256", require_qop=True)
        self.assertEqual(
            str(caught.exception),
            "it offers only digest with MD5 or SHA-256 without qop,"
            " but the credentials need SHA-256 and qop",
        )

    def test_unanswerable_is_not_weak(self) -> None:
        """Unsupported challenges are ignored, and do not count as weak."""
        self.assertIsNone(strongest_challenge(refusal(*UNANSWERABLE).headers, "SHA-512-256"))
        with self.assertRaises(WeakChallenge):
            strongest_challenge(refusal(MD5, *UNANSWERABLE).headers, "SHA-256")
