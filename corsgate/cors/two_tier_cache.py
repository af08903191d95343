"""A cache whose entries for those who come again are not evicted by those who come once."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")


class TwoTierCache(Generic[_K, _V]):
    """A bounded cache whose keys come from clients.

    A value that was requested once is among the newcomers; requested again, it is kept. A flood of
    random keys passes through the newcomers only. If there is no more room for kept ones, the
    oldest becomes a newcomer again, and comes back if it is requested. So even keys that are each
    made up twice evict only what nobody else requests meanwhile.

    Args:
        most: The number of kept values, and that of newcomers besides.
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
