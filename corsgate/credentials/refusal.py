"""Describe why a server refused the gate's credentials, and what it asks for instead."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from types import MappingProxyType
from typing import Final

from corsgate.config.model.credentials import (
    AutoCredentials,
    Credentials,
    HeaderCredentials,
    QueryCredentials,
    SeveralCredentials,
    parts_of,
)
from corsgate.config.model.oauth2 import OAuth2Credentials
from corsgate.config.model.secret import secrets_of
from corsgate.config.model.session import SessionCredentials
from corsgate.credentials.auth_fields import Challenge, challenges_of
from corsgate.credentials.echoed_secrets import repeats
from corsgate.message.headers import Header

REFUSED: Final = frozenset((401, 403))
"""The statuses with which servers refuse credentials (RFC 9110 15.5.2 and 15.5.4)."""

MAX_SHOWN: Final = 40
"""How many characters of a server's own text, such as a scheme or a realm, are shown."""

KIND_OF_SCHEME: Final = MappingProxyType(
    {b"digest": "digest", b"basic": "basic", b"ntlm": "ntlm", b"negotiate": "ntlm",
     b"bearer": "bearer"}
)  # fmt: skip
"""The kind of credentials for each lower-cased scheme of a challenge, the best kind first."""

_MOST_SCHEMES = 4
_USUAL = {
    name.lower().encode(): name for name in ("Basic", "Digest", "Bearer", "Negotiate", "NTLM")
}
# RFC 6750 3.1, RFC 9449 7.1 and 9, RFC 9470 3. Any other text may repeat a token.
_ERRORS = {
    name.encode(): name
    for name in (
        *("invalid_request", "invalid_token", "insufficient_scope"),
        *("invalid_dpop_proof", "use_dpop_nonce", "insufficient_user_authentication"),
    )
}
_LONG_WORD = re.compile(rb"[A-Za-z0-9+/=_-]{20}")
# The lower-cased scheme of a kind, if that has another name.
_SCHEMES = {"oauth2": "bearer"}
_REFUSED_BY_403 = frozenset(("header", "query", "aws_sigv4"))
"""The kinds that many servers refuse with 403 if the secret is wrong."""

_WRONG = {
    "basic": "the user name or the password is probably wrong",
    "digest": "the user name or the password is probably wrong",
    "ntlm": "the user name, the password or the domain is probably wrong",
    "auto": "the user name or the password is probably wrong",
    "bearer": "the token is probably wrong or has expired",
    "oauth2": "the token is probably for another API, or lacks a scope",
}


def kind_of(credentials: Credentials) -> str:
    """Return the kind of credentials as in ``type``, or in words with the name of a header."""
    match credentials:
        case HeaderCredentials():
            return f"the header {credentials.name}"
        case QueryCredentials():
            return f"the parameter {credentials.name}"
        case AutoCredentials():
            return " or ".join(credentials.allow)
        case SessionCredentials():
            return "a login session"
        case SeveralCredentials():
            return " and ".join(map(kind_of, credentials.parts))
    return credentials.kind


def refusal_words(
    credentials: Credentials, status: int, headers: Iterable[Header], *, signed: bool = True
) -> str:
    """Return why a server probably refused a request with the gate's credentials.

    Args:
        credentials: The credentials of the server's upstream.
        status: The response's status, one of `REFUSED`.
        headers: Its fields, whose text is shortened and shown as printable ASCII.
        signed: Whether the request carried the credentials. Digest waits for a challenge.

    Returns:
        One line without a secret.
    """
    kind = kind_of(credentials)
    asked = challenges_of(headers)
    error = _error(asked)
    if status == 403 and not signed:
        return (
            f"the server responded 403 without asking for credentials: the gate has {kind}, which"
            " waits for a challenge"
        )
    if status == 403:
        is_key = any(part.kind in _REFUSED_BY_403 for part in parts_of(credentials))
        wrong = "be wrong, or " if is_key else ""
        return (
            f"the server responded 403 although it got the gate's credentials ({kind}): they may"
            f" {wrong}lack the right to this resource{error}"
        )
    if not asked:
        sent = "got" if signed else "did not wait for"
        return (
            f"the server refused the gate's credentials: it {sent} {kind}, and does not say what it"
            " asks for"
        )
    kinds = _kinds_by_scheme(credentials)
    same = [each for each in asked if each.scheme.decode("ascii") in kinds]
    if not same:
        return (
            f"the server refused the gate's credentials: it asks for"
            f" {_schemes(credentials, asked)}, the gate has {kind}"
        )
    shown = f"{_schemes(credentials, same)}{_realm(credentials, same[0])}"
    if not signed:
        return (
            f"the server refused the gate's credentials: it asks for {shown} in a way that the gate"
            " can't answer"
        )
    return (
        f"the server refused the gate's credentials: it asks for {shown}, which the gate has:"
        f" {_WRONG[kinds[same[0].scheme.decode('ascii')]]}{error}"
    )


