"""Credentials that are chosen by the Origin of a request."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeVar

import attrs

from corsgate.config.model.credentials import Credentials
from corsgate.config.model.request_rules import check_origin
from corsgate.config.model.rules import show
from corsgate.config.model.validators import rule
from corsgate.errors import BadValue

_T = TypeVar("_T")

_FIX = "write each origin with its credentials"
_EXTENSION = re.compile(r"(?:chrome|moz)-extension://[a-z0-9-]+")


def check_exact_origin(text: str) -> None:
    """Reject text that is not one origin, exactly as browsers write it.

    Source: Fetch ``#origin-header``, HTML ``#ascii-serialisation-of-an-origin``.
    """
    if _EXTENSION.fullmatch(text):
        return
    if text == "null":
        raise BadValue(f"{show(text)} is the origin of every sandboxed frame", _FIX)
    if "*" in text:
        raise BadValue(f"{show(text)} is a pattern", _FIX)
    if not text.lower().startswith(("http://", "https://")):
        fix = 'write it as browsers send it, such as "http://localhost:4200"'
        raise BadValue(f"{show(text)} is not an origin", fix)
    check_origin(text)


@attrs.frozen(kw_only=True)
class OriginCredentials:
    """The credentials of one origin's requests.

    Attributes:
        origin: The origin, as browsers write it.
        credentials: The credentials.
    """

    origin: str = attrs.field(validator=rule(check_exact_origin))
    credentials: Credentials


def chosen(named: Mapping[bytes, _T], other: _T | None, origins: Sequence[bytes]) -> _T | None:
    """Return the entry for a request. Only this function decides which account a request uses.

    Args:
        named: The entry of each origin.
        other: The entry for all other requests, including those without Origin, or None.
        origins: The values of the request's Origin fields. More than one means no origin.
    """
    if len(origins) == 1:
        return named.get(origins[0], other)
    return other
