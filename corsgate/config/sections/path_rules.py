"""Read what a route may reach: ``upstream`` or ``by_url``, and ``allow_paths``."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from urllib.parse import quote

import attrs

from corsgate.config.model.by_url import check_by_url, named_servers, one_per_upstream
from corsgate.config.model.path_rules import PathPattern
from corsgate.config.model.rules import show
from corsgate.config.model.values import Route, Upstream
from corsgate.config.sections.policies import CorsRules, Finding
from corsgate.config.toml.keys import Key, by_hand, list_of
from corsgate.config.toml.reader import Named, Table
from corsgate.config.toml.shape import shape
from corsgate.config.toml.values import text
from corsgate.errors import BadValue
from corsgate.message.identity import METHOD_OVERRIDES
from corsgate.message.target import segments

# The fields that some servers use instead of the target or the method of the request line.
_LEADS_ELSEWHERE = METHOD_OVERRIDES | {
    *(b"x-http-path-override", b"x-original-method", b"x-original-uri", b"x-original-url"),
    *(b"x-override-url", b"x-proxy-url", b"x-rewrite-url"),
}
# The notations for any segment in patterns of other programs.
_TEMPLATE = re.compile(r"/(\{[^/]*\}|<[^/]*>|\[[^/]*\]\+?|:\w+)(?=/|\Z)")
_UPSTREAM_FIX = "write the name of one under [upstreams]"


@shape({"type": "string"})
def _pattern(raw: object) -> PathPattern:
    return PathPattern(text(raw))


UPSTREAM = Key(
    "upstream",
    by_hand({"type": "string"}),
    None,
    "The upstream that requests are forwarded to: a name under [upstreams].",
    example='"api"',
    type="name",
)
BY_URL = Key(
    "by_url",
    by_hand({"type": "array", "items": {"type": "string"}}),
    None,
    "Instead of upstream: the upstreams whose servers clients may call by URL, as in"
    " /proxy?url=https%3A%2F%2Fbox%2Fmap.",
    example='["maps", "photos"]',
    type="array of names",
)
ALLOW_PATHS = list_of(
    "allow_paths",
    _pattern,
    'The paths to serve, by default all; others get 403. "*" is one segment, "**" the rest, and a'
    " method may come first. With by_url these are paths of the URLs.",
    entry='"GET /v1/documents/**"',
)


def read_upstreams(table: Table, upstreams: Named[Upstream]) -> tuple[Upstream, ...] | None:
    """Read ``upstream`` or ``by_url`` of a route.

    Args:
        table: The table of the route.
        upstreams: The upstreams that it may name.

    Returns:
        The upstreams that its requests go to, or None after recording a fault.
    """
    one, several = table.item(UPSTREAM), table.item(BY_URL)
    if several is None:
        if one is None:
            table.notes.add((*table.path, "upstream"), "it is missing", _UPSTREAM_FIX)
        upstream = None if one is None else upstreams.resolve(one)
        return None if upstream is None else (upstream,)
    if one is not None:
        upstreams.resolve(one)
        several.wrong("it can't go with upstream", "remove one of them")
    table.refuse("strip_prefix", "the URL is forwarded, not the prefix", "remove it")
    items = several.items('write an array, such as ["maps"]')
    if items == []:
        several.wrong("it is empty", "name an upstream, or write upstream instead")
    resolved = [upstreams.resolve(item) for item in items or ()]
    found = tuple(upstream for upstream in resolved if upstream is not None)
    try:
        check_by_url(found)
    except BadValue as error:
        several.wrong(error.problem, error.fix)
        return None
    return found if found and len(found) == len(resolved) else None


def read_allow_paths(table: Table) -> tuple[PathPattern, ...]:
    """Read ``allow_paths`` of a route; empty if it has none."""
    found = table.list_of(ALLOW_PATHS)
    if found == ():
        table.notes.add((*table.path, "allow_paths"), "it is empty", "list paths or remove the key")
    return found or ()


def check_paths(table: Table, route: Route) -> None:
    """Record faults and warnings about patterns of a route that no request can match."""
    bases = _bases(route)
    seen: set[PathPattern] = set()
    for number, pattern in enumerate(route.allow_paths):
        path = (*table.path, "allow_paths", number)
        method = "" if pattern.method is None else pattern.method.decode("ascii")
        if not any(pattern.may_match_below(base) for base in bases):
            within, fix = f"the route {show(route.prefix)}", "write the path with the prefix"
            if route.by_url:
                within, fix = "the paths of its servers", "write the path as it is in the URL"
            problem = f"{show(pattern.text)} never matches: it is outside {within}"
            table.notes.add(path, problem, fix)
        elif method and route.methods is not None and method not in route.methods:
            table.notes.warn(
                path,
                f"{show(pattern.text)} never matches: the route does not serve {method}",
                "remove it, or add the method to the route's methods",
            )
        elif pattern in seen:
            table.notes.warn(path, f"{show(pattern.text)} is a duplicate", "remove it")
        elif template := _TEMPLATE.search(pattern.text):
            table.notes.warn(
                path, f"{show(template[1])} only matches itself", 'write "*" for any one segment'
            )
        seen.add(pattern)
    if route.allow_paths:
        _check_others(table, route)


def _check_others(table: Table, route: Route) -> None:
    """Warn about other settings that bypass the patterns, or have no effect because of them."""
    for number, name in enumerate(route.pass_headers):
        if name.lower().replace("_", "-").encode("ascii") in _LEADS_ELSEWHERE:
            table.notes.warn(
                (*table.path, "pass_headers", number),
                f"{show(name)} may let clients reach paths that allow_paths does not allow",
                "remove it",
            )
    allowed = {pattern.method for pattern in route.allow_paths}
    if None in allowed:
        return
    listed = [((*table.path, "methods"), route.methods or ())]
    if route.cors is not None and isinstance(table.raw.get("cors"), dict):
        listed.append(((*table.path, "cors", "allow_methods"), route.cors.allow_methods))
    for path, methods in listed:
        for number, method in enumerate(methods):
            encoded = b"GET" if method == "HEAD" else method.encode("utf-8", "replace")
            if method != "*" and encoded not in allowed and method.encode() not in allowed:
                table.notes.warn(
                    (*path, number),
                    f"{show(method)} never gets through: no pattern of allow_paths is for it",
                    "remove it, or add a pattern",
                )


def _bases(route: Route) -> Sequence[Sequence[bytes]]:
    """Return the segments of each base path below which the compared paths are."""
    if route.by_url:
        paths = {s.base_path for each in route.by_url for s in named_servers(each)}
    else:
        paths = {quote(route.prefix.rstrip("/"))}
    return [segments(path.encode("ascii")) if path else () for path in sorted(paths)]


def for_each_upstream(rules: CorsRules) -> CorsRules:
    """Return rules that check a route once for each of its upstreams.

    Args:
        rules: The rules for a route with one upstream.
    """

    def over(find: Callable[..., Sequence[Finding]]) -> Callable[..., Sequence[Finding]]:
        def found(route: Route, *more: object) -> Sequence[Finding]:
            each = one_per_upstream(route)
            return list(dict.fromkeys(f for one in each for f in find(one, *more)))

        return found

    return attrs.evolve(
        rules,
        route_faults=over(rules.route_faults),
        injection_faults=over(rules.injection_faults),
        route_warnings=over(rules.route_warnings),
    )
