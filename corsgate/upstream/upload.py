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
    """Return all of a body, where all is here, so that it can go with its head; else None.

    Args:
        body: Its method `take_whole`, if it has one, returns all of it where that is here and its
            length is known. A body that can't be sent again is gone then, as if it was written.
    """
    take = getattr(body, "take_whole", None)
    return None if take is None else take()


class UploadSender(Protocol):
    """The connection that a body is sent on."""

    def touch(self) -> None:
        """Something moved: a piece was written, or the server begins or ceases to keep up."""

    def upload_ended(self, failure: Failure | None) -> None:
        """The body was written whole, or it broke off."""


@implementer(IConsumer, IPushProducer)
class Upload:
    """Writes a body as it comes, no faster than the server takes it.

    Args:
        head: What goes before it, in one write with its first piece if that is there.
        body: Where it comes from.
        transport: Where it goes.
        sender: Called with what happens, until `stop` is called.

    Attributes:
        held: Whether the server does not keep up.
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
        """Ask for the body."""
        self._transport.registerProducer(self, True)
        self._body.startProducing(self).addCallbacks(self._sent, self._failed)
        if self._active and self._head:
            head, self._head = self._head, b""
            self._write(head)

    def stop(self) -> None:
        """Send no more of it, and stop its producer."""
        if self._active:
            self._end()
            self._body.stopProducing()

    @property
    def unsent(self) -> int:
        """How many bytes wait for the server to take them."""
        return unsent(self._transport)

    # What the body's producer calls.

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
        """Do nothing: an IBodyProducer is paused and resumed without being registered."""

    def unregisterProducer(self) -> None:
        """Do nothing, as `registerProducer` does nothing."""

    # What the transport calls.

    def pauseProducing(self) -> None:
        """The server does not keep up."""
        self.held = True
        self._sender.touch()
        self._body.pauseProducing()

    def resumeProducing(self) -> None:
        """The server has taken what was buffered."""
        self.held = False
        self._sender.touch()
        self._body.resumeProducing()

    def stopProducing(self) -> None:
        """Do nothing: the transport is gone, and the connection gets `connectionLost`."""

    # The parts.

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
