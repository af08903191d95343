"""Read the sections ``[routes."[host]/prefix"]`` and ``[limits]``."""

from __future__ import annotations

import attrs

from corsgate.config.model import rules
from corsgate.config.model.by_url import signed_upstream, upstreams_of
from corsgate.config.model.header_rules import normal_name, owned_names
from corsgate.config.model.shared_cookies import SharedCookies
from corsgate.config.model.values import (
    Cors,
    Limits,
    Route,
    Upstream,
)
from corsgate.config.sections.header_rules import (
    RESPONSE_HEADERS,
    check_withheld,
    read_response_headers,
)
from corsgate.config.sections.limits import ROUTE_LIMITS, read_limits
from corsgate.config.sections.path_rules import (
    ALLOW_PATHS,
    BY_URL,
    UPSTREAM,
    check_paths,
    for_each_upstream,
    read_allow_paths,
    read_upstreams,
)
from corsgate.config.sections.policies import (
    CORS_REPORT_ONLY,
    CORS_USED,
    CorsRules,
    check_injection,
    check_route,
)
from corsgate.config.toml.keys import Key, Keys, list_of, table_key, tables_by_name
from corsgate.config.toml.lines import Path
from corsgate.config.toml.reader import Item, Named, Table
from corsgate.config.toml.values import boolean, checked, text
from corsgate.errors import BadValue
from corsgate.message.identity import METHOD_OVERRIDES, speaks_of_client
from corsgate.message.request_id import REQUEST_ID_NAME

OF_UPSTREAMS = (
    *("aliases", "balance", "ca", "cookies", "credentials", "forwarded", "health", "keep_alive"),
    *("origin", "preserve_host", "request_headers", "retries", "servers", "sticky"),
    *("strict_responses", "tls", "verify", "via"),
)
"""Keys of an upstream that users may expect in a route."""

METHODS = list_of(
    "methods",
    checked(rules.check_served_method),
    "The methods that the route serves, by default all; others get 405.",
    entry='"GET"',
    gives="it serves {}",
    takes="it no longer serves {}",
)
STRIP_PREFIX = Key(
    "strip_prefix",
    boolean,
    False,
    "Whether the prefix is removed before forwarding.",
    example="true",
)
ALLOW_FRAMING = Key(
    "allow_framing",
    boolean,
    False,
    "Whether pages of other origins may show responses in frames, although the upstream has"
    " credentials. Such a page can then find out which URLs exist behind the gate.",
    example="true",
)
PASS_HEADERS = list_of(
    "pass_headers",
    checked(rules.check_passed_header),
    "Request headers that are forwarded, in this spelling only, although an upstream may trust them"
    " for the client's identity or the target. With X-Request-Id, client and upstream see each"
    " other's id.",
    entry='"X-Real-IP"',
    gives="clients may send {}",
    takes="clients may no longer send {}",
)
LIMITS_OF_ROUTE = table_key(
    "limits",
    ROUTE_LIMITS,
    "Limits of this route, which replace those under [limits].",
    example='{ max_body_bytes = "10MiB" }',
)
ROUTE_KEYS = Keys(
    heading='[routes."PREFIX"]',
    description="How requests of a path prefix are handled, optionally of one host only.",
    keys=(
        *(UPSTREAM, BY_URL, CORS_USED, CORS_REPORT_ONLY, METHODS, ALLOW_PATHS, STRIP_PREFIX),
        *(ALLOW_FRAMING, PASS_HEADERS, RESPONSE_HEADERS, LIMITS_OF_ROUTE),
    ),
    models=(Route,),
    any_of=("upstream", "by_url"),
)
ROUTES = Key(
    "routes",
    tables_by_name(ROUTE_KEYS.schema, "/"),
    None,
    'The routes: a table [routes."/PREFIX"] or [routes."HOST/PREFIX"] for each. The longest prefix'
    " wins. It matches whole segments.",
    example='{ "/" = { upstream = "api" } }',
    type="tables",
    is_required=True,
    tables=(ROUTE_KEYS,),
)


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
        limits: The limits for routes that don't set them.
        cors_rules: Check a route and its policy.

    Returns:
        The routes without faults, each with its place in the document.
    """
    routes: list[tuple[Table, Route]] = []
    seen: dict[tuple[str | None, str], Table] = {}
    for name, table in top.tables(ROUTES):
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
    policy, trial = table.item(CORS_USED), table.item(CORS_REPORT_ONLY)
    cors = None if policy is None else policies.resolve(policy)
    report_only = None if trial is None else policies.resolve(trial)
    methods = table.list_of(METHODS)
    if methods == ():
        table.notes.add((*table.path, "methods"), "it is empty", "list methods or remove the key")
    allow_paths = read_allow_paths(table)
    strip_prefix = table.get(STRIP_PREFIX)
    allow_framing = table.get(ALLOW_FRAMING)
    pass_headers = table.list_of(PASS_HEADERS)
    response_headers = read_response_headers(table)
    own = table.item(LIMITS_OF_ROUTE)
    overrides = None if own is None else own.table('write { max_body_bytes = "10MiB" }')
    if overrides is not None:
        limits = read_limits(overrides, limits, ROUTE_LIMITS)
    _refuse_misplaced(table)
    table.finish(ROUTE_KEYS)
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
    """Record a fault for each key of an upstream or a policy, with the place where it belongs."""
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
            "it has no effect: frames are refused only if the upstream has credentials and"
            " enforce_origin is true, or if pages of other sites may use its cookies",
            "remove it",
        )


def _check_passed(table: Table, route: Route) -> None:
    """Record faults and warnings about names that ``pass_headers`` can't or needn't list."""
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
            problem = f"{rules.show(name)} is set by the gate, because the upstream has credentials"
            table.notes.add(path, problem, "remove it, or the upstream's credentials")
        elif spelled in set_here:
            problem = f"{rules.show(name)} is set by the upstream's request_headers"
            table.notes.add(path, problem, "remove it here, or there")
        elif lowered in seen:
            table.notes.warn(path, f"{rules.show(name)} is already listed", "remove it")
        elif not (overrides or speaks_of_client(lowered) or spelled == REQUEST_ID_NAME):
            table.notes.warn(path, f"{rules.show(name)} is forwarded anyway", "remove it")
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
