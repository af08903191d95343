"""The parts of a request's channel that an HTTP/2 stream delegates to its connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IAddress

from corsgate.message.head import ResponseHead
from corsgate.server.http2.frames import Code
from corsgate.server.memory_holder import MemoryHolder
from corsgate.transport.tunnel import TunnelEnd

if TYPE_CHECKING:
    from corsgate.server.http2.connection import Http2Connection


class StreamChannel(MemoryHolder):
    """Gives an HTTP/2 stream the interface of an HTTP/1.1 connection."""

    transport: Any = None
    pins = None
    _connection: Http2Connection

    def getPeer(self) -> IAddress:
        """Return the client's address."""
        return self._connection.getPeer()

    def getHost(self) -> IAddress:
        """Return the gate's own address."""
        return self._connection.getHost()

    def isSecure(self) -> bool:
        """Return whether the client speaks TLS to the gate."""
        return self._connection.isSecure()

    def write(self, data: bytes) -> None:
        """Write a piece of the response's body."""
        raise NotImplementedError

    def writeSequence(self, data: list[bytes]) -> None:
        """Write pieces of the response's body."""
        self.write(b"".join(data))

    def switch(self, head: ResponseHead) -> TunnelEnd:
        """Never called, because HTTP/2 has no Upgrade."""
        raise AssertionError("an HTTP/2 stream does not switch protocols")

    def loseConnection(self) -> None:
        """End the stream, in the same way as `abortConnection`."""
        self.abortConnection()

    def cut(self, outcome: str) -> None:
        """End a stream that uses more than its share; the access log has the reason."""
        self._cut(outcome, Code.ENHANCE_YOUR_CALM)

    def abortConnection(self) -> None:
        """End the stream at once, so that the response can't look complete."""
        self._cut("the gate cut the response off", Code.INTERNAL_ERROR)

    def require_http1(self) -> bool:
        """End the stream so that the client repeats its request over HTTP/1.1 (RFC 9113 7)."""
        self._cut("the request's authentication requires HTTP/1.1", Code.HTTP_1_1_REQUIRED)
        return True

    def _cut(self, outcome: str, code: Code) -> None:
        """End the stream at once with an error code; the access log has the reason."""
        raise NotImplementedError
