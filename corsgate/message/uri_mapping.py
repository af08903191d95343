"""Map URI references that a server sends to the gate's addresses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Protocol, TypeAlias

import attrs

from corsgate.message.host import DEFAULT_PORTS, parse_host

Endpoint: TypeAlias = tuple[bytes, bytes, int]
"""Scheme, lower-cased host and port: an origin (RFC 6454 4)."""

MAX_REFERENCE_BYTES = 16 * 1024
"""The longest reference that is mapped; no real one is that long."""

_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
ABSOLUTE = re.compile(rb"(?:(https?):)?//([^/\\?#]*)(.*)", re.IGNORECASE | re.DOTALL)
"""A URL, or a reference without a scheme: its scheme, its authority, and the rest."""

_DOTS = re.compile(rb"[/\\](?:\.|%2e){1,2}(?![^/\\])", re.IGNORECASE)
_AFTER_PATH = re.compile(rb"[?#]")
_ANOTHER_HOST = (b"//", b"/\\")  # browsers read "\" as "/"


class UpstreamServer(Protocol):
    """The needed part of ``config.model.Server``, which this package may not import."""

    @property
    def scheme(self) -> str:
        """``http`` or ``https``."""

    @property
    def host(self) -> str:
        """The host to connect to; an IPv6 address has no brackets."""

    @property
    def port(self) -> int:
        """1 to 65535."""

    @property
    def authority(self) -> str:
        """The server's own Host value."""

    @property
    def base_path(self) -> str:
        """The prefix of each request's path; empty, or without a trailing ``/``."""


def endpoint(scheme: bytes, authority: bytes) -> Endpoint | None:
    """Return the endpoint for a scheme and an authority; None if the authority is invalid.

    Args:
        scheme: ``http`` or ``https``, in lower case.
        authority: A Host value; user info makes it invalid.
    """
    host = parse_host(authority)
    return None if host is None else (scheme, host.name, host.port or DEFAULT_PORTS[scheme])


def parse_origin(origin: bytes) -> Endpoint | None:
    """Return the endpoint of ``scheme://authority``; None for any other text."""
    scheme, _, authority = origin.partition(b"://")
    return endpoint(scheme, authority) if scheme in DEFAULT_PORTS else None


def show_endpoint(named: Endpoint) -> str:
    """Return an endpoint as a URL without a path."""
    scheme, host, port = named
    shown = f"[{host.decode()}]" if b":" in host else host.decode()
    return f"{scheme.decode()}://{shown}" + ("" if port == DEFAULT_PORTS[scheme] else f":{port}")


def server_endpoints(server: UpstreamServer) -> Iterator[Endpoint]:
    """Return the endpoints of a server: by its Host value, and by its address."""
    scheme = server.scheme.encode()
    address = f"[{server.host}]" if ":" in server.host else server.host
    for authority in {server.authority, f"{address}:{server.port}"}:
        found = endpoint(scheme, authority.encode())
        if found is not None:
            yield found


def related_endpoints(server: UpstreamServer) -> Iterator[Endpoint]:
    """Return the endpoints that are most likely the same server: with the other scheme or no port.

    Many servers build URLs only from their host name. Others use https because they had their own
    proxy in front.
    """
    for _, host, port in server_endpoints(server):
        for scheme, default in DEFAULT_PORTS.items():
            yield scheme, host, port
            yield scheme, host, default


@attrs.frozen(kw_only=True)
class Mount:
    """How a route mounts an upstream at the gate.

    Attributes:
        prefix: The part of a target that is stripped; empty if nothing is.
        aliases: Other endpoints that the upstream's servers use in their URLs.
        is_foreign: Returns whether an endpoint is a server of another upstream, or serves pages
            that use the route; it is never assumed to be a server of this upstream.
        servers: Returns all servers of the upstream.
        is_elsewhere: Returns whether another route serves a path of the gate. It is called with
            the client's Host value and the path.
    """

    prefix: bytes = b""
    aliases: frozenset[Endpoint] = frozenset()
    is_foreign: Callable[[Endpoint], bool] = lambda _endpoint: False
    servers: Callable[[], Iterable[UpstreamServer]] = tuple
    is_elsewhere: Callable[[bytes, bytes], bool] = lambda _authority, _path: False


