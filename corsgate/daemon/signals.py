"""SIGTERM and SIGINT: the first drains, the second cuts. SIGHUP reloads.

SIGUSR1 rotates twistd's own log if there is one. Otherwise it is ignored, as SIGUSR2 always is.
By default, SIGHUP, SIGUSR1 and SIGUSR2 end a process, and systemd takes that for a clean end.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

from twisted.logger import Logger

_log = Logger()

_ENDING = (signal.SIGTERM, signal.SIGINT)
_UNUSED = (signal.SIGUSR1, signal.SIGUSR2)


def hold_signals(*, on_terminal: bool) -> None:
    """Keep SIGHUP, SIGUSR1 and SIGUSR2 pending until `release_signals`.

    They are blocked, not handled: twistd handles SIGUSR1 only if it has no handler yet.

    Args:
        on_terminal: Whether standard input is a terminal. SIGHUP then means that the terminal was
            closed, and ends the process.
    """
    held = _UNUSED if on_terminal else (signal.SIGHUP, *_UNUSED)
    signal.pthread_sigmask(signal.SIG_BLOCK, held)


def release_signals() -> None:
    """Deliver the signals that were held back."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGHUP, *_UNUSED))


def ignore_unused_signals() -> None:
    """Ignore SIGUSR1 and SIGUSR2 unless they have a handler."""
    for number in _UNUSED:
        if signal.getsignal(number) == signal.SIG_DFL:
            # Not SIG_IGN, which child processes would inherit.
            signal.signal(number, lambda number, frame: None)


def exit_cleanly_on_signals(
    reactor: Any, cut: Callable[[], None], *, on_terminal: bool = False
) -> None:
    """Make a process exit with status 0 on SIGTERM and SIGINT.

    Twisted's own handlers also stop the reactor, but twistd then kills itself with the signal. The
    last lines of the log are lost, and a supervisor may take that for a failure.

    Args:
        reactor: The reactor, which need not run yet.
        cut: Called at each signal after the first.
        on_terminal: Whether a person can send another signal with Ctrl-C.
    """
    asked = False

    def end() -> None:
        nonlocal asked
        if asked:
            _log.warn("stopping at once: running requests are cut")
            cut()
            return
        asked = True
        again = " (Ctrl-C again cuts them)" if on_terminal else ""
        _log.info("stopping: no new connections; waiting for running requests{again}", again=again)
        reactor.stop()

    def handler(number: int, frame: FrameType | None) -> None:
        reactor.callFromThread(end)

    def install() -> None:
        for number in _ENDING:
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)

    # The reactor installs its own handlers when it starts, and these replace them. Until then the
    # signals are blocked, so that neither the default action nor the reactor's handler gets one.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    reactor.callWhenRunning(install)


def reload_on_hangup(reactor: Any, reload: Callable[[], None]) -> None:
    """Reload on SIGHUP, which would otherwise end the process.

    Args:
        reactor: The reactor, which need not run yet.
        reload: Called in the reactor's thread at each SIGHUP.
    """

    def handler(number: int, frame: FrameType | None) -> None:
        reactor.callFromThread(reload)

    signal.signal(signal.SIGHUP, handler)
