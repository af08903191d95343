"""Read the sections ``[cors.NAME]``; the rules that check them are passed in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import attrs

from corsgate.config.model import rules
from corsgate.config.model.by_url import upstreams_of
from corsgate.config.model.cors import PREFLIGHT_STATUSES, check_preflight_status
from corsgate.config.model.values import Cors, Route, Upstream
from corsgate.config.toml.lines import Path
from corsgate.config.toml.reader import Item, Table, boolean, duration, integer, text
from corsgate.config.toml.shape import shape, shape_of
from corsgate.errors import BadValue

Finding: TypeAlias = tuple[str, str, str]
"""A key of a policy or route, such as ``allow_origins[1]``; the problem; the fix."""

AUTO = "auto"
"""The value of ``expose_headers`` that exposes all suitable fields of each response."""

_INDEXED = re.compile(r"(.*)\[([0-9]+)\]")


def _nothing(*_args: object) -> Sequence[Finding]:
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
        injection_faults: Returns those that depend on who else uses the policy; the second argument
            is the upstreams of all routes with the same one.
        route_warnings: Returns warnings about a route and its policy; the second argument is
            whether the policy is written in the route, so that no other route shares it.
    """

    faults: Callable[[Cors], Sequence[Finding]] = _nothing
    warnings: Callable[[Cors, bool], Sequence[Finding]] = _nothing
    route_faults: Callable[[Route], Sequence[Finding]] = _nothing
    injection_faults: Callable[[Route, Iterable[Upstream]], Sequence[Finding]] = _nothing
    route_warnings: Callable[[Route, bool], Sequence[Finding]] = _nothing


NO_RULES = CorsRules()
"""No checks, for code that needs only the shape of policies."""


def read_cors(table: Table, cors_rules: CorsRules, *, local: bool) -> Cors | None:
    """Read a table ``[cors.NAME]``, or one written where it is used.

    Args:
        table: The table of the policy.
        cors_rules: Check the policy.
        local: Whether the gate serves only browsers on its own machine.

    Returns:
        The policy, or None after recording its faults.
    """
    table.needed("allow_origins", 'write allow_origins = ["http://localhost:4200"]')
    origins = table.list_of("allow_origins", text, '"http://localhost:4200"')
    expose_auto = table.is_word("expose_headers", AUTO)
    cors = Cors(
        allow_origins=origins or (),
        allow_methods=table.list_of("allow_methods", text, '"PUT"') or (),
        allow_headers=table.list_of("allow_headers", text, '"Content-Type"') or (),
        expose_headers=() if expose_auto else _read_exposed(table),
        expose_auto=expose_auto,
        allow_credentials=table.get("allow_credentials", boolean, False),
        max_age_s=table.get("max_age", _whole_seconds, None),
        preflight_status=table.get("preflight_status", _preflight_status, PREFLIGHT_STATUSES[0]),
        enforce_origin=table.get("enforce_origin", boolean, True),
        debug=table.get("debug", boolean, False),
        debug_origins=table.list_of("debug_origins", text, '"https://app.example.com"') or (),
        **{key: table.get(key, boolean, False) for key in DANGEROUS},
    )
    table.finish()
    if origins is None:
        return None
    for key, problem, fix in cors_rules.faults(cors):
        table.notes.add((*table.path, *path_of(key)), problem, fix)
    for key, problem, fix in cors_rules.warnings(cors, local):
        table.notes.warn((*table.path, *path_of(key)), problem, fix)
    return cors


DANGEROUS = tuple(
    field.name for field in attrs.fields(Cors) if field.name.startswith("dangerously_")
)
"""The keys of a policy that allow settings rejected as too risky."""


def _read_exposed(table: Table) -> tuple[str, ...]:
    item = table.item("expose_headers")
    if item is not None and isinstance(item.raw, str):
        item.wrong("it is text", f'write an array, such as ["X-Total"], or "{AUTO}"')
        return ()
    return table.list_of("expose_headers", text, '"X-Total"') or ()


def check_route(item: Item, route: Route, cors_rules: CorsRules) -> None:
    """Record faults and warnings of a route's policy, at the route's key for it.

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


@shape(shape_of(duration) or {})
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
