"""Public suffixes: names below which anyone may register a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pkgutil import get_data
from typing import Protocol


class _List(Protocol):
    def publicsuffix(self, domain: str) -> str | None: ...


# The list is read only if a policy needs it, because reading takes about 60 ms.
@lru_cache(maxsize=1)
def _rules() -> Sequence[str]:
    """Return the rules of the list."""
    data = get_data("publicsuffixlist", "public_suffix_list.dat") or b""
    words = (line.split(maxsplit=1)[:1] for line in data.decode("utf-8").splitlines())
    return [word[0] for word in words if word and not word[0].startswith("//")]


@lru_cache(maxsize=1)
def _list() -> _List:
    from publicsuffixlist import PublicSuffixList

    # A top-level name that is not in the list belongs to a private network.
    return PublicSuffixList(_rules(), accept_unknown=False)


@lru_cache(maxsize=1)
def _below() -> Mapping[str, str]:
    """Return the shortest public suffix below each name that has one."""
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
    """Return the public suffix of a host, which may be the host itself.

    Args:
        host: A lower-cased ASCII name, not an IP address.

    Returns:
        A suffix such as ``co.uk`` or ``github.io``; None for a non-public name such as
        ``localhost``.

    Source: https://publicsuffix.org/list/
    """
    return _list().publicsuffix(host)


def suffix_within(host: str) -> str | None:
    """Return a public suffix that is the host or is below it.

    A name registered below such a suffix is also below the host: a bucket below
    ``s3.amazonaws.com`` is below ``amazonaws.com``.

    Args:
        host: A lower-cased ASCII name, not an IP address.

    Returns:
        The host itself, or else the shortest suffix below it. None if all names below the host
        belong to its owner.
    """
    return host if public_suffix(host) == host else _below().get(host)
