"""What the connections of one listener share with their requests and streams."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from twisted.web.http import datetimeToString
from twisted.web.server import Site

from corsgate.config.model.values import Limits
from corsgate.server.connections import Connections
from corsgate.server.memory_budget import MemoryBudget
from corsgate.shortcuts import ALL, Shortcuts
from corsgate.transport.deadlines import Deadlines
from corsgate.transport.endless import EndlessExchanges
from corsgate.transport.log_throttle import LogThrottle


@attrs.define(kw_only=True, eq=False)
class ServerContext:
    """What all connections of a listener share.

    Attributes:
        site: The twisted.web Site whose resources serve the requests.
        reactor: The reactor that its listener uses.
        deadlines: Calls back when a deadline passes.
        limits: Bounds on heads, bodies and times.
        record: Called once with each request, when its response ended or its client left.
        connections: All connections of the listener.
        memory: Counts the bytes that wait in memory.
        wall_clock: Returns the seconds since 1970, unlike the reactor's clock.
        shortcuts: Which shortcuts to take.
        log_throttle: Limits how often clients' errors are logged.
        now: Returns the time in seconds with which deadlines are compared.
        endless: The exchanges that may never end on their own, such as WebSockets.
        draining: Whether connections close after the requests already received.
    """

    site: Site
    reactor: Any
    deadlines: Deadlines
    limits: Limits
    # Called with a GateRequest, whose module imports this one.
    record: Callable[[Any], None]
    connections: Connections
    memory: MemoryBudget
    wall_clock: Callable[[], float]
    shortcuts: Shortcuts = ALL
    log_throttle: LogThrottle = attrs.Factory(LogThrottle)
    endless: EndlessExchanges = attrs.Factory(EndlessExchanges)
    draining: bool = False
    now: Callable[[], float] = attrs.field(init=False)
    _date: tuple[int, bytes] = attrs.field(init=False, default=(0, b""))

    @now.default
    def _clock(self) -> Callable[[], float]:
        return self.deadlines.now

    def date(self) -> bytes:
        """Return the value of a Date field (RFC 9110 6.6.1), computed once a second."""
        second = int(self.wall_clock())
        if second != self._date[0]:
            self._date = (second, datetimeToString(second))
        return self._date[1]
