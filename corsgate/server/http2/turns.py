"""Turns of HTTP/2 connections: one that brings many requests at once lets others come between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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
        self._paused = False

    def pause(self, transport: Any) -> None:
        """End this turn; nothing is read from now on until the next one.

        Args:
            transport: What the frames come from.
        """
        if not self._paused:
            self._paused = True
            transport.pauseProducing()
            self._reactor.callLater(0, self._begin, transport)

    def end(self) -> None:
        """Let go of the connection, which knows this: a cycle would be left to the collector."""
        self._go_on = None

    def _begin(self, transport: Any) -> None:
        self._paused = False
        if self._go_on is not None:
            transport.resumeProducing()
            self._go_on()
