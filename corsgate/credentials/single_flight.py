"""Share the result of one task among all callers that ask for it while it runs."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

_T = TypeVar("_T")


class SingleFlight(Generic[_T]):
    """Runs a coroutine once for all waiting callers; it continues even if they all cancel."""

    def __init__(self) -> None:
        self._task: Deferred[_T] | None = None
        self._waiting: list[Deferred[_T]] = []

    @property
    def is_running(self) -> bool:
        """Whether the task is running."""
        return self._task is not None

    def join(self, start: Callable[[], Coroutine[Any, Any, _T]]) -> Deferred[_T]:
        """Return a Deferred of the result of the running task, or of a new one.

        Args:
            start: Starts the task if none is running.

        Returns:
            A Deferred. Cancelling it doesn't cancel the task.
        """
        waiter: Deferred[_T] = Deferred(self._waiting.remove)
        self._waiting.append(waiter)
        if self._task is None:
            self._task = Deferred()
            task = Deferred.fromCoroutine(start())
            if self._waiting:
                self._task = task
            task.addBoth(self._done)
        return waiter

    def cancel(self) -> None:
        """Cancel the task; waiting callers get a CancelledError."""
        if self._task is not None:
            self._task.cancel()

    def _done(self, result: _T | Failure) -> None:
        self._task = None
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if isinstance(result, Failure):
                waiter.errback(result)
            else:
                waiter.callback(result)
