"""Responds to requests that no route serves.

Strangers get a bare 404. On a developer's gate, the response also lists the routes. If a policy
with `debug` allows the page, it may read the response, so that the browser's console shows 404.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from corsgate.cors.debug import is_readable_by_strangers
from corsgate.cors.decision import Verdict
from corsgate.cors.policy import Policy
from corsgate.cors.unrouted import RoutePolicy, decide_unrouted, nearest
from corsgate.errors import TargetError
from corsgate.gate.compiled_route import CompiledRoute
from corsgate.gate.error_page import Problem, title_of
from corsgate.gate.guide import MAX_ROUTES, Guide
from corsgate.gate.near_paths import near_paths
from corsgate.gate.own_responses import came_through_proxy, respond
from corsgate.message.client import Client
from corsgate.message.head import ResponseHead
from corsgate.message.host import is_loopback_address, is_loopback_name, read_host
from corsgate.message.request_id import REQUEST_ID
from corsgate.message.target import segments
from corsgate.server.request import GateRequest

MAX_POLICIES = 500
"""The maximum number of policies that are compared with a path, so that a request costs little."""


class Unrouted:
    """Responds to requests that no route serves.

    Args:
        routes: The routes.
        is_local: Whether the gate only listens on loopback, without a trusted proxy.
        status_page: Returns the URL of the status page; empty if there is none.
    """

    def __init__(
        self, routes: Sequence[CompiledRoute], *, is_local: bool, status_page: Callable[[], str]
    ) -> None:
        policies = [each for each in routes if each.policy is not None and each.policy.debugs]
        self._policies = [found for each in policies[:MAX_POLICIES] if (found := _placed(each))]
        self._routes = routes
        self._status_page = status_page
        # A proxy in front may add no field, so loopback by itself doesn't prove a developer's gate.
        self._is_developers = is_local and any(
            each.policy.source.debug for each in policies if each.policy is not None
        )

    def respond(self, request: GateRequest, client: Client, problem: Problem) -> None:
        """Respond to a request that no route serves.

        Args:
            request: The request.
            client: The client.
            problem: The 404 for strangers.
        """
        policy = self._nearest(request, request.log.client)
        decision = None
        if policy is not None:
            decision = decide_unrouted(policy, request.method, request.index)
        if decision is not None and decision.verdict is Verdict.PREFLIGHT:
            request.log.conclude(f"{decision.reason}; debug grants its preflight")
            headers = [*decision.headers, (b"Date", request.channel.context.date())]
            headers.append((REQUEST_ID, request.log.id.encode("ascii")))
            request.respond(ResponseHead(204, title_of(204).encode("ascii"), headers), b"")
            return
        is_private = policy is None or not is_readable_by_strangers(policy, request.index)
        if self._is_developers and is_private and _is_developer(request, client):
            problem = attrs.evolve(problem, guide=self._guide(request.uri))
        respond(request, problem, decision)

    def _nearest(self, request: GateRequest, shown: str) -> Policy | None:
        """Return the policy whose CORS headers the response gets; None for no headers."""
        if not self._policies or b"origin" not in request.index:
            return None
        host = read_host(request.authority)
        try:
            path = segments(request.uri)
        except TargetError:
            return None
        return nearest(
            self._policies,
            b"" if host is None else host.name,
            path,
            request.index,
            loopback=is_loopback_address(shown) and not came_through_proxy(request),
        )

    def _guide(self, target: bytes) -> Guide:
        path = target.partition(b"?")[0].decode("latin-1")
        prefixes = (each.prefix.decode("ascii") for each in self._routes if each.route.host is None)
        is_root = path == "/"
        return Guide(
            routes=tuple(each.label for each in self._routes[:MAX_ROUTES]),
            more=max(0, len(self._routes) - MAX_ROUTES),
            near=() if is_root else near_paths(path, prefixes),
            status_page=self._status_page(),
            is_root=is_root,
        )


def _placed(route: CompiledRoute) -> RoutePolicy | None:
    """Return a route's policy with the route's host and path."""
    assert route.policy is not None, "only routes with a policy are passed"
    named = None if route.route.host is None else read_host(route.route.host.encode("ascii"))
    path = tuple(segments(route.prefix)) if route.prefix else ()
    return RoutePolicy(host=None if named is None else named.name, path=path, policy=route.policy)


def _is_developer(request: GateRequest, client: Client) -> bool:
    """Return whether a program on this machine sent a request, to a name of this machine."""
    host = read_host(client.authority)
    return (
        not client.trusted
        and is_loopback_address(client.peer)
        and host is not None
        and is_loopback_name(host.name)
        and not came_through_proxy(request)
    )
