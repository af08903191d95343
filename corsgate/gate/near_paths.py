"""Suggests paths that a route serves, for a path that no route serves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher

MAX_NEAR = 3
"""The maximum number of suggested paths."""

MAX_PREFIXES = 30
"""The maximum number of compared prefixes."""

MAX_LENGTH = 80
"""The maximum length of a compared path or prefix; it limits a comparison to milliseconds."""

_ALIKE = 0.6
"""The minimum ratio of SequenceMatcher for two similar spellings."""

_CLEARLY_WORSE = 0.15
"""A path is not suggested if its score is lower than the best one by more than this."""


def near_paths(path: str, prefixes: Iterable[str]) -> tuple[str, ...]:
    """Return paths that a route serves and that are similar to a path that no route serves.

    Args:
        path: The path, percent-encoded, without a query.
        prefixes: The prefixes of the routes, percent-encoded, without a trailing slash.

    Returns:
        At most `MAX_NEAR` paths, the most similar first.
    """
    if not path.startswith("/") or len(path) > MAX_LENGTH:
        return ()
    parts = path[1:].split("/")
    found: dict[str, float] = {}
    for _, prefix in zip(range(MAX_PREFIXES), prefixes, strict=False):
        if not prefix or len(prefix) > MAX_LENGTH:
            continue
        for rest, score in _readings(parts, prefix[1:].split("/")):
            meant = "/".join((prefix, *rest))
            if score >= _ALIKE and score > found.get(meant, 0.0):
                found[meant] = score
    best = max(found.values(), default=0.0)
    near = [meant for meant, score in found.items() if score >= best - _CLEARLY_WORSE]
    return tuple(sorted(near, key=lambda meant: (-found[meant], meant))[:MAX_NEAR])


def _readings(parts: Sequence[str], prefix: Sequence[str]) -> Iterator[tuple[Sequence[str], float]]:
    """Return what would follow a prefix if the path was meant to start with it, with a score."""
    squeezed = [part for part in parts if part]
    if squeezed != list(parts):
        # `base + "/" + path` easily produces a double slash.
        parts = [*squeezed, *parts[-1:]] if not parts[-1] else squeezed
    size = len(prefix)
    for start in range(len(parts) - size + 1):
        if _lower(parts[start : start + size]) == _lower(prefix):
            # The case differs, or there is an extra segment before the prefix.
            yield parts[start + size :], 1.0 if start == 0 else 0.9
    for left_out in range(1, size):
        known = prefix[left_out:]
        if _lower(parts[: len(known)]) == _lower(known):
            yield parts[len(known) :], 0.8
    spelled = "/" + "/".join(_lower(parts[:size]))
    matcher = SequenceMatcher(None, spelled, "/" + "/".join(_lower(prefix)), autojunk=False)
    # An upper bound, which is much faster to compute.
    if matcher.quick_ratio() >= _ALIKE:
        yield parts[size:], matcher.ratio()


def _lower(parts: Sequence[str]) -> list[str]:
    return [part.lower() for part in parts]
