"""Restrictions on what a route's requests may reach, and with which account; the rest gets 403.

They exist for routes with ``by_url`` or ``allow_paths``, and for upstreams with
``credentials_by_origin``.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING

import attrs

from corsgate.balance.state import ServerState
from corsgate.config.model.by_url import OUTSIDE, names_in_dns, upstreams_of
from corsgate.config.model.path_rules import AllowedPaths, judges_methods
from corsgate.config.model.values import Route
from corsgate.errors import TargetError
from corsgate.gate.url_shapes import UrlRequestShape, UrlResponseShape
from corsgate.message.headers import Header
from corsgate.message.proxied_url import ProxiedUrl, UrlTable, read_url, url_in
from corsgate.message.target import segments
from corsgate.server.parsed_request import malformed
from corsgate.server.request import GateRequest

if TYPE_CHECKING:
    from corsgate.gate.compiled_route import CompiledRoute

_FORBIDDEN = 403


class Reach:
    """The URLs, paths and accounts that a route's requests may use.

    Args:
        route: Its configuration.
        depth: How many segments its prefix has.
    """

    def __init__(self, route: Route, depth: int) -> None:
        self._depth = depth
        self._allowed = AllowedPaths(route.allow_paths) if route.allow_paths else None
        self._routes: Sequence[CompiledRoute] = ()
        self._states: Sequence[Mapping[str, ServerState]] = ()
        self._table: UrlTable[CompiledRoute] = UrlTable(())

    def choose_among(self, routes: Sequence[CompiledRoute]) -> None:
        """Let the URL of each request choose its route.

        Args:
            routes: One route for each upstream of ``by_url``.
        """
        self._routes = routes

    def admitted(
        self, request: GateRequest, route: CompiledRoute, gate_origin: Callable[[], bytes]
    ) -> CompiledRoute:
        """Return the route that serves a request; record a refusal in the request if there is none.

        The policy still responds first: a preflight is granted as usual. The request after it then
        gets the reason for the refusal in a response that the page may read.

        Args:
            request: The request.
            route: The route found by the request's path.
            gate_origin: Returns the gate's origin, as the client's browser sees it.
        """
        if request.refusal is not None:
            return route
        head = request.head
        try:
            if self._routes:
                url = read_url(url_in(head.target, self._depth))
                table = self._current_table()
                found = table.find(url)
                if found is None:
                    raise TargetError(OUTSIDE)
                self._check(head.method, url.path, request, None)
                logs_in = b"authorization" in request.index and not route.authenticates
                made = _toward(found.value, found.rest, url, table, logs_in=logs_in)
                accounts = found.value.accounts
                return made if accounts is None else _signing(accounts.route_for(request), made)
            self._check(head.method, head.target, request, gate_origin)
            if route.accounts is not None:
                return route.accounts.route_for(request)
        except TargetError as error:
            refusal = malformed(error, _FORBIDDEN)
            request.refusal = attrs.evolve(refusal, after_policy=True)
        return route

    def _check(
        self,
        method: bytes,
        target: bytes,
        request: GateRequest,
        gate_origin: Callable[[], bytes] | None,
    ) -> None:
        """Raise TargetError if a target or a Destination is not allowed.

        Args:
            method: The request's method.
            target: The target to compare with the allowed paths.
            request: The request.
            gate_origin: As in `admitted`; None if a Destination can't be a path of the gate.
        """
        if self._allowed is None:
            return
        reason = self._allowed.refusal(method, segments(target))
        if reason:
            raise TargetError(reason)
        # RFC 4918 10.3: COPY and MOVE write to the Destination.
        for value in request.index.get(b"destination", ()):
            path = b"" if gate_origin is None else path_at_gate(value, gate_origin())
            if not path or not self._allowed.allows(method, path):
                raise TargetError("this route does not allow this Destination")

    def _current_table(self) -> UrlTable[CompiledRoute]:
        """Return the table of routes by URL, renewed if discovery or files have changed servers."""
        states = [route.upstream.balancer.states for route in self._routes]
        if len(states) != len(self._states) or any(
            now is not before for now, before in zip(states, self._states, strict=True)
        ):
            self._states = states
            self._table = UrlTable(
                (
                    route,
                    # A DNS name belongs to its upstream even before it is resolved.
                    (
                        *(each.server for each in known.values()),
                        *names_in_dns(route.route.upstream),
                    ),
                )
                for route, known in zip(self._routes, states, strict=True)
            )
        return self._table


def reach_of(route: Route, depth: int) -> Reach | None:
    """Return the restrictions of a route; None if it has none.

    Args:
        route: Its configuration.
        depth: How many segments its prefix has.
    """
    has_accounts = any(each.credentials_by_origin for each in upstreams_of(route))
    restricts = bool(route.by_url or route.allow_paths or has_accounts)
    return Reach(route, depth) if restricts else None


def reach_key(route: Route) -> Hashable:
    """Return the part of a route's restrictions that decides which fields a server gets."""
    return tuple(each.name for each in route.by_url), judges_methods(route.allow_paths)


