"""The Site whose channels stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.web.resource import IResource
from twisted.web.server import Site

from corsgate.config.model import Limits
from corsgate.wire.channel import GateChannel
from corsgate.wire.request import GateRequest
from corsgate.wire.sweeper import Sweeper


class GateSite(Site):
    """A twisted.web Site over `GateChannel`.

    Args:
        resource: The root of the resource tree.
        sweeper: Ends what takes too long.
        limits: Bounds on heads, bodies and times.
        record: Called once with each request, when it was answered or its client left.
        reactor: The reactor that its listener uses.
    """

    def __init__(
        self,
        resource: IResource,
        *,
        sweeper: Sweeper,
        limits: Limits,
        record: Callable[[GateRequest], None],
        reactor: Any,
    ) -> None:
        super().__init__(resource, reactor=reactor)
        self.sweeper = sweeper
        self.limits = limits
        self.record = record
        self.channels: set[GateChannel] = set()
        self.draining = False
        self._emptied: list[Deferred[None]] = []

    def startFactory(self) -> None:
        """Open no log file: the gate has an access log of its own."""

    def stopFactory(self) -> None:
        """Undo nothing, as `startFactory` does nothing."""

    def log(self, request: Any) -> None:
        """Write nothing: `record` is called for requests that were cut off too."""

    def buildProtocol(  # type: ignore[override]  # it stands where HTTPChannel does
        self, addr: IAddress | None
    ) -> GateChannel:
        """Answer a channel for a new connection."""
        return GateChannel(self)

    def drain(self) -> Deferred[None]:
        """Close idle connections now, and each other one after its response.

        Returns:
            A Deferred that fires when none is left.
        """
        self.draining = True
        emptied: Deferred[None] = Deferred()
        self._emptied.append(emptied)
        for channel in list(self.channels):
            channel.drain()
        self._check_emptied()
        return emptied

    def channel_lost(self, channel: GateChannel) -> None:
        """Forget a channel whose connection is gone."""
        self.channels.discard(channel)
        self._check_emptied()

    def _check_emptied(self) -> None:
        if not self.channels:
            waiting, self._emptied = self._emptied, []
            for emptied in waiting:
                emptied.callback(None)

    def abort(self) -> None:
        """Cut all connections."""
        for channel in list(self.channels):
            channel.abortConnection()
