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
    """What a request needs of its channel: an HTTP/1.1 connection, or an HTTP/2 stream."""

    context: ServerContext
    site: Any
    transport: Any

    @property
    def pins(self) -> Pins | None:
        """The upstream connections pinned to the client's; None if that is impossible."""

    def require_http1(self) -> bool:
        """Make the client repeat its request over HTTP/1.1; return False if it uses that."""

    def getPeer(self) -> IAddress:
        """Return the client's address."""

    def getHost(self) -> IAddress:
        """Return the gate's own address."""

    def write(self, data: bytes) -> None:
        """Write a piece of the response's body, with framing if `write_head` asked for it."""

    def write_head(self, head: ResponseHead, length: int | None, *, bodiless: bool) -> bool:
        """Accept a response's head, to be sent with the first piece of its body or by `flush`.

        Args:
            head: The head; its framing fields are omitted.
            length: The body's length in bytes; None if it is unknown until the body ends.
            bodiless: Whether no body follows, even if `length` is greater than zero.

        Returns:
            Whether the body is to be chunked.
        """

    def write_whole(
        self, head: ResponseHead, length: int | None, body: bytes, *, bodiless: bool
    ) -> None:
        """Write a complete response at once. The caller must end its request right after."""

    def requestDone(self, request: GateRequest) -> None:
        """Continue after a request whose response has been written."""

    def flush(self) -> None:
        """Write a head before its body."""

    def write_interim(self, head: ResponseHead) -> None:
        """Write an interim response's head."""

    def switch(self, head: ResponseHead) -> TunnelEnd:
        """Write a 101, and stop speaking HTTP."""

    def cut(self, outcome: str) -> None:
        """Cut the response, so that it can't look complete; the access log has the reason."""

    def abortConnection(self) -> None:
        """Cut the response, so that it can't look complete."""

    def stalled_s(self, now: float) -> float:
        """Return for how many seconds the client has stalled the exchange."""
