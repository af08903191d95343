"""Parse authentication fields: WWW-Authenticate, Authorization and Authentication-Info."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import attrs

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"

# Neither form allows control characters, so a parsed value can't break the field it is put into.
_QUOTED = rb'"((?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*)"'
# More than a token: real servers send `domain=/` and the like without quotes.
_BARE = rb"[\x21\x23-\x2b\x2d-\x7e]+"

_SEPARATOR = re.compile(rb"[ \t,]*")
_PARAMETER = re.compile(
    rb"(" + _TOKEN + rb")[ \t]*=[ \t]*(?:" + _QUOTED + rb"|(" + _BARE + rb"))(?=[ \t,]|\Z)"
)
_SCHEME = re.compile(rb"(" + _TOKEN + rb")(?=[ \t,]|\Z)(?![ \t]*=)")
_TOKEN68 = re.compile(rb"[ \t]+([0-9A-Za-z._~+/-]+=*)(?=[ \t]*(?:,|\Z))")
# Servers offer only a few. Parsing a challenge costs a hundred times as much as receiving it.
_MOST_BYTES = 8 * 1024
_MOST_CHALLENGES = 32

_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)
_TO_ESCAPE = re.compile(rb'(["\\])')


@attrs.frozen(kw_only=True)
class Challenge:
    """A scheme with its parameters (RFC 9110 11.3); a request's credentials have the same form.

    Attributes:
        scheme: The scheme's name, lower-cased.
        parameters: The values, unquoted, by lower-cased name.
        token68: The opaque token that schemes such as Negotiate have instead, or None.
    """

    scheme: bytes
    parameters: Mapping[bytes, bytes] = attrs.field(factory=dict, repr=False)
    token68: bytes | None = attrs.field(default=None, repr=False)


def parse_challenges(values: Iterable[bytes]) -> list[Challenge]:
    """Return the challenges of one message that can be parsed.

    A syntax error ends the parsing of its field, because the start of the next challenge is then
    unknown. The challenge with the error is left out. So is everything after the first 8 KiB, and
    after the first 32 challenges of a field. A challenge with a repeated parameter is also left
    out, because each name may occur only once (RFC 9110 11.2).

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
    """Return the parameters of a field without a scheme (Authentication-Info, RFC 7615 3).

    Args:
        value: The field's value.

    Returns:
        The values, unquoted, by lower-cased name; empty on a syntax error or a repeated name.
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
    """Return the value as a quoted-string (RFC 9110 5.6.4).

    Args:
        value: Any bytes except control characters.
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
        # A parameter is tried first: only the `=` distinguishes its name from that of a scheme.
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
    """Return the start of the next element; empty elements are skipped (RFC 9110 5.6.1.2)."""
    match = _SEPARATOR.match(value, position)
    return match.end() if match else position


def _add(parameters: dict[bytes, bytes], match: re.Match[bytes]) -> bool:
    """Add a match of `_PARAMETER`; return False for a repeated name."""
    name, in_quotes, bare = match[1].lower(), match[2], match[3]
    if name in parameters:
        return False
    parameters[name] = bare if in_quotes is None else _QUOTED_PAIR.sub(rb"\1", in_quotes)
    return True
