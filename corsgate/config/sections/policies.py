"""Read the sections ``[cors.NAME]``; the caller passes the rules that check them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import attrs

from corsgate.config.model import rules
from corsgate.config.model.by_url import upstreams_of
from corsgate.config.model.cors import PREFLIGHT_STATUSES, check_preflight_status
from corsgate.config.model.values import Cors, Route, Upstream
from corsgate.config.toml.keys import AnyKey, Key, Keys, by_hand, list_of, tables_by_name
from corsgate.config.toml.lines import Path
from corsgate.config.toml.reader import Item, Table
from corsgate.config.toml.shape import Schema, shape
from corsgate.config.toml.values import DURATION, boolean, duration, integer, text
from corsgate.errors import BadValue

Finding: TypeAlias = tuple[str, str, str]
"""A key of a policy or route, such as ``allow_origins[1]``; the problem; the fix."""

AUTO = "auto"
"""The value of ``expose_headers`` that exposes all suitable fields of every response."""

_INDEXED = re.compile(r"(.*)\[([0-9]+)\]")


def _nothing(*_args: object) -> Sequence[Any]:
    return ()


@attrs.frozen(kw_only=True)
class CorsRules:
    """The checks of policies whose keys have the right types.

    The defaults check nothing; `corsgate.cors.check.CORS_RULES` has all checks.

    Attributes:
        faults: Returns the faults of a policy.
        warnings: Returns warnings about a policy; the second argument is whether the gate serves
            only browsers on its own machine.
        route_faults: Returns the faults of a route and its policy.
        injection_faults: Returns faults that depend on which other routes use the policy; the
            second argument is the upstreams of all these routes.
        route_warnings: Returns warnings about a route and its policy; the second argument is
            whether the policy is written in the route, so that no other route shares it.
        account_warnings: Returns warnings about ``credentials_by_origin``, given all routes: the
            name of the upstream, the origin, the problem and the fix.
    """

    faults: Callable[[Cors], Sequence[Finding]] = _nothing
    warnings: Callable[[Cors, bool], Sequence[Finding]] = _nothing
    route_faults: Callable[[Route], Sequence[Finding]] = _nothing
    injection_faults: Callable[[Route, Iterable[Upstream]], Sequence[Finding]] = _nothing
    route_warnings: Callable[[Route, bool], Sequence[Finding]] = _nothing
    account_warnings: Callable[[Iterable[Route]], Iterable[tuple[str, str, str, str]]] = _nothing


NO_RULES = CorsRules()
"""No checks, for code that needs only the shape of policies."""


@shape(DURATION)
def _whole_seconds(raw: object) -> int:
    seconds = duration(raw)
    if not seconds.is_integer():
        raise BadValue(f"{rules.show(text(raw))} is not a whole number of seconds", "round it")
    return int(seconds)


@shape({"enum": list(PREFLIGHT_STATUSES)})
def _preflight_status(raw: object) -> int:
    status = integer(raw)
    check_preflight_status(status)
    return status


def _dangerous(name: str, description: str) -> AnyKey:
    return Key(f"dangerously_{name}", boolean, False, description, example="true")


ALLOW_ORIGINS = list_of(
    "allow_origins",
    text,
    "The origins whose pages may call the route, null, or * for all. Patterns are such as"
    " https://*.example.com, https://pr-*.example.com, http://localhost:* and chrome-extension://*.",
    entry='"http://localhost:4200"',
    fix='write allow_origins = ["http://localhost:4200"]',
    gives="pages of {} may call it",
    takes="pages of {} may no longer call it",
)
EXPOSED = list_of(
    "expose_headers",
    text,
    "",
    entry='"X-Total"',
)
EXPOSE_HEADERS = Key(
    "expose_headers",
    by_hand({"anyOf": [{"const": AUTO}, EXPOSED.shape]}),
    None,
    'The response headers that scripts may read, in addition to the safelisted ones. "auto" exposes'
    " all except cookies and headers about the servers.",
    example='["ETag", "X-Total"]',
    type='array of text, or "auto"',
    gives="pages may read the header {}",
    takes="pages may no longer read the header {}",
)
ALLOW_METHODS = list_of(
    "allow_methods",
    text,
    'The methods that pages may use, or ["*"]. GET, HEAD and POST are always allowed.',
    entry='"PUT"',
    gives="pages may use {}",
    takes="pages may no longer use {}",
)
ALLOW_HEADERS = list_of(
    "allow_headers",
    text,
    'The request headers that pages may send, or ["*"], which never includes Authorization.',
    entry='"Content-Type"',
    gives="pages may send the header {}",
    takes="pages may no longer send the header {}",
)
ALLOW_CREDENTIALS = Key(
    "allow_credentials",
    boolean,
    False,
    "Whether browsers may send and store cookies and other credentials.",
    example="true",
)
MAX_AGE = Key(
    "max_age",
    _whole_seconds,
    None,
    "How long browsers may cache the response to a preflight. By default the browser decides.",
    example='"10m"',
    range="a whole number of seconds",
    field="max_age_s",
)
PREFLIGHT_STATUS = Key(
    "preflight_status",
    _preflight_status,
    PREFLIGHT_STATUSES[0],
    "The status of the response to a preflight that passes. Some old clients need 200.",
    example="200",
    range=" or ".join(map(str, sorted(PREFLIGHT_STATUSES))),
)
ENFORCE_ORIGIN = Key(
    "enforce_origin",
    boolean,
    True,
    "Whether requests from origins that are not allowed get 403. Otherwise only the browser blocks"
    " them.",
    example="false",
)
DEBUG = Key(
    "debug",
    boolean,
    False,
    "Whether clients on the gate's own machine get the reason for a refusal (Corsgate-Reason).",
    example="true",
)
DEBUG_ORIGINS = list_of(
    "debug_origins",
    text,
    "Origins and patterns whose pages get the reason for a refusal, from any machine.",
    entry='"https://app.example.com"',
)
_DANGEROUS_KEYS = (
    _dangerous(
        "allow_any_origin_to_use_upstream_credentials",
        "Whether a route with upstream credentials may allow *. Every page on the web can then use"
        " these credentials.",
    ),
    _dangerous(
        "allow_insecure_origins_with_credentials",
        "Whether http pages may use the browser's credentials. Anyone on the network path can"
        " modify such pages.",
    ),
    _dangerous(
        "allow_subdomains_of_public_suffixes",
        "Whether a pattern may include names that anyone can register, such as"
        " https://*.github.io.",
    ),
    _dangerous(
        "allow_any_browser_extension",
        "Whether a pattern may include every extension that a user has installed.",
    ),
    _dangerous(
        "allow_null_origin",
        "Whether null may be allowed. Every page can have this origin in a sandboxed frame.",
    ),
    _dangerous(
        "allow_null_origin_with_credentials",
        "Whether null may also use the browser's credentials.",
    ),
)
CORS_KEYS = Keys(
    heading="[cors.NAME]",
    description="A CORS policy: which pages may read and change data.",
    keys=(
        *(ALLOW_ORIGINS, EXPOSE_HEADERS, ALLOW_METHODS, ALLOW_HEADERS, ALLOW_CREDENTIALS),
        *(MAX_AGE, PREFLIGHT_STATUS, ENFORCE_ORIGIN, DEBUG, DEBUG_ORIGINS, *_DANGEROUS_KEYS),
    ),
    models=(Cors,),
)
_REFERENCE: Schema = {"$ref": "#/$defs/cors"}
_USED = by_hand({"anyOf": [{"type": "string"}, _REFERENCE]})
CORS = Key(
    "cors",
    tables_by_name(_REFERENCE),
    None,
    "The CORS policies that routes name: a table [cors.NAME] for each.",
    example='{ app = { allow_origins = ["http://localhost:4200"] } }',
    type="tables",
    tables=(CORS_KEYS,),
)
CORS_USED = Key(
    "cors",
    _USED,
    None,
    "The CORS policy: a name under [cors], or a table. Without it, pages of other origins have no"
    " access.",
    example='{ allow_origins = ["http://localhost:4200"] }',
    type="name or table",
)
CORS_REPORT_ONLY = Key(
    "cors_report_only",
    _USED,
    None,
    "A second policy to try. Its differences are counted and logged, but it has no other effect.",
    example='{ allow_origins = ["https://app.example.com"], allow_methods = ["PUT"] }',
    type="name or table",
)


def read_cors(table: Table, cors_rules: CorsRules, *, local: bool) -> Cors | None:
    """Read a table ``[cors.NAME]``, or an inline table in a route.

    Args:
        table: The table of the policy.
        cors_rules: Check the policy.
        local: Whether the gate serves only browsers on its own machine.

    Returns:
        The policy, or None after recording its faults.
    """
    origins = table.list_of(ALLOW_ORIGINS)
    expose_auto = table.raw.get(EXPOSE_HEADERS.name) == AUTO
    cors = Cors(
        allow_origins=origins or (),
        allow_methods=table.list_of(ALLOW_METHODS) or (),
        allow_headers=table.list_of(ALLOW_HEADERS) or (),
        expose_headers=() if expose_auto else _read_exposed(table),
        expose_auto=expose_auto,
        allow_credentials=table.get(ALLOW_CREDENTIALS),
        max_age_s=table.get(MAX_AGE),
        preflight_status=table.get(PREFLIGHT_STATUS),
        enforce_origin=table.get(ENFORCE_ORIGIN),
        debug=table.get(DEBUG),
        debug_origins=table.list_of(DEBUG_ORIGINS) or (),
        **{key.name: table.get(key) for key in _DANGEROUS_KEYS},
    )
    table.finish(CORS_KEYS)
    if origins is None:
        return None
    for key, problem, fix in cors_rules.faults(cors):
        table.notes.add((*table.path, *path_of(key)), problem, fix)
    for key, problem, fix in cors_rules.warnings(cors, local):
        table.notes.warn((*table.path, *path_of(key)), problem, fix)
    return cors


def _read_exposed(table: Table) -> tuple[str, ...]:
    item = table.item(EXPOSE_HEADERS)
    if item is not None and isinstance(item.raw, str):
        item.wrong("it is text", f'write an array, such as ["X-Total"], or "{AUTO}"')
        return ()
    return table.list_of(EXPOSED) or ()


def check_route(item: Item, route: Route, cors_rules: CorsRules) -> None:
    """Record faults and warnings about a route's policy, at the route's key for it.

    Args:
        item: The route's key that names or contains the policy.
        route: The route, with that policy as its ``cors``.
        cors_rules: Check the route.
    """
    for key, problem, fix in cors_rules.route_faults(route):
        item.notes.add((*item.path, *path_of(key)[1:]), problem, fix)
    for key, problem, fix in cors_rules.route_warnings(route, isinstance(item.raw, dict)):
        item.notes.warn((*item.path, *path_of(key)[1:]), problem, fix)


def check_injection(routes: Iterable[tuple[Table, Route]], cors_rules: CorsRules) -> None:
    """Record the faults that depend on which routes share a policy.

    Args:
        routes: All routes with their tables.
        cors_rules: Check each route.
    """
    routes = list(routes)
    upstreams: dict[int, dict[str, Upstream]] = {}
    for _, route in routes:
        for cors in (route.cors, route.cors_report_only):
            known = upstreams.setdefault(id(cors), {})
            known.update((upstream.name, upstream) for upstream in upstreams_of(route))
    for table, route in routes:
        tried = {"cors": route}
        if route.cors_report_only is not None:
            tried["cors_report_only"] = attrs.evolve(route, cors=route.cors_report_only)
        for key, each in tried.items():
            sharing = upstreams[id(each.cors)].values()
            for place, problem, fix in cors_rules.injection_faults(each, sharing):
                table.notes.add((*table.path, key, *path_of(place)[1:]), problem, fix)


def path_of(key: str) -> Path:
    """Parse the key of a finding, such as ``cors.allow_methods[1]``, into a path."""
    path: list[str | int] = []
    for part in key.split("."):
        match = _INDEXED.fullmatch(part)
        path += [match[1], int(match[2])] if match else [part]
    return tuple(path)
