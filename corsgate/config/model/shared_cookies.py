"""Find the routes that set or receive cookies that pages of other sites may use."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from corsgate.config.model.values import Route

_GateHosts: TypeAlias = set[str | None]
"""Hosts of the gate; None is any host."""


class SharedCookies:
    """The cookies that pages of other sites may use, in calls to a gate over https.

    A browser sends a cookie to every route of the gate's host that its Path matches. So each route
    to the same server is confined; otherwise any page could act there with a user's session. If a
    route can't be confined, because its policy admits pages of unknown owners, the cookie is not
    changed.

    Args:
        routes: All routes.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._open: dict[Hashable, _GateHosts] = {}
        self._shared: dict[Hashable, _GateHosts] = {}
        known = [route for route in routes if _passes_cookies(route)]
        for route in known:
            cors = route.cors
            if cors is not None and (cors.admits_strangers or not cors.enforce_origin):
                _note(route, self._open)
        for route in known:
            if self.sets(route):
                _note(route, self._shared)

    def sets(self, route: Route) -> bool:
        """Return whether pages of other sites may use the cookies that a route's server sets."""
        return route.shares_cookies and not _meets(route, self._open)

    def rides_on(self, route: Route) -> bool:
        """Return whether requests on a route may have cookies that are shared in this way."""
        return _passes_cookies(route) and _meets(route, self._shared)


def _passes_cookies(route: Route) -> bool:
    return not route.by_url and route.upstream.addresses.cookies != "drop"


def _places(route: Route) -> Iterable[Hashable]:
    """Return the places of a route's servers, regardless of scheme and path."""
    yield route.upstream.name
    for server in route.upstream.configured_servers:
        yield server.socket or (server.host, server.port)


def _note(route: Route, hosts: dict[Hashable, _GateHosts]) -> None:
    for place in _places(route):
        hosts.setdefault(place, set()).add(route.host)


def _meets(route: Route, hosts: Mapping[Hashable, _GateHosts]) -> bool:
    """Return whether a place of a route was noted for the route's host of the gate."""
    return any(
        found and (route.host is None or not found.isdisjoint((None, route.host)))
        for found in (hosts.get(place) for place in _places(route))
    )
