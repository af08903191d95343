"""Objects that several upstreams share, and that survive a reload."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from twisted.internet.defer import Deferred, DeferredList

_T = TypeVar("_T")


class Shared:
    """Objects, by the values from which they are made.

    An object lives while it is in use. A reload makes the new signers while the old ones still
    exist, so equal credentials keep their object.
    """

    def __init__(self) -> None:
        self._vital: set[Deferred[Any]] = set()
        self._found: WeakValueDictionary[Hashable, Any] = WeakValueDictionary()

    def of(self, key: Hashable, make: Callable[[], _T]) -> _T:
        """Return the object for a key; safe to call in any thread.

        Args:
            key: The values from which the object is made.
            make: Makes the object if there is none.
        """
        found: _T | None = self._found.get(key)
        return self._found.setdefault(key, make()) if found is None else found

    def await_at_end(self, vital: Deferred[Any]) -> None:
        """Delay the end of the process until work that must not be interrupted is done.

        Args:
            vital: Fires when the work is done. Its result is not changed.
        """

        def ended(result: Any) -> Any:
            self._vital.discard(vital)
            return result

        self._vital.add(vital)
        vital.addBoth(ended)

    def ended(self) -> Deferred[Any]:
        """Return a Deferred that fires when all work given to `await_at_end` is done."""
        return DeferredList([_after(each) for each in self._vital])


def _after(vital: Deferred[Any]) -> Deferred[None]:
    """Return a Deferred that fires after another one, without changing that one's result."""
    waiting: Deferred[None] = Deferred()

    def over(result: Any) -> Any:
        waiting.callback(None)
        return result

    vital.addBoth(over)
    return waiting
