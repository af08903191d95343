"""Build the signer for configured credentials."""

from __future__ import annotations

from corsgate.config.model.credentials import SingleCredentials, parts_of
from corsgate.config.model.oauth2 import OAuth2Credentials
from corsgate.config.model.values import (
    AutoCredentials,
    AwsCredentials,
    BasicCredentials,
    BearerCredentials,
    Credentials,
    DigestCredentials,
    HeaderCredentials,
    NtlmCredentials,
    QueryCredentials,
    SessionCredentials,
    SeveralCredentials,
)
from corsgate.credentials.auto import AutoSigner
from corsgate.credentials.aws import AwsSigner
from corsgate.credentials.combined import CombinedSigner
from corsgate.credentials.digest.signer import DigestSigner
from corsgate.credentials.means import Means
from corsgate.credentials.ntlm import NtlmSigner
from corsgate.credentials.oauth2.signer import OAuth2Signer
from corsgate.credentials.query import QuerySigner
from corsgate.credentials.rotating import RotatingCredentials, can_rotate
from corsgate.credentials.session.signer import SessionSigner
from corsgate.credentials.static import basic, bearer, header
from corsgate.interfaces import ICredentials


def build(credentials: Credentials | None, means: Means) -> ICredentials | None:
    """Return the signer for an upstream's credentials.

    Args:
        credentials: The configured credentials, or None.
        means: Time, randomness and I/O for them.

    Returns:
        A new signer, or None without credentials.
    """
    if credentials is None:
        return None
    if means.commands is not None and can_rotate(credentials):
        return RotatingCredentials(
            credentials, lambda each: _signer(each, means), means.commands, means.guard
        )
    return _signer(credentials, means)


def _signer(credentials: Credentials, means: Means) -> ICredentials:
    """Return the signer for credentials whose secrets don't change."""
    match credentials:
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
        case SessionCredentials():
            return SessionSigner(credentials, means)
        case OAuth2Credentials():
            return OAuth2Signer.of(credentials, means)
        case QueryCredentials():
            return QuerySigner.of(credentials)
        case AwsCredentials():
            return AwsSigner(credentials=credentials, wall_clock=means.wall_clock)
        case NtlmCredentials():
            return NtlmSigner(credentials, means)
        case SeveralCredentials():
            parts = sorted(credentials.parts, key=_rank)
            return CombinedSigner(parts=[_signer(part, means) for part in parts])


def _rank(part: SingleCredentials) -> int:
    """Return the sort key of credentials: those whose signature covers others' fields come last."""
    return 0 if isinstance(part, HeaderCredentials | QueryCredentials) else 1


def authenticates_connections(credentials: Credentials | None) -> bool:
    """Return whether credentials authenticate connections, and so need dedicated ones."""
    return any(isinstance(part, NtlmCredentials) for part in parts_of(credentials))
