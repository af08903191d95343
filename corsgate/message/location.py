"""Rewrite the fields of a response that name addresses, so that they work at the gate."""

from __future__ import annotations

from collections.abc import Sequence

from corsgate.errors import RedirectLoop
from corsgate.message.headers import Header, HeaderList
from corsgate.message.link import map_link, map_refresh
from corsgate.message.set_cookie import CookieRules, adapt_cookie
from corsgate.message.uri_mapping import AddressMap, show_endpoint

REWRITTEN = frozenset((b"location", b"content-location", b"link", b"refresh", b"set-cookie"))
"""Lower-cased names of the fields that `rewrite` may change."""

_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_SAME_METHOD = frozenset((307, 308))


def rewrite(
    headers: Sequence[Header], addresses: AddressMap, cookies: CookieRules | None
) -> HeaderList:
    """Return a response's fields with the upstream's addresses replaced by the gate's.

    Args:
        headers: The upstream's fields.
        addresses: Maps its addresses.
        cookies: How its cookies are adapted; None to leave them unchanged.

    Returns:
        A new list in the same order; each Set-Cookie stays a separate field (RFC 9110 10.2.2 and
        8.7, RFC 8288 3, RFC 6265 3).
    """
    return [(name, _value(name.lower(), value, addresses, cookies)) for name, value in headers]


def _value(name: bytes, value: bytes, addresses: AddressMap, cookies: CookieRules | None) -> bytes:
    match name:
        case b"location" | b"content-location":
            return addresses.to_gate(value)
        case b"link":
            return map_link(value, addresses.to_gate)
        case b"refresh":
            return map_refresh(value, addresses.to_gate)
        case b"set-cookie" if cookies is not None:
            return adapt_cookie(value, cookies, lambda path: cookie_path(path, addresses))
    return value


def cookie_path(path: bytes, addresses: AddressMap) -> bytes:
    """Map a cookie's Path; one outside the base path becomes the route's prefix.

    The result is ``/v1`` rather than ``/v1/``, which would not match ``/v1`` (RFC 6265 5.1.4).
    """
    root = addresses.prefix
    mapped = addresses.path(path)
    if mapped is None or mapped == root + b"/":
        mapped = root
    return mapped or b"/"


def check_redirect(
    status: int,
    method: bytes,
    target: bytes,
    came: Sequence[Header],
    addresses: AddressMap,
) -> None:
    """Reject a redirect that would lead the client to the same URL again and again.

    It is usually one from http to https: the server expects https, but `servers` has http. A
    server's redirect to the same URL that was requested passes, as after setting a cookie.

    Args:
        status: The response's status.
        method: The client's method.
        target: The client's target.
        came: The upstream's fields.
        addresses: Maps its addresses.

    Raises:
        RedirectLoop: The redirect would be a loop.
    """
    if status not in _REDIRECTS:
        return
    values = [value for name, value in came if name.lower() == b"location"]
    moved = addresses.moved_to(values[0]) if len(values) == 1 else None
    if moved is None or not (method in (b"GET", b"HEAD") or status in _SAME_METHOD):
        return
    if addresses.to_gate(values[0]).partition(b"#")[0] != addresses.gate_origin + target:
        return
    built = addresses.gate_origin.startswith(moved[0] + b"://")
    if built and any(name.lower() == b"set-cookie" for name, _ in came):
        # The scheme may come from X-Forwarded-Proto, and the next request has the cookie.
        return
    where = show_endpoint(moved)
    if moved[0] == b"https" and addresses.asks_over_http:
        raise RedirectLoop(
            502,
            "The upstream redirects this URL from http to https, and so back to itself.",
            f"the server redirects the very same URL from http to {where}, which makes a loop:"
            " use https in servers",
        )
    raise RedirectLoop(
        502,
        "The upstream redirects this URL to another of its own names, and so back to itself.",
        f"the server redirects the very same URL to {where}, which makes a loop:"
        f" use {where} in servers",
    )
