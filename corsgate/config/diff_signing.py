"""Name and compare an upstream's credentials for the description of differences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from corsgate.config.model.credentials import Credentials, SingleCredentials, parts_of
from corsgate.config.model.values import Upstream


def credentials_text(document: Mapping[str, Any], upstream: Upstream) -> str:
    """Return the names and kind of an upstream's credentials; empty if it has none.

    Args:
        document: The parsed file of the upstream.
        upstream: The upstream.
    """
    if upstream.credentials is None:
        return ""
    written = document.get("upstreams", {}).get(upstream.name, {}).get("credentials")
    entries = written if isinstance(written, list) else [written]
    names = ", ".join(entry for entry in entries if isinstance(entry, str))
    kind = upstream.credentials.kind
    return f"{names} ({kind})" if names else kind


def part_pairs(
    old: Credentials | None, new: Credentials | None
) -> list[tuple[SingleCredentials, SingleCredentials]] | None:
    """Return the parts of credentials before and after a change that can be compared.

    Args:
        old: The credentials before.
        new: The credentials after.

    Returns:
        Pairs of the same kind; None if the kinds differ.
    """
    before, after = parts_of(old), parts_of(new)
    if [part.kind for part in before] != [part.kind for part in after]:
        return None
    return list(zip(before, after, strict=True))
