"""What certificates are good for, and why not, in words."""

from __future__ import annotations

import base64
import hashlib

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from OpenSSL.crypto import X509
from service_identity.hazmat import DNS_ID, IPAddress_ID
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.upstream_tls import check_pin
from corsgate.upstream.certificates import misnamed, pin_of, unpinned, untrusted
from tests.certificates import DAY, Authority, self_signed

AUTHORITY = Authority.make()


class PinTests(SynchronousTestCase):
    def test_hash(self) -> None:
        """A pin is the hash of the key as the certificate has it, of any kind (RFC 7469 2.4)."""
        for key in (
            ec.generate_private_key(ec.SECP384R1()),
            rsa.generate_private_key(65537, 2048),
            ed25519.Ed25519PrivateKey.generate(),
        ):
            certificate = self_signed("box", key=key).certificate
            spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            self.assertIn(spki, certificate.public_bytes(Encoding.DER))
            expected = base64.b64encode(hashlib.sha256(spki).digest()).decode("ascii")
            found = pin_of(X509.from_cryptography(certificate))
            self.assertEqual(found, f"sha256/{expected}")
            check_pin(found)

    def test_unpinned(self) -> None:
        """Another key is named; one of those that are pinned is no problem."""
        one, other = (X509.from_cryptography(self_signed("a").certificate) for _ in "12")
        self.assertIsNone(unpinned(one, (pin_of(other), pin_of(one))))
        self.assertEqual(
            unpinned(one, (pin_of(other),)), f"its key is {pin_of(one)}, which is not in tls.pin"
        )


class NameTests(SynchronousTestCase):
    """For which names and addresses a certificate is good."""

    def problem(self, wanted: str, *names: str) -> str | None:
        """Return why a certificate for names is not for a wanted one."""
        identity = IPAddress_ID(wanted) if wanted[0].isdigit() or ":" in wanted else DNS_ID(wanted)
        return misnamed(AUTHORITY.issue(*names, common_name="box").certificate, identity)

    def test_good(self) -> None:
        """A name, a wildcard of one label, an address."""
        for wanted, names in (
            ("localhost", ("localhost",)),
            ("LOCALHOST", ("other.test", "Localhost")),
            ("a.box.test", ("*.box.test",)),
            ("10.0.0.11", ("box.lan", "10.0.0.11")),
            ("fd00::1", ("fd00::1",)),
        ):
            self.assertIsNone(self.problem(wanted, *names), wanted)

    def test_odd_names(self) -> None:
        """A name that nothing can match doesn't keep the others from being matched."""
        for odd in ("*.lan", "*", "DNS:10.0.0.11", "a*.box.test", "*.*.test", "a.*.test", ""):
            self.assertIsNone(self.problem("localhost", "localhost", odd), odd)
            self.assertIsNone(self.problem("localhost", odd, "localhost"), odd)

    def test_odd_names_match_nothing(self) -> None:
        """Nor does it match anything itself."""
        for odd, wanted in (
            ("*.lan", "box.lan"),
            ("*", "localhost"),
            ("DNS:10.0.0.11", "10.0.0.11"),
            ("a*.box.test", "ab.box.test"),
            ("*.*.test", "a.b.test"),
            ("a.*.test", "a.b.test"),
            ("*.box.test", "box.test"),
            ("*.box.test", "a.b.box.test"),
            ("*.0.0.11", "10.0.0.11"),
        ):
            self.assertIsNotNone(self.problem(wanted, odd), odd)
            self.assertIsNotNone(self.problem(wanted, odd, "other.test"), odd)

    def test_words(self) -> None:
        """The reason names whom it is for, and who is wanted."""
        self.assertEqual(
            self.problem("10.0.0.11", "box.lan"), "its certificate is for box.lan, not 10.0.0.11"
        )
        self.assertEqual(
            self.problem("box.test", *(f"{each}.test" for each in "abcde"), "10.0.0.1"),
            "its certificate is for a.test, b.test, c.test and 3 more, not box.test",
        )
        self.assertEqual(
            self.problem("box.test"),
            "its certificate has no subjectAltName, only the common name box: set tls.pin",
        )

    def test_address_as_a_name(self) -> None:
        """An address that is written as a name is no address, which is said."""
        self.assertEqual(
            self.problem("10.0.0.11", "DNS:10.0.0.11"),
            "its certificate has 10.0.0.11 as a name, not as an address: set tls.pin",
        )

    def test_hostile_words(self) -> None:
        """What a stranger wrote into a certificate can't end a line of the log, or fill it."""
        long = AUTHORITY.issue(common_name="a\n\x1b" + "b" * 60).certificate
        said = misnamed(long, DNS_ID("box.test"))
        self.assertIn("only the common name a\\n\\x1bbbb", str(said))
        self.assertNotIn("\n", str(said))

    def test_unreadable(self) -> None:
        """A subjectAltName that can't be read raises, so that whoever asks refuses."""
        der = AUTHORITY.issue("10.0.0.11").certificate.public_bytes(Encoding.DER)
        # An address of five bytes in the place of four: the next one is its last.
        broken = der.replace(b"\x87\x04\x0a\x00\x00\x0b", b"\x87\x03\x0a\x00\x00\x0b")
        self.assertNotEqual(broken, der)
        with self.assertRaises(ValueError):
            misnamed(x509.load_der_x509_certificate(broken), IPAddress_ID("10.0.0.11"))


class TrustTests(SynchronousTestCase):
    """OpenSSL's reasons."""

    def test_times(self) -> None:
        """The day is said, of whichever certificate it is."""
        issued = AUTHORITY.issue("a.test", common_name="CA 1", starts=-DAY * 9, ends=-DAY)
        ended = f"{issued.certificate.not_valid_after_utc:%Y-%m-%d}"
        began = f"{issued.certificate.not_valid_before_utc:%Y-%m-%d}"
        for code, depth, expected in (
            (10, 0, f"its certificate expired on {ended}"),
            (9, 0, f"its certificate is not valid before {began}"),
            (10, 1, f"the certificate of its issuer, CA 1, expired on {ended}"),
        ):
            self.assertEqual(untrusted(issued.certificate, code, depth), expected)

    def test_others(self) -> None:
        """The reason says what to do; one that is unknown has its number."""
        certificate = AUTHORITY.issue("a.test").certificate
        for code, expected in (
            (18, "its certificate is self-signed: name it in ca, or its key in tls.pin"),
            (20, "is issued by an authority that is not trusted"),
            (66, 'has a key that is too short: set tls.ciphers = "DEFAULT:@SECLEVEL=0"'),
            (68, "has a signature that is too weak"),
            (999, "its certificate is not accepted by OpenSSL (X509 error 999)"),
        ):
            self.assertIn(expected, untrusted(certificate, code, 0))
