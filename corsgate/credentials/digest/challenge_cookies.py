"""Cookies that come with a challenge: they go with its answer only.

Flask-HTTPAuth keeps the nonce in the session cookie of its 401. A browser would send it back, and
so does the gate. But it has no cookie jar: the cookies of a challenge reach no other request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.headers import Header, HeaderList

MAX_COOKIES = 16
"""The most cookies of a challenge that go with its answer."""

MAX_COOKIE_BYTES = 8 * 1024
"""The most bytes of them."""

_GONE = (b"max-age=0", b"max-age=-")
_PAST = b"01 jan 1970", b"01-jan-1970"


def cookies_of(headers: Iterable[Header]) -> dict[bytes, bytes | None]:
    """Return the cookies that a response sets, by name; None for one that it deletes.

    Path and Domain need not be looked at: the answer goes to the address of the challenge.

    Args:
        headers: The fields of the response.
    """
    found: dict[bytes, bytes | None] = {}
    left = MAX_COOKIE_BYTES
    for name, value in headers:
        if name.lower() != b"set-cookie":
            continue
        pair, *attributes = value.split(b";")
        cookie, equals, content = pair.partition(b"=")
        cookie, content = cookie.strip(b" \t"), content.strip(b" \t")
        left -= len(pair)
        if not cookie or not equals or len(found) == MAX_COOKIES or left < 0:
            continue
        found[cookie] = None if any(map(_deletes, attributes)) else content
    return found


def with_cookies(head: RequestHead, cookies: Mapping[bytes, bytes | None]) -> RequestHead:
    """Return a request with the cookies of a challenge, in place of the client's of the same name.

    Args:
        head: The head, which stays as it is.
        cookies: What `cookies_of` returned.
    """
    if not cookies:
        return head
    kept: list[bytes] = []
    others: HeaderList = []
    for name, value in head.headers:
        if name.lower() != b"cookie":
            others.append((name, value))
            continue
        pairs = (pair.strip(b" \t") for pair in value.split(b";"))
        kept += [pair for pair in pairs if pair and _name(pair) not in cookies]
    kept += [b"%b=%b" % (name, value) for name, value in cookies.items() if value is not None]
    fields = [*others, (b"Cookie", b"; ".join(kept))] if kept else others
    return RequestHead(method=head.method, target=head.target, headers=fields)


def without_cookies(
    response: ResponseHead, cookies: Mapping[bytes, bytes | None], *, is_challenge: bool
) -> ResponseHead:
    """Return a response without the cookies of challenges.

    Args:
        response: The head.
        cookies: Those of the challenge that the request answered. A server may set the same ones
            again.
        is_challenge: Whether this response is a challenge itself, so that all are its cookies.
    """
    gone = {(name, value) for name, value in cookies.items() if value is not None}
    kept = [
        (name, value)
        for name, value in response.headers
        if name.lower() != b"set-cookie"
        or not (is_challenge or gone.intersection(cookies_of(((name, value),)).items()))
    ]
    if len(kept) == len(response.headers):
        return response
    return ResponseHead(status=response.status, reason=response.reason, headers=kept)


def _deletes(attribute: bytes) -> bool:
    """Return whether an attribute deletes the cookie (RFC 6265 3.1)."""
    said = attribute.strip(b" \t").lower()
    return said.startswith(_GONE) or (
        said.startswith(b"expires=") and any(past in said for past in _PAST)
    )


def _name(pair: bytes) -> bytes:
    return pair.partition(b"=")[0].strip(b" \t")
