"""An upstream's response, whose body is delivered as it arrives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from twisted.internet.interfaces import IProtocol, IPushProducer
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IResponse
from zope.interface import implementer

from corsgate.message.head import ResponseHead
from corsgate.message.headers import HeaderList
from corsgate.transport.tunnel import TunnelEnd

Inform: TypeAlias = Callable[[ResponseHead], None]
"""Called with an interim response's head."""


class ResponseSource(Protocol):
    """The connection of a response."""

    def pause_response(self, response: UpstreamResponse) -> None:
        """Pause reading."""

    def resume_response(self, response: UpstreamResponse) -> None:
        """Resume reading."""

    def give_up_response(self, response: UpstreamResponse) -> None:
        """Cut the connection, since the rest of the body is not wanted."""


class _NoFields(Headers):
    """Empty header fields, shared by all responses.

    treq's decoder looks for Content-Encoding in them, and would gunzip the body accordingly.
    """

    def getRawHeaders(self, name: Any, default: Any = None) -> Any:
        """Return the default."""
        return default

    def removeHeader(self, name: Any) -> None:
        """Do nothing, since there are no fields."""

    def addRawHeader(self, name: Any, value: Any) -> None:
        """Do nothing, since there must be no fields."""

    def setRawHeaders(self, name: Any, values: Any) -> None:
        """Do nothing, since there must be no fields."""


_NO_TRAILERS: HeaderList = []

RESPONSE_DONE = Failure(ResponseDone())
"""The end of a complete body. It is created once, because a Failure inspects the call stack."""


@implementer(IResponse, IPushProducer)
class UpstreamResponse:
    """A response whose body is delivered as it arrives.

    `headers` is empty, because treq would gunzip the body according to them. The received fields
    are in `head`.

    Args:
        connection: The connection of the response.
        head: Its head.
        length: The length in bytes that the head announces; negative if there is none.
        body: The bytes of the body so far.

    Attributes:
        head: The unchanged head, including framing fields.
        body_length: The length in bytes that the head announces, or None.
        complete: Whether the body is complete.
        trailers: The fields after the body, once it is complete.
        tunnel: The connection itself, if it now speaks another protocol.
        unsealed: Whether the body ended with a TLS connection that was closed without a
            close_notify, so that anyone on the network path could have truncated it.
    """

    __slots__ = (
        "_connection",
        "_data",
        "_failure",
        "_late",
        "_receiver",
        "body_length",
        "complete",
        "head",
        "trailers",
        "tunnel",
        "unsealed",
    )

    version = (b"HTTP", 1, 1)
    request = None
    previousResponse = None
    headers = _NoFields()

    def __init__(
        self, connection: ResponseSource, head: ResponseHead, length: int, body: bytes = b""
    ) -> None:
        self.head = head
        self.body_length = length if length >= 0 else None
        self.complete = self.unsealed = False
        self.trailers = _NO_TRAILERS
        self.tunnel: TunnelEnd | None = None
        self._connection = connection
        self._receiver: IProtocol | None = None
        self._data = body
        self._failure: Failure | None = None
        self._late = False

    @property
    def code(self) -> int:
        """The status, for IResponse."""
        return self.head.status

    @property
    def phrase(self) -> bytes:
        """The reason phrase, for IResponse."""
        return self.head.reason

    @property
    def length(self) -> Any:
        """The announced length, or UNKNOWN_LENGTH, for IResponse."""
        return UNKNOWN_LENGTH if self.body_length is None else self.body_length

    def deliverBody(self, protocol: IProtocol) -> None:
        """Deliver the body to a protocol, whose transport pauses, resumes and stops it."""
        self._receiver = protocol
        if self._late:
            # Resume before the protocol is connected, since it may pause at once.
            self._connection.resume_response(self)
        protocol.makeConnection(self)  # type: ignore[arg-type]  # IResponse wants a producer
        self.flush()

    def take_whole(self) -> bytes | None:
        """Return the body without delivering it, if it is complete; else None."""
        if not self.complete or self._receiver is not None:
            return None
        data, self._data = self._data, b""
        return data

    def give_back(self, data: bytes) -> None:
        """Take back the delivered part of the body; another `deliverBody` delivers it again.

        Args:
            data: All delivered bytes. Their receiver gets no more.
        """
        self._receiver, self._data = None, data
        if not self.complete and self._failure is None:
            self.wait()

    @property
    def wanted(self) -> bool:
        """Whether the body has a receiver."""
        return self._receiver is not None

    def setPreviousResponse(self, response: IResponse) -> None:
        """Ignore it, because redirects are followed by the client."""

    def pauseProducing(self) -> None:
        """Stop reading from the server."""
        self._connection.pause_response(self)

    def resumeProducing(self) -> None:
        """Resume reading from the server."""
        self._connection.resume_response(self)

    def stopProducing(self) -> None:
        """Abandon the response, and cut the connection."""
        self._connection.give_up_response(self)

    abortConnection = loseConnection = stopProducing

    # Called by the connection.

    def body_data(self, data: bytes) -> None:
        """Add a piece, which `flush` delivers."""
        self._data = self._data + data if self._data else data

    def body_ended(self, reason: Failure) -> None:
        """Record the end, which `flush` delivers: ResponseDone, or the failure."""
        if not self.complete and self._failure is None:
            self.complete = isinstance(reason.value, ResponseDone)
            self._failure = None if self.complete else reason

    def wait(self) -> None:
        """Stop reading until `deliverBody`."""
        self._late = True
        self._connection.pause_response(self)

    def flush(self) -> None:
        """Deliver the received bytes in one piece."""
        if self._receiver is None:
            return
        if self._data:
            data, self._data = self._data, b""
            self._receiver.dataReceived(data)
        end = RESPONSE_DONE if self.complete else self._failure
        if end is not None and self._receiver is not None:
            receiver, self._receiver = self._receiver, None
            receiver.connectionLost(end)
