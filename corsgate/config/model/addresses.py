"""Other origins of an upstream's servers, and how their cookies are handled."""

from __future__ import annotations

import re

import attrs

from corsgate.config.model import rules
from corsgate.config.model.validators import choice, each
from corsgate.errors import BadValue
from corsgate.message.host import parse_host
from corsgate.message.uri_mapping import Endpoint, parse_origin

COOKIES = ("adapt", "pass", "drop")
"""How an upstream's cookies may be handled; the first is the default."""

_URL = re.compile(r"(https?)://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_EXAMPLE = 'write one such as "http://box.lan"'


def check_alias(alias: str) -> None:
    """Reject text that is not ``scheme://host`` or ``scheme://host:port``.

    Raises:
        BadValue: It has another form. The message never shows user info.
    """
    shown = rules.show(alias)
    found = _URL.fullmatch(alias)
    if found is None:
        raise BadValue(f"{shown} is not an http or https URL", _EXAMPLE)
    scheme, authority, rest = found.groups()
    if "@" in authority:
        raise BadValue("the alias contains a user name or password", "remove it")
    if rest.strip("/"):
        raise BadValue(f"{shown} has more than a host", f'write "{scheme}://{authority}"')
    if not authority.isascii():
        raise BadValue(f"{shown} has a host that is not ASCII", "write it in Punycode (xn--...)")
    if parse_host(authority.encode()) is None:
        raise BadValue(f"{shown} has no valid host or port", _EXAMPLE)


def alias_endpoint(alias: str) -> Endpoint | None:
    """Return the endpoint that an alias names; None for text that `check_alias` rejects."""
    return parse_origin(alias.lower().rstrip("/").encode())


@attrs.frozen(kw_only=True)
class Addresses:
    """Other origins of an upstream's servers, and how their cookies are handled.

    Attributes:
        aliases: Origins that the servers use for themselves, in addition to those of their URLs,
            such as ``http://box.lan``.
        cookies: ``adapt`` to make cookies work at the gate, ``pass`` to leave them unchanged, or
            ``drop`` to remove Set-Cookie from responses and Cookie from requests.
    """

    aliases: tuple[str, ...] = attrs.field(default=(), validator=each(check_alias))
    cookies: str = attrs.field(default=COOKIES[0], validator=choice(COOKIES))
