"""Run slow functions in threads that don't delay the end of the process."""

from __future__ import annotations

import signal
from collections.abc import Callable
from threading import Thread
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

_Result = TypeVar("_Result")


def call_in_thread(
    reactor: Any, function: Callable[..., _Result], *arguments: Any
) -> Deferred[_Result]:
    """Call a function in a thread of its own.

    The reactor waits for the threads of its pool when it stops. A file system that does not
    respond, or a program that hangs, would then prevent the process from ending.

    Args:
        reactor: Gets the result.
        function: The function.
        arguments: Its arguments.

    Returns:
        A Deferred of the result. If it is cancelled, the thread continues, and its result is lost.
    """
    came: Deferred[_Result] = Deferred()

    def done(result: Any) -> None:
        if not came.called:
            came.callback(result)

    def work() -> None:
        # Signals are for the main thread.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        result: Any
        try:
            result = function(*arguments)
        except Exception:
            result = Failure()
        reactor.callFromThread(done, result)

    Thread(target=work, name="corsgate", daemon=True).start()
    return came
