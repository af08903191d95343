"""Checks a server's certificate by its name or its pin, and describes why it fails."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Collection, Mapping, Sequence
from hashlib import sha256
from typing import Any

from cryptography import x509
from OpenSSL.crypto import FILETYPE_ASN1, X509, dump_publickey
from service_identity.exceptions import CertificateError
from service_identity.hazmat import (
    DNS_ID,
    CertificatePattern,
    DNSPattern,
    IPAddress_ID,
    IPAddressPattern,
)

from corsgate.config.model.upstream_tls import WEAK_CIPHERS

_MOST_NAMES = 3
_MOST_SHOWN = 64

_EXPIRED = 10
_NOT_YET_VALID = 9
_SELF_SIGNED = 18

_TRUST = "name it in ca, or its key in tls.pin"
_REASONS: Mapping[int, str] = {
    7: f"is not signed by the authority of that name: {_TRUST}",
    _SELF_SIGNED: f"is self-signed: {_TRUST}",
    19: f"is issued by an authority that is not trusted: {_TRUST}",
    20: f"is issued by an authority that is not trusted: {_TRUST}",
    21: f"is issued by an authority that is not trusted: {_TRUST}",
    26: "is not meant for servers",
    66: f'has a key that is too short: set tls.ciphers = "{WEAK_CIPHERS}"',
    67: f'has a key that is too short: set tls.ciphers = "{WEAK_CIPHERS}"',
    68: f'has a signature that is too weak: set tls.ciphers = "{WEAK_CIPHERS}"',
}
"""OpenSSL's reasons in plain words, by their numbers (X509_V_ERR_*), which are stable."""


def pin_of(certificate: X509) -> str:
    """Return the pin of a certificate's key (RFC 7469 2.4)."""
    # OpenSSL reads old certificates that other libraries reject.
    key = dump_publickey(FILETYPE_ASN1, certificate.get_pubkey())
    return f"sha256/{b64encode(sha256(key).digest()).decode('ascii')}"


def unpinned(certificate: X509, pins: Collection[str]) -> str | None:
    """Return why a certificate's key is not one of `pins`; None if it is."""
    found = pin_of(certificate)
    return None if found in pins else f"its key is {found}, which is not in tls.pin"


def untrusted(certificate: x509.Certificate, code: int, depth: int) -> str:
    """Return why OpenSSL doesn't trust a certificate of a server's chain.

    Args:
        certificate: The certificate that OpenSSL rejects.
        code: OpenSSL's reason, one of X509_V_ERR_*.
        depth: The certificate's distance in the chain from the server's own, which has 0.
    """
    whose = "its certificate"
    if depth:
        whose = f"the certificate of its issuer, {_shown(_common_name(certificate))},"
    if code == _EXPIRED:
        return f"{whose} expired on {certificate.not_valid_after_utc:%Y-%m-%d}"
    if code == _NOT_YET_VALID:
        return f"{whose} is not valid before {certificate.not_valid_before_utc:%Y-%m-%d}"
    return f"{whose} {_REASONS.get(code, f'is not accepted by OpenSSL (X509 error {code})')}"


def misnamed(certificate: x509.Certificate, identity: DNS_ID | IPAddress_ID) -> str | None:
    """Return why a certificate is not for a server's name; None if it is (RFC 9525 6).

    Args:
        certificate: The server's own certificate.
        identity: The server's name or address.

    Raises:
        ValueError: The certificate's subjectAltName can't be read.
    """
    names, addresses = _alternative_names(certificate)
    # One invalid name must not prevent a match with the others, so skip it. service-identity's own
    # reader would reject the whole certificate.
    patterns: list[CertificatePattern] = [IPAddressPattern(address) for address in addresses]
    for name in names:
        try:
            patterns.append(DNSPattern.from_bytes(name.encode("utf-8")))
        except CertificateError:
            continue
    if any(identity.verify(pattern) for pattern in patterns):
        return None
    wanted = identity.hostname.decode("ascii") if isinstance(identity, DNS_ID) else identity.ip
    if str(wanted) in names:
        # Browsers also reject that (RFC 9525 6.5).
        return f"its certificate has {wanted} as a name, not as an address: set tls.pin"
    every = [*names, *map(str, addresses)]
    if every:
        more = "" if len(every) <= _MOST_NAMES else f" and {len(every) - _MOST_NAMES} more"
        listed = ", ".join(map(_shown, every[:_MOST_NAMES]))
        return f"its certificate is for {listed}{more}, not {wanted}"
    common = _shown(_common_name(certificate))
    return f"its certificate has no subjectAltName, only the common name {common}: set tls.pin"


def _alternative_names(
    certificate: x509.Certificate,
) -> tuple[Sequence[str], Sequence[Any]]:
    """Return the DNS names and the addresses in a certificate's subjectAltName."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return (), ()
    return found.get_values_for_type(x509.DNSName), found.get_values_for_type(x509.IPAddress)


def _common_name(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(names[0].value) if names else "(none)"


def _shown(name: str) -> str:
    """Return a name from an untrusted certificate, shortened and escaped for the log."""
    return ascii(name[:_MOST_SHOWN])[1:-1]
