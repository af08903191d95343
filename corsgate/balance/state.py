"""The state of one server that is kept between requests."""

from __future__ import annotations

from copy import copy
from typing import Any

import attrs

from corsgate.balance.circuit import Circuit
from corsgate.balance.hashing import digest
from corsgate.balance.health import Health
from corsgate.config.model.values import Server

LEAST_SHARE = 0.1
"""The part of its weight that a server has at the beginning of a slow start."""

STEPS = 20
"""The number of steps in which a slow start raises the share."""


@attrs.define(eq=False)
class ServerState:
    """The state of one server; a balancer has one for each origin.

    Attributes:
        server: The server's configuration.
        circuit: Its circuit breaker.
        health: The result of its probes.
        running: The number of its running requests.
        term: The number of ejections so far. Requests that began in an earlier term are not
            counted in this one.
        recent: How many of the running requests began in this term.
        share: Its weight, reduced during a slow start.
        credit: Its credit in smooth round robin (see `RoundRobin`).
        digest: The hash of its origin, for rendezvous hashing.
        came_s: When its slow start began; None if there is none.
        ended: How many requests have ended since the last search for outliers.
        failed: How many of them failed.
        ejections: How often it was ejected.
        reason: The reason for its last ejection or failed probe.
        counters: Counts its requests; None if nothing does.
    """

    server: Server
    circuit: Circuit
    health: Health = attrs.Factory(Health)
    running: int = 0
    term: int = 0
    recent: int = 0
    share: float = 0.0
    credit: float = 0.0
    digest: int = 0
    came_s: float | None = None
    ended: int = 0
    failed: int = 0
    ejections: int = 0
    reason: str = ""
    # A ServerCounters, which can't be imported here: gate/ imports this package.
    counters: Any = None

    @classmethod
    def of(cls, server: Server, now: float) -> ServerState:
        """Return the initial state of a server."""
        origin = server.origin.encode("utf-8")
        return cls(server, Circuit(now), share=server.weight, digest=digest(origin))

    def of_moved(self, server: Server) -> ServerState:
        """Return the state for a server with the same address but another path or name.

        It copies the health and the circuit, but none of the counts of requests.
        """
        return attrs.evolve(
            self,
            server=server,
            circuit=copy(self.circuit),
            health=copy(self.health),
            running=0,
            recent=0,
            ended=0,
            failed=0,
        )

    def start(self, now: float, slow_start_s: float) -> float | None:
        """Set the server's share according to the time since it came back.

        Args:
            now: The time in seconds.
            slow_start_s: The seconds until it has its whole weight.

        Returns:
            When the share changes next; None if it has its whole weight.
        """
        weight = self.server.weight
        if self.came_s is None or now >= self.came_s + slow_start_s:
            self.came_s = None
            self.share = weight
            return None
        step_s = slow_start_s / STEPS
        steps = int((now - self.came_s) / step_s)
        self.share = weight * (LEAST_SHARE + (1 - LEAST_SHARE) * steps / STEPS)
        return self.came_s + (steps + 1) * step_s
