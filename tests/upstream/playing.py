"""A pool on a reactor without sockets, and the server that it connects to."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.interfaces import IConsumer
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.web.iweb import IBodyProducer
from zope.interface import implementer

from corsgate.config.model.values import Limits, PoolLimits, Server
from corsgate.message.head import RequestHead
from corsgate.transport.deadlines import Deadlines
from corsgate.upstream.connection import UpstreamConnection
from corsgate.upstream.pins import Pins
from corsgate.upstream.pool import ServerPool
from corsgate.upstream.response import UpstreamResponse
from corsgate.upstream.sending import CarriedHead
from tests.server.support import LEFT, Collector, Wire

SERVER = Server(scheme="http", host="10.0.0.1", port=80)
HEAD = RequestHead(method=b"GET", target=b"/", headers=[(b"Host", b"a")])
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
CLOSE = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
LIMITS = Limits(connect_timeout_s=3)


class Link:
    """The server's side of one connection.

    Args:
        factory: Builds the pool's side.
    """

    def __init__(self, factory: Any) -> None:
        self.wire = Wire(lenient=True)
        self._protocol = factory.buildProtocol(None)
        self._protocol.makeConnection(self.wire)
        self.lost = False

    @property
    def open(self) -> bool:
        """Whether neither side has ended it."""
        return self.wire.open and not self.lost

    def answer(self, data: bytes = OK) -> None:
        """Send a response."""
        self._protocol.dataReceived(data)

    def lose(self) -> None:
        """Lose the socket."""
        self.lost = True
        self._protocol.connectionLost(LEFT)


class Playing:
    """A pool, and the server that it connects to.

    Args:
        bounds: The pool's.
    """

    def __init__(self, **bounds: Any) -> None:
        self.clock = MemoryReactorClock()
        self.deadlines = Deadlines(self.clock)
        self.pool = ServerPool(self.clock, self.deadlines, SERVER, None, PoolLimits(**bounds))
        self.links: list[Link] = []
        self._settled: set[Any] = set()

    @property
    def begun(self) -> int:
        """How many connections are being made."""
        return len(self._pending())

    def accept(self) -> Link:
        """Accept the next connection."""
        factory, _ = self._next()
        self.links.append(Link(factory))
        return self.links[-1]

    def refuse(self) -> None:
        """Refuse the next connection."""
        factory, connector = self._next()
        factory.clientConnectionFailed(connector, Failure(Refused()))

    def _pending(self) -> list[tuple[Any, Any]]:
        connectors: list[Any] = self.clock.connectors
        return [
            (client[2], connector)
            for client, connector in zip(self.clock.tcpClients, connectors, strict=True)
            if not connector.stoppedConnecting and connector not in self._settled
        ]

    def _next(self) -> tuple[Any, Any]:
        first = self._pending()[0]
        self._settled.add(first[1])
        return first

    def use(self, count: int) -> list[UpstreamConnection]:
        """Return fresh connections, each with a request under way."""
        connections = []
        for _ in range(count):
            taking = self.pool.take(LIMITS)
            self.accept()
            taking.addCallback(lambda taken: connections.append(taken.connection))
        for connection in connections:
            ask(connection)
        return connections

    def wait(self, seconds: int) -> None:
        """Let time pass, a second at a time."""
        self.clock.pump([1.0] * seconds)


class Source:
    """A connection that a response comes from; it notes what the response asks of it."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def pause_response(self, response: UpstreamResponse) -> None:
        """Note it."""
        self.calls.append("pause")

    def resume_response(self, response: UpstreamResponse) -> None:
        """Note it."""
        self.calls.append("resume")

    def give_up_response(self, response: UpstreamResponse) -> None:
        """Note it."""
        self.calls.append("give up")


@implementer(IConsumer)
class Written:
    """A consumer that keeps what is written, piece by piece."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Take a producer."""

    def unregisterProducer(self) -> None:
        """Forget it."""

    def write(self, data: bytes) -> None:
        """Keep a piece."""
        self.pieces.append(data)


def request(
    connection: UpstreamConnection,
    head: RequestHead,
    body: IBodyProducer | None,
    limits: Limits,
    pins: Pins | None = None,
    binds: bool = False,
) -> Deferred[UpstreamResponse]:
    """Send a request on a connection, and never on another one."""
    sending = CarriedHead(head, limits, None, pins, binds)
    sending.body, sending.connection, sending.resends = body, connection, False
    result: Deferred[Any] = Deferred(sending.cancel)
    sending.result = result
    connection.send(sending)
    return result


def ask(connection: UpstreamConnection) -> Deferred[Any]:
    """Send a request; its response is taken whole."""
    asked: Deferred[Any] = request(connection, HEAD, None, LIMITS)
    asked.addCallback(lambda response: response.deliverBody(Collector()))
    return asked.addErrback(lambda _: None)
