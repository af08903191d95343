"""Parse the URL of an upstream's server, such as ``http://10.0.0.11:8000/base``."""

from __future__ import annotations

import re

from corsgate.config.model.rules import (
    check_base_path,
    check_bracketed_host,
    check_port,
    check_socket_path,
    normal_host,
    one_of,
    show,
    split_port,
)
from corsgate.config.model.values import SCHEMES, Discovered, Server
from corsgate.errors import BadValue

_DISCOVERED = re.compile(r"(dns|srv)\+(?=[A-Za-z])")
_SERVICE = re.compile(r"_[a-z0-9-]+\._(?:tcp|udp)\..+")
_UNIX = "unix:"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_SCHEMELESS = re.compile(r"[A-Za-z0-9._-]+(?::[0-9]+)?(?:/[^/].*)?/?")
_EXAMPLE = "http://127.0.0.1:8000"
_DEFAULT_PORT = {"http": 80, "https": 443}


def parse_server(url: str) -> Server:
    """Return the server that a URL names (RFC 3986 3).

    Args:
        url: A scheme, a host, and optionally a port and a path. A ``/`` at the end is ignored.

    Returns:
        The server, with weight 1.

    Raises:
        BadValue: The URL is invalid. The message never shows user info or a query, since these
            may contain secrets.
    """
    if url.startswith(_UNIX):
        return _unix_server(url)
    if "@" in url:
        raise BadValue(
            "the URL contains a user name or password", "remove it and use credentials instead"
        )
    if "?" in url or "#" in url:
        shown = re.split("[?#]", url, maxsplit=1)[0]
        raise BadValue(f"the URL {show(shown)}... has a query or fragment", "remove it")
    match = _SCHEME.fullmatch(url)
    if match is None:
        example = f"http://{url}" if _SCHEMELESS.fullmatch(url) else _EXAMPLE
        raise BadValue(f"{show(url)} has no scheme", f"write {show(example)}")
    scheme, rest = match[1].lower(), match[2]
    if scheme not in SCHEMES:
        raise BadValue(
            f"{show(url)} has the scheme {show(scheme)}",
            f"write {one_of(f'{known}://' for known in SCHEMES)}",
        )
    authority, slash, path = rest.partition("/")
    host, port = split_port(authority)
    if not host:
        raise BadValue(f"{show(url)} has no host", f"write one, such as {show(_EXAMPLE)}")
    host = normal_host(host)
    check_bracketed_host(host)
    if port is not None:
        # Text that is not a number may be a password, if "@host" was forgotten.
        check_port(port, url if port.isdecimal() else f"{scheme}://{host}:...")
    base_path = (slash + path).removesuffix("/")
    check_base_path(base_path)
    return Server(
        scheme=scheme,
        host=host.strip("[]"),
        port=_DEFAULT_PORT[scheme] if port is None else int(port),
        base_path=base_path,
    )


def parse_discovered(url: str) -> Discovered | None:
    """Parse a URL of servers to look up in DNS; return None for the URL of a fixed server.

    Args:
        url: Such as ``dns+http://api.internal:8000`` or ``srv+https://_api._tcp.internal``.

    Raises:
        BadValue: The URL is invalid, or its host is not a name.
    """
    match = _DISCOVERED.match(url)
    if match is None:
        return None
    template = parse_server(url[match.end() :])
    shown, is_service = show(url), match[1] == "srv"
    if is_service and not _SERVICE.fullmatch(template.host):
        raise BadValue(
            f"{shown} is not the name of a service", 'write one such as "srv+http://_api._tcp.NAME"'
        )
    if is_service and template.port != _DEFAULT_PORT[template.scheme]:
        raise BadValue(f"{shown} has a port, but DNS decides the port", "remove it")
    if ":" in template.host or template.host.replace(".", "").isdigit():
        raise BadValue(
            f"{shown} has an address instead of a host name", f"write {show(url[match.end() :])}"
        )
    return Discovered(template=template, is_service=is_service)


def _unix_server(url: str) -> Server:
    """Return the server behind a Unix socket; its Host is localhost."""
    path = url.removeprefix(_UNIX)
    if path.startswith("//"):
        path = "/" + path.lstrip("/")
    check_socket_path(path)
    return Server(scheme="http", host="localhost", port=80, socket=path)
