"""A bounded cache in which keys that are used once don't evict keys that are used repeatedly."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")


class TwoTierCache(Generic[_K, _V]):
    """A bounded cache whose keys come from clients.

    A value that was requested once is in the first tier, and moves to the second if it is requested
    again. A flood of random keys passes only through the first tier. If the second tier is full,
    its oldest entry moves back to the first, and returns when it is requested. So even a flood in
    which each key appears twice evicts only entries that nobody requests in the meantime.

    Args:
        most: The maximum number of values in each tier.
    """

    __slots__ = ("_kept", "_most", "_new")

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: dict[_K, _V] = {}
        self._new: dict[_K, _V] = {}

    def __len__(self) -> int:
        return len(self._kept) + len(self._new)

    def get(self, key: _K) -> _V | None:
        """Return the value of a key, or None if it is not in the cache."""
        found = self._kept.get(key)
        if found is None and key in self._new:
            found = self._new.pop(key)
            if len(self._kept) >= self._most:
                oldest = next(iter(self._kept))
                self.add(oldest, self._kept.pop(oldest))
            self._kept[key] = found
        return found

    def add(self, key: _K, value: _V) -> None:
        """Store the value of a key that is not in the cache."""
        if len(self._new) >= self._most:
            del self._new[next(iter(self._new))]
        self._new[key] = value
