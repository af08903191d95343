"""Tests of `corsgate.config.model.certificates`: chains and keys, checked to match."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import attrs
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.certificates import CertifiedKey, parse_chain, parse_key
from corsgate.errors import BadValue
from tests.certificates import Authority, key_pem, new_key, unsound_rsa_pem
from tests.config.support import TableTestCase, fault_of

AUTHORITY = Authority.make()
ISSUED = AUTHORITY.issue("A.example.com", "*.b.example.com")
OTHER = AUTHORITY.issue("c.example.com")
BROKEN = b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"
RSA_2048 = rsa.generate_private_key(65537, 2048)


def pem(key: object) -> bytes:
    """Return any private key in PEM."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())  # type: ignore[attr-defined, no-any-return]  # Every kind has it.


class ParseTests(TableTestCase):
    """PEM files."""

    def test_chains(self) -> None:
        """All certificates are read, in order, and other text is skipped."""
        found = parse_chain(b"# chain\n" + ISSUED.pem + AUTHORITY.pem)
        self.assertEqual(found, (ISSUED.certificate, AUTHORITY.certificate))
        fix = "write each certificate in PEM, the server's own first"
        none = 'it contains no certificate; give a PEM file with "-----BEGIN CERTIFICATE-----"'
        bad = {
            b"": none,
            ISSUED.key_pem: none,
            BROKEN: f"a certificate in it can't be read; {fix}",
            ISSUED.pem + BROKEN: f"a certificate in it can't be read; {fix}",
        }
        self.assert_checked(parse_chain, [ISSUED.pem], bad)

    def test_keys(self) -> None:
        """Every kind that TLS uses, and RSA from 2048 bits."""
        good = [
            pem(key)
            for key in (
                ec.generate_private_key(ec.SECP256R1()),
                ed25519.Ed25519PrivateKey.generate(),
                ed448.Ed448PrivateKey.generate(),
                RSA_2048,
            )
        ]
        fix = 'give a PEM file with "-----BEGIN PRIVATE KEY-----"'
        short = rsa.generate_private_key(65537, 1024)
        bad = {
            b"": f"it contains no private key; {fix}",
            ISSUED.pem: f"it contains no private key; {fix}",
            b"-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n": (
                f"the private key in it can't be read; {fix}"
            ),
            key_pem(new_key(), b"hunter2"): (
                "the private key is encrypted;"
                ' decrypt it with "openssl pkey", into a file that only the gate can read'
            ),
            pem(dsa.generate_private_key(1024)): (
                "this kind of private key can't be used for TLS; make an EC key"
            ),
            pem(short): (
                "the private key is too short: 1024 bits;"
                " make an EC key, or an RSA key of 2048 bits or more"
            ),
        }
        self.assert_checked(parse_key, good, bad)

    def test_checked_before(self) -> None:
        """The numbers of an RSA key, whose test takes long, are tested once only."""
        unsound = unsound_rsa_pem()
        self.assertRaises(BadValue, parse_key, unsound)
        self.assertIsInstance(parse_key(unsound, is_checked=True), rsa.RSAPrivateKey)

    def test_a_bad_key_leaves_no_trace(self) -> None:
        """No exception that led to the fault is kept, since it might show the key."""
        body = b"-----BEGIN PRIVATE KEY-----\nhunter2=\n-----END PRIVATE KEY-----\n"
        error = self.assertRaises(BadValue, parse_key, body)
        self.assertNotIn("hunter2", str(error))
        self.assertTrue(error.__suppress_context__)
        self.assertIsNone(error.__cause__)


class CertifiedKeyTests(SynchronousTestCase):
    """A chain and its key."""

    def test_must_match(self) -> None:
        """The key belongs to the first certificate of the chain, and to no later one."""
        right = ISSUED.certified
        self.assertEqual(right.chain, (ISSUED.certificate,))
        for change in (
            {"key_pem": OTHER.key_pem},
            {"key_pem": pem(RSA_2048)},
            {"chain_pem": OTHER.pem + ISSUED.pem},
        ):
            fault = fault_of(partial(attrs.evolve, right, **change))
            self.assertIn("the private key does not belong to the first certificate", fault)
        longer = attrs.evolve(right, chain_pem=ISSUED.pem + AUTHORITY.pem)
        self.assertEqual(len(longer.chain), 2)

    def test_names(self) -> None:
        """They are lower-cased DNS names; a common name is none (RFC 9525 2)."""
        self.assertEqual(ISSUED.certified.names, ("a.example.com", "*.b.example.com"))
        own = CertifiedKey(
            chain_file="a", key_file="b", chain_pem=AUTHORITY.pem, key_pem=key_pem(AUTHORITY.key)
        )
        self.assertEqual(own.names, ())

    def test_lapse(self) -> None:
        """It is valid to the very second, at both ends."""
        leaf = ISSUED.certificate
        start, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
        second = timedelta(seconds=1)
        for when, word in (
            (start - second, "is not valid before"),
            (start, None),
            (end, None),
            (end + second, "expired on"),
        ):
            lapse = ISSUED.certified.lapse(when.timestamp())
            self.assertEqual(lapse is None, word is None, when)
            self.assertIn(word or "", lapse or "")

    def test_shows_no_pem(self) -> None:
        """Its repr has the files' names alone."""
        shown = repr(ISSUED.certified)
        self.assertIn("/chain.pem", shown)
        self.assertNotIn("BEGIN", shown)
        self.assertNotIn("PRIVATE", shown)
