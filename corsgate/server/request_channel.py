"""What a request needs of its channel, for all versions of HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.interfaces import IAddress

from corsgate.message.head import ResponseHead
from corsgate.server.context import ServerContext
from corsgate.transport.tunnel import TunnelEnd
from corsgate.upstream.pins import Pins

if TYPE_CHECKING:
    from corsgate.server.request import GateRequest


class RequestChannel(Protocol):
    """What a request needs of its channel: an HTTP/1.1 connection, or a stream of HTTP/2."""

    context: ServerContext
    site: Any
    transport: Any

    @property
    def pins(self) -> Pins | None:
        """The upstream connections that are pinned to the client's; None if none may be."""

    def require_http1(self) -> bool:
        """Have the client send its request over HTTP/1.1; return False if it did."""

    def getPeer(self) -> IAddress:
        """Return the client's address."""

    def getHost(self) -> IAddress:
        """Return the gate's own address."""

    def write(self, data: bytes) -> None:
        """Write a piece of the response's body, framed where `write_head` asked for it."""

    def write_head(self, head: ResponseHead, length: int | None, *, bodiless: bool) -> bool:
        """Take a response's head, to be sent with the first piece of its body or by `flush`.

        Args:
            head: The head; framing fields in it are left out.
            length: The body's length in bytes, or None if only its end shows it.
            bodiless: Whether no body follows, whatever `length` says.

        Returns:
            Whether the body is to be chunked.
        """

    def write_whole(
        self, head: ResponseHead, length: int | None, body: bytes, *, bodiless: bool
    ) -> None:
        """Write a whole response in one go; the caller ends its request right after that."""

    def requestDone(self, request: GateRequest) -> None:
        """Continue after a request whose response has been written."""

    def flush(self) -> None:
        """Write a head before its body."""

    def write_interim(self, head: ResponseHead) -> None:
        """Write an interim response's head."""

    def switch(self, head: ResponseHead) -> TunnelEnd:
        """Write a 101, and stop speaking HTTP."""

    def cut(self, outcome: str) -> None:
        """Cut the response off, so that it can't look whole; the access log says why."""

    def abortConnection(self) -> None:
        """Cut the response off, so that it can't look whole."""

    def stalled_s(self, now: float) -> float:
        """Return for how many seconds the client has let the exchange stall."""
