"""Warns about sockets from systemd that no listener uses."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from twisted.application.service import Service
from twisted.logger import Logger

from corsgate.daemon.reload import Reloader, ReloadOutcome
from corsgate.gate.service import GateService
from corsgate.transport.inherited import inherited_sockets, unused_sockets


class UnusedSockets(Service):
    """Warns about unused sockets at the start of the gate, and about new ones after a reload.

    Args:
        reactor: The reactor of the gate.
        gate: The gate.
        reloader: The gate's reloader.
    """

    _log = Logger()

    def __init__(self, reactor: Any, gate: GateService, reloader: Reloader) -> None:
        self._reactor = reactor
        self._gate = gate
        self._known: Collection[int] = ()
        reloader.ended.append(self._reloaded)

    def startService(self) -> None:
        """Warn about each unused socket."""
        super().startService()
        self._warn()

    def _reloaded(self, outcome: ReloadOutcome) -> None:
        self._warn()

    def _warn(self) -> None:
        endpoints = [listener.endpoint for listener in self._gate.config.listeners]
        found = {
            each.index: (each.name, each.address)
            for each in unused_sockets(endpoints, inherited_sockets(self._reactor))
        }
        for index, (name, address) in found.items():
            if index not in self._known:
                self._log.warn(
                    'systemd handed over the socket "{name}" ({address}), but no listener uses it:'
                    ' its clients are never served; listen on "systemd:name={name}", or remove it'
                    " from the socket unit",
                    name=name,
                    address=address,
                )
        self._known = found
