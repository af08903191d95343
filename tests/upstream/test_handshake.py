"""Why handshakes fail, in words."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.upstream_tls import VERSIONS
from corsgate.upstream.handshake import handshake_problem

ALERT = bytes.fromhex("15030300020246")
"""The alert protocol_version."""


def server_hello(minor: int) -> bytes:
    """Return the beginning of a ServerHello that has chosen a version: 1 is TLS 1.0, and so on."""
    return bytes.fromhex("1603010046020000420301")[:-1] + bytes([minor])


class HandshakeTests(SynchronousTestCase):
    def said(self, reason: str, first: bytes = b"", min_version: str = "1.2") -> str:
        """Return what is said of a handshake that failed for one reason, or none."""
        return handshake_problem([reason] if reason else [], first, min_version)

    def test_plain_http(self) -> None:
        """A server that answers in HTTP, of any version or none, is named so."""
        for first in (
            b"HTTP/1.1 400 Bad Request"[:11],
            b"HTTP/1.0 40",
            b"<html><head",
            b"<!DOCTYPE H",
        ):
            self.assertEqual(
                self.said("wrong version number", first),
                "it answers plain HTTP on this port: write http:// in servers",
            )

    def test_no_tls(self) -> None:
        """Any other protocol is no TLS."""
        for first in (b"SSH-2.0-Ope", b"220 smtp re", bytes(11), b"\x16\x02\x03", b"\x16H"):
            self.assertEqual(
                self.said("wrong version number", first), "it does not speak TLS on this port"
            )

    def test_chosen_version(self) -> None:
        """A ServerHello says the version, whatever OpenSSL says of it."""
        for minor, newest in ((1, "1.0"), (2, "1.1")):
            for reason in ("unsupported protocol", "length mismatch"):
                self.assertEqual(
                    self.said(reason, server_hello(minor)),
                    f"it speaks TLS {newest} at most: set tls.min_version",
                )
        self.assertEqual(
            self.said("unsupported protocol", server_hello(0)),
            "it supports no TLS version that the gate supports",
        )

    def test_no_common_version(self) -> None:
        """A server that refuses all that was offered knows older ones only."""
        for min_version, older in zip(VERSIONS[1:], VERSIONS[:-1], strict=True):
            self.assertEqual(
                self.said("tlsv1 alert protocol version", ALERT, min_version),
                f"it speaks TLS {older} at most: set tls.min_version",
            )
        self.assertEqual(
            self.said("tlsv1 alert protocol version", ALERT, "1.0"),
            "it supports no TLS version that the gate supports",
        )

    def test_version_is_no_reason(self) -> None:
        """A version that is allowed, or one that can't be told, is not blamed."""
        for first, min_version in (
            (server_hello(2), "1.0"),
            (server_hello(1), "1.0"),
            (server_hello(3), "1.2"),
            (server_hello(3), "1.3"),
            (server_hello(1)[:9], "1.2"),
            (b"\x16", "1.2"),
            (b"", "1.2"),
        ):
            self.assertEqual(
                self.said("bad record mac", first, min_version),
                "the TLS handshake failed: bad record mac",
            )

    def test_weak(self) -> None:
        """Too little strength is said with what allows it."""
        for reason in (
            "dh key too small",
            "ca md too weak",
            "unsafe legacy renegotiation disabled",
        ):
            self.assertEqual(
                self.said(reason, server_hello(3)),
                f'its TLS is too weak ({reason}): set tls.ciphers = "DEFAULT:@SECLEVEL=0"',
            )

    def test_client_certificate(self) -> None:
        """A server that has chosen a cipher, and then fails, wants to know who the gate is."""
        reason = "sslv3 alert handshake failure"
        self.assertEqual(
            self.said(reason, server_hello(3)),
            f"it does not accept the gate ({reason}): set client_certificate",
        )
        self.assertIn("it accepts no cipher", self.said(reason, ALERT))

    def test_others(self) -> None:
        """What can't be put better is said as OpenSSL does."""
        for reason, expected in (
            ("", "the TLS handshake failed: it closed the connection"),
            ("tls alert handshake failure", "set tls.ciphers"),
            ("tlsv13 alert certificate required", "set client_certificate"),
            ("a, b", "the TLS handshake failed: a, b"),
        ):
            self.assertIn(expected, self.said(reason))
