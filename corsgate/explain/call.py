"""The call of a page's script, and how a browser changes and classifies it before sending."""

from __future__ import annotations

import re
from collections.abc import Iterable

import attrs

from corsgate.cors.names import (
    FORBIDDEN_METHODS,
    FORBIDDEN_REQUEST_HEADERS,
    FORBIDDEN_REQUEST_PREFIXES,
    SAFELISTED_METHODS,
)
from corsgate.explain.url import Url
from corsgate.message.headers import Header

MAX_SAFELISTED_VALUE_BYTES = 128
MAX_SAFELISTED_BYTES = 1024

_NORMALIZED = frozenset((b"DELETE", b"GET", b"HEAD", b"OPTIONS", b"POST", b"PUT"))
_UNSAFE_BYTE = re.compile(rb'[\x00-\x08\x0a-\x1f"():<>?@\[\\\]{}\x7f]')
_LANGUAGE = re.compile(rb"[0-9A-Za-z *,\-.;=]*")
_SIMPLE_RANGE = re.compile(rb"bytes=([0-9]+)-([0-9]*)")
_SIMPLE_TYPES = frozenset(
    (b"application/x-www-form-urlencoded", b"multipart/form-data", b"text/plain")
)
_USUAL_VALUES = {
    b"accept": b"*/*",
    b"accept-language": b"en",
    b"content-language": b"en",
    b"content-type": b"application/json",
    b"range": b"bytes=0-",
}
# A script may not set these to a forbidden method (Fetch #forbidden-request-header).
_OVERRIDES = frozenset((b"x-http-method", b"x-http-method-override", b"x-method-override"))


@attrs.frozen(kw_only=True)
class Call:
    """One ``fetch()`` of a page, in mode "cors".

    Attributes:
        origin: The page's origin as a browser serializes it; may be ``null``.
        method: The method, in the script's spelling.
        url: The requested URL.
        headers: The fields that the script sets.
        credentials: Whether its credentials mode is "include".
    """

    origin: bytes
    method: bytes
    url: Url
    headers: tuple[Header, ...] = ()
    credentials: bool = False

    @property
    def sent_method(self) -> bytes:
        """The method as the browser sends it (``#concept-method-normalize``)."""
        upper = self.method.upper()
        return upper if upper in _NORMALIZED else self.method

    @property
    def sent_headers(self) -> tuple[Header, ...]:
        """The fields that the browser lets the script set."""
        return tuple(field for field in self.headers if not is_forbidden(*field))

    @property
    def dropped(self) -> tuple[bytes, ...]:
        """The names of the fields that the browser leaves out (``#forbidden-request-header``)."""
        return tuple(name for name, value in self.headers if is_forbidden(name, value))


def usual_value(name: bytes) -> bytes:
    """Return the most likely value of a field whose value is unknown."""
    return _USUAL_VALUES.get(name.lower(), b"1")


def is_forbidden(name: bytes, value: bytes) -> bool:
    """Return whether scripts can't set a field (Fetch ``#forbidden-request-header``)."""
    lowered = name.lower()
    if lowered in FORBIDDEN_REQUEST_HEADERS or lowered.startswith(FORBIDDEN_REQUEST_PREFIXES):
        return True
    methods = [part.strip(b" \t").upper() for part in value.split(b",")]
    return lowered in _OVERRIDES and not FORBIDDEN_METHODS.isdisjoint(methods)


def is_safelisted(name: bytes, value: bytes) -> bool:
    """Return whether a field needs no preflight (Fetch ``#cors-safelisted-request-header``)."""
    if len(value) > MAX_SAFELISTED_VALUE_BYTES:
        return False
    match name.lower():
        case b"accept":
            return not _UNSAFE_BYTE.search(value)
        case b"accept-language" | b"content-language":
            return _LANGUAGE.fullmatch(value) is not None
        case b"content-type":
            essence = value.partition(b";")[0].strip(b" \t\r\n").lower()
            return not _UNSAFE_BYTE.search(value) and essence in _SIMPLE_TYPES
        case b"range":
            found = _SIMPLE_RANGE.fullmatch(value)
            return found is not None and (not found[2] or int(found[1]) <= int(found[2]))
    return False


def unsafe_names(headers: Iterable[Header]) -> tuple[bytes, ...]:
    """Return the names that a preflight must list, lower-cased and sorted.

    Source: Fetch ``#cors-unsafe-request-header-names``.
    """
    unsafe: set[bytes] = set()
    potentially: set[bytes] = set()
    size = 0
    for name, value in headers:
        if is_safelisted(name, value):
            potentially.add(name.lower())
            size += len(value)
        else:
            unsafe.add(name.lower())
    if size > MAX_SAFELISTED_BYTES:
        unsafe |= potentially
    return tuple(sorted(unsafe))


def preflight_reasons(method: bytes, names: Iterable[bytes]) -> list[str]:
    """Return why a request needs a preflight; empty for a simple one (``#main-fetch``).

    Args:
        method: The method as the browser sends it.
        names: The result of `unsafe_names`.
    """
    reasons = []
    if method not in SAFELISTED_METHODS:
        reasons.append(f"the method {method.decode('latin-1')} is not GET, HEAD or POST")
    for name in names:
        shown = name.decode("latin-1")
        if name == b"content-type":
            reasons.append("a form can't send this Content-Type")
        elif name in _USUAL_VALUES:
            reasons.append(f"the value of {shown} is not safelisted")
        else:
            reasons.append(f"the script sets the header {shown}")
    return reasons
