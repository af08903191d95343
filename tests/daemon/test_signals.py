"""SIGTERM and SIGINT, without a process that ends."""

from __future__ import annotations

import signal
from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from corsgate.daemon.signals import exit_cleanly_on_signals, reload_on_hangup


class Reactor:
    """Keeps what it is asked to call, and counts its stops."""

    def __init__(self) -> None:
        self.when_running: list[Callable[[], None]] = []
        self.queued: list[Callable[[], None]] = []
        self.stops = 0

    def callWhenRunning(self, function: Callable[[], None]) -> None:
        """Take what is to be called once it runs."""
        self.when_running.append(function)

    def callFromThread(self, function: Callable[[], None]) -> None:
        """Take what a signal's handler wants done."""
        self.queued.append(function)

    def stop(self) -> None:
        """Count."""
        self.stops += 1


class Signals(SynchronousTestCase):
    """The first drains, the second cuts."""

    def setUp(self) -> None:
        """Put back whatever handlers there are."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            self.addCleanup(signal.signal, number, signal.getsignal(number))
        self.reactor = Reactor()
        self.cuts: list[None] = []
        exit_cleanly_on_signals(self.reactor, lambda: self.cuts.append(None))
        # Trial must be able to end, and a signal that a test leaves pending must not end it.
        self.addCleanup(self.start)

    def start(self) -> None:
        """Do what the reactor does when it starts."""
        when_running, self.reactor.when_running = self.reactor.when_running, []
        for function in when_running:
            function()

    def deliver(self, number: int) -> None:
        """Do what the reactor does once a signal has come."""
        signal.raise_signal(number)
        queued, self.reactor.queued = self.reactor.queued, []
        for function in queued:
            function()

    def test_before_the_reactor_runs(self) -> None:
        """A signal that comes early neither ends the process nor is lost."""
        signal.raise_signal(signal.SIGTERM)
        self.assertEqual(self.reactor.queued, [])
        self.start()
        self.assertEqual((len(self.reactor.queued), self.reactor.stops), (1, 0))

    def test_over_the_reactors_own(self) -> None:
        """The reactor's own handlers are replaced, and get no signal before that."""
        got: list[int] = []
        signal.signal(signal.SIGTERM, lambda number, frame: got.append(number))
        signal.raise_signal(signal.SIGTERM)
        self.start()
        self.deliver(signal.SIGINT)
        self.assertEqual((self.reactor.stops, len(self.cuts), got), (1, 1, []))

    def test_once_and_again(self) -> None:
        """The first stops the reactor, each further one cuts."""
        self.start()
        self.deliver(signal.SIGINT)
        self.assertEqual((self.reactor.stops, len(self.cuts)), (1, 0))
        self.deliver(signal.SIGTERM)
        self.deliver(signal.SIGINT)
        self.assertEqual((self.reactor.stops, len(self.cuts)), (1, 2))

    def test_hangup(self) -> None:
        """Each SIGHUP reopens, in the reactor's thread, and ends nothing."""
        reopened: list[None] = []
        reload_on_hangup(self.reactor, lambda: reopened.append(None))
        signal.raise_signal(signal.SIGHUP)
        self.assertEqual(reopened, [])
        self.deliver(signal.SIGHUP)
        self.assertEqual((len(reopened), self.reactor.stops, len(self.cuts)), (2, 0, 0))
