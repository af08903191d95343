"""An upstream's response, its body delivered as it comes."""

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
    """The connection that a response comes from."""

    def pause_response(self, response: UpstreamResponse) -> None:
        """Read no more for now."""

    def resume_response(self, response: UpstreamResponse) -> None:
        """Read on."""

    def give_up_response(self, response: UpstreamResponse) -> None:
        """Cut the connection: the rest of the body is not wanted."""


class _NoFields(Headers):
    """Header fields of which there are none, shared by all responses.

    treq's decoder looks for Content-Encoding in them, and would gunzip by what it found.
    """

    def getRawHeaders(self, name: Any, default: Any = None) -> Any:
        """Return the default."""
        return default

    def removeHeader(self, name: Any) -> None:
        """Do nothing: there is none."""

    def addRawHeader(self, name: Any, value: Any) -> None:
        """Do nothing: there must be none."""

    def setRawHeaders(self, name: Any, values: Any) -> None:
        """Do nothing: there must be none."""


_NO_TRAILERS: HeaderList = []

RESPONSE_DONE = Failure(ResponseDone())
"""The end of a body that came whole; made once, as a Failure looks into the call stack."""


@implementer(IResponse, IPushProducer)
class UpstreamResponse:
    """A response whose body is delivered as it comes.

    `headers` is empty: treq would gunzip by what it saw there. What came is in `head`.

    Args:
        connection: Where it comes from.
        head: Its head.
        length: The length that the head announces; negative where it announces none.
        body: What has come of the body so far.

    Attributes:
        head: The response's head as it came, framing fields included.
        body_length: The length in bytes that the head announces, or None.
        complete: Whether the body has arrived whole.
        trailers: The fields that came behind the body, once it is complete.
        tunnel: The connection itself, where it now speaks another protocol.
        unsealed: Whether the body ended with a TLS connection that was closed without its
            close_notify, so that anyone on the way could have cut it short.
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
        """The status, as IResponse has it."""
        return self.head.status

    @property
    def phrase(self) -> bytes:
        """The reason phrase, as IResponse has it."""
        return self.head.reason

    @property
    def length(self) -> Any:
        """The announced length, or UNKNOWN_LENGTH, as IResponse has it."""
        return UNKNOWN_LENGTH if self.body_length is None else self.body_length

    def deliverBody(self, protocol: IProtocol) -> None:
        """Hand the body to a protocol, whose transport pauses, resumes and stops it."""
        self._receiver = protocol
        if self._late:
            # Before the protocol hears of it, since the protocol may well pause at once.
            self._connection.resume_response(self)
        protocol.makeConnection(self)  # type: ignore[arg-type]  # what IResponse asks for: a producer
        self.flush()

    def take_whole(self) -> bytes | None:
        """Return the body, and deliver it to nobody, where all of it is here; else None."""
        if not self.complete or self._receiver is not None:
            return None
        data, self._data = self._data, b""
        return data

    def give_back(self, data: bytes) -> None:
        """Take back what was delivered of the body; another `deliverBody` delivers it again.

        Args:
            data: All that was delivered. Its receiver gets no more.
        """
        self._receiver, self._data = None, data
        if not self.complete and self._failure is None:
            self.wait()

    @property
    def wanted(self) -> bool:
        """Whether somebody takes the body."""
        return self._receiver is not None

    def setPreviousResponse(self, response: IResponse) -> None:
        """Ignore it: redirects are the client's to follow."""

    def pauseProducing(self) -> None:
        """Stop reading from the server."""
        self._connection.pause_response(self)

    def resumeProducing(self) -> None:
        """Read on from the server."""
        self._connection.resume_response(self)

    def stopProducing(self) -> None:
        """Give the response up, and the connection with it."""
        self._connection.give_up_response(self)

    abortConnection = loseConnection = stopProducing

    # What the connection calls.

    def body_data(self, data: bytes) -> None:
        """Take a piece, which `flush` delivers."""
        self._data = self._data + data if self._data else data

    def body_ended(self, reason: Failure) -> None:
        """Take the end, which `flush` delivers: ResponseDone, or what broke it off."""
        if not self.complete and self._failure is None:
            self.complete = isinstance(reason.value, ResponseDone)
            self._failure = None if self.complete else reason

    def wait(self) -> None:
        """Read no more until `deliverBody`."""
        self._late = True
        self._connection.pause_response(self)

    def flush(self) -> None:
        """Deliver what has come, in one piece."""
        if self._receiver is None:
            return
        if self._data:
            data, self._data = self._data, b""
            self._receiver.dataReceived(data)
        end = RESPONSE_DONE if self.complete else self._failure
        if end is not None and self._receiver is not None:
            receiver, self._receiver = self._receiver, None
            receiver.connectionLost(end)
