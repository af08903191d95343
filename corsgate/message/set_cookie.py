"""Adapt an upstream's Set-Cookie so that the cookie works at the gate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import attrs

MAX_ATTRIBUTES = 32
"""How many attributes of a cookie are kept; no real cookie has that many."""


@attrs.frozen(kw_only=True)
class CookieRules:
    """How cookies are adapted.

    Attributes:
        plain_http: Whether the client uses plain http, where browsers reject Secure cookies.
        cross_site: Whether pages of other sites may use the cookie. It must be false over plain
            http, and if pages that the policy doesn't allow could also use it.
    """

    plain_http: bool
    cross_site: bool = False


def adapt_cookie(value: bytes, rules: CookieRules, to_path: Callable[[bytes], bytes]) -> bytes:
    """Return the value of a Set-Cookie for the gate; kept attributes stay unchanged.

    Domain is always removed, so that the cookie works at the gate and is sent to no other host.
    Over plain http, attributes that browsers accept only on https are removed: Secure,
    SameSite=None and Partitioned. ``__Secure-`` cookies keep them, and ``__Host-`` cookies also
    keep their Path, because browsers would reject them otherwise. If pages of other sites may use
    the cookie, it gets ``SameSite=None; Secure``.

    Args:
        value: The field's value.
        rules: How to adapt it.
        to_path: Maps a Path, which begins with ``/``.

    Source: RFC 6265 4.1.2 and 5.2, RFC 6265bis 4.1.2.7 and 4.1.3.
    """
    pair, *attributes = value.split(b";", MAX_ATTRIBUTES + 1)[: MAX_ATTRIBUTES + 1]
    name = pair.partition(b"=")[0].strip().lower()
    if name.startswith(b"__host-"):
        kept = attributes
    else:
        secure = not rules.plain_http or name.startswith(b"__secure-")
        kept = list(_adapted(attributes, secure, to_path))
    if rules.cross_site:
        kept = list(_for_other_sites(kept))
    return b";".join((pair, *kept))


def _adapted(
    attributes: Sequence[bytes], secure: bool, to_path: Callable[[bytes], bytes]
) -> Iterator[bytes]:
    for attribute in attributes:
        raw_name, _, raw_value = attribute.partition(b"=")
        name, value = raw_name.strip().lower(), raw_value.strip()
        if name == b"domain":
            continue
        if not secure and (
            name in (b"secure", b"partitioned")
            or (name == b"samesite" and value.lower() == b"none")
        ):
            continue
        if name == b"path" and value.startswith(b"/"):
            mapped = to_path(value)
            yield attribute if mapped == value else raw_name + b"=" + mapped
        else:
            yield attribute


def _for_other_sites(attributes: Sequence[bytes]) -> Iterator[bytes]:
    """Return attributes with SameSite=None and Secure, which are appended if they are missing."""
    missing = {b"samesite": b" SameSite=None", b"secure": b" Secure"}
    for attribute in attributes:
        name, _, value = attribute.partition(b"=")
        name = name.strip().lower()
        if name == b"samesite" and value.strip().lower() != b"none":
            continue
        missing.pop(name, None)
        yield attribute
    yield from missing.values()
