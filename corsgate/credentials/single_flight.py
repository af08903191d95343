"""Share the result of one task among all callers that ask for it while it runs."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

_T = TypeVar("_T")


class SingleFlight(Generic[_T]):
    """Runs a coroutine once for all waiting callers; it continues even if they all cancel.

    Attributes:
        is_running: Whether the task is running.
    """

    def __init__(self) -> None:
        self.is_running = False
        self._task: Deferred[_T] | None = None
        self._waiting: list[Deferred[_T]] = []

    def join(self, start: Callable[[], Coroutine[Any, Any, _T]]) -> Deferred[_T]:
        """Return a Deferred of the result of the running task, or of a new one.

        Args:
            start: Starts the task if none is running.

        Returns:
            A Deferred. Cancelling it doesn't cancel the task.
        """
        waiter: Deferred[_T] = Deferred(self._waiting.remove)
        self._waiting.append(waiter)
        if not self.is_running:
            # Set this first, since the task may lead to another `join` before it waits.
            self.is_running = True
            self._task = Deferred.fromCoroutine(start())
            self._task.addBoth(self._done)
        return waiter

    def cancel(self) -> None:
        """Cancel the task; waiting callers get a CancelledError."""
        if self._task is not None:
            self._task.cancel()

    def _done(self, result: _T | Failure) -> None:
        self.is_running, self._task = False, None
        # A caller that gets the result may join again, or cancel others. Those remove themselves
        # from the list that they are in.
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if isinstance(result, Failure):
                waiter.errback(result)
            else:
                waiter.callback(result)
