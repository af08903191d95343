"""The intended meaning of a policy, computed slowly and simply, without shared code."""

from __future__ import annotations

import re

from corsgate.config.model.values import Cors
from tests.cors.oracle import SAFELISTED_RESPONSE, Header, Request, normalize, unsafe_names

DEFAULT_PORTS = {"http": "80", "https": "443"}
NEVER_EXPOSED = (b"set-cookie", b"server", b"vary", b"x-powered-by")


def allows_origin(cors: Cors, origin: str) -> bool:
    """Return whether a policy allows an origin, given as a browser serializes it."""
    return any(stands_for(pattern, origin) for pattern in cors.allow_origins)


def stands_for(pattern: str, origin: str) -> bool:
    """Return whether one entry of ``allow_origins`` covers an origin."""
    if pattern in ("*", origin):
        return True
    if "null" in (pattern, origin) or "*" not in pattern:
        return False
    scheme, host, port = parts(pattern)
    its_scheme, its_host, its_port = parts(origin)
    if scheme != its_scheme:
        return False
    if host == "*":
        return re.fullmatch("[a-z0-9-]+", its_host) is not None and not its_port
    if port not in ("*", its_port):
        return False
    if host.startswith("*."):
        labels, above = its_host.split("."), host[2:].split(".")
        return len(labels) > len(above) and labels[-len(above) :] == above
    if "*" in host:
        before, behind = map(re.escape, host.split("*"))
        return re.fullmatch(f"{before}[a-z0-9-]+{behind}", its_host) is not None
    return host == its_host


def is_of_strangers(cors: Cors, origin: str) -> bool:
    """Return whether a policy allows an origin by entries that let everybody in."""
    allowing = [pattern for pattern in cors.allow_origins if stands_for(pattern, origin)]
    return all(pattern in ("*", "null") or pattern.endswith("://*") for pattern in allowing)


def parts(text: str) -> tuple[str, str, str]:
    """Return scheme, host and port; by default the scheme's own port."""
    scheme, rest = text.split("://")
    if rest.startswith("["):
        host, _, port = rest.partition("]")
        return scheme, host + "]", port.removeprefix(":") or DEFAULT_PORTS.get(scheme, "")
    host, _, port = rest.partition(":")
    return scheme, host, port or DEFAULT_PORTS.get(scheme, "")


def lets_read(cors: Cors, request: Request) -> bool:
    """Return whether a policy lets a script make a request and read the response."""
    if request.origin == request.target_origin:
        return True
    if not allows_origin(cors, request.origin.decode()):
        return False
    if request.include and not cors.allow_credentials:
        return False
    method, names = normalize(request.method).decode(), unsafe_names(request.headers)
    return allows_method(cors, method) and all(allows_header(cors, n.decode()) for n in names)


def lets_send(cors: Cors, origin: str, *, credentialed: bool) -> bool:
    """Return whether a policy lets another site's page POST without reading anything.

    Args:
        cors: The policy.
        origin: The page's.
        credentialed: Whether the gate adds its credentials.
    """
    if not cors.enforce_origin:
        return True
    if not allows_origin(cors, origin):
        return False
    return not (credentialed and is_of_strangers(cors, origin))


def allows_method(cors: Cors, method: str) -> bool:
    """Return whether a policy allows a method; three are always allowed."""
    return method in ("GET", "HEAD", "POST", *cors.allow_methods) or "*" in cors.allow_methods


def allows_header(cors: Cors, name: str) -> bool:
    """Return whether a policy allows a request header, given in lower case."""
    if name in [listed.lower() for listed in cors.allow_headers]:
        return True
    return "*" in cors.allow_headers and name != "authorization"


def readable(cors: Cors, headers: list[Header]) -> set[bytes]:
    """Return the lower-cased names of an upstream's fields that a policy exposes."""
    names = {name.lower() for name, _ in headers} - {b"set-cookie"}
    if cors.expose_auto:
        return names - set(NEVER_EXPOSED)
    if "*" in cors.expose_headers:
        return names
    listed = {name.lower().encode() for name in cors.expose_headers}
    return names & (listed | set(SAFELISTED_RESPONSE))
