"""Read the sections ``[routes."[host]/prefix"]`` and ``[limits]``."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from corsgate.config.model import rules
from corsgate.config.model.by_url import signed_upstream, upstreams_of
from corsgate.config.model.header_rules import normal_name, owned_names
from corsgate.config.model.shared_cookies import SharedCookies
from corsgate.config.model.values import (
    Cors,
    Limits,
    PoolLimits,
    Route,
    Upstream,
)
from corsgate.config.sections.header_rules import check_withheld, read_response_headers
from corsgate.config.sections.path_rules import (
    check_paths,
    for_each_upstream,
    read_allow_paths,
    read_upstreams,
)
from corsgate.config.sections.policies import CorsRules, check_injection, check_route
from corsgate.config.toml.lines import Path
from corsgate.config.toml.reader import Item, Named, Table, boolean, bound, checked, text
from corsgate.errors import BadValue
from corsgate.message.identity import METHOD_OVERRIDES, speaks_of_client
from corsgate.message.request_id import REQUEST_ID_NAME

ROUTE_LIMITS = (
    "timeout",
    "first_byte_timeout",
    "response_idle_timeout",
    "tunnel_idle_timeout",
    "max_body_bytes",
    "max_buffered_bytes",
)
"""The limits that a route may set; the others apply before the route is known."""

_LIMIT_FIELDS = {field.name.removesuffix("_s"): field.name for field in attrs.fields(Limits)}

OF_UPSTREAMS = (
    *("aliases", "balance", "ca", "cookies", "credentials", "forwarded", "health", "keep_alive"),
    *("origin", "preserve_host", "request_headers", "retries", "servers", "sticky"),
    *("strict_responses", "tls", "verify", "via"),
)
"""Keys of an upstream that somebody may look for in a route."""

_UPSTREAM_LIMITS = [
    *(field.name.removesuffix("_s") for field in attrs.fields(PoolLimits)),
    "max_requests",
    "max_tries",
]
"""The limits that belong to an upstream; ``[limits]`` has some of the same name."""


def read_limits(table: Table, start: Limits, only: Sequence[str] | None = None) -> Limits:
    """Read a table ``[limits]``, or that of a route.

    Args:
        table: The table of limits.
        start: The limits for keys that are not in the table.
        only: The keys that may be in the table; None for all.

    Returns:
        The limits. After a fault, which is recorded, the value of `start` is used.
    """
    limits = start
    for key, field in _LIMIT_FIELDS.items():
        if only is not None and key not in only:
            table.refuse(key, "a route can't set it", "set it under [limits]")
            continue
        limits = table.get(key, bound(limits, field), limits)
    for key in _UPSTREAM_LIMITS:
        if key not in _LIMIT_FIELDS:
            table.refuse(key, "each upstream has its own", "set it under [upstreams.NAME]")
    if "tunnel_grace" in table.raw and limits.tunnel_grace_s > limits.drain_timeout_s:
        problem = "it is longer than drain_timeout, which is when tunnels end at the latest"
        fix = "write a shorter one, or a longer drain_timeout"
        table.notes.warn((*table.path, "tunnel_grace"), problem, fix)
    table.finish()
    return limits


def read_routes(
    top: Table,
    upstreams: Named[Upstream],
    policies: Named[Cors],
    limits: Limits,
    cors_rules: CorsRules,
) -> list[tuple[Path, Route]]:
    """Read all tables ``[routes."[host]/prefix"]``.

    Args:
        top: The document.
        upstreams: The upstreams that a route may name.
        policies: The policies that a route may name.
        limits: The limits that a route does not set.
        cors_rules: Check a route and its policy.

    Returns:
        The routes without faults, each with its place in the document.
    """
    routes: list[tuple[Table, Route]] = []
    seen: dict[tuple[str | None, str], Table] = {}
    for name, table in top.tables("routes"):
        key = Item(table.notes, table.path, name)
        place = key.read(lambda raw: parse_place(text(raw)))
        if place in seen:
            first = rules.show(str(seen[place].path[-1]))
            key.wrong(f"{rules.show(name)} is the same route as {first}", "remove one of them")
        elif place is not None:
            seen[place] = table
        route = _read_route(table, place or (None, "/"), upstreams, policies, limits, cors_rules)
        if route is not None:
            routes.append((table, route))
    check_injection(routes, for_each_upstream(cors_rules))
    cookies = SharedCookies(route for _, route in routes)
    for table, route in routes:
        _check_framing(table, route, cookies)
    return [(table.path, route) for table, route in routes]


def _read_route(
    table: Table,
    place: tuple[str | None, str],
    upstreams: Named[Upstream],
    policies: Named[Cors],
    limits: Limits,
    cors_rules: CorsRules,
) -> Route | None:
    found = read_upstreams(table, upstreams)
    policy, trial = table.item("cors"), table.item("cors_report_only")
    cors = None if policy is None else policies.resolve(policy)
    report_only = None if trial is None else policies.resolve(trial)
    methods = table.list_of("methods", checked(rules.check_served_method), '"GET"')
    if methods == ():
        table.notes.add((*table.path, "methods"), "it is empty", "list methods or remove the key")
    allow_paths = read_allow_paths(table)
    strip_prefix = table.get("strip_prefix", boolean, False)
    allow_framing = table.get("allow_framing", boolean, False)
    pass_headers = table.list_of("pass_headers", checked(rules.check_passed_header), '"X-Real-IP"')
    response_headers = read_response_headers(table)
    own = table.item("limits")
    overrides = None if own is None else own.table('write { max_body_bytes = "10MiB" }')
    if overrides is not None:
        limits = read_limits(overrides, limits, ROUTE_LIMITS)
    _refuse_misplaced(table)
    table.finish()
    if found is None:
        return None
    route = Route(
        host=place[0],
        prefix=place[1],
        upstream=found[0],
        cors=cors,
        cors_report_only=report_only,
        methods=methods,
        strip_prefix=strip_prefix,
        allow_framing=allow_framing,
        pass_headers=pass_headers or (),
        limits=limits,
        by_url=found if "by_url" in table.raw else (),
        allow_paths=allow_paths,
        response_headers=response_headers,
    )
    check_withheld(table, response_headers, upstreams_of(route))
    _check_passed(table, route)
    check_paths(table, route)
    cors_rules = for_each_upstream(cors_rules)
    if policy is not None and cors is not None:
        check_route(policy, route, cors_rules)
    if trial is not None and report_only is not None:
        check_route(trial, attrs.evolve(route, cors=report_only), cors_rules)
    return route


def _refuse_misplaced(table: Table) -> None:
    """Record a fault for each key of an upstream or a policy, and say where it belongs."""
    for key in OF_UPSTREAMS:
        table.refuse(key, "it belongs to an upstream", "write it in [upstreams.NAME]")
    for field in attrs.fields(Cors):
        key = field.name.removesuffix("_s")
        table.refuse(key, "it belongs to a policy", "write it in [cors.NAME], or in cors = { ... }")


def _check_framing(table: Table, route: Route, cookies: SharedCookies) -> None:
    """Record a warning if ``allow_framing`` has no effect."""
    cors = route.cors
    confined = signed_upstream(route) is not None or cookies.rides_on(route)
    if route.allow_framing and (not confined or (cors and not cors.enforce_origin)):
        table.notes.warn(
            (*table.path, "allow_framing"),
            "it has no effect: frames are refused only where the upstream has credentials and"
            " enforce_origin is true, or where pages of other sites may use its cookies",
            "remove it",
        )


def _check_passed(table: Table, route: Route) -> None:
    """Record faults and warnings of ``pass_headers``: names that can't or needn't be listed."""
    owned: set[bytes] = set()
    set_here = set()
    for upstream in upstreams_of(route):
        owned = owned.union(*map(owned_names, upstream.all_credentials))
        set_here |= {normal_name(f.name) for f in upstream.request_rules.request_headers.set}
    seen = set()
    for number, name in enumerate(route.pass_headers):
        path = (*table.path, "pass_headers", number)
        lowered = name.lower().encode()
        spelled = lowered.replace(b"_", b"-")
        overrides = route.methods is not None and spelled in METHOD_OVERRIDES
        if spelled in owned:
            problem = f"{rules.show(name)} is set by the gate where the upstream has credentials"
            table.notes.add(path, problem, "remove it, or the upstream's credentials")
        elif spelled in set_here:
            problem = f"{rules.show(name)} is set by the upstream's request_headers"
            table.notes.add(path, problem, "remove it here, or there")
        elif lowered in seen:
            table.notes.warn(path, f"{rules.show(name)} is already listed", "remove it")
        elif not (overrides or speaks_of_client(lowered) or spelled == REQUEST_ID_NAME):
            table.notes.warn(path, f"{rules.show(name)} passes anyway", "remove it")
        seen.add(lowered)


def parse_place(key: str) -> tuple[str | None, str]:
    """Parse a route's key into its host and prefix.

    Args:
        key: ``/prefix`` or ``host/prefix``.

    Returns:
        The normalized host, or None for any host; and the prefix.

    Raises:
        BadValue: The key has another form.
    """
    if "://" in key:
        shorter = key.partition("://")[2]
        raise BadValue(f"{rules.show(key)} has a scheme", f"write {rules.show(shorter)}")
    host, slash, rest = key.partition("/")
    if not slash:
        guess = f"{key}/" if "." in key or key == "localhost" else f"/{key}"
        raise BadValue(f"{rules.show(key)} has no slash", f"write {rules.show(guess)}")
    if host:
        name, port = rules.split_port(host)
        if port is not None:
            fix = f"write {rules.show(f'{name}/{rest}')}, which matches any port"
            raise BadValue(f"{rules.show(key)} has a port", fix)
        host = rules.normal_host(host)
        rules.check_bracketed_host(host)
    rules.check_prefix(slash + rest)
    return host or None, slash + rest
