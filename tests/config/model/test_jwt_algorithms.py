"""Tests of `corsgate.config.model.jwt_algorithms`."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.jwt_algorithms import ALGORITHMS, algorithms_of, check_algorithm
from tests.config.support import fault_of

P256 = ec.generate_private_key(ec.SECP256R1())


class AlgorithmTests(SynchronousTestCase):
    def test_of_keys(self) -> None:
        """Each kind of key has its algorithms, the usual one first."""
        keys = (
            (rsa.generate_private_key(65537, 2048), ("RS256", "PS256")),
            (P256, ("ES256",)),
            (ec.generate_private_key(ec.SECP384R1()), ("ES384",)),
            (ec.generate_private_key(ec.SECP521R1()), ("ES512",)),
            (ec.generate_private_key(ec.SECP256K1()), ()),
            (ed25519.Ed25519PrivateKey.generate(), ()),
        )
        for key, fitting in keys:
            self.assertEqual(algorithms_of(key), fitting)
            self.assertLessEqual(set(fitting), set(ALGORITHMS))

    def test_faults(self) -> None:
        """What doesn't fit is a fault that says what would."""
        self.assertEqual(
            fault_of(check_algorithm, "RS256", P256),
            '"RS256" does not fit the private key; remove it, or write "ES256"',
        )
        self.assertIn(
            "make an RSA key", fault_of(check_algorithm, None, ed25519.Ed25519PrivateKey.generate())
        )
        self.assertEqual(fault_of(check_algorithm, None, P256), "")
