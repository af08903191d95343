"""The signal handlers as a service."""

from __future__ import annotations

import gc
import os
import signal
import threading
from types import SimpleNamespace
from typing import Any

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from corsgate.daemon.signal_service import Signals
from tests.daemon.test_signals import Reactor

NUMBERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


class SignalsTests(SynchronousTestCase):
    """`Signals`."""

    def setUp(self) -> None:
        """Put back the handlers, the mask and the collector."""
        for number in NUMBERS:
            self.addCleanup(signal.signal, number, signal.getsignal(number))
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        self.addCleanup(signal.pthread_sigmask, signal.SIG_SETMASK, mask)
        self.addCleanup(gc.set_threshold, *gc.get_threshold())
        self.addCleanup(gc.unfreeze)
        self.reactor = Reactor()
        self.cuts: list[int] = []
        self.asked: list[str] = []
        gate: Any = SimpleNamespace(abort=lambda: self.cuts.append(1))
        reloader: Any = SimpleNamespace(reload=self.asked.append, began=[], ended=[])
        self.signals = Signals(self.reactor, gate, reloader)

    def start(self) -> None:
        """Start the service, and then the reactor."""
        self.signals.privilegedStartService()
        self.signals.startService()
        for function in self.reactor.when_running:
            function()

    def run_queued(self) -> None:
        """Do what the reactor does after a signal."""
        queued, self.reactor.queued = self.reactor.queued, []
        for function in queued:
            function()

    def test_held(self) -> None:
        """A SIGHUP during the start is held, and reloads once there is a handler."""
        if os.isatty(0):
            raise SkipTest("standard input is a terminal, where SIGHUP ends the process")
        self.signals.privilegedStartService()
        # To this thread, since only this one holds signals back; other tests may have begun more.
        signal.pthread_kill(threading.get_ident(), signal.SIGHUP)
        self.assertEqual(self.reactor.queued, [])
        self.signals.startService()
        self.run_queued()
        self.assertEqual(self.asked, ["SIGHUP"])

    def test_handlers(self) -> None:
        """SIGTERM drains, then cuts; SIGUSR1 and SIGUSR2 do nothing."""
        self.start()
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM):
            signal.raise_signal(number)
        self.run_queued()
        self.assertEqual((self.reactor.stops, self.cuts), (1, []))
        signal.raise_signal(signal.SIGTERM)
        self.run_queued()
        self.assertEqual((self.reactor.stops, self.cuts), (1, [1]))
