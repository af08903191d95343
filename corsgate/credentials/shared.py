"""What several upstreams share, and what outlives a reload."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar
from weakref import WeakValueDictionary

_T = TypeVar("_T")


class Shared:
    """Objects by the values that they are made of.

    An object lives as long as somebody uses it. A reload makes the new signers while the old ones
    are still in use, so that equal credentials keep their object.
    """

    def __init__(self) -> None:
        self._found: WeakValueDictionary[Hashable, Any] = WeakValueDictionary()

    def of(self, key: Hashable, make: Callable[[], _T]) -> _T:
        """Return the object of a key, also in a thread.

        Args:
            key: What the object is made of.
            make: Makes it, if there is none.
        """
        found: _T | None = self._found.get(key)
        return self._found.setdefault(key, make()) if found is None else found
