"""What several upstreams share, and what outlives a reload."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from twisted.internet.defer import Deferred, DeferredList

_T = TypeVar("_T")


class Shared:
    """Objects by the values that they are made of.

    An object lives as long as somebody uses it. A reload makes the new signers while the old ones
    are still in use, so that equal credentials keep their object.
    """

    def __init__(self) -> None:
        self._vital: set[Deferred[Any]] = set()
        self._found: WeakValueDictionary[Hashable, Any] = WeakValueDictionary()

    def of(self, key: Hashable, make: Callable[[], _T]) -> _T:
        """Return the object of a key, also in a thread.

        Args:
            key: What the object is made of.
            make: Makes it, if there is none.
        """
        found: _T | None = self._found.get(key)
        return self._found.setdefault(key, make()) if found is None else found

    def await_at_end(self, vital: Deferred[Any]) -> None:
        """Let the process end only after something that must not be cut off.

        Args:
            vital: Fires when that is over. Its result is not changed.
        """

        def ended(result: Any) -> Any:
            self._vital.discard(vital)
            return result

        self._vital.add(vital)
        vital.addBoth(ended)

    def ended(self) -> Deferred[Any]:
        """Return a Deferred that fires when nothing of `await_at_end` is under way."""
        return DeferredList([_after(each) for each in self._vital])


def _after(vital: Deferred[Any]) -> Deferred[None]:
    """Return a Deferred that fires after another one, whose result stays."""
    waiting: Deferred[None] = Deferred()

    def over(result: Any) -> Any:
        waiting.callback(None)
        return result

    vital.addBoth(over)
    return waiting
