"""A reactor whose sockets are in memory and whose time stands still, for a gate in one process.

The transports are Twisted's own TCP connections; only what is below them is made here, so that
buffers, producers and half-closed connections are as they are in service. Nothing happens but in
`FakeReactor.turn`, and always in the order in which the sockets were made: the same events give
the same bytes, every time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from socket import MSG_PEEK, SHUT_WR, SO_LINGER
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.interfaces import (
    IConnector,
    IListeningPort,
    IReactorFDSet,
    IReactorTCP,
    IReactorTime,
)
from twisted.internet.task import Clock
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure
from zope.interface import implementer

START_S = 1_000_000.0
"""What the reactor's clock says at first; nothing is due at so late a time by chance."""


class FakeSocket:
    """The gate's end of a connection, and what the other end sees of it.

    Args:
        number: Its place among all sockets.

    Attributes:
        incoming: What was sent to the gate and it has not read: each a read; an empty one is the
            end, an exception a reset.
        sent: What the gate has sent.
        room: How many bytes the other end takes before it takes no more; None for any number.
        transport: Twisted's connection over it.
        end: How the gate has ended it: ``closed``, ``aborted`` or ``half-closed``; empty while it
            is open.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.incoming: deque[bytes | OSError] = deque()
        self.sent = bytearray()
        self.room: int | None = None
        self.transport: Connection | None = None
        self.end = ""
        self._aborts = False

    @property
    def open(self) -> bool:
        """Whether the gate has not closed it, both ways."""
        return self.end in ("", "half-closed")

    @property
    def readable(self) -> bool:
        """Whether a read would not block."""
        return bool(self.incoming)

    @property
    def writable(self) -> bool:
        """Whether a write would not block."""
        return self.room is None or self.room > 0

    # What Twisted calls.

    def fileno(self) -> int:
        """Return -1: no descriptor stands for it."""
        return -1

    def setblocking(self, blocking: bool) -> None:
        """Do nothing: it never blocks."""

    def getsockopt(self, level: int, option: int) -> int:
        """Return that no option is set."""
        return 0

    def setsockopt(self, level: int, option: int, value: object) -> None:
        """Note that the connection is about to be aborted."""
        self._aborts = self._aborts or option == SO_LINGER

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Return the next read."""
        if not self.incoming:
            raise BlockingIOError(11, "nothing has come")
        data = self.incoming[0]
        if isinstance(data, OSError):
            raise data
        if not flags & MSG_PEEK and data:
            self.incoming.popleft()
            if len(data) > size:
                self.incoming.appendleft(data[size:])
        return data[:size]

    def send(self, data: bytes | memoryview) -> int:
        """Take what there is room for."""
        if self.incoming and isinstance(self.incoming[-1], OSError):
            raise self.incoming[-1]
        if self.room is None:
            self.sent += data
            return len(data)
        if not self.room:
            raise BlockingIOError(11, "there is no room")
        taken = bytes(data[: self.room])
        self.room -= len(taken)
        self.sent += taken
        return len(taken)

    def shutdown(self, how: int) -> None:
        """Note that the gate sends no more."""
        if how == SHUT_WR:
            self.end = "half-closed"

    def close(self) -> None:
        """Note how the gate has closed it."""
        self.end = "aborted" if self._aborts else "closed"


class FakeTransport(Connection):
    """Twisted's TCP connection over a `FakeSocket`."""

    def __init__(
        self, reactor: FakeReactor, protocol: Any, socket: Any, host: IPv4Address, peer: IPv4Address
    ) -> None:
        super().__init__(socket, protocol, reactor)
        self._host, self._peer = host, peer
        self.connected = 1
        socket.transport = self
        reactor.sockets.append(socket)
        self.startReading()
        protocol.makeConnection(self)

    def getHost(self) -> IPv4Address:
        """Return the gate's address."""
        return self._host

    def getPeer(self) -> IPv4Address:
        """Return the other end's address."""
        return self._peer


@implementer(IListeningPort)
class FakePort:
    """A port that nothing comes to by itself."""

    def __init__(self, address: IPv4Address) -> None:
        self._address = address

    def startListening(self) -> None:
        """Do nothing: it listens already."""

    def stopListening(self) -> Deferred[None]:
        """Listen no more."""
        return succeed(None)

    def getHost(self) -> IPv4Address:
        """Return its address."""
        return self._address


