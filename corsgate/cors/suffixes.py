"""Which names are public suffixes: anybody may register a name below them."""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol


class _List(Protocol):
    def publicsuffix(self, domain: str) -> str | None: ...


@lru_cache(maxsize=1)
def _list() -> _List:
    """Answer the list, which is read only where a policy needs it: that takes some 40 ms."""
    from publicsuffixlist import PublicSuffixList

    # A top-level name that the list doesn't have is a private network's own.
    return PublicSuffixList(accept_unknown=False)


def public_suffix(host: str) -> str | None:
    """Answer the public suffix that a host has or is.

    Args:
        host: A lower-cased name in ASCII; no IP address.

    Returns:
        Such as ``co.uk`` or ``github.io``; None for a name that is no public one, as ``localhost``.
        https://publicsuffix.org/list/
    """
    return _list().publicsuffix(host)
