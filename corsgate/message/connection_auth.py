"""Authentication schemes that authenticate a connection, and all requests on it, at once.

NTLM and Negotiate (RFC 4559) exchange tokens in several requests of one connection. What follows
on the connection is taken to come from the user who was authenticated, whatever it says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from corsgate.message.headers import HeaderList

# Kerberos and Nego2 are spellings of Negotiate that servers in use offer; CredSSP is WinRM's.
_SCHEMES = rb"(?:credssp|kerberos|nego2|negotiate|ntlm)"

# Lax, since a server may be: white space of any kind may stand before the scheme, and anything
# behind it. What is missed here would be authenticated for whoever gets the connection next.
_CREDENTIALS = re.compile(rb"(?:^|,)[^!-~]*" + _SCHEMES, re.IGNORECASE)

_CHALLENGE = re.compile(rb"(?:^|,)[^!-~]*" + _SCHEMES + rb"(?![!#$%&'*+.^_`|~0-9A-Za-z-])", re.I)
_TOKEN_CHALLENGE = re.compile(rb"(?:^|,)[^!-~]*" + _SCHEMES + rb"[ \t]+[^ \t,=]", re.IGNORECASE)
_QUOTED = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)

# A member of the list: a parameter, or a scheme's name with its token or its first parameter.
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
    """Return whether a challenge is a step of a handshake, which belongs to its connection.

    Args:
        values: The values of a response's WWW-Authenticate fields.

    Returns:
        Whether one of the schemes comes with a token. A bare ``Negotiate`` is an offer.
    """
    return any(_TOKEN_CHALLENGE.search(_QUOTED.sub(b'""', value)) for value in values)


def without_connection_challenges(headers: HeaderList) -> HeaderList:
    """Return the fields of a response without the challenges that bind a connection.

    Args:
        headers: The fields.

    Returns:
        The same list if it has no such challenge. Otherwise a new one; other challenges of a
        WWW-Authenticate field stay, and a field is left out if none does.
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
    """Return what is left of a WWW-Authenticate field's value; None if nothing is."""
    unquoted = _QUOTED.sub(b'""', value)
    if not _CHALLENGE.search(unquoted):
        return value
    if b'"' in unquoted.replace(b'""', b""):
        # A quotation without an end: readers differ on where the next challenge begins.
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
