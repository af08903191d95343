"""Describes which Origin an upstream receives with the calls of a page."""

from __future__ import annotations

from collections.abc import Iterator

from corsgate.config.model.by_url import upstreams_of
from corsgate.config.model.rules import show
from corsgate.config.model.values import Config, Route, Upstream
from corsgate.cors.vouching import KEEP, SERVER
from corsgate.message.client import serialized_origin


def origin_seen(mode: str, upstream: Upstream, page: str, gate_origin: bytes) -> str:
    """Describe the Origin that an upstream receives with a call.

    Args:
        mode: The result of `corsgate.cors.vouching.origin_mode`.
        upstream: The upstream.
        page: The Origin that the page sends.
        gate_origin: The origin that the page uses for the gate.

    Returns:
        A clause. Each server receives its own origin; of several, the clause names the first.
    """
    if mode == "drop":
        return "the box sees no Origin"
    if mode == "gate":
        return f"the box sees Origin: {gate_origin.decode('latin-1')}"
    if mode == KEEP:
        return f"the box sees the page's own Origin: {page}"
    if mode != SERVER:
        return f"the box sees Origin: {mode}"
    return f"the box sees Origin: {_own_origin(upstream, gate_origin)}"


def _own_origin(upstream: Upstream, gate_origin: bytes) -> str:
    """Return the origin of an upstream's first server, as it sees it in requests."""
    server = upstream.configured_servers[0]
    host = server.host_value
    if upstream.preserve_host:
        host = gate_origin.partition(b"://")[2] or host
    return serialized_origin(server.scheme.encode("ascii"), host).decode("latin-1")


def origins_seen(config: Config) -> Iterator[str]:
    """Describe the Origin that each upstream receives, if pages of other origins may call it.

    Args:
        config: The configuration.

    Returns:
        Lines, in the order of the upstreams.
    """
    for upstream in config.upstreams.values():
        routes = [r for r in config.routes if r.cors and upstream in upstreams_of(r)]
        if not routes:
            continue
        said = f"upstreams.{upstream.name}: the box sees"
        mode = upstream.request_rules.origin
        if mode is not None:
            yield f"{said} {_in_general(mode, upstream).rstrip(',')}"
            continue
        checked = [route for route in routes if _checks(route)]
        if checked:
            yield f"{said} {_in_general(SERVER, upstream)} from allowed pages"
        for route in routes:
            if route not in checked:
                place = show(f"{route.host or ''}{route.prefix}")
                yield f"{said} {_in_general(KEEP, upstream)} on the route {place}"
                break


def _checks(route: Route) -> bool:
    """Return whether a route's policy allows origins by name (`Policy.names`)."""
    cors = route.cors
    return cors is not None and cors.enforce_origin and cors.names_pages


def _in_general(mode: str, upstream: Upstream) -> str:
    """Describe the Origin that an upstream receives with the calls of any page."""
    if mode == "drop":
        return "no Origin"
    if mode == KEEP:
        return "the page's own Origin"
    if mode == "gate":
        return "the gate's origin, as the client uses it"
    if mode != SERVER:
        return f"Origin: {mode}"
    if upstream.preserve_host:
        return "its own origin, by the client's Host,"
    return f"Origin: {_own_origin(upstream, b'')}"
