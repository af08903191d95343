"""The upstreams of a route with ``by_url``, and which of them a URL belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import attrs

from corsgate.config.model.rules import show
from corsgate.errors import BadValue
from corsgate.message.proxied_url import UrlTable

if TYPE_CHECKING:
    from corsgate.config.model.values import Route, Server, Upstream

OUTSIDE = "the URL is not within the servers that this route may reach"
"""The reason for refusing a URL that belongs to none of a route's upstreams."""


def upstreams_of(route: Route) -> Sequence[Upstream]:
    """Return all upstreams that a route's requests may go to."""
    return route.by_url or (route.upstream,)


def signed_upstream(route: Route) -> Upstream | None:
    """Return the first of a route's upstreams to which the gate adds secrets, or None."""
    return next((each for each in upstreams_of(route) if each.adds_secrets), None)


def authenticates(route: Route) -> bool:
    """Return whether the gate, not the client, authenticates at one of a route's upstreams."""
    return any(each.all_credentials for each in upstreams_of(route))


def one_per_upstream(route: Route) -> Sequence[Route]:
    """Return a route for each upstream of ``by_url``; a route without it is returned itself."""
    return [attrs.evolve(route, upstream=each) for each in route.by_url] or [route]


def names_in_dns(upstream: Upstream) -> Sequence[Server]:
    """Return the templates of the servers in DNS that a URL can name.

    A URL can't name the servers of an SRV name, since their hosts and ports are unknown until they
    are looked up.
    """
    return [each.template for each in upstream.discovered if not each.is_service]


def named_servers(upstream: Upstream) -> Sequence[Server]:
    """Return the servers of an upstream that a URL can name: fixed ones, and names in DNS."""
    return (*upstream.servers, *names_in_dns(upstream))


def url_table(upstreams: Iterable[Upstream]) -> UrlTable[Upstream]:
    """Return a table to look up the upstream of a URL."""
    return UrlTable((upstream, named_servers(upstream)) for upstream in upstreams)


def check_by_url(upstreams: Sequence[Upstream]) -> None:
    """Reject upstreams if a URL could belong to more than one of them, or to none."""
    owners: dict[str, Upstream] = {}
    for number, upstream in enumerate(upstreams):
        name = show(upstream.name)
        if any(upstream.name == other.name for other in upstreams[:number]):
            raise BadValue(f"{name} is listed twice", "remove one of them")
        if not named_servers(upstream):
            raise BadValue(
                f"no URL can name a server of {name}: SRV records name its hosts",
                "use an upstream whose servers are URLs or dns+ names",
            )
        for server in named_servers(upstream):
            host = f"[{server.host}]" if ":" in server.host else server.host
            place = f"{server.scheme}://{host}:{server.port}{server.base_path}"
            owner = owners.setdefault(place, upstream)
            if owner is not upstream:
                raise BadValue(
                    f"{place} is a server of both {show(owner.name)} and {name}",
                    "name only one of them",
                )
