"""The Site whose channels stream."""

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

TOLD_TO_END = "the gate was told to end"
"""The outcome of requests that are cut when the gate stops."""


class Refused(Protocol):
    """A connection past a bound: it is cut before a byte is read.

    A factory may return None instead, but one that wraps it for TLS does not expect that.
    """

    def connectionMade(self) -> None:
        """Cut it."""
        tcp: Any = self.transport
        tcp.abortConnection()


class GateSite(Site):
    """A twisted.web Site over `GateChannel`.

    Args:
        resource: The root of the resource tree.
        deadlines: Ends what takes too long.
        limits: Bounds on heads, bodies and times.
        record: Called once with each request, when it was answered or its client left.
        reactor: The reactor that its listener uses.
        admission: Counts the connections of all sites; None for one of this site's own.
        memory: Counts what waits in memory for all sites; None for one of this site's own.
        trusted_proxies: Networks whose connections speak for many clients.
        wall_clock: Returns the seconds since 1970, which the reactor's clock need not.
        shortcuts: Which ones are taken.

    Attributes:
        context: What its connections are served with.
        connections: All of them.
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
        """Return the resource that serves a request; there is no server that it is passed on to."""
        request.site = self
        request.sitepath = []
        found: IResource = getChildForRequest(self.resource, request)
        return found

    def startFactory(self) -> None:
        """Open no log file: the gate has an access log of its own."""

    def stopFactory(self) -> None:
        """Undo nothing, as `startFactory` does nothing."""

    def log(self, request: Any) -> None:
        """Write nothing: `record` is called for requests that were cut off too."""

    def buildProtocol(  # type: ignore[override]  # it stands where HTTPChannel does
        self, addr: IAddress | None
    ) -> GateChannel | Refused:
        """Return a channel for a new connection, or what ends it."""
        admitted = self.connections.admit(addr)
        if admitted is None:
            return Refused()
        channel = GateChannel(self.context)
        self.connections.begin(channel, admitted)
        return channel

    def drain(self) -> Deferred[None]:
        """Close idle connections now, and each other one after its response.

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
        """Bring the exchanges that may never end by themselves to a stage of the drain."""
        self.context.endless.advance(stage)

    def abort(self, outcome: str = TOLD_TO_END) -> None:
        """Cut all connections; the access log says why."""
        self.connections.cut(outcome)
        self.advance(Stage.ABORTING)
