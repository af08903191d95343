"""Examines how a box uses TLS, without sending a request."""

from __future__ import annotations

import ssl
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

import attrs
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from corsgate.adopt.probes import clip
from corsgate.adopt.tls import TlsLook
from corsgate.cli.adopt_client import Deadline, connect
from corsgate.config.model.upstream_tls import WEAK_CIPHERS
from corsgate.explain.url import Url

_LEGACY_SERVER_CONNECT = 0x4
_MOST_NAMES = 4


@attrs.frozen(kw_only=True)
class Spoken:
    """How to use TLS with a box.

    Attributes:
        look: The results.
        context: The context for further connections.
        server_name: The name to send and to verify; empty for the URL's host.
        certificate: The certificate that the box must show, as DER; None if `context` verifies
            it.
    """

    look: TlsLook
    context: ssl.SSLContext
    server_name: str = ""
    certificate: bytes | None = None


def look_at_tls(url: Url, addresses: Sequence[tuple[str, int]], deadline: Deadline) -> Spoken:
    """Find out how a box uses TLS, and how to verify it.

    Args:
        url: Its URL, with the scheme https.
        addresses: Its addresses.
        deadline: When all connections must be done.

    Raises:
        OSError: The box can't be reached, or no version of TLS works with it.
    """
    host = url.host.strip("[]")

    @contextmanager
    def shaken(context: ssl.SSLContext, name: str) -> Iterator[ssl.SSLSocket]:
        with connect(addresses, deadline) as plain:
            plain.settimeout(deadline.left())
            with context.wrap_socket(plain, server_hostname=name) as secure:
                yield secure

    def passes(context: ssl.SSLContext, name: str) -> bool:
        try:
            with shaken(context, name):
                return True
        except (ssl.SSLError, ssl.CertificateError):
            return False

    problem, needs_weak = "", False
    context = ssl.create_default_context()
    try:
        with shaken(context, host) as secure:
            return Spoken(look=TlsLook(version=_version(secure)), context=context)
    except ssl.SSLCertVerificationError as error:
        problem = error.verify_message.rstrip(".")
    except ssl.SSLError as error:
        if error.reason in ("WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG"):
            raise
        needs_weak = True
    if needs_weak:
        verifying = _weak(ssl.create_default_context())
        if passes(verifying, host):
            with shaken(verifying, host) as secure:
                return Spoken(look=_weak_look(secure, ""), context=verifying)
        problem = "its issuer is not trusted by this machine, or its key is weak"
    unverified = _unverifying()
    if needs_weak:
        unverified = _weak(unverified)
    with shaken(unverified, host) as secure:
        der = secure.getpeercert(True) or b""
        roots = _roots(secure)
        look = TlsLook(version=_version(secure), problem=problem)
        look = _described(_weak_look(secure, problem) if needs_weak else look, der)
    if not needs_weak:
        look = _verified_by(look, roots, host, passes)
    return Spoken(look=look, context=unverified, certificate=der, server_name=look.server_name)


def _verified_by(look: TlsLook, roots: Sequence[bytes], host: str, passes: Any) -> TlsLook:
    """Return the look with the authority or the name that verifies the box, if one does."""
    names = [host, *(name for name in look.names if name != host and "*" not in name)]
    candidates: list[bytes | None] = [None, *roots]
    for root in candidates:
        for name in names[:_MOST_NAMES]:
            if root is None and name == host:
                continue
            context = ssl.create_default_context()
            if root is not None:
                try:
                    context = ssl.create_default_context(cadata=root.decode("ascii"))
                except (ssl.SSLError, ValueError):
                    continue
            if passes(context, name):
                other = "" if name == host else name
                return attrs.evolve(look, authority_pem=root, server_name=other)
    return look


def _unverifying() -> ssl.SSLContext:
    """Return a context that accepts any certificate.

    It is used to read the certificate. Requests follow only on connections whose certificate is
    the same.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _weak(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers(WEAK_CIPHERS)
    context.options |= _LEGACY_SERVER_CONNECT
    return context


def _version(secure: ssl.SSLSocket) -> str:
    version = (secure.version() or "").removeprefix("TLSv")
    return "1.0" if version == "1" else version


def _weak_look(secure: ssl.SSLSocket, problem: str) -> TlsLook:
    look = TlsLook(version=_version(secure), problem=problem)
    return look if look.is_old else attrs.evolve(look, needs_weak=True)


def _described(look: TlsLook, der: bytes) -> TlsLook:
    """Return the look with the contents of a certificate."""
    fingerprint = sha256(der).hexdigest().upper()
    look = attrs.evolve(
        look, fingerprint=":".join(map("".join, zip(*[iter(fingerprint)] * 2, strict=True)))
    )
    try:
        certificate = x509.load_der_x509_certificate(der)
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except Exception as error:
        # A certificate may be broken in many ways.
        raise ssl.SSLError(1, f"its certificate can't be read: {clip(str(error), 60)}") from error
    pin = f"sha256/{b64encode(sha256(key).digest()).decode()}"
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = found.value.get_values_for_type(x509.DNSName)
    except Exception:  # As above. Without names, the pin still works.
        names = []
    shown = tuple(clip(name, 200) for name in names[:_MOST_NAMES])
    return attrs.evolve(look, pin=pin, names=shown)


def _roots(secure: ssl.SSLSocket) -> list[bytes]:
    """Return the self-issued certificates that the box sent after its own, in PEM."""
    # Since Python 3.13, get_unverified_chain() is a public method of the socket.
    source: Any = secure if hasattr(secure, "get_unverified_chain") else secure._sslobj  # type: ignore[attr-defined]
    chain: list[Any] = list(source.get_unverified_chain() or [])[1:8]
    roots = []
    for each in chain:
        try:
            der = each if isinstance(each, bytes) else ssl.PEM_cert_to_DER_cert(each.public_bytes())
            certificate = x509.load_der_x509_certificate(der)
            if certificate.issuer == certificate.subject:
                roots.append(certificate.public_bytes(Encoding.PEM))
        except Exception:  # noqa: S112  # A certificate may be broken in many ways.
            continue
    return roots
