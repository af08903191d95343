"""A WebSocket on Twisted's own server side that greets, and sends back what it hears."""

from __future__ import annotations

from typing import Any

from twisted.web.server import Request
from twisted.web.websocket import WebSocketTransport

GREETING = "hello"


class Greeter:
    """The server's side of a WebSocket."""

    transport: WebSocketTransport

    def negotiationStarted(self, transport: WebSocketTransport) -> None:
        """Keep the connection."""
        self.transport = transport

    def negotiationFinished(self) -> None:
        """Greet."""
        self.transport.sendTextMessage(GREETING)

    def textMessageReceived(self, data: str) -> None:
        """Send it back."""
        self.transport.sendTextMessage(data)

    def bytesMessageReceived(self, data: bytes) -> None:
        """Take nothing."""

    def pongReceived(self, payload: bytes) -> None:
        """Take nothing."""

    def connectionLost(self, reason: Any) -> None:
        """Do nothing."""


class GreeterFactory:
    """Makes greeters, and counts them."""

    def __init__(self) -> None:
        self.made = 0

    def buildProtocol(self, request: Request) -> Greeter:
        """Return a new one."""
        self.made += 1
        return Greeter()
