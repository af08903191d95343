"""SIGTERM and SIGINT: the first drains, the second cuts. SIGHUP reloads.

SIGUSR1 rotates twistd's own log where it has one; else it means nothing, and SIGUSR2 never does.
Any of the three ends a process that says nothing else, which systemd takes for a clean end.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

from twisted.logger import Logger

_log = Logger()

_UNUSED = (signal.SIGUSR1, signal.SIGUSR2)


def hold_signals(*, on_terminal: bool) -> None:
    """Let SIGHUP, SIGUSR1 and SIGUSR2 wait until `release_signals`.

    They are blocked rather than handled: twistd takes SIGUSR1 only where nobody else has.

    Args:
        on_terminal: Whether standard input is a terminal. SIGHUP says then that it was closed,
            and ends the process as ever.
    """
    held = _UNUSED if on_terminal else (signal.SIGHUP, *_UNUSED)
    signal.pthread_sigmask(signal.SIG_BLOCK, held)


def release_signals() -> None:
    """Let the signals through that were held, to those who handle them."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGHUP, *_UNUSED))


def ignore_unused_signals() -> None:
    """Make SIGUSR1 and SIGUSR2 do nothing, unless somebody handles them."""
    for number in _UNUSED:
        if signal.getsignal(number) == signal.SIG_DFL:
            # Not SIG_IGN, which a program that is started from here would inherit.
            signal.signal(number, lambda number, frame: None)


def exit_cleanly_on_signals(reactor: Any, cut: Callable[[], None]) -> None:
    """Make a process exit with status 0 when it is told to end.

    Twisted's own handlers stop the reactor too, but twistd then dies by the signal, which a
    supervisor takes for a failure.

    Args:
        reactor: The running reactor.
        cut: Called at each signal but the first.
    """
    asked = False

    def end() -> None:
        nonlocal asked
        if asked:
            _log.warn("stopping at once: running requests are cut")
            cut()
            return
        asked = True
        _log.info("stopping: no new connections; waiting for running requests")
        reactor.stop()

    def handler(number: int, frame: FrameType | None) -> None:
        reactor.callFromThread(end)

    def install() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, handler)

    # The reactor installs its own handlers when it starts; ours go over them. Until then a
    # signal waits for the reactor, where it would else kill the process.
    install()
    reactor.callWhenRunning(install)


def reload_on_hangup(reactor: Any, reload: Callable[[], None]) -> None:
    """Make SIGHUP, which would otherwise end the process, mean that it is to reload.

    Args:
        reactor: The running reactor.
        reload: Called, in the reactor's thread, at each SIGHUP.
    """

    def handler(number: int, frame: FrameType | None) -> None:
        reactor.callFromThread(reload)

    signal.signal(signal.SIGHUP, handler)