def as_one(routes: Sequence[CompiledRoute]) -> CompiledRoute:
    """Return the route to find by path, out of the routes to each of its upstreams.

    Args:
        routes: One for each upstream. Clients and the log see them as one route.
    """
    first = routes[0]
    if first.route.by_url:
        assert first.reach is not None, "a route with by_url has a Reach"
        first.reach.choose_among(routes)
        for other in routes[1:]:
            other.report_only, other.log_throttle = first.report_only, first.log_throttle
    return first


def path_at_gate(destination: bytes, gate_origin: bytes) -> bytes:
    """Return the path at the gate that a Destination refers to.

    Args:
        destination: The field's value.
        gate_origin: The gate's origin, as the client's browser sees it; empty if unknown.

    Returns:
        The path. Empty if the value is neither a path nor a URL of the gate, or is ambiguous. The
        gate does not map such a value, so the server would see a different path in it.
    """
    is_path = destination.startswith(b"/")
    try:
        own = read_url(gate_origin or b"http://localhost")
        url = read_url(bytes(own).removesuffix(b"/") + destination if is_path else destination)
    except TargetError:
        return b""
    is_own = url[:3] == own[:3] and (is_path or bool(gate_origin))
    return url.path if is_own else b""


def _signing(account: CompiledRoute, made: CompiledRoute) -> CompiledRoute:
    """Return the route with another account, for the same URL as that of a made route."""
    signed, shape = copy(account), made.request_shape
    signed.request_shape = shape.signed(_fixed(account))
    signed.response_shape = made.response_shape
    return signed


def _fixed(route: CompiledRoute) -> Sequence[Header]:
    signer = route.upstream.credentials
    return () if signer is None else signer.fixed or ()


def _toward(
    route: CompiledRoute,
    rest: bytes,
    url: ProxiedUrl,
    table: UrlTable[CompiledRoute],
    *,
    logs_in: bool,
) -> CompiledRoute:
    """Return a copy of a route whose requests go to one URL.

    Args:
        route: The route of the URL's upstream.
        rest: The part of the URL's path after the server's own path, and its query.
        url: The URL.
        table: Finds the route of a URL.
        logs_in: Whether the upstream gets the request's own Authorization.
    """
    request_shape, response_shape = route.request_shape, route.response_shape
    assert isinstance(request_shape, UrlRequestShape)
    assert isinstance(response_shape, UrlResponseShape)

    def reaches(other: ProxiedUrl) -> bool:
        # A server must not redirect a page's request to an upstream for which the gate adds
        # secrets. Nor may another upstream get the page's own Authorization, which a browser
        # repeats if a redirect stays at the gate (Fetch #http-redirect-fetch).
        found = table.find(other)
        return found is not None and (
            found.value is route or not (logs_in or found.value.route.upstream.adds_secrets)
        )

    made = copy(route)
    made.request_shape = request_shape.toward(rest)
    made.response_shape = response_shape.of(url, reaches, route.prefix)
    return made
