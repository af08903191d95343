"""The sections ``[routes."[host]/prefix"]``, ``[cors.NAME]`` and ``[limits]``."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

import attrs

from corsgate.config import rules
from corsgate.config.lines import Path
from corsgate.config.model import Cors, Limits, Route, Upstream
from corsgate.config.reader import (
    Item,
    Named,
    Table,
    boolean,
    bound,
    checked,
    duration,
    text,
)
from corsgate.errors import BadValue

CheckCors: TypeAlias = Callable[[Cors], Sequence[tuple[str, str, str]]]
"""Answers what is wrong with a policy: key below it (``allow_origins[1]``), problem, mend."""

ROUTE_LIMITS = (
    "first_byte_timeout",
    "response_idle_timeout",
    "tunnel_idle_timeout",
    "max_body_bytes",
    "max_buffered_bytes",
)
"""The limits that a route may set for itself; the others rule before a route is found."""

_INDEXED = re.compile(r"(.*)\[([0-9]+)\]")
_LIMIT_FIELDS = {field.name.removesuffix("_s"): field.name for field in attrs.fields(Limits)}


def read_cors(table: Table, check_cors: CheckCors) -> Cors | None:
    """Read a table ``[cors.NAME]``, or one written where it is used.

    Args:
        table: Its keys.
        check_cors: Finds what is wrong with a policy of the right shape.

    Returns:
        The policy, or None once all that is wrong is noted.
    """
    table.needed("allow_origins", 'write allow_origins = ["http://localhost:4200"]')
    origins = table.list_of("allow_origins", text, '"http://localhost:4200"')
    cors = Cors(
        allow_origins=origins or (),
        allow_methods=table.list_of("allow_methods", text, '"PUT"') or (),
        allow_headers=table.list_of("allow_headers", text, '"Content-Type"') or (),
        expose_headers=table.list_of("expose_headers", text, '"X-Total"') or (),
        allow_credentials=table.get("allow_credentials", boolean, False),
        max_age_s=table.get("max_age", _whole_seconds, None),
        enforce_origin=table.get("enforce_origin", boolean, True),
    )
    table.finish()
    if origins is None:
        return None
    for key, problem, mend in check_cors(cors):
        table.notes.add((*table.path, *_path_of(key)), problem, mend)
    return cors


def _path_of(key: str) -> Path:
    match = _INDEXED.fullmatch(key)
    return (match[1], int(match[2])) if match else (key,)


def _whole_seconds(raw: object) -> int:
    seconds = duration(raw)
    if not seconds.is_integer():
        raise BadValue(f"{rules.show(text(raw))} is no whole number of seconds", "round it")
    return int(seconds)


def read_limits(table: Table, start: Limits, only: Sequence[str] | None = None) -> Limits:
    """Read a table ``[limits]``, or that of a route.

    Args:
        table: Its keys.
        start: What holds where the table says nothing.
        only: The keys that may be in the table; None for all.

    Returns:
        The limits; where a value is faulty, which is noted, that of `start` stays.
    """
    limits = start
    for key, field in _LIMIT_FIELDS.items():
        if only is not None and key not in only:
            table.refuse(key, "a route can't set it", "set it under [limits]")
            continue
        limits = table.get(key, bound(limits, field), limits)
    table.finish()
    return limits


def read_routes(
    top: Table, upstreams: Named[Upstream], policies: Named[Cors], limits: Limits
) -> list[tuple[Path, Route]]:
    """Read all tables ``[routes."[host]/prefix"]``.

    Args:
        top: The document.
        upstreams: What a route may name.
        policies: What a route may name, or write itself.
        limits: What holds where a route sets none.

    Returns:
        Those routes that are without fault, each with its place in the document.
    """
    routes: list[tuple[Path, Route]] = []
    seen: dict[tuple[str | None, str], Table] = {}
    for name, table in top.tables("routes"):
        key = Item(table.notes, table.path, name)
        place = key.read(lambda raw: parse_place(text(raw)))
        if place in seen:
            first = rules.show(str(seen[place].path[-1]))
            key.wrong(f"{rules.show(name)} is the same route as {first}", "remove one of them")
        elif place is not None:
            seen[place] = table
        route = _read_route(table, place or (None, "/"), upstreams, policies, limits)
        if route is not None:
            routes.append((table.path, route))
    return routes


def _read_route(
    table: Table,
    place: tuple[str | None, str],
    upstreams: Named[Upstream],
    policies: Named[Cors],
    limits: Limits,
) -> Route | None:
    named = table.needed("upstream", "write the name of one under [upstreams]")
    upstream = None if named is None else upstreams.resolve(named)
    policy = table.item("cors")
    cors = None if policy is None else policies.resolve(policy)
    methods = table.list_of("methods", checked(rules.check_method), '"GET"')
    if methods == ():
        table.notes.add((*table.path, "methods"), "it is empty", "list methods or remove the key")
    strip_prefix = table.get("strip_prefix", boolean, False)
    own = table.item("limits")
    overrides = None if own is None else own.table('write { max_body_bytes = "10MiB" }')
    if overrides is not None:
        limits = read_limits(overrides, limits, ROUTE_LIMITS)
    table.finish()
    if upstream is None:
        return None
    return Route(
        host=place[0],
        prefix=place[1],
        upstream=upstream,
        cors=cors,
        methods=methods,
        strip_prefix=strip_prefix,
        limits=limits,
    )


def parse_place(key: str) -> tuple[str | None, str]:
    """Answer host and prefix of a route's key.

    Args:
        key: ``/prefix`` or ``host/prefix``.

    Returns:
        The host in its normal form, or None for any; and the prefix.

    Raises:
        BadValue: It is no such key.
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
            mend = f"write {rules.show(f'{name}/{rest}')}, which matches any port"
            raise BadValue(f"{rules.show(key)} has a port", mend)
        host = rules.normal_host(host)
        rules.check_bracketed_host(host)
    rules.check_prefix(slash + rest)
    return host or None, slash + rest
