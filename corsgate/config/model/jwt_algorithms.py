"""The JWS algorithms with which a private key can sign (RFC 7518 3.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from corsgate.config.model import rules
from corsgate.errors import BadValue

if TYPE_CHECKING:
    from corsgate.config.model.certificates import PrivateKey

ALGORITHMS = ("RS256", "PS256", "ES256", "ES384", "ES512")
"""The algorithms that can be configured."""

_OF_CURVE = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


def algorithms_of(key: PrivateKey) -> tuple[str, ...]:
    """Return the algorithms that fit a key, the usual one first; empty if there are none."""
    # The module must also load if cryptography is not installed.
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    if isinstance(key, RSAPrivateKey):
        return ("RS256", "PS256")
    if isinstance(key, EllipticCurvePrivateKey) and key.curve.name in _OF_CURVE:
        return (_OF_CURVE[key.curve.name],)
    return ()


def check_algorithm(algorithm: str | None, key: PrivateKey) -> None:
    """Reject an algorithm that does not fit a key, and a key that no algorithm fits.

    Args:
        algorithm: The algorithm; None for the key's usual one.
        key: The key.

    Raises:
        BadValue: They don't fit. The message shows no part of the key.
    """
    fitting = algorithms_of(key)
    if not fitting:
        raise BadValue(
            "no algorithm for assertions fits this kind of private key",
            "make an RSA key, or an EC key of P-256, P-384 or P-521",
        )
    if algorithm is not None and algorithm not in fitting:
        raise BadValue(
            f"{rules.show(algorithm)} does not fit the private key",
            f"remove it, or write {rules.one_of(fitting)}",
        )
