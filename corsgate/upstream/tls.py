"""TLS towards upstreams: the server's identity is verified, or there is no connection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from OpenSSL.crypto import Error as CryptoError
from OpenSSL.SSL import VERIFY_FAIL_IF_NO_PEER_CERT, VERIFY_NONE, VERIFY_PEER, Connection
from OpenSSL.SSL import Error as SSLError
from service_identity.hazmat import DNS_ID, IPAddress_ID, verify_service_identity
from service_identity.pyopenssl import extract_patterns
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import (
    Certificate,
    CertificateOptions,
    platformTrust,
    trustRootFromCertificates,
)
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from corsgate.config.model.certificates import CertifiedKey
from corsgate.config.model.values import Server, Upstream
from corsgate.errors import BadValue

_PEM_BEGIN = b"-----BEGIN CERTIFICATE-----"
_PEM_END = b"-----END CERTIFICATE-----"


def trust_from_pem(pem: bytes) -> Any:
    """Return the trust root that a file of certificates makes.

    Args:
        pem: One or more certificates, PEM.

    Returns:
        An IOpenSSLTrustRoot.

    Raises:
        BadValue: There is no certificate in it, or one that can't be read.
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
    """Return what to say of a certificate that OpenSSL refuses, for instance as too weak.

    Args:
        certified: The certificate.
        error: OpenSSL's error; of its words only the reasons are said.
    """
    queue = error.args[0] if error.args and isinstance(error.args[0], list) else []
    reasons = ", ".join(str(entry[-1]) for entry in queue) or type(error).__name__
    return BadValue(
        f'"{certified.chain_file}" is refused by OpenSSL: {reasons}',
        "get a certificate of today's strength",
    )


@implementer(IOpenSSLClientConnectionCreator)
class VerifyingCreator:
    """Makes TLS connections to one host; whatever keeps its name from being verified fails them.

    Twisted's own creator lets a certificate pass whose names can't be read at all, for instance
    one without a subjectAltName: it only logs that service-identity raised.

    Args:
        host: The name or IP address that the certificate must be for; a name is sent along
            (RFC 6066 3).
        trust: An IOpenSSLTrustRoot, or None for the platform's.
        certified: What is shown to a server that asks who its client is, or None.
        verify: Whether the server is verified at all.

    Raises:
        BadValue: OpenSSL refuses the certificate in `certified`.
    """

    def __init__(
        self,
        host: str,
        trust: Any = None,
        *,
        certified: CertifiedKey | None = None,
        verify: bool = True,
    ) -> None:
        is_address = isIPAddress(host) or isIPv6Address(host)
        self._identity = IPAddress_ID(host) if is_address else DNS_ID(host)
        self._server_name = None if is_address else host.encode("ascii")
        self._verify = verify
        arguments: dict[str, Any] = {}
        if verify:
            arguments["trustRoot"] = trust or platformTrust()
        if certified is not None:
            arguments |= _shown_as(certified)
        self._options: Any = CertificateOptions(**arguments)
        try:
            # Now, so that an unusable certificate is found before the first connection needs it.
            self._options.getContext()
        except (SSLError, CryptoError) as error:
            if certified is None:
                raise
            raise refused(certified, error) from None

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> Connection:
        """Return a connection that verifies the peer (RFC 9110 4.3.4, RFC 9525)."""
        connection: Connection = self._options.clientConnectionForTLS(tlsProtocol)
        if self._server_name is not None:
            connection.set_tlsext_host_name(self._server_name)

        def verify(_: Connection, certificate: Any, error: int, depth: int, chain_ok: int) -> bool:
            # OpenSSL can't pass an exception on: one that is raised here would be lost, and
            # with it the refusal.
            if depth != 0 or not chain_ok:
                return bool(chain_ok)
            try:
                verify_service_identity(extract_patterns(certificate), [self._identity], [])
            except Exception:
                tlsProtocol.failVerification(Failure())
                return False
            return True

        if self._verify:
            connection.set_verify(VERIFY_PEER | VERIFY_FAIL_IF_NO_PEER_CERT, verify)
        else:
            connection.set_verify(VERIFY_NONE)
        return connection


def _shown_as(certified: CertifiedKey) -> dict[str, Any]:
    """Return the arguments of CertificateOptions that show a certificate."""
    leaf, *others = certified.chain
    return {"privateKey": certified.key, "certificate": leaf, "extraCertChain": others}


def creators(
    upstream: Upstream, servers: Iterable[Server]
) -> Mapping[str, IOpenSSLClientConnectionCreator]:
    """Return what makes the TLS connections to each https server of an upstream, by its origin.

    Args:
        upstream: Says how they are verified.
        servers: Those that it has now.

    Raises:
        BadValue: The upstream's certificates can't be used.
    """
    trust = None if upstream.ca_pem is None else trust_from_pem(upstream.ca_pem)
    # One for each name: it takes milliseconds to make one, and a name may have many addresses.
    made: dict[str, IOpenSSLClientConnectionCreator] = {}
    found: dict[str, IOpenSSLClientConnectionCreator] = {}
    for server in servers:
        if server.scheme != "https":
            continue
        name = upstream.server_name or server.name or server.host
        if name not in made:
            made[name] = VerifyingCreator(
                name, trust, certified=upstream.client_certificate, verify=upstream.verify
            )
        found[server.origin] = made[name]
    return found
