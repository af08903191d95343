"""Propose ``allow_paths`` for recorded calls: the paths that were called, and no others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from corsgate.config.model.path_rules import literal_pattern
from corsgate.errors import BadValue, TargetError
from corsgate.learn.record import Recorded
from corsgate.message.proxied_url import read_url, url_in
from corsgate.message.target import segments

MAX_PROPOSED = 30
"""If there are more patterns than this, none are proposed, because nobody would read them."""

_Path: TypeAlias = tuple[bytes | None, ...]

_ID = re.compile(rb"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{8,}|[0-9]+", re.IGNORECASE)
_VERSION = re.compile(rb"v[0-9]+(?:\.[0-9]+)*", re.IGNORECASE)


def proposed_paths(recorded: Iterable[Recorded]) -> list[str]:
    """Return patterns that allow the paths of recorded calls.

    An id becomes ``*`` if calls with the same method differ only in that segment, and there only in
    numbers or hexadecimal digits. Versions such as ``v1`` are kept.

    Args:
        recorded: The calls of one route.

    Returns:
        The patterns in order. None are returned if a path is truncated, if no pattern can allow it
        alone, or if there are too many.
    """
    called: dict[bytes, set[_Path]] = {}
    for each in recorded:
        if each.is_preflight:  # A preflight is also granted on paths that are not allowed.
            continue
        path = _path(each)
        if path is None:
            return []
        called.setdefault(each.call.sent_method, set()).add(path)
    called = {method: _generalized(paths) for method, paths in called.items()}
    # A pattern for GET also allows HEAD.
    called[b"HEAD"] = called.get(b"HEAD", set()) - called.get(b"GET", set())
    found = [(_order(path), method, path) for method, paths in called.items() for path in paths]
    try:
        patterns = [literal_pattern(method, path).text for _, method, path in sorted(found)]
    except BadValue:
        return []
    return patterns if len(patterns) <= MAX_PROPOSED else []


def calls_by_url(recorded: Iterable[Recorded], prefix: str) -> bool:
    """Return whether all calls of a gate's route name a URL, as on a route with ``by_url``."""
    depth = prefix.rstrip("/").count("/")
    try:
        for each in recorded:
            read_url(url_in(each.call.url.target.encode("ascii"), depth))
    except TargetError:
        return False
    return True


def _path(recorded: Recorded) -> _Path | None:
    """Return the segments of a call's path, or None if they are unknown."""
    if recorded.has_cut_path:
        return None
    try:
        return tuple(segments(recorded.call.url.target.encode("ascii")))
    except TargetError:
        return None


def _order(path: _Path) -> Sequence[bytes]:
    return [b"" if step is None else step for step in path]


def _generalized(paths: set[_Path]) -> set[_Path]:
    """Return paths with ids replaced by None, segment by segment."""
    for at in range(max(map(len, paths), default=0)):
        alike: dict[tuple[_Path, bytes], set[_Path]] = {}
        for path in paths:
            step = path[at] if at < len(path) else None
            if step is not None and not _VERSION.fullmatch(step) and _ID.search(step):
                key = ((*path[:at], None, *path[at + 1 :]), _ID.sub(b"#", step))
                alike.setdefault(key, set()).add(path)
        for (general, _), several in alike.items():
            if len(several) > 1:
                paths = paths - several | {general}
    return paths
