"""The URL in a request to a route with ``by_url``: find it, parse it, and look it up."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from ipaddress import AddressValueError, IPv6Address
from typing import Generic, NamedTuple, Protocol, TypeVar
from urllib.parse import urljoin

import attrs

from corsgate.errors import TargetError
from corsgate.message.host import DEFAULT_PORTS
from corsgate.message.target import percent_decoded, segments

T = TypeVar("T")

_SCHEME = rb"(?:https?|wss?)"
_IS_URL = re.compile(_SCHEME + rb"://", re.IGNORECASE)
_IS_ENCODED = re.compile(_SCHEME + rb"%3a", re.IGNORECASE)
# Terria prepends how long to cache the response to the URL, such as "_1d/".
_CACHE_TIME = re.compile(rb"_[0-9]{1,9}[a-z]{1,2}/")
# Some servers in front merge slashes, so in a path one slash is accepted for two.
_IN_PATH = re.compile(rb"(" + _SCHEME + rb"):/{1,2}(?!/)(.+)", re.IGNORECASE)
_NAME = b"url="

_URL = re.compile(rb"(https?|wss?)://([^/?]*)(/[^?]*)?(\?.*)?", re.IGNORECASE)
_AUTHORITY = re.compile(
    rb"(?:([a-z0-9_-]+(?:\.[a-z0-9_-]+)*)|\[([0-9a-f:.]+)\])(?::([1-9][0-9]{0,4}))?",
    re.IGNORECASE,
)
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
# Bytes that a target can't have; and bytes that it can have, but that the URL standard encodes.
_TO_ENCODE = re.compile(rb"[\x80-\xff ]")
_BETTER_ENCODED = re.compile(rb'["<>`]')
_LONGEST_HOST = 253
_SCHEMES = {b"http": b"http", b"https": b"https", b"ws": b"http", b"wss": b"https"}


class ProxiedUrl(NamedTuple):
    """A parsed URL that has only one reading.

    Attributes:
        scheme: ``http`` or ``https``; also for ``ws`` and ``wss``.
        host: A lower-cased name or IPv4 address, or an IPv6 address in its shortest form and
            without brackets.
        port: 1 to 65535.
        path: The path as sent; it begins with ``/``.
        query: The query as sent, with its ``?``; empty if there is none.
    """

    scheme: bytes
    host: bytes
    port: int
    path: bytes
    query: bytes

    def __bytes__(self) -> bytes:
        host = b"[%b]" % self.host if b":" in self.host else self.host
        port = b"" if self.port == DEFAULT_PORTS[self.scheme] else b":%d" % self.port
        return b"%b://%b%b%b%b" % (self.scheme, host, port, self.path, self.query)


class UrlServer(Protocol):
    """The needed part of ``config.model.Server``, which this package may not import."""

    @property
    def scheme(self) -> str:
        """``http`` or ``https``."""

    @property
    def host(self) -> str:
        """A lower-cased host name, or an IP address without brackets."""

    @property
    def name(self) -> str | None:
        """The host name that discovery resolved to `host`, or None."""

    @property
    def port(self) -> int:
        """1 to 65535."""

    @property
    def base_path(self) -> str:
        """Empty, or a path without a slash at its end."""


def url_in(target: bytes, depth: int) -> bytes:
    """Return the URL that a request target names.

    The target has one of these forms; anything else is rejected::

        /proxy?https://box/path?x=y            everything after the first "?" is the URL
        /proxy?https%3A%2F%2Fbox%2Fpath        the same, percent-encoded once
        /proxy?url=https%3A%2F%2Fbox%2Fpath    the same with a name; also not encoded
        /proxy/https://box/path?x=y            also encoded, with merged slashes, after "_1d/"

    Map libraries append parameters to the URL of a layer. So parameters that follow an encoded or a
    named URL are appended to the URL's own query. They follow a ``&``, or are the query of a path.

    Args:
        target: A target in origin-form, of visible ASCII.
        depth: The number of segments in the route's prefix.

    Returns:
        The URL, not parsed yet. It may contain any byte.

    Raises:
        TargetError: The target names no URL, or more than one.
    """
    path, mark, query = target.partition(b"?")
    pieces = path.split(b"/", depth + 1)
    rest = pieces[depth + 1] if len(pieces) > depth + 1 else b""
    rest = _CACHE_TIME.sub(b"", rest, count=1) if rest.startswith(b"_") else rest
    if rest:
        found = _IN_PATH.fullmatch(rest)
        if found is not None:
            return b"%b://%b%b%b" % (found[1], found[2], mark, query)
        if _IS_ENCODED.match(rest):
            return _with_query(_decoded(rest), query)
        raise TargetError("the path below the route's prefix is not an http or https URL")
    if _IS_URL.match(query):
        return query
    named = query.startswith(_NAME)
    value, _, more = query.removeprefix(_NAME).partition(b"&")
    if any(each.startswith(_NAME) for each in more.split(b"&")):
        raise TargetError("the target has more than one URL")
    if _IS_ENCODED.match(value):
        return _with_query(_decoded(value), more)
    if named and _IS_URL.match(value):
        return _with_query(value, more)
    raise TargetError("the target has no http or https URL: append ?url= and the encoded URL")


def _decoded(value: bytes) -> bytes:
    return _BETTER_ENCODED.sub(_encoded, percent_decoded(value))


def _with_query(url: bytes, more: bytes) -> bytes:
    """Return a URL with further parameters in its query."""
    if not more:
        return url
    return url + (b"" if url.endswith((b"?", b"&")) else b"&" if b"?" in url else b"?") + more


def read_url(url: bytes) -> ProxiedUrl:
    r"""Parse a URL, unless two parsers could read it differently.

    The URL standard repairs some things that other parsers reject or keep. These are backslashes,
    tabs and line ends, blanks at the ends, user names, percent-encoded and non-ASCII hosts, odd
    IPv4 numbers, empty ports, and a missing slash. Such a URL is rejected. Dot segments are also
    rejected, since a server could resolve them after the gate has compared the path. Odd IPv4 forms
    need no rule, because they equal no configured host.

    Args:
        url: Any bytes.

    Returns:
        The URL's parts. As in the URL standard, blanks and bytes beyond ASCII in path and query are
        percent-encoded; all other bytes are as they were.

    Raises:
        TargetError: The URL has more than one reading, or is not an http, https, ws or wss URL.

    Source: URL ``#concept-basic-url-parser``.
    """
    if _CONTROL.search(url):
        raise TargetError("the URL has a tab, a line end or another control character")
    if b"\\" in url:
        raise TargetError("the URL has a backslash")
    if b"#" in url:
        raise TargetError("the URL has a fragment")
    if url.endswith(b" "):
        raise TargetError("the URL ends with a blank")
    found = _URL.fullmatch(url)
    if found is None:
        raise TargetError("the URL is not an absolute http or https URL")
    word, authority, path, query = found.groups()
    scheme = _SCHEMES[word.lower()]
    host, port = _endpoint(authority)
    path = _TO_ENCODE.sub(_encoded, path or b"/")
    segments(path)
    query = _TO_ENCODE.sub(_encoded, query or b"")
    return ProxiedUrl(scheme, host, port or DEFAULT_PORTS[scheme], path, query)


def _endpoint(authority: bytes) -> tuple[bytes, int | None]:
    """Return the host and the port of an authority; None for the scheme's default port."""
    if b"@" in authority:
        raise TargetError("the URL has a user name or a password")
    found = _AUTHORITY.fullmatch(authority)
    if found is None:
        raise TargetError("the URL has a host or a port that can be read in more than one way")
    name, address, digits = found.groups()
    port = None if digits is None else int(digits)
    if port is not None and port > 65535:
        raise TargetError("the URL has a bad port")
    if name is not None:
        if len(name) > _LONGEST_HOST:
            raise TargetError("the URL has a host name that is too long")
        return name.lower(), port
    try:
        return IPv6Address(address.decode()).compressed.encode(), port
    except AddressValueError:
        raise TargetError("the URL has a bad IPv6 address") from None


