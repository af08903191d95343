"""Request bodies that are already complete, and response bodies that are not wanted."""

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
        length: Its length in bytes, or `UNKNOWN_LENGTH`.
    """

    length: Any

    @property
    def replayable(self) -> bool:
        """Whether none of it has been read yet, or all of it is kept."""

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """Start writing to a consumer; the Deferred fires when everything has been written."""

    def pauseProducing(self) -> None:
        """Pause writing."""

    def resumeProducing(self) -> None:
        """Resume writing."""

    def stopProducing(self) -> None:
        """Stop writing for good."""


@implementer(IBodyProducer)
class KeptBody:
    """A complete body, which can be sent more than once."""

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
        """Do nothing, since it was written at once."""

    def resumeProducing(self) -> None:
        """Do nothing, since it was written at once."""

    def stopProducing(self) -> None:
        """Do nothing, since it was written at once."""


class _Drain(TwistedProtocol):
    """Reads the rest of an unwanted body, so that its connection can be reused."""

    def __init__(self, most: int) -> None:
        self._left = most

    def dataReceived(self, data: bytes) -> None:
        self._left -= len(data)
        transport: Any = self.transport
        if self._left < 0 and transport is not None:
            transport.stopProducing()


def drain(response: UpstreamResponse, most: int = 64 * 1024) -> None:
    """Read and discard a response's body; abandon it after `most` bytes."""
    response.deliverBody(_Drain(most))


def read_beginning(response: UpstreamResponse, most: int) -> Deferred[bytes]:
    """Return a Deferred of the start of a body, and abandon the rest.

    Args:
        response: The response. Its body must not have a receiver.
        most: The maximum number of bytes to return.

    Returns:
        A Deferred of the body, or of its first `most` bytes. It fails if the body is truncated
        before that. Cancelling it abandons the response.
    """
    reader = _Beginning(most)
    response.deliverBody(reader)
    return reader.read


def peek(response: UpstreamResponse, most: int) -> Deferred[bytes]:
    """Return a Deferred of a short body, which can still be delivered afterwards.

    Args:
        response: The response. Its body must not have a receiver yet.
        most: The maximum length in bytes; for a longer body, the result is empty.

    Returns:
        A Deferred. Cancelling it abandons the response.
    """
    looker = _Looker(response, most)
    response.deliverBody(looker)
    return looker.seen


class _Looker(TwistedProtocol):
    """Reads a short body and gives it back."""

    def __init__(self, response: UpstreamResponse, most: int) -> None:
        self.seen: Deferred[bytes] = Deferred(self._abandon)
        self._response = response
        self._most = most
        self._data = b""
        self._is_abandoned = False

    def dataReceived(self, data: bytes) -> None:
        """Keep a piece; give everything back if it is too long."""
        self._data += data
        if len(self._data) > self._most and not self._is_abandoned:
            self._response.give_back(self._data)
            self.seen.callback(b"")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Give everything back, including the end."""
        self._response.give_back(self._data)
        if not self._is_abandoned:
            self.seen.callback(self._data if reason.check(ResponseDone) else b"")

    def _abandon(self, _: Deferred[bytes]) -> None:
        # The response ends immediately. That must not be the result, or the caller would go on.
        self._is_abandoned = True
        self._response.stopProducing()


class _Beginning(TwistedProtocol):
    """Reads the start of a body.

    Args:
        most: The maximum number of bytes to read.

    Attributes:
        read: A Deferred of the bytes.
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
        """Fire `read`."""
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
