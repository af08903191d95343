"""Read the keys of ``[upstreams.NAME]`` that say what the upstream is shown of who asks."""

from __future__ import annotations

from collections.abc import Iterable

from corsgate.config.model.request_rules import RequestRules, check_origin
from corsgate.config.model.rules import show
from corsgate.config.model.values import Route
from corsgate.config.toml.reader import Table, checked


def read_request_rules(table: Table) -> RequestRules:
    """Read what an upstream is shown of who asks.

    Args:
        table: The table of the upstream.

    Returns:
        The rules. After a fault, which is recorded, the default is used.
    """
    return RequestRules(origin=table.get("origin", checked(check_origin), None))


def vouching_warnings(routes: Iterable[Route]) -> Iterable[tuple[str, str, str]]:
    """Find upstreams that are told to trust pages whose origin nobody checks.

    Args:
        routes: All routes.

    Returns:
        The name of each such upstream, once; the problem; the fix.
    """
    found: dict[str, tuple[str, str, str]] = {}
    for route in routes:
        upstream, cors = route.upstream, route.cors
        origin = upstream.request_rules.origin
        if origin in (None, "keep") or upstream.name in found:
            continue
        if cors is None:
            why = "has no CORS policy"
        elif not cors.enforce_origin:
            why = "does not enforce its policy"
        elif "*" in cors.allow_origins:
            why = "allows any origin"
        else:
            continue
        place = show(f"{route.host or ''}{route.prefix}")
        found[upstream.name] = (
            upstream.name,
            f"the route {place} {why}, so the upstream can't tell which page asks, and its own"
            " check of Origin stops none",
            'remove it, or write "keep"; or list the origins in the policy',
        )
    return found.values()
