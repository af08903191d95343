"""Parse authentication fields: WWW-Authenticate, Authorization and Authentication-Info."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import attrs

from corsgate.message.headers import Header

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"

# No form allows control characters, so a parsed value can't break the field it is put into.
_QUOTED = rb'"((?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*)'
# More than a token: real servers send `domain=/` and the like without quotes.
_BARE = rb"[\x21\x23-\x2b\x2d-\x7e\x80-\xff]+"
# A name of several words, such as `realm=My Router`; a word before `=` is the next parameter.
_WORDS = _BARE + rb"(?:[ \t]+(?![^ \t\",=]+[ \t]*=)[^ \t\",=]+)*"
_EMPTY_BEFORE_ANOTHER = rb"(?=[ \t]+" + _TOKEN + rb"[ \t]*=[ \t]*\")"

_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_SEPARATOR = re.compile(rb"[ \t,;]*")
_STRICT_PARAMETER = re.compile(
    rb"(" + _TOKEN + rb")[ \t]*=[ \t]*(?:" + _QUOTED + rb'"|(' + _BARE + rb"))(?=[ \t,]|\Z)"
)
_PARAMETER = re.compile(
    rb"("
    + _TOKEN
    + rb")[ \t]*=(?:[ \t]*"
    + _QUOTED
    + rb'(?:"|\Z)|'
    + _EMPTY_BEFORE_ANOTHER
    + rb"|[ \t]*("
    + _WORDS
    + rb")|[ \t]*(?![ \t\"]))"
)
_SCHEME = re.compile(rb"(" + _TOKEN + rb")(?=[ \t,]|\Z)(?![ \t]*=)")
_TOKEN68 = re.compile(rb"[ \t]+([0-9A-Za-z._~+/-]+=*)(?=[ \t]*(?:,|\Z))")
_JUNK = re.compile(rb"[^,]*")
# These schemes have no token68, so `realm=` is a parameter without a value.
_WITHOUT_TOKEN68 = frozenset((b"basic", b"digest"))
_PROTECTIONS = frozenset((b"auth", b"auth-int", b"auth-conf"))
# Real servers offer only a few challenges. Parsing a challenge costs a hundred times as much as
# receiving it, so without these limits a server could keep the gate busy.
_MOST_BYTES = 8 * 1024
_MOST_CHALLENGES = 32
_MOST_ELEMENTS = 500

_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)
_TO_ESCAPE = re.compile(rb'(["\\])')


@attrs.frozen(kw_only=True)
class Challenge:
    """A scheme with its parameters (RFC 9110 11.3); a request's credentials have the same form.

    Attributes:
        scheme: The scheme's name, lower-cased.
        parameters: The values, unquoted, by lower-cased name.
        token68: The opaque token that schemes such as Negotiate use instead of parameters, or None.
    """

    scheme: bytes
    parameters: Mapping[bytes, bytes] = attrs.field(factory=dict, repr=False)
    token68: bytes | None = attrs.field(default=None, repr=False)


def challenges_of(headers: Iterable[Header]) -> list[Challenge]:
    """Return the challenges of a response, as `parse_challenges` does.

    Args:
        headers: The response's fields.
    """
    return parse_challenges(value for name, value in headers if name.lower() == b"www-authenticate")


def parse_challenges(values: Iterable[bytes]) -> list[Challenge]:
    """Return the challenges of one message.

    Real servers break the grammar. This accepts the same mistakes as curl and browsers:

    - a missing value, or one with blanks but without quotes;
    - a quoted string without a closing quote at the end of the field;
    - a repeated parameter, whose last value is used.

    Anything else that can't be parsed is skipped up to the next comma. A field with a control
    character has no challenge. Everything after the first 8 KiB is ignored, and so is everything
    after the first 32 challenges or 500 elements of a field.

    Args:
        values: The values of all fields with that name, in order.

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
        match = _STRICT_PARAMETER.match(value, position)
        if match is None or match[1].lower() in parameters:
            return {}
        parameters[match[1].lower()] = _value(match)
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
    if _CONTROL.search(value):
        return challenges
    scheme: bytes | None = None
    parameters: dict[bytes, bytes] = {}
    last = b""
    end, position = -1, _skip(value, 0)
    for _ in range(_MOST_ELEMENTS):
        if position >= len(value) or len(challenges) >= _MOST_CHALLENGES:
            break
        # Try a parameter first: only the `=` distinguishes its name from that of a scheme.
        if scheme is not None and (match := _PARAMETER.match(value, position)):
            last = match[1].lower()
            # A server that repeats qop offers all of its values.
            before = parameters.get(last) if last == b"qop" else None
            parameters[last] = _value(match) if before is None else before + b"," + _value(match)
        elif end == position or (match := _SCHEME.match(value, position)) is None:
            # Such as the b in `realm="a"b`.
            match = _JUNK.match(value, position)
        elif last == b"qop" and match[1].lower() in _PROTECTIONS:
            # `qop=auth,auth-int` without quotes.
            parameters[last] += b"," + match[1]
        else:
            if scheme is not None:
                challenges.append(Challenge(scheme=scheme, parameters=parameters))
            scheme, parameters, last = match[1].lower(), {}, b""
            token68 = _TOKEN68.match(value, match.end())
            if token68 and scheme not in _WITHOUT_TOKEN68:
                challenges.append(Challenge(scheme=scheme, token68=token68[1]))
                scheme, match = None, token68
        assert match is not None
        end = match.end()
        position = _skip(value, end)
    if scheme is not None:
        challenges.append(Challenge(scheme=scheme, parameters=parameters))
    return challenges


def _skip(value: bytes, position: int) -> int:
    """Return the position of the next element, after any empty ones (RFC 9110 5.6.1.2)."""
    match = _SEPARATOR.match(value, position)
    return match.end() if match else position


def _value(match: re.Match[bytes]) -> bytes:
    """Return the value of a matched parameter; empty if it has none."""
    if match[2] is not None:
        return _QUOTED_PAIR.sub(rb"\1", match[2])
    return match[3] or b""
