"""Hides secrets in a browser's records before they are shown."""

from __future__ import annotations

import re
from collections.abc import Iterable

from corsgate.explain.trace import text
from corsgate.explain.url import Url
from corsgate.message.headers import Header

HIDDEN = "..."
"""The text that replaces a possible secret."""

_SHOWN = frozenset(
    b"accept allow content-length content-type host origin range server vary via x-powered-by"
    b" corsgate-reason".split()
)
"""Fields whose values contain no secret, besides those of CORS."""

_SHOWN_PREFIXES = (b"access-control-", b"sec-fetch-")
_URLS = frozenset((b"location", b"referer"))
_SECRET = re.compile(r"auth|code|jwt|key|pass|pwd|secret|session|sid|sig|state|ticket|token", re.I)
_USER_INFO = re.compile(r"(?<=://)[^/\s@'\"]*@")
_QUERY = re.compile(r"(?<=\?)[^\s'\"<>]+")
_PARAMETER = re.compile(r"[^&;]+")


def masked_fields(fields: Iterable[Header]) -> list[list[str]]:
    """Return fields as pairs of texts. Values that are not known to be harmless are hidden."""
    return [[text(name), _value(name.lower(), value)] for name, value in fields]


def masked_url(url: Url | str) -> str:
    """Return a URL in which the values of query parameters with suspicious names are hidden."""
    path, mark, query = str(url).partition("?")
    return path + mark + _PARAMETER.sub(_parameter, query)


def masked_text(said: str) -> str:
    """Return text in which secrets within URLs are hidden."""
    without = _USER_INFO.sub(f"{HIDDEN}@", said)
    return _QUERY.sub(lambda found: _PARAMETER.sub(_parameter, found[0]), without)


def _parameter(found: re.Match[str]) -> str:
    name, equals, value = found[0].partition("=")
    return f"{name}={HIDDEN}" if equals and value and _SECRET.search(name) else found[0]


def _value(name: bytes, value: bytes) -> str:
    if name in _SHOWN or name.startswith(_SHOWN_PREFIXES):
        return text(value)
    if name in _URLS and b"@" not in value:
        return masked_url(text(value))
    return HIDDEN
