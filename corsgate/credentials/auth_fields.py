"""The grammar of authentication fields: WWW-Authenticate, Authorization, Authentication-Info."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import attrs

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"

# Control characters are in neither form, so no value read here can break a field it is put into.
_QUOTED = rb'"((?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*)"'
# Wider than a token: servers in use send `domain=/` and the like without quotes.
_BARE = rb"[\x21\x23-\x2b\x2d-\x7e]+"

_SEPARATOR = re.compile(rb"[ \t,]*")
_PARAMETER = re.compile(
    rb"(" + _TOKEN + rb")[ \t]*=[ \t]*(?:" + _QUOTED + rb"|(" + _BARE + rb"))(?=[ \t,]|\Z)"
)
_SCHEME = re.compile(rb"(" + _TOKEN + rb")(?=[ \t,]|\Z)(?![ \t]*=)")
_TOKEN68 = re.compile(rb"[ \t]+([0-9A-Za-z._~+/-]+=*)(?=[ \t]*(?:,|\Z))")
# No server offers more than a few; reading one costs a hundred times what its bytes do.
_MOST_BYTES = 8 * 1024
_MOST_CHALLENGES = 32

_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)
_TO_ESCAPE = re.compile(rb'(["\\])')


@attrs.frozen(kw_only=True)
class Challenge:
    """One scheme with what it says (RFC 9110 11.3); a request's credentials have the same form.

    Attributes:
        scheme: The scheme's name, lower-cased.
        parameters: The values, unquoted, by lower-cased name.
        token68: The one opaque token that schemes such as Negotiate have instead, or None.
    """

    scheme: bytes
    parameters: Mapping[bytes, bytes] = attrs.field(factory=dict, repr=False)
    token68: bytes | None = attrs.field(default=None, repr=False)


def parse_challenges(values: Iterable[bytes]) -> list[Challenge]:
    """Return the challenges of one message, reading what can be read.

    Junk ends the reading of its field: the challenge that it stands in is left out, and so is all
    that follows, since nothing tells where the next challenge begins. So is what comes behind the
    first 8 KiB, and behind the first 32 challenges of a field. A challenge that gives a
    parameter twice is left out too: such a name may occur only once (RFC 9110 11.2).

    Args:
        values: The values of all fields of the name, in order.

    Returns:
        The challenges in order.
    """
    challenges: list[Challenge] = []
    left = _MOST_BYTES
    for value in values:
        left -= len(value)
        if left < 0 or len(challenges) >= _MOST_CHALLENGES:
            break
        challenges += _parse_field(value)
    return challenges


def parse_parameters(value: bytes) -> dict[bytes, bytes]:
    """Return the parameters of a field that names no scheme (Authentication-Info, RFC 7615 3).

    Args:
        value: The field's value.

    Returns:
        The values, unquoted, by lower-cased name; nothing at all where it has junk or a name twice.
    """
    parameters: dict[bytes, bytes] = {}
    position = _skip(value, 0)
    while position < len(value):
        match = _PARAMETER.match(value, position)
        if match is None or not _add(parameters, match):
            return {}
        position = _skip(value, match.end())
    return parameters


def quoted(value: bytes) -> bytes:
    """Return the value as a quoted-string (RFC 9110 5.6.4), which must have no control character.

    Args:
        value: Any bytes but control characters.
    """
    return b'"' + _TO_ESCAPE.sub(rb"\\\1", value) + b'"'


def _parse_field(value: bytes) -> list[Challenge]:
    """Return the challenges of one field."""
    challenges: list[Challenge] = []
    scheme: bytes | None = None
    parameters: dict[bytes, bytes] = {}
    sound = True
    position = _skip(value, 0)
    while position < len(value) and len(challenges) < _MOST_CHALLENGES:
        # A parameter is tried first: only the `=` after it tells it from a scheme's name.
        if scheme is not None and (match := _PARAMETER.match(value, position)):
            sound = _add(parameters, match) and sound
        elif match := _SCHEME.match(value, position):
            if scheme is not None and sound:
                challenges.append(Challenge(scheme=scheme, parameters=parameters))
            scheme, parameters, sound = match[1].lower(), {}, True
            if token68 := _TOKEN68.match(value, match.end()):
                challenges.append(Challenge(scheme=scheme, token68=token68[1]))
                scheme, match = None, token68
        else:
            return challenges
        position = _skip(value, match.end())
    if scheme is not None and sound:
        challenges.append(Challenge(scheme=scheme, parameters=parameters))
    return challenges


def _skip(value: bytes, position: int) -> int:
    """Return where the next element begins: empty ones are passed over (RFC 9110 5.6.1.2)."""
    match = _SEPARATOR.match(value, position)
    return match.end() if match else position


def _add(parameters: dict[bytes, bytes], match: re.Match[bytes]) -> bool:
    """Add what `_PARAMETER` matched; answer False where the name was there already."""
    name, in_quotes, bare = match[1].lower(), match[2], match[3]
    if name in parameters:
        return False
    parameters[name] = bare if in_quotes is None else _QUOTED_PAIR.sub(rb"\1", in_quotes)
    return True