@implementer(IConnector)
class FakeConnector:
    """A connection that is being made."""

    def __init__(self, address: IPv4Address) -> None:
        self._address = address
        self.stopped = False

    def stopConnecting(self) -> None:
        """Make it no more."""
        self.stopped = True

    disconnect = stopConnecting

    def connect(self) -> None:
        """Do nothing: it is asked for once."""

    def getDestination(self) -> IPv4Address:
        """Return where it leads."""
        return self._address


Accept = Callable[[FakeSocket, int], str]
"""Told of a connection to a port that is to be made; returns ``accept``, ``refuse`` or ``hang``."""


@implementer(IReactorTCP, IReactorFDSet, IReactorTime)
class FakeReactor(Clock):
    """A reactor that moves only when it is told to.

    Args:
        accept: Decides on the connections that the gate makes.

    Attributes:
        sockets: The gate's open ones.
        factories: What listens, in the order in which it began to.
    """

    def __init__(self, accept: Accept) -> None:
        super().__init__()
        self.rightNow = START_S
        self.sockets: list[FakeSocket] = []
        self.factories: list[Any] = []
        self._accept = accept
        self._readers: set[Any] = set()
        self._writers: set[Any] = set()
        self._number = 0

    def socket(self) -> FakeSocket:
        """Return a new socket."""
        self._number += 1
        return FakeSocket(self._number)

    def turn(self) -> bool:
        """Do once all that can be done; return whether there was anything."""
        moved = False
        if self.calls and self.calls[0].getTime() <= self.rightNow:
            self.advance(0)
            moved = True
        for socket in list(self.sockets):
            transport = socket.transport
            assert transport is not None
            if socket.writable and transport in self._writers:
                moved = True
                self._act(transport, transport.doWrite)
            if socket.readable and transport in self._readers:
                moved = True
                self._act(transport, transport.doRead)
        self.sockets = [each for each in self.sockets if each.open]
        return moved

    def _act(self, transport: Connection, act: Callable[[], Any]) -> None:
        """Have a transport read or write; tell it where that ended it, as a reactor does."""
        why = act()
        if why:
            self.removeReader(transport)
            self.removeWriter(transport)
            transport.connectionLost(Failure(why))

    # What Twisted calls.

    def addReader(self, reader: Any) -> None:
        """Read a descriptor from now on."""
        self._readers.add(reader)

    def addWriter(self, writer: Any) -> None:
        """Write to a descriptor from now on."""
        self._writers.add(writer)

    def removeReader(self, reader: Any) -> None:
        """Read a descriptor no more."""
        self._readers.discard(reader)

    def removeWriter(self, writer: Any) -> None:
        """Write to a descriptor no more."""
        self._writers.discard(writer)

    def removeAll(self) -> list[Any]:
        """Forget all descriptors, and return them."""
        every = self.getReaders() + self.getWriters()
        self._readers.clear()
        self._writers.clear()
        return every

    def getReaders(self) -> list[Any]:
        """Return the descriptors that are read."""
        return list(self._readers)

    def getWriters(self) -> list[Any]:
        """Return the descriptors that are written to."""
        return list(self._writers)

    def listenTCP(
        self, port: int, factory: Any, backlog: int = 50, interface: str = ""
    ) -> IListeningPort:
        """Keep a factory, to be given connections by a test."""
        self.factories.append(factory)
        factory.doStart()
        return FakePort(IPv4Address("TCP", interface, port))

    def connectTCP(
        self, host: str, port: int, factory: Any, timeout: float = 30, bindAddress: Any = None
    ) -> IConnector:
        """Begin to connect; what becomes of it is known a turn later."""
        address = IPv4Address("TCP", host, port)
        connector = FakeConnector(address)
        factory.doStart()
        factory.startedConnecting(connector)
        self.callLater(0, self._connect, factory, connector, address)
        return connector

    def _connect(self, factory: Any, connector: FakeConnector, address: IPv4Address) -> None:
        if connector.stopped:
            return
        socket = self.socket()
        outcome = self._accept(socket, address.port)
        if outcome == "refuse":
            factory.clientConnectionFailed(connector, Failure(ConnectionRefusedError()))
        elif outcome == "accept":
            here = IPv4Address("TCP", "127.0.0.1", 50000 + socket.number)
            FakeTransport(self, factory.buildProtocol(address), socket, here, address)
