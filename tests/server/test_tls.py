"""TLS towards clients: the certificate by name, strength, ALPN, and certificates replaced."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import attrs
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from corsgate.server.tls import CertificateTable
from tests.certificates import Authority, Issued

AUTHORITY = Authority.make()
FIRST = AUTHORITY.issue("first.test", common_name="first")
OTHER = AUTHORITY.issue("other.test", "*.wild.test", common_name="other")
EXACT = AUTHORITY.issue("exact.wild.test", common_name="exact")
NAMELESS = AUTHORITY.issue("127.0.0.1", common_name="first.test")


def table(*issued: Issued, protocols: Sequence[bytes] = (b"http/1.1",)) -> CertificateTable:
    """Return a table of certificates."""
    return CertificateTable([each.certified for each in issued or (FIRST,)], protocols)


class Pair:
    """A client and a server that shake hands in memory.

    Args:
        server: The server's side.
        name: What the client asks for.
        offered: The client's protocols.
        ciphers: The client's ciphers of TLS 1.2.
        latest: The client's latest version.
    """

    def __init__(
        self,
        server: SSL.Connection,
        *,
        name: bytes | None = None,
        offered: Sequence[bytes] = (),
        ciphers: bytes | None = None,
        latest: int = SSL.TLS1_3_VERSION,
    ) -> None:
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_max_proto_version(latest)
        if ciphers is not None:
            context.set_cipher_list(ciphers)
        if offered:
            context.set_alpn_protos(list(offered))
        self.client = SSL.Connection(context, None)
        self.client.set_connect_state()
        if name is not None:
            self.client.set_tlsext_host_name(name)
        self.server = server
        self.server.set_accept_state()

    def shake(self) -> Pair:
        """Shake hands.

        Raises:
            SSL.Error: One side refuses.
        """
        for _ in range(6):
            for side in (self.client, self.server):
                with contextlib.suppress(SSL.WantReadError):
                    side.do_handshake()
                self.carry()
        return self

    def carry(self) -> None:
        """Bring each side what the other has written."""
        for source, sink in ((self.client, self.server), (self.server, self.client)):
            with contextlib.suppress(SSL.WantReadError):
                sink.bio_write(source.bio_read(2**16))

    def read(self) -> bytes | None:
        """Return what the client got."""
        try:
            return self.client.recv(2**16)
        except SSL.WantReadError:
            return None

    @property
    def shown(self) -> str:
        """The common name of the certificate that the client was shown."""
        certificate = self.client.get_peer_certificate(as_cryptography=True)
        assert certificate is not None
        (name,) = certificate.subject
        return str(name.value)


def shake(made: CertificateTable, **client: Any) -> Pair:
    """Shake hands with what a table makes."""
    protocol: Any = None
    return Pair(made.serverConnectionForTLS(protocol), **client).shake()


class NameTests(SynchronousTestCase):
    """Which certificate a client is shown (RFC 6066 3)."""

    def test_creator(self) -> None:
        """The table is what Twisted asks for."""
        verifyObject(IOpenSSLServerConnectionCreator, table())

    def test_choice(self) -> None:
        """The one for the name; an exact name before a wildcard; else the first."""
        made = table(FIRST, OTHER, EXACT)
        for name, shown in (
            (None, "first"),
            (b"first.test", "first"),
            (b"other.test", "other"),
            (b"OTHER.Test", "other"),
            (b"a.wild.test", "other"),
            (b"exact.wild.test", "exact"),
            (b"a.b.wild.test", "first"),
            (b"wild.test", "first"),
            (b".wild.test", "first"),
            (b"test", "first"),
            (b"*.wild.test", "other"),
            (b"\xff.\xfe", "first"),
        ):
            self.assertEqual(shake(made, name=name).shown, shown, name)

    def test_common_name(self) -> None:
        """A common name is no name (RFC 9525 2)."""
        made = table(OTHER, NAMELESS)
        self.assertEqual(shake(made, name=b"first.test").shown, "other")

    def test_chain(self) -> None:
        """The whole chain is sent."""
        chained = attrs.evolve(FIRST.certified, chain_pem=FIRST.pem + AUTHORITY.pem)
        pair = shake(CertificateTable([chained], []))
        sent = pair.client.get_peer_cert_chain(as_cryptography=True)
        self.assertEqual(sent, [FIRST.certificate, AUTHORITY.certificate])


class StrengthTests(SynchronousTestCase):
    """What is spoken at all."""

    def test_version(self) -> None:
        """TLS 1.3 and 1.2."""
        for latest, name in ((SSL.TLS1_3_VERSION, "TLSv1.3"), (SSL.TLS1_2_VERSION, "TLSv1.2")):
            pair = shake(table(), latest=latest)
            self.assertEqual(pair.client.get_protocol_version_name(), name)

    def test_old_version(self) -> None:
        """TLS 1.1 is refused, by every certificate's context."""
        for name in (b"first.test", b"other.test"):
            self.assertRaises(
                SSL.Error,
                lambda name=name: shake(
                    table(FIRST, OTHER),
                    name=name,
                    latest=SSL.TLS1_1_VERSION,
                    ciphers=b"ALL:@SECLEVEL=0",
                ),
            )

    def test_ciphers(self) -> None:
        """With TLS 1.2 a cipher has forward secrecy and AEAD, or is refused."""
        for name in (b"first.test", b"other.test"):
            made = table(FIRST, OTHER)
            pair = shake(made, name=name, latest=SSL.TLS1_2_VERSION)
            self.assertIn(b"GCM", (pair.client.get_cipher_name() or "").encode())
            for ciphers in (b"ECDHE+AES+SHA1", b"ECDHE+SHA256:!AESGCM", b"kRSA+AES", b"DHE"):
                with self.assertRaises(SSL.Error):
                    shake(made, name=name, latest=SSL.TLS1_2_VERSION, ciphers=ciphers)

    def test_renegotiation(self) -> None:
        """A client can't make the server shake hands again and again."""
        pair = shake(table(), latest=SSL.TLS1_2_VERSION)
        pair.client.renegotiate()
        with self.assertRaises(SSL.Error):
            for _ in range(3):
                pair.carry()
                for side in (pair.server, pair.client):
                    with contextlib.suppress(SSL.WantReadError):
                        side.recv(10)
                with contextlib.suppress(SSL.WantReadError):
                    pair.client.do_handshake()


class ProtocolTests(SynchronousTestCase):
    """What is agreed on (RFC 7301)."""

    def test_agreed(self) -> None:
        """The gate's preference counts; a client that offers nothing gets none."""
        both = (b"h2", b"http/1.1")
        for protocols, offered, agreed in (
            (both, (b"http/1.1", b"h2"), b"h2"),
            (both, (b"http/1.1",), b"http/1.1"),
            (both, (), b""),
            ((b"http/1.1",), (b"h2", b"http/1.1"), b"http/1.1"),
        ):
            for name in (b"first.test", b"other.test"):
                made = table(FIRST, OTHER, protocols=protocols)
                pair = shake(made, offered=offered, name=name)
                self.assertEqual(pair.server.get_alpn_proto_negotiated(), agreed)

    def test_none(self) -> None:
        """A client that speaks something else is refused."""
        with self.assertRaises(SSL.Error):
            shake(table(), offered=(b"ftp",))
        with self.assertRaises(SSL.Error):
            shake(table(), offered=(b"h2",))
