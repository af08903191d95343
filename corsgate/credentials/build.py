"""Build the signer for configured credentials."""

from __future__ import annotations

from collections.abc import Callable

from corsgate.config.model.values import (
    BasicCredentials,
    BearerCredentials,
    Credentials,
    DigestCredentials,
    HeaderCredentials,
)
from corsgate.credentials.digest import DigestSigner
from corsgate.credentials.static import basic, bearer, header
from corsgate.interfaces import ICredentials


def build(credentials: Credentials | None, rng: Callable[[int], bytes]) -> ICredentials | None:
    """Return the signer for an upstream's credentials.

    Args:
        credentials: The configured credentials, or None.
        rng: Returns the requested number of unpredictable bytes, like ``secrets.token_bytes``.

    Returns:
        A new signer, or None without credentials.
    """
    match credentials:
        case None:
            return None
        case BasicCredentials():
            return basic(credentials)
        case BearerCredentials():
            return bearer(credentials)
        case DigestCredentials():
            return DigestSigner.of(credentials, rng)
        case HeaderCredentials():
            return header(credentials)
