"""TLS keys."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.adopt.tls import TlsLook, tls_keys


class TlsTests(SynchronousTestCase):
    """A server is verified whatever it shows."""

    def test_verified(self) -> None:
        """Nothing is needed."""
        self.assertEqual(tls_keys(TlsLook(version="1.3"), "ca.pem"), {})
        self.assertTrue(TlsLook(version="1.3").is_verified)

    def test_problems(self) -> None:
        """There is always a pin, an authority or a name; verification is never off."""
        pin = "sha256/x"
        found = {
            "pin": tls_keys(TlsLook(problem="self-signed", pin=pin), "ca.pem"),
            "ca": tls_keys(TlsLook(problem="p", pin=pin, authority_pem=b"x"), "ca.pem"),
            "name": tls_keys(TlsLook(problem="p", pin=pin, server_name="b"), "ca.pem"),
            "old": tls_keys(TlsLook(problem="p", pin=pin, version="1.0"), "ca.pem"),
            "weak": tls_keys(TlsLook(problem="p", pin=pin, needs_weak=True), "ca.pem"),
            "old, verified": tls_keys(TlsLook(version="1.0"), "ca.pem"),
        }
        weak = "DEFAULT:@SECLEVEL=0"
        self.assertEqual(found["pin"], {"tls": {"pin": [pin]}})
        self.assertEqual(found["ca"], {"ca": "ca.pem"})
        self.assertEqual(found["name"], {"server_name": "b"})
        self.assertEqual(found["old"], {"tls": {"min_version": "1.0", "pin": [pin]}})
        self.assertEqual(found["weak"], {"tls": {"ciphers": weak, "pin": [pin]}})
        self.assertEqual(found["old, verified"], {"tls": {"min_version": "1.0"}})
