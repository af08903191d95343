"""TLS for clients: the certificate for each name, and the protocol settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from OpenSSL import SSL
from OpenSSL.crypto import Error as CryptoError
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from corsgate.config.model.certificates import CertifiedKey
from corsgate.upstream.tls import refused

# For TLS 1.2: only forward secrecy and AEAD (RFC 9325 4.2). All ciphers of TLS 1.3 have both.
CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20"

# OpenSSL resumes a session only in the context that created it (RFC 5246 7.4.1.3).
_SESSION_CONTEXT = b"corsgate"

# In the form of OpenSSL's own errors, because Twisted parses them.
_NO_PROTOCOL = ("corsgate", "", "the client supports none of the offered protocols")


@implementer(IOpenSSLServerConnectionCreator)
class CertificateTable:
    """Makes the server's side of TLS connections, with the certificate that the client asks for.

    A reload makes another table for later connections; open ones keep theirs.

    Args:
        certificates: At least one. The first is for clients that send no name, or a name that no
            certificate has.
        protocols: The protocols offered over TLS, the preferred one first (RFC 7301).

    Attributes:
        certificates: The same.

    Raises:
        BadValue: OpenSSL rejects a certificate.
    """

    def __init__(self, certificates: Sequence[CertifiedKey], protocols: Sequence[bytes]) -> None:
        self.certificates = tuple(certificates)
        self._context = _make_default(certificates, tuple(protocols))

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """Return a connection before its handshake."""
        return SSL.Connection(self._context, None)


def _make_default(certificates: Sequence[CertifiedKey], protocols: Sequence[bytes]) -> SSL.Context:
    """Return the context of the first certificate, which SNI may replace with another."""
    contexts = [_make_context(certified, protocols) for certified in certificates]
    by_name: dict[str, SSL.Context] = {}
    for certified, context in zip(certificates, contexts, strict=True):
        for name in certified.names:
            by_name.setdefault(name, context)

    def choose(connection: SSL.Connection) -> None:
        chosen = find(by_name, connection.get_servername())
        if chosen is not None:
            connection.set_context(chosen)

    contexts[0].set_tlsext_servername_callback(choose)
    return contexts[0]


def find(by_name: Mapping[str, SSL.Context], asked: bytes | None) -> SSL.Context | None:
    """Return the context for the name that a client asks for, or None.

    Args:
        by_name: Contexts by lower-case name. A wildcard matches one label (RFC 9525 6.3).
        asked: The bytes that the client sent, which may be anything, or None.
    """
    if asked is None:
        return None
    name = asked.decode("latin-1").lower()
    label, _, parent = name.partition(".")
    return by_name.get(name) or (by_name.get(f"*.{parent}") if label else None)


def _make_context(certified: CertifiedKey, protocols: Sequence[bytes]) -> SSL.Context:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    # Session tickets are on by default. The cache, which would need memory for each client, is
    # turned off.
    context.set_options(
        SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE
    )
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_session_id(_SESSION_CONTEXT)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    leaf, *others = certified.chain
    try:
        context.use_certificate(leaf)
        context.use_privatekey(certified.key)
        for other in others:
            context.add_extra_chain_cert(other)
        context.check_privatekey()
    except (SSL.Error, CryptoError) as error:
        raise refused(certified, error) from None

    def agree(_: SSL.Connection, offered: list[bytes]) -> bytes:
        for protocol in protocols:
            if protocol in offered:
                return protocol
        # RFC 7301 3.2: send an alert. Otherwise bytes of another protocol could be parsed as HTTP.
        raise SSL.Error([_NO_PROTOCOL])

    context.set_alpn_select_callback(agree)
    context.set_cipher_list(CIPHERS)
    return context