class AddressMap:
    """Maps the addresses in one response of one server.

    Args:
        mount: How its upstream is mounted.
        server: The server.
        sent_host: The Host that was sent to it.
        gate_origin: Scheme and authority that the client used for the gate; empty without a host.
        authority: The Host value with which the gate finds routes.
    """

    __slots__ = ("_authority", "_bases", "_mount", "_sent_host", "_server", "gate_origin")

    def __init__(
        self,
        mount: Mount,
        server: UpstreamServer,
        *,
        sent_host: bytes,
        gate_origin: bytes,
        authority: bytes = b"",
    ) -> None:
        self._mount = mount
        self._server = server
        self._sent_host = sent_host
        self._authority = authority
        self._bases: dict[Endpoint, bytes] | None = None
        self.gate_origin = gate_origin

    @property
    def prefix(self) -> bytes:
        """The part of a target that is stripped; empty if nothing is."""
        return self._mount.prefix

    @property
    def asks_over_http(self) -> bool:
        """Whether the gate uses plain http to the server."""
        return self._server.scheme == "http"

    def to_gate(self, value: bytes) -> bytes:
        r"""Return the gate's reference for a server's (RFC 3986 4.1).

        A URL that names the server becomes the corresponding URL of the gate. A path is mapped
        and stays a path, unless it would then begin with ``//`` and name another host. These are
        unchanged:

        - URLs of other hosts, and paths outside the server's base path;
        - relative references, which a browser resolves against the gate's URL;
        - values with control characters, and those longer than `MAX_REFERENCE_BYTES`;
        - paths that begin with the stripped prefix, which the server built from X-Forwarded-Prefix.

        Args:
            value: The reference. The time is linear in its length.
        """
        if len(value) > MAX_REFERENCE_BYTES or _CONTROL.search(value):
            # Browsers drop some of these before parsing, so they would see another value.
            return value
        absolute = ABSOLUTE.fullmatch(value)
        if absolute is not None:
            scheme, authority, rest = absolute.groups()
            return self._url(scheme, authority, rest) or value
        if not value.startswith(b"/") or value.startswith(_ANOTHER_HOST):
            return value
        mapped = self._reference(value, self._server.base_path.encode())
        if mapped is None:
            return value
        return self.at_gate(mapped) if mapped.startswith(_ANOTHER_HOST) else mapped

    def at_gate(self, path: bytes) -> bytes:
        """Return a path's URL, or the path itself if the client sent no host."""
        if not self.gate_origin and path.startswith(_ANOTHER_HOST):
            return b"/." + path  # the same path, but it does not name a host (RFC 3986 5.2.4)
        return self.gate_origin + path

    def path(self, path: bytes, base: bytes | None = None) -> bytes | None:
        """Replace a server's base path by the prefix.

        Args:
            path: A path without query.
            base: The server's base path; None for that of the server that responded.

        Returns:
            The gate's path, possibly empty; None if the path is outside the base path.
        """
        base = self._server.base_path.encode() if base is None else base
        prefix = self._mount.prefix
        below_base = _is_below(path, base)
        # If both match, the longer one is the better guess.
        if prefix and _is_below(path, prefix) and (not below_base or len(prefix) > len(base)):
            # Some servers prepend X-Forwarded-Prefix to their base path, others replace it.
            rest = path[len(prefix) :]
            return prefix + rest[len(base) :] if _is_below(rest, base) else path
        return prefix + path[len(base) :] if below_base else None

    def moved_to(self, value: bytes) -> Endpoint | None:
        """Return the server's endpoint in a URL if it differs from the requested one.

        Args:
            value: A Location.

        Returns:
            None for a path, another host, the gate, and the endpoint that got the request. Also
            None for another server of the upstream, which may get the next request.
        """
        absolute = ABSOLUTE.fullmatch(value)
        if absolute is None:
            return None
        scheme, own = absolute[1], self._server.scheme.encode()
        found = endpoint(scheme.lower() if scheme else own, absolute[2])
        if found is None or found in self._gate_origins() or found not in self._named():
            return None
        servers = (self._server, *self._mount.servers())
        asked = {
            endpoint(own, self._sent_host),
            *chain.from_iterable(map(server_endpoints, servers)),
        }
        return None if found in asked else found

    def _url(self, scheme: bytes | None, authority: bytes, rest: bytes) -> bytes | None:
        """Return the gate's URL for one of the server or of the gate; None for any other."""
        own = self._server.scheme.encode()
        found = endpoint(scheme.lower() if scheme else own, authority)
        if found is None:
            return None
        origin = self._gate_origins().get(found)
        if origin is None:
            base = self._named().get(found)
            mapped = None if base is None else self._reference(rest, base)
            return None if mapped is None else self.at_gate(mapped)
        # The server built it from X-Forwarded-Host, or a page sent the URL to return to.
        if self._mount.is_elsewhere(self._authority, _AFTER_PATH.split(rest, maxsplit=1)[0]):
            return None
        mapped = self._reference(rest, self._server.base_path.encode())
        return None if mapped is None else origin + mapped

    def _gate_origins(self) -> dict[Endpoint | None, bytes]:
        """Return the origin to send to the client for each endpoint that names the gate.

        A server may know the host, but not that the client uses https. If a server redirects a
        client from http to https, the result must not lead back to http.
        """
        authority = self.gate_origin.partition(b"://")[2]
        if not authority:
            return {}
        return {
            endpoint(b"http", authority): self.gate_origin,
            endpoint(b"https", authority): b"https://" + authority,
        }

    def _named(self) -> dict[Endpoint, bytes]:
        """Return the base path for each endpoint that may name a server of the upstream."""
        if self._bases is None:
            self._bases = dict(self._find_names())
        return self._bases

    def _find_names(self) -> Iterator[tuple[Endpoint, bytes]]:
        """Return endpoints and base paths; of equal endpoints, the last one wins."""
        mount, server = self._mount, self._server
        base, own = server.base_path.encode(), server.scheme.encode()
        for each in related_endpoints(server):
            if not mount.is_foreign(each):
                yield each, base
        for alias in mount.aliases:
            yield alias, base
        for other in mount.servers():
            for each in server_endpoints(other):
                yield each, other.base_path.encode()
        # A server that builds URLs from the Host uses its own scheme, or the gate's from
        # X-Forwarded-Proto.
        gate = b"http" if self.gate_origin.startswith(b"http:") else b"https"
        for scheme in (own, gate):
            sent = endpoint(scheme, self._sent_host)
            if sent is not None and not mount.is_foreign(sent):
                yield sent, base
        for each in server_endpoints(server):
            yield each, base

    def _reference(self, value: bytes, base: bytes) -> bytes | None:
        """Map a path with its query and fragment; None if it can't be reached."""
        end = _AFTER_PATH.search(value)
        cut = end.start() if end else len(value)
        path = value[:cut]
        if base or self._mount.prefix:
            path = _without_dots(path)
        mapped = self.path(path, base)
        return None if mapped is None else (mapped or b"/") + value[cut:]


def _is_below(path: bytes, prefix: bytes) -> bool:
    """Return whether a path begins with the whole segments of a prefix, which may be empty."""
    return path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in (b"", b"/")


def _without_dots(path: bytes) -> bytes:
    r"""Resolve dot segments like browsers, which read ``%2e`` as a dot and ``\`` as ``/``.

    Otherwise ``/base/../x`` would look like a path below ``/base`` (RFC 3986 5.2.4, WHATWG URL
    ``#path-state``).
    """
    if _DOTS.search(path) is None:
        return path
    kept: list[bytes] = []
    pieces = re.split(rb"[/\\]", path)[1:]
    for piece in pieces:
        plain = piece.lower().replace(b"%2e", b".")
        if plain == b"..":
            del kept[-1:]
        elif plain != b".":
            kept.append(piece)
    if plain in (b".", b".."):
        kept.append(b"")
    return b"/" + b"/".join(kept)
