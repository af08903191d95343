"""Cookies that arrive with a challenge, and are sent only with its answer.

Flask-HTTPAuth keeps the nonce in the session cookie of its 401. Like a browser, the gate sends that
cookie back. But it has no cookie jar: the cookies of a challenge are added to no other request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from corsgate.message.cookies import cookies_replaced
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.headers import Header

MAX_COOKIES = 16
"""The maximum number of a challenge's cookies that are sent with its answer."""

MAX_COOKIE_BYTES = 8 * 1024
"""Their maximum total size."""

_GONE = (b"max-age=0", b"max-age=-")
_PAST = b"01 jan 1970", b"01-jan-1970"


def cookies_of(headers: Iterable[Header]) -> dict[bytes, bytes | None]:
    """Return the cookies that a response sets, by name; None for one that it deletes.

    Path and Domain are ignored, because the answer goes to the address of the challenge.

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
    """Return a request with a challenge's cookies, which replace the client's of the same name.

    Args:
        head: The head, which is not changed.
        cookies: The result of `cookies_of`.
    """
    if not cookies:
        return head
    pairs = [b"%b=%b" % (name, value) for name, value in cookies.items() if value is not None]
    fields = cookies_replaced(head.headers, cookies, pairs)
    return RequestHead(method=head.method, target=head.target, headers=fields)


def without_cookies(
    response: ResponseHead, cookies: Mapping[bytes, bytes | None], *, is_challenge: bool
) -> ResponseHead:
    """Return a response without the cookies of challenges.

    Args:
        response: The head.
        cookies: The cookies of the challenge that the request answered, which the server may set
            again.
        is_challenge: Whether this response is itself a challenge, so that all cookies are removed.
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
    text = attribute.strip(b" \t").lower()
    return text.startswith(_GONE) or (
        text.startswith(b"expires=") and any(past in text for past in _PAST)
    )
