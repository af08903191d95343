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
        # What is paused until the next turn.
        self._paused: Any = None

    def pause(self, transport: Any) -> None:
        """End this turn; nothing is read from now on until the next one.

        Args:
            transport: What the frames come from.
        """
        if self._paused is None:
            self._paused = transport
            transport.pauseProducing()
            self._reactor.callLater(0, self._begin)

    def stop(self) -> None:
        """Begin no more turns: the connection closes, and may read the client's own close."""
        self._go_on = None
        self._resume()

    def end(self) -> None:
        """Let go of the connection, which knows this: a cycle would be left to the collector."""
        self._go_on = self._paused = None

    def _begin(self) -> None:
        self._resume()
        if self._go_on is not None:
            self._go_on()

    def _resume(self) -> None:
        transport, self._paused = self._paused, None
        if transport is not None:
            transport.resumeProducing()
