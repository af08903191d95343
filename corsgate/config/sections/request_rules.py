"""Read the keys of ``[upstreams.NAME]`` that say what the upstream is shown of who asks."""

from __future__ import annotations

from collections.abc import Iterable

from corsgate.config.model.request_rules import RequestRules, check_forwarded, check_origin
from corsgate.config.model.rules import show
from corsgate.config.model.values import Route
from corsgate.config.toml.reader import Table, boolean, checked, text
from corsgate.config.toml.shape import shape
from corsgate.message.identity import FORWARDED_FIELDS


def read_request_rules(table: Table) -> RequestRules:
    """Read what an upstream is shown of who asks.

    Args:
        table: The table of the upstream.

    Returns:
        The rules. After a fault, which is recorded, the default is used.
    """
    return RequestRules(
        origin=table.get("origin", checked(check_origin), None),
        forwarded=_read_forwarded(table),
        via=table.get("via", boolean, True),
    )


def _read_forwarded(table: Table) -> tuple[str, ...]:
    """Read which fields about the client the upstream gets: a word or a list."""
    key = "forwarded"
    if table.is_word(key, "all"):
        return FORWARDED_FIELDS
    item = table.item(key)
    if item is not None and isinstance(item.raw, str):
        if item.raw != "none":
            item.wrong(
                f"{show(item.raw)} is unknown",
                'write "all", "none", or an array of names, such as ["x-forwarded-for"]',
            )
        return ()
    listed = table.list_of(key, _forwarded_name, '"x-forwarded-for"')
    return FORWARDED_FIELDS if listed is None else listed


@shape({"type": "string"})
def _forwarded_name(raw: object) -> str:
    name = text(raw)
    check_forwarded(name)
    return name.lower()


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
