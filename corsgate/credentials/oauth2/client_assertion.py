"""Assertions by which a client proves its identity to a token server (RFC 7523 2.2 and 3)."""

from __future__ import annotations

from importlib.util import find_spec

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from corsgate.config.model.jwt_algorithms import algorithms_of
from corsgate.config.model.oauth2 import OAuth2Credentials

LIFETIME_S = 60
"""For how many seconds an assertion is valid, which allows for a token server's clock ahead."""

BACKDATED_S = 10
"""How many seconds ago an assertion claims to be issued, for a token server's clock behind. Some
servers reject an ``iat`` in the future."""


def has_jose() -> bool:
    """Return whether joserfc, which signs assertions, is installed."""
    return find_spec("joserfc") is not None


def client_assertion(credentials: OAuth2Credentials, now_s: float, unique: bytes) -> str:
    """Return a signed assertion for one token request.

    Args:
        credentials: Credentials with a private key.
        now_s: The time in seconds since 1970.
        unique: Unpredictable bytes, with which the token server detects a replay.
    """
    # Import the library only here, because it is an optional dependency.
    from joserfc import jwt
    from joserfc.jwk import ECKey, RSAKey

    key = credentials.signing_key
    algorithm = credentials.algorithm or algorithms_of(key)[0]
    header = {"alg": algorithm, "typ": "JWT"}
    if credentials.key_id is not None:
        header["kid"] = credentials.key_id
    claims: dict[str, str | int] = {
        "iss": credentials.client_id,
        "sub": credentials.client_id,
        "aud": credentials.assertion_audience or credentials.token_url,
        "jti": unique.hex(),
        "iat": int(now_s) - BACKDATED_S,
        "exp": int(now_s) + LIFETIME_S,
    }
    # Pass the parsed key: joserfc would test the primes of an RSA key in PEM for up to 0.3 s.
    if isinstance(key, RSAPrivateKey):
        signer: RSAKey | ECKey = RSAKey(key, key)
    else:
        assert isinstance(key, EllipticCurvePrivateKey), "no other key passes check_algorithm"
        signer = ECKey(key, key)
    return jwt.encode(header, claims, signer, algorithms=[algorithm])
