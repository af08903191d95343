"""Build the signer for configured credentials."""

from __future__ import annotations

from corsgate.config.model.values import (
    AutoCredentials,
    BasicCredentials,
    BearerCredentials,
    Credentials,
    DigestCredentials,
    HeaderCredentials,
)
from corsgate.credentials.auto import AutoSigner
from corsgate.credentials.digest import DigestSigner
from corsgate.credentials.means import Means
from corsgate.credentials.static import basic, bearer, header
from corsgate.interfaces import ICredentials


def build(credentials: Credentials | None, means: Means) -> ICredentials | None:
    """Return the signer for an upstream's credentials.

    Args:
        credentials: The configured credentials, or None.
        means: What they may use of the outside world.

    Returns:
        A new signer, or None without credentials.
    """
    match credentials:
        case None:
            return None
        case AutoCredentials():
            return AutoSigner.of(credentials, means)
        case BasicCredentials():
            return basic(credentials)
        case BearerCredentials():
            return bearer(credentials)
        case DigestCredentials():
            return DigestSigner.of(credentials, means)
        case HeaderCredentials():
            return header(credentials)
