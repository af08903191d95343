"""Reports to systemd while the gate runs: ready, reloading, alive, stopping, and its state."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from corsgate.balance.circuit import CircuitState
from corsgate.balance.health import Standing
from corsgate.daemon.notify import Notifier
from corsgate.daemon.reload import Reloader, ReloadOutcome
from corsgate.daemon.status_text import Figures, LastReload, draining, serving
from corsgate.gate.service import GateService

STATUS_INTERVAL_S = 10.0
"""How often the state is checked, in seconds; it is sent if its line has changed."""

DRAIN_INTERVAL_S = 5.0
"""How often the gate asks systemd for more time while it drains, in seconds."""

EXTENSION_S = 15.0
"""The time in seconds that the gate asks for. It is longer than one interval: one late turn of the
reactor must not end the drain. It is short, so that a gate that hangs is killed soon."""

_LISTENING_S = 0.1
"""How often the gate checks whether all listeners listen, in seconds."""

_SHORTEST_S = 0.01
"""The minimum interval of the watchdog in seconds; a shorter one would take too much work."""


class Notices(Service):
    """Reports the gate's state to systemd.

    It must be the last of the services, so that it starts after and stops before all others.

    Args:
        reactor: The reactor of the gate.
        notifier: Sends the messages.
        gate: The gate.
        reloader: The gate's reloader.
        daemonized: Whether twistd forks before the start, so that systemd must get the process id.
        wall_clock: Returns the seconds since 1970.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        notifier: Notifier,
        gate: GateService,
        reloader: Reloader,
        *,
        daemonized: bool,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._reactor = reactor
        self._notifier = notifier
        self._gate = gate
        self._reloader = reloader
        self._daemonized = daemonized
        self._wall_clock = wall_clock
        self._reloads = 0
        self._last_status = ""
        self._cut_s = 0.0
        reloader.began.append(self._reload_began)
        reloader.ended.append(self._reload_ended)

    def startService(self) -> None:
        """Report that the gate is ready, as soon as the reactor runs."""
        super().startService()
        # Not earlier, because another service may still fail to start.
        self._reactor.callWhenRunning(self._ready)

    def stopService(self) -> None:
        """Report that the gate stops, and ask for time while it drains."""
        super().stopService()
        self._cut_s = self._reactor.seconds() + self._gate.config.limits.drain_timeout_s
        self._notifier.send(STOPPING=1)
        # The loop runs until the process ends, after all services have stopped.
        self._repeat(DRAIN_INTERVAL_S, self._drain)
        self._drain()

    def _ready(self) -> None:
        if not self.running:
            return
        if len(self._gate.ports) < len(self._gate.config.listeners):
            # Twisted's own endpoints listen by now. A plugin's endpoint may need more time. If it
            # needs more than TimeoutStartSec=, systemd ends the start.
            self._reactor.callLater(_LISTENING_S, self._ready)
            return
        self._last_status = self._status()
        process = {"MAINPID": os.getpid()} if self._daemonized else {}
        self._notifier.send(READY=1, STATUS=self._last_status, **process)
        self._repeat(STATUS_INTERVAL_S, self._look)
        if self._notifier.watchdog_s is not None:
            # sd_watchdog_enabled(3): at half of the interval.
            self._repeat(max(self._notifier.watchdog_s / 2, _SHORTEST_S), self._alive)
            self._alive()

    def _alive(self) -> None:
        self._notifier.send(WATCHDOG=1)

    def _look(self) -> None:
        """Send the state if its line has changed."""
        if self.running and not self._reloads:
            status = self._status()
            if status != self._last_status and self._notifier.send(STATUS=status):
                self._last_status = status

    def _drain(self) -> None:
        left_s = self._cut_s - self._reactor.seconds()
        self._notifier.send(
            EXTEND_TIMEOUT_USEC=int(EXTENSION_S * 1e6), STATUS=draining(self._figures(), left_s)
        )

    def _reload_began(self) -> None:
        self._reloads += 1
        if self.running:
            # sd_notify(3): a service manager compares the time with that of its request.
            now_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            self._notifier.send(RELOADING=1, MONOTONIC_USEC=now_us)

    def _reload_ended(self, outcome: ReloadOutcome) -> None:
        self._reloads -= 1
        if self.running and not self._reloads:
            self._last_status = self._status()
            self._notifier.send(READY=1, STATUS=self._last_status)

    def _status(self) -> str:
        last = self._reloader.last
        if last is None:
            return serving(self._figures(), None)
        reload = LastReload(
            trigger=last.trigger, age_s=self._wall_clock() - last.time_s, faults=last.faults
        )
        return serving(self._figures(), reload)

    def _figures(self) -> Figures:
        gate = self._gate
        balancers = [upstream.balancer for upstream in gate.upstreams.values()]
        states = [state for balancer in balancers for state in balancer.states.values()]
        return Figures(
            requests=sum(balancer.running for balancer in balancers),
            connections=gate.admission.connections,
            servers=len(states),
            down=[
                state.server.origin
                for state in states
                if state.health.standing is Standing.DOWN
                or state.circuit.state is CircuitState.OPEN
            ],
            config_age_s=self._wall_clock() - gate.config_since_s,
        )

    def _repeat(self, interval_s: float, call: Callable[[], None]) -> None:
        loop = LoopingCall(call)
        loop.clock = self._reactor
        ended: Deferred[Any] = loop.start(interval_s, now=False)
        ended.addErrback(
            lambda failure: self._log.failure(
                "a report to systemd failed, and is not repeated", failure
            )
        )