def _encoded(found: re.Match[bytes]) -> bytes:
    return b"%%%02X" % found[0][0]


@attrs.frozen(kw_only=True)
class Reached(Generic[T]):
    """The result of looking up a URL.

    Attributes:
        value: The value of the URL's server in the table.
        rest: The URL's path after the server's base path, with its query. Empty, or only a query,
            if the URL's path is the base path.
    """

    value: T
    rest: bytes


class UrlTable(Generic[T]):
    """Finds the value for a URL's server, by exact comparison.

    Args:
        entries: Each value, and its servers. If two have the same scheme, host and port, the
            longest base path wins.
    """

    def __init__(self, entries: Iterable[tuple[T, Iterable[UrlServer]]]) -> None:
        self._found: dict[tuple[bytes, bytes, int], dict[bytes, T]] = {}
        for value, servers in entries:
            for server in servers:
                host = (server.name or server.host).encode("ascii")
                key = (server.scheme.encode("ascii"), host, server.port)
                bases = self._found.setdefault(key, {})
                bases.setdefault(server.base_path.encode("ascii"), value)
        for key, bases in self._found.items():
            self._found[key] = dict(sorted(bases.items(), key=lambda item: -len(item[0])))

    def find(self, url: ProxiedUrl) -> Reached[T] | None:
        """Return the value for a URL, and the rest of the URL; None if no server matches.

        Args:
            url: The URL. Its path matches a base path if it is equal, or continues with whole
                segments.
        """
        for base, value in self._found.get(url[:3], {}).items():
            if url.path == base or url.path.startswith(base + b"/"):
                return Reached(value=value, rest=url.path[len(base) :] + url.query)
        return None


def proxied_location(
    location: bytes, asked: ProxiedUrl, reaches: Callable[[ProxiedUrl], bool], prefix: bytes
) -> bytes:
    """Return the Location that leads a client to a redirect's target through the same route.

    Args:
        location: The value that the server sent, a reference relative to the requested URL.
        asked: The requested URL.
        reaches: Returns whether the server may lead the client to a URL through the route.
        prefix: The route's prefix as in a target; empty for ``/``.

    Returns:
        A path with the target's URL as its query. A target that is not reached becomes an absolute
        URL, because a path would lead to the gate. A value that is not a URL, or has control
        characters, stays unchanged.

    Source: RFC 9110 10.2.2.
    """
    if _CONTROL.search(location):
        return location
    reference, mark, fragment = location.partition(b"#")
    try:
        joined = urljoin(bytes(asked).decode("latin-1"), reference.decode("latin-1"))
        absolute = joined.encode("latin-1")
    except ValueError:
        return location
    try:
        url = read_url(absolute)
    except TargetError:
        return absolute + mark + fragment
    if not reaches(url):
        return absolute + mark + fragment
    return b"%b?%b%b%b" % (prefix or b"/", bytes(url), mark, fragment)
