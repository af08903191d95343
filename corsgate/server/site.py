"""The twisted.web Site with streaming channels."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Protocol
from twisted.web.resource import IResource, getChildForRequest
from twisted.web.server import Site

from corsgate.config.model.values import Limits
from corsgate.server.admission import Admission
from corsgate.server.connections import Connections
from corsgate.server.context import ServerContext
from corsgate.server.http1.channel import GateChannel
from corsgate.server.memory_budget import MemoryBudget
from corsgate.server.request import GateRequest
from corsgate.shortcuts import ALL, Shortcuts
from corsgate.transport.deadlines import Deadlines
from corsgate.transport.endless import Stage

STOPPED = "the gate was stopped"
"""The outcome of requests that are cut when the gate stops."""


class Refused(Protocol):
    """A connection above a limit, which is cut before a byte is read.

    A factory could return None instead, but factories that wrap it for TLS don't expect that.
    """

    def connectionMade(self) -> None:
        """Cut it."""
        tcp: Any = self.transport
        tcp.abortConnection()


class GateSite(Site):
    """A twisted.web Site over `GateChannel`.

    Args:
        resource: The root of the resource tree.
        deadlines: Calls back when a deadline passes.
        limits: Bounds on heads, bodies and times.
        record: Called once with each request, when its response ended or its client left.
        reactor: The reactor that its listener uses.
        admission: Counts the connections of all sites; None to create one for this site.
        memory: Counts waiting bytes for all sites; None to create one for this site.
        trusted_proxies: Networks of proxies that serve many clients.
        wall_clock: Returns the seconds since 1970, unlike the reactor's clock.
        shortcuts: Which shortcuts to take.

    Attributes:
        context: What all its connections share.
        connections: All its connections.
    """

    noisy = False

    def __init__(
        self,
        resource: IResource,
        *,
        deadlines: Deadlines,
        limits: Limits,
        record: Callable[[GateRequest], None],
        reactor: Any,
        admission: Admission | None = None,
        memory: MemoryBudget | None = None,
        trusted_proxies: Sequence[IPv4Network | IPv6Network] = (),
        wall_clock: Callable[[], float] = time.time,
        shortcuts: Shortcuts = ALL,
    ) -> None:
        super().__init__(resource, reactor=reactor)
        admission = admission or Admission(deadlines, limits)
        self.connections = Connections(deadlines, admission, trusted_proxies)
        self.context = ServerContext(
            site=self,
            reactor=reactor,
            deadlines=deadlines,
            limits=limits,
            record=record,
            connections=self.connections,
            memory=memory or MemoryBudget(limits),
            wall_clock=wall_clock,
            shortcuts=shortcuts,
        )

    def getResourceFor(self, request: Any) -> IResource:
        """Return the resource that serves a request."""
        request.site = self
        request.sitepath = []
        found: IResource = getChildForRequest(self.resource, request)
        return found

    def startFactory(self) -> None:
        """Open no log file, because the gate has its own access log."""

    def stopFactory(self) -> None:
        """Do nothing, as `startFactory` does."""

    def log(self, request: Any) -> None:
        """Log nothing here. `record` is also called for requests that were cut."""

    def buildProtocol(  # type: ignore[override]  # in place of HTTPChannel
        self, addr: IAddress | None
    ) -> GateChannel | Refused:
        """Return a channel for a new connection, or a protocol that closes it."""
        admitted = self.connections.admit(addr)
        if admitted is None:
            return Refused()
        channel = GateChannel(self.context)
        self.connections.begin(channel, admitted)
        return channel

    def drain(self) -> Deferred[None]:
        """Close idle connections now, and the others after their responses.

        Event streams end after the current event. WebSockets and other tunnels continue
        until `advance`.

        Returns:
            A Deferred that fires when no connection is left, not even one of a tunnel to its
            server.
        """
        self.context.draining = True
        emptied = self.connections.drain()
        self.advance(Stage.DRAINING)
        return emptied.addCallback(lambda _: self.context.endless.outlived())

    def advance(self, stage: Stage) -> None:
        """Move exchanges that may never end on their own, such as WebSockets, to a drain stage."""
        self.context.endless.advance(stage)

    def abort(self, outcome: str = STOPPED) -> None:
        """Cut all connections; the access log has the reason."""
        self.connections.cut(outcome)
        self.advance(Stage.ABORTING)
