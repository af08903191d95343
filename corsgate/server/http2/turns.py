"""Turns of HTTP/2 connections, so that many requests in one read don't delay other clients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

REQUESTS_PER_TURN = 4
"""How many requests of one read are started before other connections get a turn. One read may
contain a hundred, each of which may connect to an upstream."""


class Turns:
    """Spreads the frames of one read over several turns of the reactor.

    Args:
        reactor: Its `callLater` starts the next turn.
        go_on: Called in the next turn, to continue with the frames received.
    """

    def __init__(self, reactor: Any, go_on: Callable[[], None]) -> None:
        self._reactor = reactor
        self._go_on: Callable[[], None] | None = go_on
        # The transport, while it is paused until the next turn.
        self._paused: Any = None

    def pause(self, transport: Any) -> None:
        """End this turn, and pause reading until the next one.

        Args:
            transport: The source of the frames.
        """
        if self._paused is None:
            self._paused = transport
            transport.pauseProducing()
            self._reactor.callLater(0, self._begin)

    def stop(self) -> None:
        """Start no more turns. The connection is closing, and may read the client's own close."""
        self._go_on = None
        self._resume()

    def end(self) -> None:
        """Drop the reference to the connection, which would leave a cycle to the GC."""
        self._go_on = self._paused = None

    def _begin(self) -> None:
        self._resume()
        if self._go_on is not None:
            self._go_on()

    def _resume(self) -> None:
        transport, self._paused = self._paused, None
        if transport is not None:
            transport.resumeProducing()
