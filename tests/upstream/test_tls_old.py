"""Servers that are old: possible on purpose, and not otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from OpenSSL.SSL import (
    TLS1_1_VERSION,
    TLS1_2_VERSION,
    TLS1_3_VERSION,
    TLS1_VERSION,
)
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.upstream_tls import WEAK_CIPHERS, UpstreamTls
from corsgate.errors import BadValue
from corsgate.upstream.tls import VerifyingCreator, trust_from_pem
from tests.certificates import Authority, Issued, key_pem, new_key, self_signed
from tests.programs import output, require
from tests.upstream.test_tls import AUTHORITY, TlsTestCase
from tests.upstream.test_tls_pins import pin

VERSIONS = {
    "1.0": TLS1_VERSION,
    "1.1": TLS1_1_VERSION,
    "1.2": TLS1_2_VERSION,
    "1.3": TLS1_3_VERSION,
}
SHORT = rsa.generate_private_key(65537, 1024)
WEAK = UpstreamTls(ciphers=WEAK_CIPHERS)


class VersionTests(TlsTestCase):
    """Servers that speak no version newer than a certain one."""

    def context(self, newest: str, key: Any = None) -> Any:
        """Return the context of a server that speaks this version at most."""
        return AUTHORITY.issue("localhost", key=key).context(newest=VERSIONS[newest], level=0)

    async def test_accepted(self) -> None:
        """An old version is spoken where it is allowed, and the newest one that both know."""
        long = rsa.generate_private_key(65537, 2048)
        for allowed, newest in (
            *(("1.0", each) for each in VERSIONS),
            *(("1.1", each) for each in ("1.1", "1.2", "1.3")),
            *(("1.2", each) for each in ("1.2", "1.3")),
            ("1.3", "1.3"),
        ):
            for key in (None, long):
                connection = await self.answered(
                    "localhost",
                    self.context(newest, key),
                    AUTHORITY.pem,
                    tls=UpstreamTls(min_version=allowed),
                )
                shown = connection.get_protocol_version_name()
                self.assertEqual(shown, {"1.0": "TLSv1"}.get(newest, f"TLSv{newest}"))
                await self.end()

    async def test_refused(self) -> None:
        """Without that it is refused, and the reason says what to set."""
        for allowed, newest in (("1.2", "1.1"), ("1.1", "1.0"), ("1.3", "1.2")):
            said = await self.refused(
                "localhost",
                self.context(newest),
                AUTHORITY.pem,
                tls=UpstreamTls(min_version=allowed),
            )
            self.assertIn(f"it speaks TLS {newest} at most: set tls.min_version", said)
        said = await self.refused("localhost", self.context("1.0"), AUTHORITY.pem)
        # Such a server refuses what it was offered without a word on what it knows itself.
        self.assertIn("it speaks TLS 1.1 at most: set tls.min_version", said)

    async def test_still_verified(self) -> None:
        """An old server is verified as any other one."""
        for issued in (Authority.make().issue("localhost"), AUTHORITY.issue("other.test")):
            context = issued.context(newest=TLS1_VERSION, level=0)
            await self.refused(
                "localhost", context, AUTHORITY.pem, tls=UpstreamTls(min_version="1.0")
            )


class StrengthTests(TlsTestCase):
    """Servers with short keys."""

    async def test_short_key(self) -> None:
        """A short key is refused, and accepted on purpose: the server's, or its issuer's too."""
        issued = AUTHORITY.issue("localhost", key=SHORT)
        context = issued.context(level=0)
        said = await self.refused("localhost", context, AUTHORITY.pem)
        self.assertIn("is too short: set tls.ciphers", said)
        await self.answered("localhost", context, AUTHORITY.pem, tls=WEAK)
        await self.end()
        await self.answered("localhost", context, AUTHORITY.pem, tls=UpstreamTls(min_version="1.0"))

    async def test_sha1(self) -> None:
        """A certificate that was signed with SHA-1 is refused, and accepted on purpose."""
        issued = await sha1_signed(Path(self.mktemp()))
        context = issued.context(level=0)
        said = await self.refused("localhost", context, AUTHORITY.pem)
        self.assertIn("has a signature that is too weak: set tls.ciphers", said)
        for tls in (WEAK, UpstreamTls(min_version="1.0"), pin(issued)):
            ca = None if tls.pin else AUTHORITY.pem
            await self.answered("localhost", context, ca, tls=tls)
            await self.end()

    async def test_still_verified(self) -> None:
        """One with a short key is verified as any other one."""
        issued = Authority.make().issue("localhost", key=SHORT)
        await self.refused("localhost", issued.context(level=0), AUTHORITY.pem, tls=WEAK)

    async def test_pinned(self) -> None:
        """A pinned key may be short where that is allowed."""
        issued = self_signed("box", key=SHORT)
        tls = UpstreamTls(ciphers=WEAK_CIPHERS, pin=pin(issued).pin)
        await self.answered("localhost", issued.context(level=0), None, tls=tls)
        await self.end()
        other = self_signed("box").context()
        await self.refused("localhost", other, None, tls=tls)

    async def test_no_certificate(self) -> None:
        """Ciphers by which nobody is verified are never used, whatever the list says."""
        for ciphers in ("ALL:aNULL:@SECLEVEL=0", "DEFAULT:aNULL:@SECLEVEL=0"):
            for pinned in ((), pin(self_signed("box")).pin):
                said = await self.refused(
                    "localhost",
                    AUTHORITY.issue("localhost").context(
                        newest=TLS1_2_VERSION, ciphers="aNULL:@SECLEVEL=0"
                    ),
                    AUTHORITY.pem,
                    tls=UpstreamTls(ciphers=ciphers, pin=pinned),
                )
                self.assertIn("it accepts no cipher that was offered", said)

    async def test_ciphers(self) -> None:
        """Only the ciphers that are listed are used."""
        one, other = "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"
        context = AUTHORITY.issue("localhost").context(newest=TLS1_2_VERSION, ciphers=one)
        connection = await self.answered(
            "localhost", context, AUTHORITY.pem, tls=UpstreamTls(ciphers=one)
        )
        self.assertEqual(connection.get_cipher_name(), one)
        await self.end()
        said = await self.refused(
            "localhost", context, AUTHORITY.pem, tls=UpstreamTls(ciphers=other)
        )
        self.assertIn("it accepts no cipher that was offered: set tls.ciphers", said)


class CreatorTests(SynchronousTestCase):
    def test_unknown_ciphers(self) -> None:
        """Ciphers of which OpenSSL can use none are a fault before the first connection."""
        trust = trust_from_pem(AUTHORITY.pem)
        with self.assertRaises(BadValue) as caught:
            VerifyingCreator("a.test", trust, tls=UpstreamTls(ciphers="NO-SUCH-CIPHER"))
        self.assertIn('"NO-SUCH-CIPHER" leaves no cipher', caught.exception.problem)


async def sha1_signed(directory: Path) -> Issued:
    """Return a certificate for localhost that the authority has signed with SHA-1.

    The library that makes the others refuses to.
    """
    openssl, key = require("openssl", "openssl"), new_key()
    directory.mkdir()
    names = {"ca.pem": AUTHORITY.pem, "ca-key.pem": key_pem(AUTHORITY.key), "key.pem": key_pem(key)}
    names["names"] = b"subjectAltName = DNS:localhost\n"
    for name, content in names.items():
        (directory / name).write_bytes(content)
    at = {name: str(directory / name) for name in (*names, "request", "made.pem")}
    await output(
        openssl,
        ["req", "-new", "-subj", "/CN=x", "-key", at["key.pem"], "-out", at["request"]],
    )
    said = await output(
        openssl,
        [
            *("x509", "-req", "-sha1", "-in", at["request"], "-out", at["made.pem"]),
            *("-CA", at["ca.pem"], "-CAkey", at["ca-key.pem"], "-CAcreateserial", "-days", "9"),
            *("-extfile", at["names"]),
        ],
    )
    try:
        made = x509.load_pem_x509_certificate((directory / "made.pem").read_bytes())
    except FileNotFoundError:
        raise AssertionError(said) from None
    assert made.signature_hash_algorithm is not None
    assert made.signature_hash_algorithm.name == "sha1"
    return Issued(certificate=made, key=key)
