"""Bodies that are there as a whole, and those that nobody wants."""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IConsumer
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.web.iweb import IBodyProducer
from zope.interface import implementer

from corsgate.upstream.response import UpstreamResponse


class Body(Protocol):
    """A request's body, as an IBodyProducer that knows whether it can be sent again.

    Attributes:
        length: In bytes, or `UNKNOWN_LENGTH`.
    """

    length: Any

    @property
    def replayable(self) -> bool:
        """Whether nothing of it has been taken yet, or all of it is kept."""

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """Begin to write to a consumer; the Deferred fires when all has been written."""

    def pauseProducing(self) -> None:
        """Write no more for now."""

    def resumeProducing(self) -> None:
        """Write on."""

    def stopProducing(self) -> None:
        """Write no more at all."""


@implementer(IBodyProducer)
class KeptBody:
    """A body that is there as a whole, and so can be sent more than once."""

    replayable = True

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.length = len(data)

    def take_whole(self) -> bytes:
        """Return all of it."""
        return self._data

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """Write it all."""
        consumer.write(self._data)
        return succeed(None)

    def pauseProducing(self) -> None:
        """Do nothing: it was written at once."""

    def resumeProducing(self) -> None:
        """Do nothing: it was written at once."""

    def stopProducing(self) -> None:
        """Do nothing: it was written at once."""


class _Drain(TwistedProtocol):
    """Reads the rest of a body that nobody wants, so that its connection can be kept."""

    def __init__(self, most: int) -> None:
        self._left = most

    def dataReceived(self, data: bytes) -> None:
        self._left -= len(data)
        transport: Any = self.transport
        if self._left < 0 and transport is not None:
            transport.stopProducing()


def drain(response: UpstreamResponse, most: int = 64 * 1024) -> None:
    """Read a response's body to its end and forget it; give it up past `most` bytes."""
    response.deliverBody(_Drain(most))
