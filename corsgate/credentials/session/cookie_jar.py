"""The cookies of one session at one server (RFC 6265)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from http.cookiejar import http2time  # type: ignore[attr-defined]  # typeshed lacks it

import attrs

from corsgate.message.head import ResponseHead

MAX_COOKIES = 50
MAX_BYTES = 4096
"""The maximum size of a cookie's name and value together, as in browsers (RFC 6265 6.1)."""


@attrs.frozen(kw_only=True)
class _Cookie:
    name: bytes
    value: bytes = attrs.field(repr=False)
    path: bytes
    ends_s: float | None


class CookieJar:
    """Cookies that are sent back to the server that set them.

    Domain and Secure are ignored. A cookie is sent only to its own server, over the same kind of
    connection. And servers that are reached by address or through a TLS proxy often set both wrong.
    """

    def __init__(self) -> None:
        self._cookies: dict[tuple[bytes, bytes], _Cookie] = {}

    def store(
        self,
        head: ResponseHead,
        target: bytes,
        now_s: float,
        only: Collection[bytes] | None = None,
    ) -> None:
        """Store or delete cookies, as a response says.

        Args:
            head: The response's head.
            target: The target of its request, whose path is the default for Path (5.1.4).
            now_s: The time in seconds since 1970.
            only: The names of the cookies to store or delete; None for all.
        """
        ahead_s = _clock_difference(head, now_s)
        for value in set_cookies(head):
            name = cookie_name(value)
            if name and (only is None or name in only):
                self._put(_parse(name, value, target, now_s, ahead_s), now_s)

    def pairs(self, target: bytes, now_s: float) -> list[bytes]:
        """Return the ``name=value`` pairs of a request's cookies, longer paths first (5.4).

        Args:
            target: The request's target.
            now_s: The time in seconds since 1970.
        """
        path = target.partition(b"?")[0]
        found = [each for each in self._valid(now_s) if _covers(each.path, path)]
        found.sort(key=lambda each: -len(each.path))
        return [b"%b=%b" % (each.name, each.value) for each in found]

    def value(self, name: bytes, now_s: float) -> bytes | None:
        """Return the value of a cookie, with any path; None if there is none.

        Args:
            name: The cookie's name.
            now_s: The time in seconds since 1970.
        """
        found = [each.value for each in self._valid(now_s) if each.name == name]
        return found[-1] if found else None

    def names(self, now_s: float) -> set[bytes]:
        """Return the names of all valid cookies."""
        return {each.name for each in self._valid(now_s)}

    def is_empty(self, now_s: float) -> bool:
        """Return whether no valid cookie is left."""
        return not any(True for _ in self._valid(now_s))

    def _valid(self, now_s: float) -> Iterator[_Cookie]:
        return (c for c in self._cookies.values() if c.ends_s is None or c.ends_s > now_s)

    def _put(self, cookie: _Cookie, now_s: float) -> None:
        key = (cookie.name, cookie.path)
        if cookie.ends_s is not None and cookie.ends_s <= now_s:
            self._cookies.pop(key, None)
        elif len(cookie.name) + len(cookie.value) <= MAX_BYTES:
            if key not in self._cookies and len(self._cookies) >= MAX_COOKIES:
                del self._cookies[next(iter(self._cookies))]
            self._cookies[key] = cookie


def set_cookies(head: ResponseHead) -> Iterator[bytes]:
    """Return the values of a response's Set-Cookie fields."""
    return (value for name, value in head.headers if name.lower() == b"set-cookie")


def cookie_name(set_cookie: bytes) -> bytes:
    """Return the name of the cookie in a Set-Cookie value; empty if it has none."""
    name, equals, _ = set_cookie.partition(b";")[0].partition(b"=")
    return name.strip(b" \t") if equals else b""


def _parse(name: bytes, value: bytes, target: bytes, now_s: float, ahead_s: float) -> _Cookie:
    """Return the cookie in a Set-Cookie value (5.2)."""
    pair, *attributes = value.split(b";")
    path = _default_path(target)
    ends_s = age_s = None
    for attribute in attributes:
        key, _, text = attribute.partition(b"=")
        key, text = key.strip().lower(), text.strip()
        if key == b"path":
            path = text if text.startswith(b"/") else _default_path(target)
        elif key == b"max-age" and text.removeprefix(b"-").isdigit():
            # Max-Age has precedence over Expires (5.3), and doesn't depend on clocks.
            age_s = min(float(text[:12]), 1e9)
        elif key == b"expires":
            at_s = _time(text)
            ends_s = None if at_s is None else at_s - ahead_s
    if age_s is not None:
        ends_s = now_s + age_s if age_s > 0 else 0.0
    return _Cookie(name=name, value=pair.partition(b"=")[2].strip(b" \t"), path=path, ends_s=ends_s)


def _clock_difference(head: ResponseHead, now_s: float) -> float:
    """Return by how many seconds the server's clock is ahead; clocks of devices are often wrong."""
    for name, value in head.headers:
        if name.lower() == b"date":
            date_s = _time(value)
            return 0.0 if date_s is None else date_s - now_s
    return 0.0


def _time(date: bytes) -> float | None:
    """Return a date in any format in seconds since 1970; None if it is malformed."""
    try:
        found = http2time(date.decode("ascii", "replace"))
    except (ValueError, OverflowError):
        return None
    return None if found is None else float(found)


def _default_path(target: bytes) -> bytes:
    """Return the directory of a target's path (5.1.4)."""
    path = target.partition(b"?")[0]
    return path[: path.rfind(b"/")] or b"/"


def _covers(cookie_path: bytes, path: bytes) -> bool:
    """Return whether a cookie with one path is sent with a request for another (5.1.4)."""
    if not path.startswith(cookie_path):
        return False
    return cookie_path.endswith(b"/") or path[len(cookie_path) :][:1] in (b"", b"/")
