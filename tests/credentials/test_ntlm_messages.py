"""The messages of NTLM, verified by pyspnego's server side."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from threading import Lock

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from spnego.exceptions import SpnegoError
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import NtlmCredentials, Secret
from corsgate.credentials.ntlm_messages import (
    NEGOTIATE,
    NTLM,
    Handshake,
    end_point_bindings,
    has_spnego,
)
from tests.ntlm_box import DOMAIN, PASSWORD, USER, server_context


def certificate(algorithm: hashes.SHA256 | hashes.SHA384) -> tuple[bytes, x509.Certificate]:
    """Return a certificate whose signature has a hash algorithm, in DER and parsed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "box")])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=9))
        .sign(key, algorithm)
    )
    return made.public_bytes(serialization.Encoding.DER), made


class InstalledTests(SynchronousTestCase):
    """`has_spnego`."""

    def test_here(self) -> None:
        """The tests need it."""
        self.assertTrue(has_spnego())


class HandshakeTests(SynchronousTestCase):
    """`Handshake`."""

    def finish(
        self,
        scheme: bytes = NTLM,
        certificate: bytes | None = None,
        expected: bytes | None = None,
        **more: str,
    ) -> str:
        """Go through a handshake with a server; return the user that the server found."""
        values = {"username": USER, "domain": DOMAIN, **more}
        credentials = NtlmCredentials(password=Secret(PASSWORD), **values)
        handshake = Handshake(credentials, scheme, Lock())
        server = server_context(self, scheme, expected)
        challenge = server.step(handshake.opening())
        self.sent = handshake.response(challenge, certificate)
        server.step(self.sent)
        self.assertTrue(server.complete)
        return str(server.client_principal)

    def test_both_schemes(self) -> None:
        """NTLM alone, and inside SPNEGO with NTLM as the only mechanism."""
        for scheme in (NTLM, NEGOTIATE):
            self.assertEqual(self.finish(scheme), f"{DOMAIN}\\{USER}")

    def test_wrong_password(self) -> None:
        """The server's side really verifies."""
        credentials = NtlmCredentials(username=USER, domain=DOMAIN, password=Secret("wrong"))
        handshake, server = Handshake(credentials, NTLM, Lock()), server_context(self, NTLM)
        answer = handshake.response(server.step(handshake.opening()), None)
        self.assertRaises(SpnegoError, server.step, answer)

    def test_workstation(self) -> None:
        """The configured name is sent, and the environment is as it was."""
        before = dict(os.environ)
        self.finish(workstation="GATE-7")
        self.assertIn("GATE-7".encode("utf-16-le"), self.sent)
        after = {k: v for k, v in os.environ.items() if k != "NTLM_USER_FILE"}
        self.assertEqual(after, {k: v for k, v in before.items() if k != "NTLM_USER_FILE"})

    def test_bound_to_the_certificate(self) -> None:
        """A server with Extended Protection accepts the message only for its own certificate."""
        own, _ = certificate(hashes.SHA256())
        other, _ = certificate(hashes.SHA256())
        self.finish(certificate=own, expected=own)
        self.assertRaises(SpnegoError, self.finish, certificate=other, expected=own)

    def test_unreadable_certificate(self) -> None:
        """Without bindings, it is up to the server."""
        self.assertEqual(self.finish(certificate=b"rubbish"), f"{DOMAIN}\\{USER}")

    def test_hash_of_the_bindings(self) -> None:
        """It is that of the certificate's signature (RFC 5929 4.1)."""
        for algorithm in (hashes.SHA256(), hashes.SHA384()):
            der, parsed = certificate(algorithm)
            self.assertEqual(
                end_point_bindings(der), b"tls-server-end-point:" + parsed.fingerprint(algorithm)
            )

    def test_unreadable(self) -> None:
        """Whatever the server sends, the error is a ValueError."""
        credentials = NtlmCredentials(username=USER, password=Secret(PASSWORD))
        for scheme in (NTLM, NEGOTIATE):
            for raw in (b"", b"x", b"NTLMSSP\0\2\0\0\0", b"\xa1\x82\xff\xff" + b"\0" * 40):
                handshake = Handshake(credentials, scheme, Lock())
                handshake.opening()
                self.assertRaises(ValueError, handshake.response, raw, None)
