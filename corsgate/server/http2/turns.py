"""Turns of HTTP/2 connections: one that brings many requests at once lets others come between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from corsgate.server.http2.frames import Frame, Kind

REQUESTS_PER_TURN = 4
"""How many requests of one read are begun before other connections have their turn. It may bring a
hundred, each of which may connect to an upstream."""


class Turns:
    """Cuts what one read brings into turns of the reactor.

    Args:
        reactor: Calls back.
        go_on: Called in the next turn, to go on with the frames that have come.
    """

    def __init__(self, reactor: Any, go_on: Callable[[], None]) -> None:
        self._reactor = reactor
        self._go_on: Callable[[], None] | None = go_on
        self._timeouts = False

    def of(self, frames: Iterator[Frame], transport: Any) -> Iterator[Frame]:
        """Yield frames until this turn is over; nothing is read from then on until the next one.

        Args:
            frames: What has come.
            transport: Where it came from.
        """
        left = REQUESTS_PER_TURN
        for frame in frames:
            yield frame
            left -= frame.kind == Kind.HEADERS
            if not left:
                if not self._timeouts:
                    self._timeouts = True
                    transport.pauseProducing()
                    self._reactor.callLater(0, self._begin, transport)
                return

    def end(self) -> None:
        """Let go of the connection, which knows this: a cycle would be left to the collector."""
        self._go_on = None

    def _begin(self, transport: Any) -> None:
        self._timeouts = False
        if self._go_on is not None:
            transport.resumeProducing()
            self._go_on()
