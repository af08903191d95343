"""Fakes for both sides of the wire: a transport that notes what is asked of it, a site, a body."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IConsumer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.iweb import UNKNOWN_LENGTH, IBodyProducer
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

from corsgate.config.model.values import Limits
from corsgate.message.head import ResponseHead
from corsgate.server.http1.channel import GateChannel
from corsgate.server.request import GateRequest
from corsgate.server.site import GateSite
from corsgate.shortcuts import ALL, Shortcuts
from corsgate.transport.deadlines import Deadlines

LEFT = Failure(ConnectionDone())


class Wire(StringTransport):
    """A transport that closes only when a test says so.

    Attributes:
        half_closed: Whether the sending side was closed.
        socket: What stands for the connection where its own state is looked at, or None.
    """

    half_closed = False
    socket: socket.socket | None = None

    def fileno(self) -> int:
        """Return the descriptor of `socket`; -1 if there is none."""
        return -1 if self.socket is None else self.socket.fileno()

    def loseWriteConnection(self) -> None:
        """Note it."""
        self.half_closed = True

    @property
    def reading(self) -> bool:
        """Whether the protocol wants to be given what comes."""
        return self.producerState == "producing"

    @property
    def open(self) -> bool:
        """Whether nothing has been done to close it."""
        return not (self.disconnecting or self.disconnected or self.half_closed)

    @property
    def pacing(self) -> Any:
        """What is told to pause and resume; there must be something."""
        assert self.producer is not None
        return self.producer

    def take(self) -> bytes:
        """Return what was written since the last time."""
        data: bytes = self.value()
        self.clear()
        return data


class Receiver:
    """Takes a client's body, and notes what it is told."""

    def __init__(self) -> None:
        self.data = b""
        self.ended = 0
        self.failures: list[BaseException | None] = []

    def body_data(self, data: bytes) -> None:
        """Note a piece."""
        assert data
        self.data += data

    def body_ended(self) -> None:
        """Note the end."""
        self.ended += 1

    def body_failed(self, reason: Failure) -> None:
        """Note the failure."""
        self.failures.append(reason.value)


class Collector(Protocol):
    """Takes an upstream's body, and notes what it is told."""

    def __init__(self) -> None:
        self.data = b""
        self.reasons: list[BaseException | None] = []

    def dataReceived(self, data: bytes) -> None:
        """Note a piece."""
        assert data
        self.data += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Note the end."""
        self.reasons.append(reason.value)


class Producer:
    """A push producer that notes what it is told."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def pauseProducing(self) -> None:
        """Note it."""
        self.calls.append("pause")

    def resumeProducing(self) -> None:
        """Note it."""
        self.calls.append("resume")

    def stopProducing(self) -> None:
        """Note it."""
        self.calls.append("stop")


@implementer(IBodyProducer)
class Body(Producer):
    """A request's body whose pieces a test gives; it can be sent again if `replayable`."""

    def __init__(self, length: Any = UNKNOWN_LENGTH, *, replayable: bool = False) -> None:
        super().__init__()
        self.length = length
        self.replayable = replayable
        self.started = 0
        self.consumer: Any = None
        self.done: Deferred[None] = Deferred()

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """Wait for the test."""
        self.started += 1
        self.consumer = consumer
        return self.done

    def send(self, data: bytes) -> None:
        """Write a piece."""
        self.consumer.write(data)


class Leaf(Resource):
    """A resource for all paths that calls a function, which answers later."""

    isLeaf = True

    def __init__(self, render: Callable[[GateRequest], None]) -> None:
        super().__init__()
        self._render = render

    def render(self, request: GateRequest) -> int:
        """Call it."""
        self._render(request)
        return NOT_DONE_YET


class Serving:
    """A site, its time, and the requests that were handed on.

    Args:
        limits: The site's.
        render: Called with each request; by default it waits for the test.
        shortcuts: Which ones are taken.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        render: Callable[[GateRequest], None] | None = None,
        shortcuts: Shortcuts = ALL,
    ) -> None:
        self.clock = Clock()
        self.deadlines = Deadlines(self.clock)
        self.requests: list[GateRequest] = []
        self.recorded: list[GateRequest] = []
        self._render = render
        self.site = GateSite(
            Leaf(self._rendered),
            deadlines=self.deadlines,
            limits=limits or Limits(),
            record=self.recorded.append,
            reactor=self.clock,
            wall_clock=self.clock.seconds,
            shortcuts=shortcuts,
        )
        self.wire = Wire()

    def wait(self, seconds: float) -> None:
        """Let time pass, a second at a time."""
        self.clock.pump([1.0] * round(seconds))

    def _rendered(self, request: GateRequest) -> None:
        self.requests.append(request)
        if self._render is not None:
            self._render(request)


class Served(Serving):
    """A channel over a `Wire`.

    Args:
        limits: The site's.
        render: Called with each request; by default it waits for the test.
    """

    def __init__(
        self, limits: Limits | None = None, render: Callable[[GateRequest], None] | None = None
    ) -> None:
        super().__init__(limits, render)
        channel = self.site.buildProtocol(None)
        assert isinstance(channel, GateChannel)
        self.channel = channel
        self.channel.makeConnection(self.wire)

    def send(self, *reads: bytes) -> None:
        """Bring bytes to the channel, each a read."""
        for data in reads:
            self.channel.dataReceived(data)

    def leave(self) -> None:
        """Close the client's connection."""
        self.channel.connectionLost(LEFT)


def answer(
    request: GateRequest, body: bytes = b"", status: int = 200, length: int | None = 0
) -> None:
    """Respond to a request whole; with `length` None only the end tells the body's length."""
    head = ResponseHead(status=status, reason=b"", headers=[(b"X-For", request.uri)])
    request.begin(head, None if length is None else len(body))
    request.write(body)
    request.finish()
