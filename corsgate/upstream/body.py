"""Bodies that are there as a whole, and those that nobody wants."""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IConsumer
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
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


def read_beginning(response: UpstreamResponse, most: int) -> Deferred[bytes]:
    """Return a Deferred of the beginning of a body; the rest is given up.

    Args:
        response: The response; nobody else may want its body.
        most: How many bytes to return at most.

    Returns:
        A Deferred of the body, or of its first `most` bytes. It fails where the body breaks off
        before; cancelling it gives the response up.
    """
    reader = _Beginning(most)
    response.deliverBody(reader)
    return reader.read


def peek(response: UpstreamResponse, most: int) -> Deferred[bytes]:
    """Return a Deferred of the beginning of a body, which stays where it is.

    Args:
        response: The response; nobody may have its body yet.
        most: How many bytes to look at; empty bytes for a body that is longer.
    """
    looker = _Looker(response, most)
    response.deliverBody(looker)
    return looker.seen


class _Looker(TwistedProtocol):
    """Looks at a short body and gives it back."""

    def __init__(self, response: UpstreamResponse, most: int) -> None:
        self.seen: Deferred[bytes] = Deferred(lambda _: response.stopProducing())
        self._response = response
        self._most = most
        self._data = b""

    def dataReceived(self, data: bytes) -> None:
        """Keep a piece; give all of it back if it is too much."""
        self._data += data
        if len(self._data) > self._most:
            self._response.give_back(self._data)
            self.seen.callback(b"")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Give all of it back, and with it the end."""
        self._response.give_back(self._data)
        if not self.seen.called:
            self.seen.callback(self._data if reason.check(ResponseDone) else b"")


class _Beginning(TwistedProtocol):
    """Reads the beginning of a body.

    Args:
        most: How many bytes to read at most.

    Attributes:
        read: Fires with it.
    """

    def __init__(self, most: int) -> None:
        self.read: Deferred[bytes] = Deferred(lambda _: self._stop())
        self._most = most
        self._data = b""

    def dataReceived(self, data: bytes) -> None:
        """Keep a piece."""
        self._data += data
        if len(self._data) >= self._most and not self.read.called:
            self.read.callback(self._data[: self._most])
            self._stop()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """End."""
        if self.read.called:
            return
        if reason.check(ResponseDone):
            self.read.callback(self._data)
        else:
            self.read.errback(reason)

    def _stop(self) -> None:
        tcp: Any = self.transport
        if tcp is not None:
            tcp.stopProducing()
