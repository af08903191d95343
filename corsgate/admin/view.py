"""The data source of the admin listener, which is read at each request to follow reloads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import attrs

from corsgate.admin.refused_calls import RefusedCalls
from corsgate.balance.circuit import CircuitState
from corsgate.balance.health import Standing
from corsgate.balance.state import ServerState
from corsgate.config.model.certificates import CertifiedKey
from corsgate.config.model.oauth2 import OAuth2Credentials
from corsgate.gate.service import GateService
from corsgate.gate.upstream_runtime import UpstreamRuntime


class Outcome(Protocol):
    """The outcome of a reload; see `corsgate.daemon.reload.ReloadOutcome`."""

    @property
    def time_s(self) -> float:
        """When it ended, in seconds since 1970."""

    @property
    def trigger(self) -> str:
        """The trigger, such as a signal."""

    @property
    def faults(self) -> Sequence[str]:
        """The faults of a failed reload; empty if the new configuration is in force."""

    @property
    def changes(self) -> Sequence[str]:
        """The effects of the change."""


class Reloads(Protocol):
    """The reloads so far; see `corsgate.daemon.reload.Reloader`."""

    @property
    def last(self) -> Outcome | None:
        """The outcome of the last one."""

    @property
    def succeeded(self) -> int:
        """The number of reloads that succeeded."""

    @property
    def failed(self) -> int:
        """The number of reloads that failed."""


@attrs.frozen(kw_only=True, eq=False)
class View:
    """The data source of the admin listener.

    Attributes:
        gate: The gate.
        reloads: The reloads so far.
        clock: Returns the reactor's seconds.
        wall_clock: Returns the seconds since 1970.
        started_s: When the process started, in seconds since 1970.
        refused: Explains the refused calls.
    """

    gate: GateService
    reloads: Reloads
    clock: Callable[[], float]
    wall_clock: Callable[[], float]
    started_s: float
    refused: RefusedCalls = attrs.field(factory=RefusedCalls)

    @property
    def file(self) -> str:
        """The configuration's file; empty if there is none, as in quick mode."""
        return self.gate.file if self.gate.config.written else ""

    def certificates(self) -> Iterator[tuple[str, CertifiedKey]]:
        """Return each certificate in use, with its use in words."""
        for listener in self.gate.listeners:
            if listener.certificates is not None:
                for certified in listener.certificates.certificates:
                    yield f"listener {listener.listener.endpoint}", certified
        for name, upstream in self.gate.config.upstreams.items():
            if upstream.client_certificate is not None:
                yield f"upstream {name} (client certificate)", upstream.client_certificate
            for part in upstream.credential_parts:
                if isinstance(part, OAuth2Credentials) and part.client_certificate:
                    shown = part.client_certificate
                    yield f"upstream {name} (certificate for the token server)", shown

    def keep_counters(self) -> None:
        """Forget the counters of routes and servers that no longer exist."""
        gate = self.gate
        gate.counters.keep(
            [route.label for route in gate.runtime.table.routes],
            [
                (upstream.name, origin)
                for upstream in gate.upstreams.values()
                for origin in upstream.balancer.states
            ],
        )


def not_after_s(certified: CertifiedKey) -> float:
    """Return when a certificate expires, in seconds since 1970."""
    return certified.chain[0].not_valid_after_utc.timestamp()


def server_state(state: ServerState) -> str:
    """Return ``draining``, ``down``, ``ejected``, ``half_open`` or ``up``."""
    if state.server.drain:
        return "draining"
    if state.health.standing is Standing.DOWN:
        return "down"
    if state.circuit.state is CircuitState.OPEN:
        return "ejected"
    return "half_open" if state.circuit.state is CircuitState.HALF_OPEN else "up"


def is_usable(state: ServerState) -> bool:
    """Return whether a server may receive requests. One on trial receives one at a time."""
    return server_state(state) in ("up", "half_open")


def unready(gate: GateService) -> list[str]:
    """Return the reasons why the gate is not ready to serve; empty if it is."""
    if gate.draining:
        return ["the gate is draining"]
    if not gate.ports:
        return ["the gate does not listen"]
    return [
        f"upstream {upstream.name}: no server is usable"
        for upstream in gate.upstreams.values()
        if not any(is_usable(state) for state in upstream.balancer.states.values())
    ]


def pool_of(upstream: UpstreamRuntime, origin: str) -> Any:
    """Return the pool of connections to a server; None if it does not exist."""
    return upstream.agent.pools.get(origin.encode("ascii"))
