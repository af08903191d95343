"""A whole gate without a network: the reactor, the sockets and both peers are in memory.

The transports are Twisted's own connections over a socket that takes all it is given at once, so
that what the gate calls of them is what it calls of real ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from errno import EAGAIN
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final

from twisted.internet import testing
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IAddress, IProtocol
from twisted.internet.tcp import Connection
from twisted.internet.testing import MemoryReactorClock

from corsgate.gate.load import load_config
from corsgate.gate.service import GateService
from corsgate.server.alpn import find_http2

FAKES: Final = frozenset((__file__, testing.__file__))
"""The files whose code stands in for the kernel and the reactor's poll set."""

ORIGIN: Final = "http://localhost:4200"
HOST: Final = "127.0.0.1:20011"

_TICK_S: Final = 1e-6
_CLIENT: Final = IPv4Address("TCP", "127.0.0.1", 40000)
_GATE: Final = IPv4Address("TCP", "127.0.0.1", 20011)
_CONFIG: Final = """\
access_log = "{directory}/access.log"
listen = ["tcp:20011:interface=127.0.0.1"]

[upstreams.box]
servers = ["http://127.0.0.1:20001"]
credentials = {{ type = "basic", username = "bench", password = "correct-horse" }}

[routes."/"]
upstream = "box"
cors = {{ allow_origins = ["{origin}"], allow_methods = ["PUT"], allow_headers = ["Content-Type"] }}
"""
_ADMIN: Final = '[admin]\nlisten = "tcp:20012:interface=127.0.0.1"\n'


class Reactor(MemoryReactorClock):
    """A reactor whose clock advances by the same small step each time that it is read."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted's has no annotations
        clock: Any = self
        # As cheap to call as the monotonic clock, which is not Python either.
        clock.seconds = count(0.0, _TICK_S).__next__

    def callFromThread(self, function: Any, *arguments: Any, **named: Any) -> None:
        """Call a function at once: there is no other thread."""
        function(*arguments, **named)

    def turns(self) -> Iterator[Callable[[], object]]:
        """Yield what is to be called now, as turns of the reactor would, until nothing is due."""
        while True:
            for writer in list(self.writers):
                yield writer.doWrite
            if any(call.getTime() <= self.seconds() for call in self.getDelayedCalls()):
                yield partial(self.advance, 0)
            elif not self.writers:
                return


class Socket:
    """A socket that takes whatever is sent, and from which there is nothing to read."""

    def __init__(self) -> None:
        self._sent = bytearray()

    def take(self) -> bytes:
        """Return what was sent since the last time."""
        sent = bytes(self._sent)
        self._sent.clear()
        return sent

    def send(self, data: bytes) -> int:
        """Take all of it."""
        self._sent += data
        return len(data)

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Say that nothing has come."""
        raise BlockingIOError(EAGAIN, "nothing has come")

    def fileno(self) -> int:
        """Return what no descriptor is."""
        return -1

    def setblocking(self, blocking: bool) -> None:
        """Do nothing: it never blocks."""

    def setsockopt(self, level: int, name: int, value: object) -> None:
        """Do nothing: there is no kernel."""

    def shutdown(self, how: int) -> None:
        """Fail: no load ends a connection."""
        raise AssertionError("the gate closes a connection")

    def close(self) -> None:
        """Fail: no load ends a connection."""
        raise AssertionError("the gate closes a connection")


class Transport(Connection):
    """Twisted's connection over a socket in memory.

    Args:
        protocol: What speaks on it; it is connected at once.
        reactor: What the connection tells when it would read or write.
        host: The gate's own address.
        peer: The other one's.

    Attributes:
        sent: The socket, which has what the gate has written.
    """

    def __init__(self, protocol: Any, reactor: Reactor, host: IAddress, peer: IAddress) -> None:
        self.sent = Socket()
        skt: Any = self.sent
        super().__init__(skt, protocol, reactor)
        self._host, self._peer = host, peer
        self.connected = 1
        reactor.readers.add(self)
        protocol.makeConnection(self)

    def getHost(self) -> IAddress:
        """Return the gate's own address."""
        return self._host

    def getPeer(self) -> IAddress:
        """Return the other one's address."""
        return self._peer


class Gate:
    """A gate with an access log, basic credentials and a CORS policy for one origin.

    The thread that writes the log is not started: whether a line wakes it is a matter of time. The
    lines wait in its queue, as they do while it writes.

    Args:
        directory: Where it has its configuration and its access log.
        admin: Whether an admin listener is configured, so that the gate counts what it serves.
    """

    def __init__(self, directory: Path, *, admin: bool = False) -> None:
        self.reactor = Reactor()
        file = directory / "corsgate.toml"
        text = _CONFIG.format(directory=directory.resolve(), origin=ORIGIN)
        file.write_text(text + _ADMIN if admin else text)
        self._service = GateService(
            load_config(str(file), self.reactor),
            self.reactor,
            rng=lambda size: b"\x5a" * size,
            file=str(file),
        )
        self._service.privilegedStartService()
        ((_, self._factory, _, _),) = self.reactor.tcpServers

    def connect(self, *, http2: bool = False) -> Transport:
        """Return a client's new connection.

        Args:
            http2: Whether the client speaks HTTP/2, as if TLS had agreed on it.
        """
        protocol: Any = self._factory.buildProtocol(_CLIENT)
        if http2:
            protocol = self._speak_http2(protocol)
        return Transport(protocol, self.reactor, _GATE, _CLIENT)

    def accept(self) -> Transport | None:
        """Return the connection that the gate wants to its upstream server, if it is a new one."""
        if not self.reactor.tcpClients:
            return None
        ((host, port, factory, _, _),) = self.reactor.tcpClients
        self.reactor.tcpClients.clear()
        server = IPv4Address("TCP", host, port)
        return Transport(factory.buildProtocol(server), self.reactor, _GATE, server)

    def _speak_http2(self, channel: Any) -> IProtocol:
        """Return what takes the connection of a channel over after the TLS handshake."""
        make_http2 = find_http2()
        assert make_http2 is not None, "the library h2 is not installed"
        (listener,) = self._service.listeners
        connection: Any = make_http2(listener.site.context)
        listener.site.connections.hand_over(channel, connection)
        return connection  # type: ignore[no-any-return]  # it is what MakeHttp2 returns
