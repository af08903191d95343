"""TLS to upstreams: without a verified identity of the server, there is no connection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from OpenSSL.crypto import X509
from OpenSSL.crypto import Error as CryptoError
from OpenSSL.SSL import (
    TLS_METHOD,
    VERIFY_FAIL_IF_NO_PEER_CERT,
    VERIFY_NONE,
    VERIFY_PEER,
    Connection,
    Context,
)
from OpenSSL.SSL import Error as SSLError
from service_identity.hazmat import DNS_ID, IPAddress_ID
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.error import ConnectionClosed
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import (
    Certificate,
    CertificateOptions,
    TLSVersion,
    platformTrust,
    trustRootFromCertificates,
)
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from corsgate.config.model.certificates import CertifiedKey
from corsgate.config.model.upstream_tls import WEAK_CIPHERS
from corsgate.config.model.values import Server, Upstream, UpstreamTls
from corsgate.errors import BadValue, CertificateRefused
from corsgate.upstream.certificates import misnamed, unpinned, untrusted
from corsgate.upstream.handshake import handshake_problem, openssl_reasons

_PEM_BEGIN = b"-----BEGIN CERTIFICATE-----"
_PEM_END = b"-----END CERTIFICATE-----"

_VERSIONS: Mapping[str, Any] = {
    "1.0": TLSVersion.TLSv1_0,
    "1.1": TLSVersion.TLSv1_1,
    "1.2": TLSVersion.TLSv1_2,
    "1.3": TLSVersion.TLSv1_3,
}

_UNVERIFIABLE = ":!aNULL:!eNULL:!PSK:!SRP"
"""Excludes ciphers without a server certificate, which can't be verified, and those that don't
encrypt. The configuration can't include them."""

_OP_LEGACY_SERVER_CONNECT = 0x4


def trust_from_pem(pem: bytes) -> Any:
    """Return the trust root for a file of certificates.

    Args:
        pem: One or more certificates in PEM format.

    Returns:
        An IOpenSSLTrustRoot.

    Raises:
        BadValue: The file has no certificate, or one that can't be read.
    """
    blocks = [
        _PEM_BEGIN + rest.partition(_PEM_END)[0] + _PEM_END + b"\n"
        for rest in pem.split(_PEM_BEGIN)[1:]
    ]
    try:
        certificates = [Certificate.loadPEM(block) for block in blocks]
    except (CryptoError, ValueError) as error:
        raise BadValue("a certificate in ca can't be read", "write PEM certificates") from error
    if not certificates:
        raise BadValue("there is no certificate in ca", "write PEM certificates")
    return trustRootFromCertificates(certificates)


def refused(certified: CertifiedKey, error: Exception) -> BadValue:
    """Return the error for a certificate that OpenSSL rejects, for instance as too weak.

    Args:
        certified: The certificate.
        error: OpenSSL's error, of which only the reasons are shown.
    """
    reasons = ", ".join(openssl_reasons(error)) or type(error).__name__
    return BadValue(
        f'"{certified.chain_file}" is refused by OpenSSL: {reasons}',
        "use a stronger certificate",
    )


