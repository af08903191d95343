"""Answers kept for those who ask again, so that those who ask once can't drive them out."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")


class TwoTierCache(Generic[_K, _V]):
    """A bounded store of answers, whose keys come from clients.

    An answer that was asked for once waits among the newcomers; asked for again, it is kept. A
    flood of keys that are made up at random passes through the newcomers alone. Where the kept are
    full, the oldest goes back among the newcomers, and returns should it be asked for: even keys
    that are each made up twice drive out only what nobody else asks for meanwhile.

    Args:
        most: How many are kept, and how many newcomers there are beside them.
    """

    __slots__ = ("_kept", "_most", "_new")

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: dict[_K, _V] = {}
        self._new: dict[_K, _V] = {}

    def __len__(self) -> int:
        return len(self._kept) + len(self._new)

    def get(self, key: _K) -> _V | None:
        """Return what was remembered for a key, if it still is."""
        found = self._kept.get(key)
        if found is None and key in self._new:
            found = self._new.pop(key)
            if len(self._kept) >= self._most:
                oldest = next(iter(self._kept))
                self.add(oldest, self._kept.pop(oldest))
            self._kept[key] = found
        return found

    def add(self, key: _K, value: _V) -> None:
        """Remember a value for a key that is not remembered."""
        if len(self._new) >= self._most:
            del self._new[next(iter(self._new))]
        self._new[key] = value
