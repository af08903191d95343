"""Authentication schemes that authenticate a whole connection with all its requests.

NTLM and Negotiate (RFC 4559) exchange tokens in several requests of one connection. After that,
every request on the connection counts as one of the authenticated user.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from corsgate.message.headers import HeaderList

WITHHELD_CHALLENGES = frozenset((b"www-authenticate", b"authentication-info"))
"""The fields of a response to credentials that the gate itself has added. A browser that sees the
challenge asks its user for a password."""

# Some servers offer Negotiate as Kerberos or Nego2; CredSSP is used by WinRM.
_SCHEMES = rb"(?:credssp|kerberos|nego2|negotiate|ntlm)"

# Lenient, as a server may be: any white space may precede the scheme, and anything may follow it.
# If a scheme is missed here, the next user of the connection inherits the authentication.
_CREDENTIALS = re.compile(rb"(?:^|,)[^!-~]*" + _SCHEMES, re.IGNORECASE)

_CHALLENGE = re.compile(rb"(?:^|,)[^!-~]*" + _SCHEMES + rb"(?![!#$%&'*+.^_`|~0-9A-Za-z-])", re.I)
_TOKEN_CHALLENGE = re.compile(rb"(?:^|,)[^!-~]*" + _SCHEMES + rb"[ \t]+[^ \t,=]", re.IGNORECASE)
_QUOTED = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)

# A member of the list: a parameter, or a scheme with its token or its first parameter.
_MEMBER = re.compile(rb'(?:[^",]+|"(?:[^"\\]|\\.)*")+', re.DOTALL)
_SCHEME = re.compile(rb"[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:[ \t]+(?![ \t=])|[ \t]*\Z)")
_BOUND_SCHEME = re.compile(_SCHEMES, re.IGNORECASE)


def credentials_bind(values: Iterable[bytes]) -> bool:
    """Return whether a request's credentials authenticate its connection.

    Args:
        values: The values of its Authorization fields.
    """
    return any(_CREDENTIALS.search(value) for value in values)


def challenge_binds(values: Iterable[bytes]) -> bool:
    """Return whether a challenge is a step of a handshake, which is bound to its connection.

    Args:
        values: The values of a response's WWW-Authenticate fields.

    Returns:
        Whether one of the schemes has a token. A bare ``Negotiate`` is only an offer.
    """
    return any(_TOKEN_CHALLENGE.search(_QUOTED.sub(b'""', value)) for value in values)


def without_connection_challenges(headers: HeaderList) -> HeaderList:
    """Return the fields of a response without the challenges that bind a connection.

    Args:
        headers: The fields.

    Returns:
        The same list if it has no such challenge. Otherwise a new list, without the fields that
        have no other challenge.
    """
    if not any(name.lower() == b"www-authenticate" for name, _ in headers):
        return headers
    kept = []
    for name, value in headers:
        left = _other_challenges(value) if name.lower() == b"www-authenticate" else value
        if left is not None:
            kept.append((name, left))
    return kept


def _other_challenges(value: bytes) -> bytes | None:
    """Return the other challenges of a WWW-Authenticate field's value; None if there are none."""
    unquoted = _QUOTED.sub(b'""', value)
    if not _CHALLENGE.search(unquoted):
        return value
    if b'"' in unquoted.replace(b'""', b""):
        # An unterminated quoted string: parsers differ on where the next challenge begins.
        return None
    members: list[bytes] = []
    dropping = False
    for member in _MEMBER.findall(value):
        scheme = _SCHEME.match(member)
        if scheme is not None:
            dropping = _BOUND_SCHEME.fullmatch(scheme[1]) is not None
        if not dropping and member.strip(b" \t"):
            members.append(member.strip(b" \t"))
    return b", ".join(members) or None
