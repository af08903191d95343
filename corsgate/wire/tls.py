"""TLS towards upstreams: the server's identity is verified, or there is no connection."""

from __future__ import annotations

from typing import Any

from OpenSSL.crypto import Error as OpenSSLError
from OpenSSL.SSL import VERIFY_FAIL_IF_NO_PEER_CERT, VERIFY_PEER, Connection
from service_identity.hazmat import DNS_ID, IPAddress_ID, verify_service_identity
from service_identity.pyopenssl import extract_patterns
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import (
    Certificate,
    optionsForClientTLS,
    platformTrust,
    trustRootFromCertificates,
)
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from corsgate.errors import BadValue

_PEM_BEGIN = b"-----BEGIN CERTIFICATE-----"
_PEM_END = b"-----END CERTIFICATE-----"


def trust_from_pem(pem: bytes) -> Any:
    """Answer the trust root that a file of certificates makes.

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
    except (OpenSSLError, ValueError) as error:
        raise BadValue("a certificate in it can't be read", "write PEM certificates") from error
    if not certificates:
        raise BadValue("there is no certificate in it", "write PEM certificates")
    return trustRootFromCertificates(certificates)


@implementer(IOpenSSLClientConnectionCreator)
class VerifyingCreator:
    """Makes TLS connections to one host; whatever keeps its name from being verified fails them.

    Twisted's own creator lets a certificate pass whose names can't be read at all, for instance
    one without a subjectAltName: it only logs that service-identity raised.

    Args:
        host: The name or IP address that the certificate must be for.
        trust: An IOpenSSLTrustRoot, or None for the platform's.
    """

    def __init__(self, host: str, trust: Any = None) -> None:
        self._inner = optionsForClientTLS(host, trustRoot=trust or platformTrust())
        is_address = isIPAddress(host) or isIPv6Address(host)
        self._identity = IPAddress_ID(host) if is_address else DNS_ID(host)

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> Connection:
        """Answer a connection that verifies the peer (RFC 9110 4.3.4, RFC 9525)."""
        connection = self._inner.clientConnectionForTLS(tlsProtocol)

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

        connection.set_verify(VERIFY_PEER | VERIFY_FAIL_IF_NO_PEER_CERT, verify)
        return connection
