"""Installs the signal handlers, as a service."""

from __future__ import annotations

import os
from typing import Any

from twisted.application.service import Service

from corsgate.daemon.gc_tuning import Tidying, settle
from corsgate.daemon.reload import Reloader
from corsgate.daemon.signals import (
    exit_cleanly_on_signals,
    hold_signals,
    ignore_unused_signals,
    release_signals,
    reload_on_hangup,
)
from corsgate.gate.service import GateService


class Signals(Service):
    """Installs the signal handlers when the gate starts.

    Not earlier: twistd forks just before, and a signal must still end its parent, which waits for
    the start. Until then, signals that would end the process are held back.
    """

    def __init__(self, reactor: Any, gate: GateService, reloader: Reloader) -> None:
        self._reactor = reactor
        self._gate = gate
        self._reloader = reloader

    def privilegedStartService(self) -> None:
        """Hold signals back until there are handlers."""
        hold_signals(on_terminal=os.isatty(0))

    def startService(self) -> None:
        """Install the handlers, and release the signals held back."""
        super().startService()
        on_terminal = os.isatty(0)
        exit_cleanly_on_signals(self._reactor, self._gate.abort, on_terminal=on_terminal)
        settle()
        tidying = Tidying(self._reactor)
        self._reloader.began.append(tidying.began)
        self._reloader.ended.append(lambda _: tidying.ended())
        ignore_unused_signals()
        if not on_terminal:
            # On a terminal, SIGHUP means that the terminal was closed. A gate that kept running
            # would hold its port unnoticed.
            reload_on_hangup(self._reactor, self._reload)
        release_signals()

    def _reload(self) -> None:
        self._reloader.reload("SIGHUP")
