"""The Site whose channels stream."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Any, cast
from typing import Protocol as Shape

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Protocol
from twisted.logger import Logger
from twisted.web.http import datetimeToString
from twisted.web.resource import IResource, getChildForRequest
from twisted.web.server import Site

from corsgate.config.model.values import Limits
from corsgate.errors import ConnectionFault
from corsgate.server.admission import Admission, Admitted, Holder
from corsgate.server.http1.channel import GateChannel
from corsgate.server.idle import Idle
from corsgate.server.memory_budget import MemoryBudget
from corsgate.server.request import GateRequest
from corsgate.shortcuts import ALL, Shortcuts
from corsgate.transport.deadlines import Deadlines
from corsgate.transport.log_throttle import LogThrottle


class Channel(Holder, Shape):
    """What a site needs of whatever has one of its connections."""

    def drain(self) -> None:
        """Close now where nothing is in flight, else after that."""

    def cut(self, outcome: str) -> None:
        """Cut the connection; the access log says why."""

    def rest(self) -> None:
        """Forget what only makes the next request cheaper, unless one is under way."""


class Refused(Protocol):
    """A connection past a bound: it is cut before a byte is read.

    A factory may answer None instead, but one that wraps it for TLS does not expect that.
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
        log_throttle: How often the log is told what clients do wrong.
    """

    noisy = False
    _log = Logger()

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
        self.deadlines = deadlines
        self.limits = limits
        self.record = record
        self.channels: set[Channel] = set()
        self._idle = Idle(deadlines, self.channels)
        self.draining = False
        self._admission = admission or Admission(deadlines, limits)
        self.memory = memory or MemoryBudget(limits)
        self._trusted_proxies = trusted_proxies
        self._admitted: dict[Channel, Admitted] = {}
        self._emptied: list[Deferred[None]] = []
        self._wall_clock = wall_clock
        self.shortcuts = shortcuts
        self._date = (0, b"")
        self.log_throttle = LogThrottle()

    def date(self) -> bytes:
        """Return the value of a Date field (RFC 9110 6.6.1); worked out once a second."""
        second = int(self._wall_clock())
        if second != self._date[0]:
            self._date = (second, datetimeToString(second))
        return self._date[1]

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
        admitted = self._admission.admit(addr, self._trusted_proxies)
        if admitted is None:
            return Refused()
        channel = GateChannel(self)
        self._admitted[channel] = admitted
        admitted.holder = channel
        self._idle.start()
        return channel

    def report_ended(self, fault: ConnectionFault) -> None:
        """Log, as often as is due, that a client broke HTTP/2 so that its connection was ended."""
        more = self.log_throttle.due(("HTTP/2", fault.code), self.deadlines.now())
        if more is not None:
            self._log.debug("a connection was ended: {fault}{more}", fault=str(fault), more=more)

    def drain(self) -> Deferred[None]:
        """Close idle connections now, and each other one after its response.

        Returns:
            A Deferred that fires when none is left.
        """
        self.draining = True
        self._admission.report()
        emptied: Deferred[None] = Deferred()
        self._emptied.append(emptied)
        for channel in list(self.channels):
            channel.drain()
        self._check_emptied()
        return emptied

    def client_of(self, channel: object) -> str | None:
        """Return what the client of a channel is counted by, if it is."""
        admitted = self._admitted.get(cast(Channel, channel))
        return None if admitted is None else admitted.client

    def hand_over(self, before: Channel, after: Channel) -> None:
        """Let another channel take over a connection, with its place among those admitted."""
        admitted = self._admitted.pop(before, None)
        if admitted is not None:
            self._admitted[after] = admitted
            admitted.holder = after
        self.channels.add(after)
        self.channels.discard(before)

    def channel_lost(self, channel: Channel) -> None:
        """Forget a channel whose connection is gone."""
        self.channels.discard(channel)
        admitted = self._admitted.pop(channel, None)
        if admitted is not None:
            self._admission.leave(admitted)
        self._check_emptied()

    def _check_emptied(self) -> None:
        if not self.channels:
            self._idle.stop()
            waiting, self._emptied = self._emptied, []
            for emptied in waiting:
                emptied.callback(None)

    def abort(self) -> None:
        """Cut all connections."""
        for channel in list(self.channels):
            channel.cut("the gate was told to end")
