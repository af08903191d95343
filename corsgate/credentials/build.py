"""From credentials as they are configured to what signs requests with them."""

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
        credentials: What the configuration says, or None where nothing is to be added.
        rng: Answers as many unpredictable bytes as it is asked for, such as
            ``secrets.token_bytes``.

    Returns:
        A new signer that has learned nothing yet, or None.
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
