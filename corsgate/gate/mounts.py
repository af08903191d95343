"""How routes mount upstreams at the gate, and which names stand for a server's address."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from corsgate.config.model.addresses import alias_endpoint
from corsgate.config.model.values import Route, Server, Upstream
from corsgate.errors import TargetError
from corsgate.message.target import segments
from corsgate.message.uri_mapping import Endpoint, Mount, parse_origin, server_endpoints

IsForeign: TypeAlias = Callable[[Endpoint], bool]
"""Returns whether an endpoint is a server of another upstream."""


def make_mount(
    route: Route,
    prefix: bytes,
    *,
    is_foreign: IsForeign,
    servers: Callable[[], Iterable[Server]],
    is_elsewhere: Callable[[bytes, Sequence[bytes]], bool],
) -> Mount:
    """Return how a route mounts its upstream.

    Args:
        route: The route.
        prefix: Its prefix, percent-encoded as in a target; empty for ``/``.
        is_foreign: Returns whether an endpoint is a server of another upstream.
        servers: Returns the servers of the upstream.
        is_elsewhere: Returns whether another route serves a Host value and the segments of a path.
    """

    def serves_another(authority: bytes, path: bytes) -> bool:
        try:
            return is_elsewhere(authority, segments(path or b"/"))
        except TargetError:
            return False

    # If a page is on the server's host, its origin is not another name of the server.
    pages = () if route.cors is None else route.cors.allow_origins
    page_endpoints = {parse_origin(page.encode()) for page in pages}
    named = map(alias_endpoint, route.upstream.addresses.aliases)
    return Mount(
        prefix=prefix if route.strip_prefix else b"",
        aliases=frozenset(found for found in named if found is not None),
        is_foreign=lambda found: found in page_endpoints or is_foreign(found),
        servers=servers,
        is_elsewhere=serves_another,
    )


def foreign_to(upstreams: Mapping[str, Upstream]) -> Callable[[str], IsForeign]:
    """Return a function that returns an `IsForeign` for the upstream with a given name.

    Args:
        upstreams: All upstreams by name.
    """
    own = {name: frozenset(_endpoints(upstream)) for name, upstream in upstreams.items()}
    everyone = frozenset[Endpoint]().union(*own.values())
    return lambda name: lambda found: found in everyone and found not in own[name]


def _endpoints(upstream: Upstream) -> Iterable[Endpoint]:
    """Return the endpoints of an upstream's servers, as far as they are configured."""
    for server in upstream.configured_servers:
        yield from server_endpoints(server)
