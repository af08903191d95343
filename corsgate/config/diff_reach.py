"""Describe how the reach of a route's requests changes: ``by_url`` and ``allow_paths``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from corsgate.config.model.values import Route

Change: TypeAlias = tuple[bool | None, str]
"""Whether the change adds (True), removes (False) or replaces (None) something; the description."""

COMPARED = ("upstream", "by_url", "allow_paths")
"""The fields of a route that `reach_changes` compares."""


def destination(route: Route) -> str:
    """Return where a route's requests go, in words."""
    if not route.by_url:
        return f"upstream {route.upstream.name}"
    names = ", ".join(each.name for each in route.by_url)
    return f"{'upstream' if len(route.by_url) == 1 else 'upstreams'} {names} by URL"


def reach_changes(old: Route, new: Route) -> Iterator[Change]:
    """Return how a route's requests reach more or less than before.

    Args:
        old: The route before.
        new: The same route now.
    """
    yield from _upstreams(old, new)
    yield from _paths(old, new)


def _upstreams(old: Route, new: Route) -> Iterator[Change]:
    if not (old.by_url and new.by_url):
        if destination(old) != destination(new):
            yield None, f"it forwards to {destination(new)}, previously to {destination(old)}"
        return
    before = [each.name for each in old.by_url]
    after = [each.name for each in new.by_url]
    yield from (
        (False, f"URLs of upstream {name} can no longer be called")
        for name in before
        if name not in after
    )
    yield from (
        (True, f"URLs of upstream {name} can be called") for name in after if name not in before
    )


def _paths(old: Route, new: Route) -> Iterator[Change]:
    before, after = [*map(str, old.allow_paths)], [*map(str, new.allow_paths)]
    if before and not after:
        yield True, "it serves every path"
    elif after and not before:
        yield False, f"it serves the paths {', '.join(after)} only"
    else:
        yield from (
            (False, f"it no longer serves the paths {each}")
            for each in dict.fromkeys(before)
            if each not in after
        )
        yield from (
            (True, f"it serves the paths {each}")
            for each in dict.fromkeys(after)
            if each not in before
        )
