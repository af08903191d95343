"""All that is known of one server from one request to the next."""

from __future__ import annotations

from copy import copy
from typing import Any

import attrs

from corsgate.balance.circuit import Circuit
from corsgate.balance.hashing import digest
from corsgate.balance.health import Health
from corsgate.config.model.values import Server

LEAST_SHARE = 0.1
"""The part of its weight with which a server starts slowly."""

STEPS = 20
"""In how many steps a slow start goes up."""


@attrs.define(eq=False)
class ServerState:
    """One server, and what is known of it; it has one owner, and is kept by the server's origin.

    Attributes:
        server: How it is configured.
        record: How its requests ended.
        health: What its probes say.
        running: How many requests it has now.
        term: How often it was left out; what began in an earlier term says nothing of this one.
        recent: How many of those that run began in this term.
        share: Its weight, as far as it has started.
        credit: For taking turns: how much it is owed.
        digest: Stands for its origin where keys are hashed.
        came_s: Since when it is starting slowly, or None.
        ended: How many requests ended since outliers were last looked for.
        failed: How many of them failed.
        ejections: How often it was ejected.
        reason: Why it was ejected last, or what its last failed probe found.
        counters: Count what it is sent; None where nothing does.
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
    # A ServerCounters of the gate's, which imports this package.
    counters: Any = None

    @classmethod
    def of(cls, server: Server, now: float) -> ServerState:
        """Return the state of a server of which nothing is known yet."""
        origin = server.origin.encode("utf-8")
        return cls(server, Circuit(now), share=server.weight, digest=digest(origin))

    def of_moved(self, server: Server) -> ServerState:
        """Return the state of what has the same address, but another path or name.

        Whether it is up is still known. What runs and ends on the other one no longer counts.
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
        """Set the server's share by how long ago it came back.

        Args:
            now: The time in seconds.
            slow_start_s: How long it takes to have its whole weight.

        Returns:
            When the share changes next, or None.
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
