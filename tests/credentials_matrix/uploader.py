"""A client that sends a large body as it is made, no faster than it is taken."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Factory
from zope.interface import implementer

from corsgate.message.headers import Header
from tests.peers import Client, Message, reactor

BLOCK = bytes(range(256)) * 256
MIB = 1024 * 1024


@implementer(IPushProducer)
class Uploader(Client):
    """Sends a request with a body of repeated blocks.

    Attributes:
        sent_bytes: How many bytes of the body were given to the transport.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sent_bytes = 0
        self._left = 0
        self._chunked = False
        self._paused = False

    def upload(
        self,
        method: bytes,
        target: bytes,
        headers: Iterable[Header],
        size: int,
        *,
        chunked: bool = False,
        waits: bool = False,
    ) -> None:
        """Begin to send a request.

        Args:
            method: Its method.
            target: Its target.
            headers: Its fields, except for the framing.
            size: How many bytes of body it has.
            chunked: Whether it is sent in chunks, so that its length isn't announced.
            waits: Whether the body waits for `go_on`.
        """
        framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size
        lines = [b"%b %b HTTP/1.1" % (method, target), *(b"%b: %b" % each for each in headers)]
        self.send(b"\r\n".join([*lines, framing]) + b"\r\n\r\n")
        self._left, self._chunked = size, chunked
        if not waits:
            self.go_on()

    def go_on(self) -> None:
        """Send the body."""
        transport: Any = self.transport
        transport.registerProducer(self, True)
        self.resumeProducing()

    def pauseProducing(self) -> None:
        """Wait until the gate has taken what was sent."""
        self._paused = True

    def resumeProducing(self) -> None:
        """Send on."""
        self._paused = False
        while self._left and not self._paused and not self.outcome:
            block = BLOCK[: self._left]
            self._left -= len(block)
            self.sent_bytes += len(block)
            self.send(b"%x\r\n%b\r\n" % (len(block), block) if self._chunked else block)
        if not self._left and not self._paused:
            if self._chunked:
                self.send(b"0\r\n\r\n")
            transport: Any = self.transport
            transport.unregisterProducer()
        self.changed()

    def stopProducing(self) -> None:
        """Send no more: the connection is gone."""
        self._left = 0


async def connect(port: int) -> Uploader:
    """Return a new connection to a gate."""
    endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
    client: Any = await endpoint.connect(Factory.forProtocol(Uploader))
    assert isinstance(client, Uploader)
    return client


def upload(client: Uploader, size: int, headers: Iterable[Header]) -> Deferred[Message]:
    """Send a POST with a body; return a Deferred of the response."""
    client.upload(b"POST", b"/v1/x", [(b"Host", b"localhost"), *headers], size)
    return client.response()
