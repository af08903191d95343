"""Servers whose key is pinned: exactly that key, and nothing else of the certificate counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from OpenSSL.crypto import X509

from corsgate.config.model.upstream_tls import UpstreamTls
from corsgate.upstream.certificates import pin_of
from tests.certificates import DAY, Authority, Issued, self_signed
from tests.upstream.test_tls import AUTHORITY, TlsTestCase

EXPIRED: Mapping[str, Any] = {"starts": -DAY * 9, "ends": -DAY}


def pin(issued: Issued) -> UpstreamTls:
    """Return the settings that pin a certificate's key."""
    return UpstreamTls(pin=(pin_of(X509.from_cryptography(issued.certificate)),))


class PinTests(TlsTestCase):
    """What a pin accepts and refuses, in the handshake with a real server."""

    async def test_accepted(self) -> None:
        """The pinned key is accepted, whoever says whatever about it."""
        other = Authority.make()
        for issued in (
            self_signed("box"),
            self_signed("box", **EXPIRED),
            self_signed("box", "other.test"),
            self_signed("box", starts=DAY, ends=DAY * 2),
            other.issue(common_name="localhost"),
            other.issue("localhost", **EXPIRED),
            AUTHORITY.issue("other.test"),
        ):
            await self.answered("localhost", issued.context(), None, tls=pin(issued))
            await self.end()

    async def test_kinds_of_keys(self) -> None:
        """It is the same for keys of each kind; one that is short has to be allowed as well."""
        for key in (rsa.generate_private_key(65537, 2048), ed25519.Ed25519PrivateKey.generate()):
            issued = self_signed("box", key=key)
            await self.answered("localhost", issued.context(), None, tls=pin(issued))
            await self.end()
        short = self_signed("box", key=rsa.generate_private_key(65537, 1024))
        await self.answered("localhost", short.context(level=0), None, tls=pin(short))

    async def test_refused(self) -> None:
        """Any other key is refused, however good its certificate is."""
        pinned = pin(self_signed("box"))
        for issued in (
            self_signed("box"),
            AUTHORITY.issue("localhost"),
            AUTHORITY.issue("localhost", common_name="box"),
        ):
            said = await self.refused("localhost", issued.context(), AUTHORITY.pem, tls=pinned)
            (shown,) = pin(issued).pin
            self.assertIn(f"its key is {shown}, which is not in tls.pin", said)

    async def test_several(self) -> None:
        """Each of several pinned keys is accepted, so that a box may get a new one."""
        issued = self_signed("new")
        pinned = UpstreamTls(pin=(*pin(self_signed("old")).pin, *pin(issued).pin))
        await self.answered("localhost", issued.context(), None, tls=pinned)

    async def test_authority_is_not_its_subject(self) -> None:
        """A pin of the authority's key doesn't accept what the authority has issued."""
        pinned = pin(Issued(certificate=AUTHORITY.certificate, key=AUTHORITY.key))
        chain = AUTHORITY.issue("localhost").context(AUTHORITY.certificate)
        await self.refused("localhost", chain, AUTHORITY.pem, tls=pinned)

    async def test_pinned_key_further_up(self) -> None:
        """A chain that ends in the pinned key, but begins with another one, is refused."""
        issued = self_signed("box")
        await self.refused(
            "localhost", self_signed("x").context(issued.certificate), None, tls=pin(issued)
        )

    async def test_server_name(self) -> None:
        """A name is still sent along."""
        issued = self_signed("box")
        connection = await self.answered(
            "127.0.0.1", issued.context(), None, tls=pin(issued), server_name="box.test"
        )
        self.assertEqual(connection.get_servername(), b"box.test")
