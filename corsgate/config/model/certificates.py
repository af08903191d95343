"""Certificates and their private keys: parsed, checked to match, and never shown.

Functions that need cryptography import it themselves. So a configuration can also be read where it
is not installed, such as in a web page. There, `Unread` replaces `CertifiedKey`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import attrs

from corsgate.config.model import rules
from corsgate.errors import BadValue

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey | Ed448PrivateKey

# OpenSSL's security level 2 requires 112 bits of security.
MIN_RSA_BITS = 2048

_CHAIN_FIX = "write each certificate in PEM, the server's own first"
_KEY_FIX = 'give a PEM file with "-----BEGIN PRIVATE KEY-----"'


def parse_chain(pem: bytes) -> tuple[x509.Certificate, ...]:
    """Return the certificates in a PEM file, at least one (RFC 7468 5).

    Raises:
        BadValue: There is no certificate, or one can't be read.
    """
    from cryptography import x509

    rules.check_pem(pem)
    try:
        return tuple(x509.load_pem_x509_certificates(pem))
    except ValueError:
        raise BadValue("a certificate in it can't be read", _CHAIN_FIX) from None


def parse_key(pem: bytes, *, is_checked: bool = False) -> PrivateKey:
    """Return the private key in a PEM file (RFC 7468 10).

    Args:
        pem: The file.
        is_checked: Whether an earlier call has accepted it. The test of the primes of an RSA key
            takes 40 ms, or 0.3 s for 4096 bits.

    Raises:
        BadValue: There is no usable key. Neither the message nor a chained exception contains
            any part of the key.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if b"PRIVATE KEY-----" not in pem:
        raise BadValue("it contains no private key", _KEY_FIX)
    try:
        key = load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=is_checked)
    except TypeError:
        raise BadValue(
            "the private key is encrypted",
            'decrypt it with "openssl pkey", into a file that only the gate can read',
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise BadValue("the private key in it can't be read", _KEY_FIX) from None
    usable = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey | Ed448PrivateKey
    if not isinstance(key, usable):
        raise BadValue("this kind of private key can't be used for TLS", "make an EC key")
    if isinstance(key, RSAPrivateKey) and key.key_size < MIN_RSA_BITS:
        raise BadValue(
            f"the private key is too short: {key.key_size} bits",
            f"make an EC key, or an RSA key of {MIN_RSA_BITS} bits or more",
        )
    return key


@attrs.frozen(kw_only=True)
class CertifiedKey:
    """A certificate chain and the private key of its first certificate.

    Attributes:
        chain_file: The path of the chain.
        key_file: The path of the key.
        chain_pem: The chain in PEM, the server's or client's own certificate first.
        key_pem: The key in PEM.
        chain: The certificates in `chain_pem`.
        key: The key in `key_pem`.
    """

    chain_file: str
    key_file: str
    # Both are hidden, because a file of certificates may also contain a private key.
    chain_pem: bytes = attrs.field(repr=False)
    key_pem: bytes = attrs.field(repr=False)
    chain: tuple[x509.Certificate, ...] = attrs.field(init=False, repr=False, eq=False)
    key: PrivateKey = attrs.field(init=False, repr=False, eq=False)

    @chain.default
    def _parse_chain(self) -> tuple[x509.Certificate, ...]:
        return parse_chain(self.chain_pem)

    @key.default
    def _parse_key(self) -> PrivateKey:
        return parse_key(self.key_pem)

    def __attrs_post_init__(self) -> None:
        from cryptography.exceptions import UnsupportedAlgorithm

        try:
            belongs = self.chain[0].public_key() == self.key.public_key()
        except (ValueError, UnsupportedAlgorithm):
            belongs = False
        if not belongs:
            raise BadValue(
                "the private key does not belong to the first certificate in chain",
                "name the key of the server's own certificate, which comes first in chain",
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The lower-cased DNS names of the first certificate, including wildcards.

        The common name is ignored (RFC 9525 2).
        """
        from cryptography import x509

        try:
            extension = self.chain[0].extensions.get_extension_for_class(
                x509.SubjectAlternativeName
            )
        except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
            return ()
        return tuple(name.lower() for name in extension.value.get_values_for_type(x509.DNSName))

    def lapse(self, now_s: float) -> str | None:
        """Return why the first certificate is invalid at a time, or None if it is valid.

        Args:
            now_s: The time in seconds since 1970.
        """
        now, leaf = datetime.fromtimestamp(now_s, UTC), self.chain[0]
        if now > leaf.not_valid_after_utc:
            return f"expired on {leaf.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
        if now < leaf.not_valid_before_utc:
            return f"is not valid before {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        return None


@attrs.frozen(kw_only=True)
class Unread(CertifiedKey):
    """A chain and key whose files were not read. A gate can't be started with it."""

    chain: tuple[x509.Certificate, ...] = attrs.field(init=False, repr=False, eq=False, default=())
    # Only code that serves TLS uses the key.
    key: PrivateKey = attrs.field(init=False, repr=False, eq=False, default=None)

    def __attrs_post_init__(self) -> None:
        """Check nothing."""

    @property
    def names(self) -> tuple[str, ...]:
        """The path of the chain, instead of the unknown names in it."""
        return (self.chain_file,)

    def lapse(self, now_s: float) -> str | None:
        """Return None, because the dates are unknown."""
        return None
