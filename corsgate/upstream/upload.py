"""A request's body on its way to an upstream server."""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.interfaces import IConsumer, IPushProducer
from twisted.python.failure import Failure
from twisted.web.iweb import UNKNOWN_LENGTH, IBodyProducer
from zope.interface import implementer

from corsgate.message.head import field_lines
from corsgate.message.headers import HeaderList
from corsgate.transport.fast_write import unsent, writer


def take_whole(body: IBodyProducer) -> bytes | None:
    """Return all of a body to send it together with its head; None if it must be streamed.

    Args:
        body: If it has a method `take_whole`, that returns all of it, or None if a part is missing
            or the length is unknown. A body that can't be sent again is then used up.
    """
    take = getattr(body, "take_whole", None)
    return None if take is None else take()


class UploadSender(Protocol):
    """The connection on which a body is sent."""

    def touch(self) -> None:
        """Record progress: a piece was written, or the transport was paused or resumed."""

    def upload_ended(self, failure: Failure | None) -> None:
        """Record that the whole body was written, or why not."""


@implementer(IConsumer, IPushProducer)
class Upload:
    """Writes a body as it arrives, no faster than the server reads it.

    Args:
        head: The bytes before the body, in one write with its first piece if that is available.
        body: The body.
        transport: The transport to the server.
        sender: Notified of progress and of the end, until `stop` is called.

    Attributes:
        held: Whether the upload is paused because the server reads slowly.
    """

    def __init__(
        self, head: bytes, body: IBodyProducer, transport: Any, sender: UploadSender
    ) -> None:
        self.held = False
        self._head = head
        self._body = body
        self._transport = transport
        self._write = writer(transport)
        self._sender = sender
        self._chunked = body.length is UNKNOWN_LENGTH
        self._active = True

    def start(self) -> None:
        """Start the body's producer."""
        self._transport.registerProducer(self, True)
        self._body.startProducing(self).addCallbacks(self._sent, self._failed)
        if self._active and self._head:
            head, self._head = self._head, b""
            self._write(head)

    def stop(self) -> None:
        """Stop sending, and stop the body's producer."""
        if self._active:
            self._end()
            self._body.stopProducing()

    @property
    def unsent(self) -> int:
        """How many bytes wait to be sent to the server."""
        return unsent(self._transport)

    # Called by the body's producer.

    def write(self, data: bytes) -> None:
        """Send a piece."""
        if self._active and data:
            self._sender.touch()
            if self._chunked:
                data = b"%x\r\n%b\r\n" % (len(data), data)
            if self._head:
                data, self._head = self._head + data, b""
            self._write(data)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Do nothing, since an IBodyProducer is paused and resumed without being registered."""

    def unregisterProducer(self) -> None:
        """Do nothing, as `registerProducer` does nothing."""

    # Called by the transport.

    def pauseProducing(self) -> None:
        """Pause the body, because the server reads slowly."""
        self.held = True
        self._sender.touch()
        self._body.pauseProducing()

    def resumeProducing(self) -> None:
        """Resume the body, because the buffer was sent."""
        self.held = False
        self._sender.touch()
        self._body.resumeProducing()

    def stopProducing(self) -> None:
        """Do nothing, since the connection gets `connectionLost`."""

    # Internals.

    def _end(self) -> None:
        self._active = False
        self._transport.unregisterProducer()

    def _sent(self, _: None) -> None:
        if self._active:
            self._end()
            if self._chunked:
                fields: HeaderList = getattr(self._body, "trailers", [])
                self._write(self._head + b"0\r\n%b\r\n" % field_lines(fields))
            self._sender.upload_ended(None)

    def _failed(self, reason: Failure) -> None:
        if self._active:
            self._end()
            self._sender.upload_ended(reason)
