"""A complete gate without a network: the reactor, the sockets and both peers are in memory.

The transports are Twisted's own connections, over a socket that accepts all data immediately. So
the gate makes the same calls as on real connections.
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
"""The files whose code replaces the kernel and the reactor's poll set."""

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
    """A reactor whose clock advances by the same small step at each reading."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted's has no annotations
        clock: Any = self
        # As cheap to call as the monotonic clock, which is also not written in Python.
        clock.seconds = count(0.0, _TICK_S).__next__

    def callFromThread(self, function: Any, *arguments: Any, **named: Any) -> None:
        """Call a function immediately, because there is no other thread."""
        function(*arguments, **named)

    def turns(self) -> Iterator[Callable[[], object]]:
        """Yield the functions that turns of the reactor would call now, until nothing is due."""
        while True:
            for writer in list(self.writers):
                yield writer.doWrite
            if any(call.getTime() <= self.seconds() for call in self.getDelayedCalls()):
                yield partial(self.advance, 0)
            elif not self.writers:
                return


class Socket:
    """A socket that accepts all sent data, and has nothing to read."""

    def __init__(self) -> None:
        self._sent = bytearray()

    def take(self) -> bytes:
        """Return the bytes sent since the last call."""
        sent = bytes(self._sent)
        self._sent.clear()
        return sent

    def send(self, data: bytes) -> int:
        """Accept all of it."""
        self._sent += data
        return len(data)

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Raise BlockingIOError, since nothing has arrived."""
        raise BlockingIOError(EAGAIN, "nothing has arrived")

    def fileno(self) -> int:
        """Return a number that is not a descriptor."""
        return -1

    def setblocking(self, blocking: bool) -> None:
        """Do nothing, since it never blocks."""

    def setsockopt(self, level: int, name: int, value: object) -> None:
        """Do nothing, since there is no kernel."""

    def shutdown(self, how: int) -> None:
        """Fail, since no load ends a connection."""
        raise AssertionError("the gate closes a connection")

    def close(self) -> None:
        """Fail, since no load ends a connection."""
        raise AssertionError("the gate closes a connection")


class Transport(Connection):
    """Twisted's connection over a socket in memory.

    Args:
        protocol: Its protocol, which is connected immediately.
        reactor: The reactor where it registers for reading and writing.
        host: The gate's own address.
        peer: The peer's address.

    Attributes:
        sent: The socket with the bytes that the gate has written.
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
        """Return the peer's address."""
        return self._peer


class Gate:
    """A gate with an access log, Basic credentials and a CORS policy for one origin.

    The thread that writes the log is not started, since whether a line wakes it depends on timing.
    The lines wait in its queue, as they do while it writes.

    Args:
        directory: The directory of its configuration and its access log.
        admin: Whether an admin listener is configured, for which the gate counts requests.
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
        """Return the gate's new connection to its upstream server, or None if it opens none."""
        if not self.reactor.tcpClients:
            return None
        ((host, port, factory, _, _),) = self.reactor.tcpClients
        self.reactor.tcpClients.clear()
        server = IPv4Address("TCP", host, port)
        return Transport(factory.buildProtocol(server), self.reactor, _GATE, server)

    def _speak_http2(self, channel: Any) -> IProtocol:
        """Return the HTTP/2 protocol that takes over from a channel after the TLS handshake."""
        make_http2 = find_http2()
        assert make_http2 is not None, "the library h2 is not installed"
        (listener,) = self._service.listeners
        connection: Any = make_http2(listener.site.context)
        listener.site.connections.hand_over(channel, connection)
        return connection  # type: ignore[no-any-return]  # it is what MakeHttp2 returns