def kind_asked(headers: Iterable[Header]) -> str | None:
    """Return the best kind of credentials for a server's challenges; None if none is suitable.

    Args:
        headers: The fields of a 401.
    """
    schemes = {each.scheme for each in challenges_of(headers)}
    return next((kind for scheme, kind in KIND_OF_SCHEME.items() if scheme in schemes), None)


def asked_words(headers: Iterable[Header]) -> str:
    """Return the schemes that a server asks for, and the first realm, as printable ASCII.

    Args:
        headers: The fields of a 401.
    """
    asked = challenges_of(headers)
    realms = (realm for each in asked if (realm := _realm(None, each)))
    return _schemes(None, asked) + next(realms, "")


def _kinds_by_scheme(credentials: Credentials) -> dict[str, str]:
    """Return the kind of credentials for each lower-cased authentication scheme."""
    found: dict[str, str] = {}
    for part in parts_of(credentials):
        if isinstance(part, AutoCredentials):
            found |= dict.fromkeys(part.allow, part.kind)
        elif isinstance(part, SessionCredentials) and part.basic and not part.login_url:
            found["basic"] = "basic"
        elif part.kind in _WRONG:
            found[_SCHEMES.get(part.kind, part.kind)] = part.kind
    return found


def _schemes(credentials: Credentials | None, challenges: Sequence[Challenge]) -> str:
    """Return the names of the schemes that a server asks for, without duplicates."""
    names = list(dict.fromkeys(each.scheme for each in challenges))
    shown = dict.fromkeys(
        _USUAL.get(name) or (_shown(name) if _may_show(credentials, name) else "an unknown scheme")
        for name in names[:_MOST_SCHEMES]
    )
    more = len(names) - _MOST_SCHEMES
    return " or ".join(shown) + (f" or {more} more" if more > 0 else "")


def _realm(credentials: Credentials | None, challenge: Challenge) -> str:
    realm = challenge.parameters.get(b"realm")
    return f' (realm "{_shown(realm)}")' if realm and _may_show(credentials, realm) else ""


def _may_show(credentials: Credentials | None, word: bytes) -> bool:
    """Return whether a server's text certainly repeats no secret that the server got.

    Tokens, cookies and the new output of a command are not known here. So no text is shown if a
    server may have got these. Nor is a long word, which may be a hash or an NTLM message.

    Args:
        credentials: The credentials that it got; None if it got none.
        word: The text.
    """
    word = word[:MAX_SHOWN]
    if _LONG_WORD.search(word):
        return False
    if any(
        isinstance(each, OAuth2Credentials | SessionCredentials) for each in parts_of(credentials)
    ):
        return False
    secrets = list(secrets_of(credentials))
    return not any(each.command for each in secrets) and not repeats(
        word.decode("latin-1"), (each.reveal() for each in secrets)
    )


def _error(challenges: Sequence[Challenge]) -> str:
    """Return the error that a challenge names (RFC 6750 3), in parentheses."""
    for each in challenges:
        error = _ERRORS.get(each.parameters.get(b"error", b""))
        if error is not None:
            return f" ({error})"
    return ""


def _shown(word: bytes) -> str:
    """Return a server's text, shortened, as printable ASCII without quotes."""
    text = "".join(chr(c) if 0x20 <= c <= 0x7E and c not in b'"\\' else "?" for c in word)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
