"""Describe how the credentials of requests change, by names and kinds, without secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from corsgate.config.diff_reach import Change
from corsgate.config.model.login_json import leaves
from corsgate.config.model.values import Credentials, Upstream
from corsgate.config.toml.lines import key_text

PAIRS = frozenset(("form", "json"))
"""The keys that contain the fields of a login."""


def by_origin_changes(
    old: Upstream,
    new: Upstream,
    old_document: Mapping[str, Any],
    new_document: Mapping[str, Any],
) -> Iterator[Change]:
    """Return how the credentials of single origins have changed.

    Args:
        old: The upstream before.
        new: The same upstream now.
        old_document: The old file as parsed by tomllib, for the names of credentials.
        new_document: The new file, likewise.
    """
    before = {each.origin: each.credentials for each in old.credentials_by_origin}
    after = {each.origin: each.credentials for each in new.credentials_by_origin}
    for origin, credentials in after.items():
        shown = _shown(new_document, new, origin, credentials)
        if origin not in before:
            yield True, f"requests from {origin} get the credentials {shown}"
        elif before[origin] != credentials:
            was = _shown(old_document, old, origin, before[origin])
            words = "changed" if was == shown else f"{shown}, previously {was}"
            yield None, f"the credentials for requests from {origin}: {words}"
    for origin in before:
        if origin not in after:
            was = _shown(old_document, old, origin, before[origin])
            yield False, f"requests from {origin} no longer get the credentials {was}"


def _shown(
    document: Mapping[str, Any], upstream: Upstream, origin: str, credentials: Credentials
) -> str:
    """Return the name and kind of an origin's credentials."""
    table = document.get("upstreams", {}).get(upstream.name, {})
    written = table.get("credentials_by_origin", {}).get(origin)
    kind = credentials.kind
    return f"{written} ({kind})" if isinstance(written, str) else kind


def pair_changes(name: str, old: tuple[Any, ...], new: tuple[Any, ...]) -> Iterator[str]:
    """Describe how the fields of a login changed, without their values.

    Args:
        name: The key, one of `PAIRS`.
        old: The fields before, as pairs of name and value.
        new: The fields now.
    """
    before, after = dict(leaves(old)), dict(leaves(new))
    yield from (f"{name} no longer has {key_text(each)}" for each in before if each not in after)
    yield from (f"{name} has {key_text(each)}" for each in after if each not in before)
    yield from (
        f"{key_text((name, *each))} changed"
        for each in after
        if each in before and before[each] != after[each]
    )