@implementer(IOpenSSLClientConnectionCreator)
class VerifyingCreator:
    """Makes TLS connections to one host; any error in verification makes them fail.

    Twisted's own creator accepts a certificate whose names can't be read at all, for instance one
    without a subjectAltName. It only logs the exception from service-identity.

    Args:
        host: The name or IP address for which the certificate must be valid. A name is also sent
            to the server (RFC 6066 3).
        trust: An IOpenSSLTrustRoot, or None for the platform's.
        certified: The client certificate for servers that ask for one, or None.
        verify: Whether to verify the server at all.
        tls: The settings of TLS. With pins, only the server's key is verified.

    Raises:
        BadValue: OpenSSL rejects the certificate in `certified`, or can use none of the ciphers.
    """

    def __init__(
        self,
        host: str,
        trust: Any = None,
        *,
        certified: CertifiedKey | None = None,
        verify: bool = True,
        tls: UpstreamTls | None = None,
    ) -> None:
        is_address = isIPAddress(host) or isIPv6Address(host)
        self._identity = IPAddress_ID(host) if is_address else DNS_ID(host)
        self._server_name = None if is_address else host.encode("ascii")
        self._tls = tls or UpstreamTls()
        self._verify = verify or bool(self._tls.pin)
        oldest = _VERSIONS[self._tls.min_version]
        arguments: dict[str, Any] = {"insecurelyLowerMinimumTo": oldest}
        if verify and not self._tls.pin:
            arguments["trustRoot"] = trust or platformTrust()
        if certified is not None:
            arguments |= _shown_as(certified)
        self._options: Any = CertificateOptions(**arguments)
        try:
            # Create the context now, to find an unusable certificate before the first connection.
            context = self._options.getContext()
        except (SSLError, CryptoError) as error:
            if certified is None:
                raise
            raise refused(certified, error) from None
        _set_strength(context, self._tls)

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> Connection:
        """Return a connection that verifies the peer (RFC 9110 4.3.4, RFC 9525)."""
        connection: Connection = self._options.clientConnectionForTLS(tlsProtocol)
        if self._server_name is not None:
            connection.set_tlsext_host_name(self._server_name)

        def verify(_: Connection, certificate: X509, error: int, depth: int, chain_ok: int) -> bool:
            # OpenSSL doesn't propagate exceptions: one raised here would be lost, and the
            # certificate accepted.
            try:
                problem = self._problem(certificate, error, depth, chain_ok=bool(chain_ok))
                if problem is not None:
                    raise CertificateRefused(problem)
            except Exception:
                tlsProtocol.failVerification(Failure())
                return False
            return True

        if self._verify:
            connection.set_verify(VERIFY_PEER | VERIFY_FAIL_IF_NO_PEER_CERT, verify)
        else:
            connection.set_verify(VERIFY_NONE)
        return connection

    def describe(self, error: BaseException, first: bytes) -> str:
        """Return why there is no connection, in plain words.

        Args:
            error: The error of the handshake.
            first: The first bytes that the server sent.
        """
        if isinstance(error, CertificateRefused):
            return str(error)
        if not isinstance(error, SSLError | ConnectionClosed):
            return f"its certificate can't be verified: {error}"
        return handshake_problem(openssl_reasons(error), first, self._tls.min_version)

    def _problem(self, certificate: X509, error: int, depth: int, *, chain_ok: bool) -> str | None:
        """Return why a certificate of the server's chain is rejected; None if it isn't.

        Args:
            certificate: The certificate. OpenSSL starts with the root and ends with the server's.
            error: OpenSSL's error, one of X509_V_ERR_*.
            depth: The certificate's distance in the chain from the server's own, which has 0.
            chain_ok: Whether OpenSSL accepts the certificate.
        """
        if self._tls.pin:
            # The certificate's issuer, name and expiry don't matter.
            return unpinned(certificate, self._tls.pin) if depth == 0 else None
        if not chain_ok:
            return untrusted(certificate.to_cryptography(), error, depth)
        return misnamed(certificate.to_cryptography(), self._identity) if depth == 0 else None


def check_ciphers_here(tls: UpstreamTls) -> None:
    """Check that this machine's OpenSSL can use at least one of the configured ciphers.

    Raises:
        BadValue: It can use none.
    """
    _set_strength(Context(TLS_METHOD), tls)


def _set_strength(context: Context, tls: UpstreamTls) -> None:
    """Set the ciphers, keys and signatures that a context accepts."""
    ciphers = tls.cipher_list
    if ciphers is None:
        return
    try:
        context.set_cipher_list(f"{ciphers}{_UNVERIFIABLE}".encode("ascii"))
    except SSLError:
        raise BadValue(
            f'"{tls.ciphers}" leaves no cipher that OpenSSL can use',
            f'write ciphers as "openssl ciphers" takes them, such as "{WEAK_CIPHERS}"',
        ) from None
    if tls.is_weak:
        # Old servers don't support secure renegotiation (RFC 5746).
        context.set_options(_OP_LEGACY_SERVER_CONNECT)


def _shown_as(certified: CertifiedKey) -> dict[str, Any]:
    """Return the arguments of CertificateOptions for a client certificate."""
    leaf, *others = certified.chain
    return {"privateKey": certified.key, "certificate": leaf, "extraCertChain": others}


def creators(upstream: Upstream, servers: Iterable[Server]) -> Mapping[str, VerifyingCreator]:
    """Return the creator of TLS connections to each https server of an upstream, by its origin.

    Args:
        upstream: The upstream, which sets how servers are verified.
        servers: Its current servers.

    Raises:
        BadValue: The upstream's certificates can't be used.
    """
    trust = None if upstream.ca_pem is None else trust_from_pem(upstream.ca_pem)
    # Make one for each name: it takes milliseconds, and a name may have many addresses.
    made: dict[str, VerifyingCreator] = {}
    found: dict[str, VerifyingCreator] = {}
    for server in servers:
        if server.scheme != "https":
            continue
        name = upstream.server_name or server.name or server.host
        if name not in made:
            made[name] = VerifyingCreator(
                name,
                trust,
                certified=upstream.client_certificate,
                verify=upstream.verify,
                tls=upstream.tls,
            )
        found[server.origin] = made[name]
    return found
