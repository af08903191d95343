"""A configuration made ready to serve: what each route needs, worked out once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import attrs

from corsgate.balance.selection import RoundRobin
from corsgate.config.model import Config, Cors, Limits, Upstream
from corsgate.cors.policy import Policy, compile_policy
from corsgate.credentials.build import build
from corsgate.errors import BadValue, ConfigError, Fault
from corsgate.forward.client import ProxyClient
from corsgate.gate.trial import Trial
from corsgate.interfaces import ICredentials
from corsgate.routing import Match, RouteTable
from corsgate.shaping import UpstreamShape
from corsgate.wire.agent import UpstreamAgent
from corsgate.wire.sweeper import Sweeper


@attrs.frozen(kw_only=True, eq=False)
class UpstreamPlan:
    """One upstream, ready to be asked; its moving parts are shared by its routes.

    Attributes:
        agent: Holds its connections.
        client: Sends to its servers.
        credentials: Signs, or None.
        rotation: Says which server is next.
    """

    agent: UpstreamAgent
    client: ProxyClient
    credentials: ICredentials | None
    rotation: RoundRobin


@attrs.frozen(kw_only=True, eq=False)
class RoutePlan:
    """One route, ready to serve.

    Attributes:
        label: Its host and prefix, for the log.
        shape: Shapes its heads.
        policy: Its compiled CORS policy, or None.
        trial: Its ``cors_report_only``, or None.
        methods: The methods it serves, or None for all.
        limits: Its bounds.
        upstream: Where its requests go.
    """

    label: str
    shape: UpstreamShape
    policy: Policy | None
    trial: Trial | None
    methods: frozenset[bytes] | None
    limits: Limits
    upstream: UpstreamPlan


@attrs.frozen(kw_only=True, eq=False)
class Plan:
    """All that a configuration decides, ready to serve.

    Attributes:
        table: Finds a request's `Match`.
        routes: The plan of each route.
        upstreams: The plans of the upstreams, by name.
    """

    table: RouteTable
    routes: Mapping[Match, RoutePlan]
    upstreams: Mapping[str, UpstreamPlan]

    def of(self, match: Match) -> RoutePlan:
        """Answer the plan of the route that was found."""
        return self.routes[match]


def make_plan(
    config: Config, *, reactor: Any, sweeper: Sweeper, rng: Callable[[int], bytes], file: str
) -> Plan:
    """Make a configuration ready to serve.

    Args:
        config: What to serve.
        reactor: Connects and tells the time.
        sweeper: Ends what takes too long.
        rng: Answers so many random bytes.
        file: The configuration's name in faults.

    Returns:
        A plan that has opened nothing yet.

    Raises:
        ConfigError: An upstream's certificates can't be used.
    """
    upstreams: dict[str, UpstreamPlan] = {}
    faults: list[Fault] = []
    for name, upstream in config.upstreams.items():
        try:
            upstreams[name] = _plan_upstream(upstream, reactor, sweeper, rng)
        except BadValue as error:
            key = f"upstreams.{name}"
            faults.append(Fault(file=file, key=key, problem=error.problem, mend=error.mend))
    if faults:
        raise ConfigError(faults)
    table = RouteTable.build(config.routes)
    # Routes that share a policy share its answers, of which there may be thousands.
    compiled = lru_cache(maxsize=None)(compile_policy)
    routes = {
        match: _plan_route(match, upstreams[match.route.upstream.name], compiled)
        for match in table.matches
    }
    return Plan(table=table, routes=routes, upstreams=upstreams)


def _plan_upstream(
    upstream: Upstream, reactor: Any, sweeper: Sweeper, rng: Callable[[int], bytes]
) -> UpstreamPlan:
    agent = UpstreamAgent(reactor, sweeper, upstream)
    return UpstreamPlan(
        agent=agent,
        client=ProxyClient(agent),
        credentials=build(upstream.credentials, rng),
        rotation=RoundRobin(upstream.servers),
    )


def _plan_route(
    match: Match, upstream: UpstreamPlan, compiled: Callable[[Cors], Policy]
) -> RoutePlan:
    route = match.route
    credentials = upstream.credentials
    label = f"{route.host or ''}{route.prefix}"
    report_only = route.cors_report_only
    return RoutePlan(
        label=label,
        shape=UpstreamShape(
            match=match,
            own_fields=frozenset() if credentials is None else credentials.header_names,
            credentialed=credentials is not None,
        ),
        policy=None if route.cors is None else compiled(route.cors),
        trial=None if report_only is None else Trial(label, compiled(report_only)),
        methods=(
            None
            if route.methods is None
            else frozenset(method.encode("ascii") for method in route.methods)
        ),
        limits=route.limits,
        upstream=upstream,
    )
