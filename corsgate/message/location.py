"""Rewrite an upstream's Location, Content-Location and Set-Cookie to work at the gate."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Protocol

import attrs

from corsgate.message.headers import Header, HeaderList
from corsgate.message.host import parse_host

REWRITTEN = frozenset((b"location", b"content-location", b"set-cookie"))
"""Lower-cased names of the fields that `rewrite` may change."""

_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_ABSOLUTE = re.compile(rb"(?:(https?):)?//([^/\\?#]*)(.*)", re.IGNORECASE)
_DOTS = re.compile(rb"[/\\](?:\.|%2e){1,2}(?![^/\\])", re.IGNORECASE)
_AFTER_PATH = re.compile(rb"[?#]")
_ANOTHER_HOST = (b"//", b"/\\")  # browsers read "\" as "/"


class UpstreamServer(Protocol):
    """The needed part of ``config.model.Server``, which this package may not import."""

    @property
    def scheme(self) -> str:
        """``http`` or ``https``."""

    @property
    def authority(self) -> str:
        """The server's own Host value."""

    @property
    def base_path(self) -> str:
        """The prefix of each request's path; empty, or without a trailing ``/``."""


def rewrite(
    headers: Sequence[Header],
    *,
    server: UpstreamServer,
    sent_host: bytes,
    prefix: bytes,
    strip_prefix: bool,
    gate_origin: bytes,
) -> HeaderList:
    """Return a response's fields with the upstream's URLs and paths replaced by the gate's.

    Location and Content-Location: a URL of the server becomes the corresponding URL of the gate. A
    path is mapped and stays a path, unless it would then begin with ``//`` and name another host.
    Values that can't be reached through the gate are left unchanged: other hosts, paths outside
    the server's base path, and control characters. So are references that need no mapping, since
    a browser resolves them against the gate's URL.

    Set-Cookie: Domain is always removed, so that the cookie works at the gate and goes nowhere
    else. Path is mapped; one outside the base path becomes the route's prefix. Over plain http,
    attributes that browsers accept only on https are removed: Secure, SameSite=None and
    Partitioned. ``__Secure-`` cookies keep them, and ``__Host-`` cookies are left unchanged,
    because browsers would reject them otherwise.

    Args:
        headers: The upstream's fields.
        server: The server that got the request.
        sent_host: The Host that was sent to it.
        prefix: The route's prefix as it appears in a target; empty or ``/`` for none.
        strip_prefix: Whether the prefix was removed.
        gate_origin: Scheme and authority that the client used for the gate; empty without a host.

    Returns:
        A new list in the same order; each Set-Cookie stays a separate field (RFC 9110 10.2.2 and
        8.7, RFC 6265 4.1.2 and 5.2).
    """
    if not any(name.lower() in REWRITTEN for name, _ in headers):
        return list(headers)
    mount = _Mount(
        server=server,
        sent_host=sent_host,
        prefix=prefix.rstrip(b"/") if strip_prefix else b"",
        gate_origin=gate_origin,
    )
    return [(name, mount.value(name.lower(), value)) for name, value in headers]


@attrs.frozen(kw_only=True)
class _Mount:
    """One server, as it is mounted at the gate."""

    server: UpstreamServer
    sent_host: bytes
    prefix: bytes
    gate_origin: bytes

    @property
    def base(self) -> bytes:
        return self.server.base_path.encode()

    @property
    def plain_http(self) -> bool:
        return self.gate_origin.startswith(b"http:")

    def value(self, name: bytes, value: bytes) -> bytes:
        if name == b"set-cookie":
            return self.cookie(value)
        return self.location(value) if name in REWRITTEN else value

    def location(self, value: bytes) -> bytes:
        """Map a URI reference (RFC 3986 4.1)."""
        if _CONTROL.search(value):
            # Browsers drop some of these before parsing, so they would see another value.
            return value
        absolute = _ABSOLUTE.fullmatch(value)
        if absolute is not None:
            scheme, authority, rest = absolute.groups()
            if not self.is_named_by(scheme, authority):
                return value
            mapped = self.reference(rest)
            return value if mapped is None else self.at_gate(mapped)
        if not value.startswith(b"/") or value.startswith(_ANOTHER_HOST):
            return value
        mapped = self.reference(value)
        if mapped is None:
            return value
        return self.at_gate(mapped) if mapped.startswith(_ANOTHER_HOST) else mapped

    def at_gate(self, path: bytes) -> bytes:
        """Return a path's URL, or the path itself if the client sent no host."""
        if not self.gate_origin and path.startswith(_ANOTHER_HOST):
            return b"/." + path  # the same path, but it does not name a host (RFC 3986 5.2.4)
        return self.gate_origin + path

    def is_named_by(self, scheme: bytes | None, authority: bytes) -> bool:
        """Return whether scheme and authority are the server's own, or come from the sent Host.

        A server that builds URLs from the Host uses its own scheme, or the gate's from
        X-Forwarded-Proto.
        """
        own = self.server.scheme.encode()
        gate = b"http" if self.plain_http else b"https"
        named = _endpoint((scheme or own).lower(), authority)
        return named is not None and named in (
            _endpoint(own, self.server.authority.encode()),
            _endpoint(own, self.sent_host),
            _endpoint(gate, self.sent_host),
        )

    def reference(self, value: bytes) -> bytes | None:
        """Map a path with its query and fragment; None if it can't be reached."""
        end = _AFTER_PATH.search(value)
        cut = end.start() if end else len(value)
        path = value[:cut]
        if self.base or self.prefix:
            path = _without_dots(path)
        mapped = self.path(path)
        return None if mapped is None else (mapped or b"/") + value[cut:]

    def path(self, path: bytes) -> bytes | None:
        """Replace the base path by the prefix; None outside the base path."""
        base = self.base
        rest = path[len(base) :]
        if not path.startswith(base) or not (not rest or rest.startswith(b"/")):
            return None
        return self.prefix + rest

    def cookie(self, value: bytes) -> bytes:
        """Map one Set-Cookie value; kept attributes stay unchanged."""
        pair, *attributes = value.split(b";")
        name = pair.partition(b"=")[0].strip().lower()
        if name.startswith(b"__host-"):
            return value
        secure = not self.plain_http or name.startswith(b"__secure-")
        return b";".join((pair, *self.cookie_attributes(attributes, secure)))

    def cookie_attributes(self, attributes: Sequence[bytes], secure: bool) -> Iterator[bytes]:
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
                mapped = self.cookie_path(value)
                yield attribute if mapped == value else raw_name + b"=" + mapped
            else:
                yield attribute

    def cookie_path(self, path: bytes) -> bytes:
        """Map a cookie's Path to ``/v1`` rather than ``/v1/``, which would not match ``/v1``."""
        mapped = self.path(path)
        if mapped is None or mapped == self.prefix + b"/":
            mapped = self.prefix
        return mapped or b"/"


def _endpoint(scheme: bytes, authority: bytes) -> tuple[bytes, bytes, int] | None:
    host = parse_host(authority)
    if host is None:
        return None
    return scheme, host.name, host.port or (443 if scheme == b"https" else 80)


def _without_dots(path: bytes) -> bytes:
    r"""Resolve dot segments as browsers do, for which ``%2e`` is a dot and ``\`` is ``/``.

    Otherwise ``/base/../x`` would count as a path below ``/base`` (RFC 3986 5.2.4, WHATWG URL
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
