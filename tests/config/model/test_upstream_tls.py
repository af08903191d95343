"""How TLS may be spoken with an upstream."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.upstream_tls import VERSIONS, WEAK_CIPHERS, UpstreamTls
from corsgate.errors import BadValue

PIN = f"sha256/{'A' * 43}="


class UpstreamTlsTests(SynchronousTestCase):
    def test_default(self) -> None:
        """By default there is nothing old, weak or pinned."""
        tls = UpstreamTls()
        self.assertEqual((tls.min_version, tls.cipher_list, tls.pin), ("1.2", None, ()))
        self.assertEqual((tls.is_old, tls.is_weak), (False, False))

    def test_versions(self) -> None:
        """Old versions need weak signatures; no others do."""
        for version in VERSIONS:
            tls, old = UpstreamTls(min_version=version), version in ("1.0", "1.1")
            self.assertEqual((tls.is_old, tls.is_weak), (old, old))
            self.assertEqual(tls.cipher_list, WEAK_CIPHERS if old else None)

    def test_ciphers(self) -> None:
        """What is written is what counts, of its level the lowest."""
        for ciphers, weak in (
            ("DEFAULT", False),
            ("ECDHE-RSA-AES128-SHA:@SECLEVEL=1", True),
            ("DEFAULT:@SECLEVEL=2", False),
            ("DEFAULT:@SECLEVEL=0:@SECLEVEL=3", True),
        ):
            tls = UpstreamTls(ciphers=ciphers)
            self.assertEqual((tls.cipher_list, tls.is_weak), (ciphers, weak))

    def test_ciphers_of_old_versions(self) -> None:
        """Old versions work with the ciphers that are written, unless their level is, too."""
        for ciphers, expected in (
            ("AES128-SHA", "AES128-SHA:@SECLEVEL=0"),
            ("AES128-SHA:@SECLEVEL=1", "AES128-SHA:@SECLEVEL=1"),
        ):
            tls = UpstreamTls(min_version="1.0", ciphers=ciphers)
            self.assertEqual(tls.cipher_list, expected)

    def test_faults(self) -> None:
        """Values that can't be meant."""
        for field, values in {
            "min_version": ("", "1", "1.4", "SSLv3", "TLSv1.2"),
            "ciphers": ("", "AES128-SHA AES256-SHA", "A\nB", "A;B", "\u00e9"),
            "pin": (
                *("", "sha256/", PIN[7:], PIN.replace("256", "1"), PIN[:-1], f"{PIN}="),
                *(PIN.replace("A=", "A"), f"sha256/{'A' * 44}", f"sha256/{'_' * 43}=", f" {PIN}"),
            ),
        }.items():
            for value in values:
                given = (value,) if field == "pin" else value
                self.assertRaises(BadValue, UpstreamTls, **{field: given})
        self.assertEqual(UpstreamTls(pin=(PIN,)).pin, (PIN,))
