"""Which names are public suffixes: anybody may register a name below them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pkgutil import get_data
from typing import Protocol


class _List(Protocol):
    def publicsuffix(self, domain: str) -> str | None: ...


# The list is read only where a policy needs it: that takes some 60 ms, once.
@lru_cache(maxsize=1)
def _rules() -> Sequence[str]:
    """Return the lines of the list that are rules."""
    data = get_data("publicsuffixlist", "public_suffix_list.dat") or b""
    words = (line.split(maxsplit=1)[:1] for line in data.decode("utf-8").splitlines())
    return [word[0] for word in words if word and not word[0].startswith("//")]


@lru_cache(maxsize=1)
def _list() -> _List:
    from publicsuffixlist import PublicSuffixList

    # A top-level name that the list doesn't have is a private network's own.
    return PublicSuffixList(_rules(), accept_unknown=False)


@lru_cache(maxsize=1)
def _below() -> Mapping[str, str]:
    """Return the shortest public suffix below each name that has any."""
    found: dict[str, str] = {}
    for rule in _rules():
        if rule.startswith("!"):
            continue
        suffix = rule.removeprefix("*.").encode("idna").decode("ascii")
        _, dot, above = suffix.partition(".")
        while dot:
            known = found.get(above, suffix)
            found[above] = min(known, suffix, key=lambda name: (len(name), name))
            _, dot, above = above.partition(".")
    return found


def public_suffix(host: str) -> str | None:
    """Return the public suffix that a host has or is.

    Args:
        host: A lower-cased name in ASCII; no IP address.

    Returns:
        Such as ``co.uk`` or ``github.io``; None for a name that is no public one, as ``localhost``.
        https://publicsuffix.org/list/
    """
    return _list().publicsuffix(host)


def suffix_within(host: str) -> str | None:
    """Return a public suffix that a host is, or that is below it.

    Whoever registers a name there has one below the host too, as a bucket below
    ``s3.amazonaws.com`` is below ``amazonaws.com``.

    Args:
        host: A lower-cased name in ASCII; no IP address.

    Returns:
        The host itself, or else the shortest below it; None where all names below the host belong
        to whom it belongs.
    """
    return host if public_suffix(host) == host else _below().get(host)
