"""Certificates for tests: an authority, and the certificates that it issues."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any, TypeAlias

import attrs
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID
from OpenSSL.crypto import X509, PKey
from OpenSSL.SSL import TLS1_3_VERSION, TLS1_VERSION, TLS_METHOD, Connection, Context
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.ssl import CertificateOptions
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from corsgate.config.model.certificates import CertifiedKey

Key: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

DAY = timedelta(days=1)


def new_key() -> ec.EllipticCurvePrivateKey:
    """Return a new key."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: Key, password: bytes | None = None) -> bytes:
    """Return a key in PEM, encrypted if there is a password."""
    encryption = NoEncryption() if password is None else BestAvailableEncryption(password)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def unsound_rsa_pem() -> bytes:
    """Return an RSA key in PEM whose numbers don't fit, which only a test of them notices."""
    found = rsa.generate_private_key(65537, 2048).private_numbers()
    crt = (found.dmp1, found.dmq1, found.iqmp)
    wrong = rsa.RSAPrivateNumbers(found.p, found.q, found.d + 2, *crt, found.public_numbers)
    return key_pem(wrong.private_key(unsafe_skip_rsa_key_validation=True))


@attrs.frozen(kw_only=True)
class Issued:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def pem(self) -> bytes:
        """The certificate."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The key."""
        return key_pem(self.key)

    @property
    def certified(self) -> CertifiedKey:
        """Both as a configuration has them, as if from files."""
        return CertifiedKey(
            chain_file="/chain.pem", chain_pem=self.pem, key_file="/key.pem", key_pem=self.key_pem
        )

    def context(
        self,
        *chain: x509.Certificate,
        newest: int = TLS1_3_VERSION,
        level: int | None = None,
        ciphers: str = "DEFAULT",
    ) -> Any:
        """Return a server's context.

        Args:
            chain: Certificates that are sent after it.
            newest: The newest version of TLS that it speaks; it speaks all older ones.
            level: OpenSSL's level of security, if not the default.
            ciphers: The ciphers that it accepts, in the notation of OpenSSL.
        """
        context = Context(TLS_METHOD)
        if level is not None:
            ciphers = f"{ciphers}:@SECLEVEL={level}"
        context.set_cipher_list(ciphers.encode("ascii"))
        context.set_min_proto_version(TLS1_VERSION)
        context.set_max_proto_version(newest)
        context.use_certificate(X509.from_cryptography(self.certificate))
        context.use_privatekey(PKey.from_cryptography_key(self.key))
        for each in chain:
            context.add_extra_chain_cert(X509.from_cryptography(each))
        return _Fixed(context)


@implementer(IOpenSSLServerConnectionCreator)
class _Fixed:
    """Makes a server's side of TLS connections from a context."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> Connection:
        """Return the server's side of a connection."""
        return Connection(self._context)


@attrs.frozen(kw_only=True)
class Authority:
    """A certificate authority made for a test."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def make(cls, name: str = "test authority") -> Authority:
        """Return a new one."""
        key = new_key()
        certificate = _certificate(name, key, name, key, ca=True)
        return cls(key=key, certificate=certificate)

    @property
    def name(self) -> str:
        """Its common name."""
        (attribute,) = self.certificate.subject
        return str(attribute.value)

    @property
    def pem(self) -> bytes:
        """Its certificate."""
        return self.certificate.public_bytes(Encoding.PEM)

    def issue(
        self,
        *names: str,
        common_name: str = "x",
        key: Key | None = None,
        starts: timedelta = -DAY,
        ends: timedelta = DAY,
    ) -> Issued:
        """Return a certificate for names and addresses.

        Args:
            names: Its subjectAltNames, perhaps none. ``DNS:10.0.0.1`` is an address as a name.
            common_name: The common name of its subject.
            key: Its key; a new one by default.
            starts: The start of its validity, relative to now.
            ends: The end of its validity, relative to now.
        """
        key = key or new_key()
        certificate = _certificate(
            common_name, key, self.name, self.key, names=names, starts=starts, ends=ends
        )
        return Issued(certificate=certificate, key=key)

    def issue_malformed(self) -> Issued:
        """Return a certificate whose subjectAltName can't be read: an address of three bytes."""
        key = new_key()
        names = x509.UnrecognizedExtension(
            x509.SubjectAlternativeName.oid, bytes.fromhex("300587037f0000")
        )
        certificate = _certificate("x", key, self.name, self.key, extension=names)
        return Issued(certificate=certificate, key=key)

    def context(self, common_name: str, *names: str, ask: bool = False) -> CertificateOptions:
        """Return a server's context, its certificate for these names and addresses.

        Args:
            common_name: The certificate's subject.
            names: Its subjectAltNames.
            ask: Whether clients must show a certificate of this authority's.
        """
        issued = self.issue(*names, common_name=common_name)
        return CertificateOptions(
            privateKey=PKey.from_cryptography_key(issued.key),
            certificate=X509.from_cryptography(issued.certificate),
            verify=ask,
            caCerts=[X509.from_cryptography(self.certificate)] if ask else None,
        )


def self_signed(
    common_name: str,
    *names: str,
    key: Key | None = None,
    starts: timedelta = -DAY,
    ends: timedelta = DAY,
) -> Issued:
    """Return a certificate that its own key has signed; the arguments are as for `issue`."""
    key = key or new_key()
    certificate = _certificate(
        common_name, key, common_name, key, names=names, starts=starts, ends=ends
    )
    return Issued(certificate=certificate, key=key)


def _certificate(
    subject: str,
    key: Key,
    issuer: str,
    issuer_key: Key,
    *,
    ca: bool = False,
    names: tuple[str, ...] = (),
    starts: timedelta = -DAY,
    ends: timedelta = DAY,
    extension: x509.ExtensionType | None = None,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + starts)
        .not_valid_after(now + ends)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if extension is not None:
        builder = builder.add_extension(extension, critical=False)
    if names:
        general = [_general(name) for name in names]
        builder = builder.add_extension(x509.SubjectAlternativeName(general), critical=False)
    digest = None if isinstance(issuer_key, ed25519.Ed25519PrivateKey) else SHA256()
    return builder.sign(issuer_key, digest)


def _general(name: str) -> x509.GeneralName:
    if name.startswith("DNS:"):
        return x509.DNSName(name.removeprefix("DNS:"))
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
