"""A socket through which ``corsgate reload`` and ``corsgate refusals`` ask the daemon.

It is a Unix socket in Linux's abstract namespace, named after the process: there is no file to
place, protect or remove. The kernel reports the peer's user (SO_PEERCRED, unix(7)). Only root and
the daemon's own user may ask. The client checks that its peer is the right process, since any
process can take the name.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import maybeDeferred
from twisted.internet.interfaces import IAddress, IDelayedCall
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from corsgate.daemon.reload import Reloader, ReloadOutcome
from corsgate.transport.inherited import InheritedUnixPort

RELOAD = b"reload\n"
"""Asks for a reload. The response is its outcome."""

REFUSALS = b"refusals\n"
"""Asks for the last refused calls. The response lists them."""

_REQUESTS = (RELOAD, REFUSALS)

ASK_S = 5.0
"""How long a connection may take to send its request."""

MAX_CONNECTIONS = 16

_CREDENTIALS = struct.Struct("3i")

_log = Logger()


def control_address(pid: int) -> str:
    """Return the address of a daemon's socket, in the abstract namespace.

    Args:
        pid: The daemon's process id.
    """
    return f"\0corsgate-control-{pid}"


def peer_of(connected: Any) -> tuple[int, int]:
    """Return the process id and the user id of the peer of a Unix socket.

    Args:
        connected: The socket.
    """
    found = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(found)
    return pid, uid


class _QuietPort(InheritedUnixPort):
    """A port that twistd's own log doesn't mention, because its name starts with a NUL byte."""

    def _logConnectionLostMsg(self) -> None:
        pass


class Control(Service):
    """The socket as a service.

    Args:
        reactor: The reactor to listen with.
        reloader: Reloads the gate.
        refusals: Returns the last refused calls in a form for JSON.
    """

    def __init__(self, reactor: Any, reloader: Reloader, refusals: Callable[[], object]) -> None:
        self._reactor = reactor
        self._reloader = reloader
        self._refusals = refusals
        self._port: Any = None

    def startService(self) -> None:
        """Listen. Not before twistd has forked, since the socket's name has the process id."""
        super().startService()
        if sys.platform != "linux":
            return
        address = control_address(os.getpid())
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as opened:
                opened.setblocking(False)
                opened.bind(address)
                opened.listen(MAX_CONNECTIONS)
                factory = ControlFactory(self._reactor, self._reloader, self._refusals)
                self._port = _QuietPort.adopt(self._reactor, opened.fileno(), factory)
        except OSError as error:
            _log.warn(
                "corsgate reload can't reach this process, only SIGHUP can: can't open the abstract"
                " socket {name!r}: {problem}",
                name=address.replace("\0", "@"),
                problem=error.strerror,
            )

    def stopService(self) -> Any:
        """Stop listening."""
        super().stopService()
        port, self._port = self._port, None
        return None if port is None else maybeDeferred(port.stopListening)


class ControlFactory(Factory):
    """Makes the protocol of each connection, up to `MAX_CONNECTIONS`.

    Args:
        reactor: Its clock limits the time of a request.
        reloader: Reloads the gate.
        refusals: Returns the last refused calls in a form for JSON.
        peer_of: Returns the process id and the user id of a socket's peer.
    """

    noisy = False

    def __init__(
        self,
        reactor: Any,
        reloader: Reloader,
        refusals: Callable[[], object],
        peer_of: Callable[[Any], tuple[int, int]] = peer_of,
    ) -> None:
        self.reactor = reactor
        self.reloader = reloader
        self.refusals = refusals
        self.peer_of = peer_of
        self.connections = 0

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Return the protocol; None if there are too many connections."""
        return ControlProtocol(self) if self.connections < MAX_CONNECTIONS else None


class ControlProtocol(Protocol):
    """Accepts one request, and writes the response as a line of JSON."""

    def __init__(self, factory: ControlFactory) -> None:
        self._factory = factory
        self._data = b""
        self._asked = False
        self._late: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Check the client's user."""
        self._factory.connections += 1
        transport: Any = self.transport
        _, uid = self._factory.peer_of(transport.socket)
        if uid not in (0, os.geteuid()):
            transport.abortConnection()
            return
        self._late = self._factory.reactor.callLater(ASK_S, transport.abortConnection)

    def dataReceived(self, data: bytes) -> None:
        """Handle the request when it is complete."""
        transport: Any = self.transport
        if self._asked:
            return
        self._data += data
        if not any(each.startswith(self._data) for each in _REQUESTS):
            transport.abortConnection()
        elif self._data in _REQUESTS:
            self._asked = True
            self._end_wait()
            if self._data == RELOAD:
                self._factory.reloader.reload("corsgate reload").addCallback(self._report)
            else:
                self._respond(self._factory.refusals())

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Forget the connection; a reload that it asked for continues."""
        self._factory.connections -= 1
        self._end_wait()

    def _report(self, outcome: ReloadOutcome) -> None:
        self._respond({"faults": outcome.faults, "changes": outcome.changes})

    def _respond(self, said: object) -> None:
        transport: Any = self.transport
        transport.write(json.dumps(said).encode("ascii") + b"\n")
        transport.loseConnection()

    def _end_wait(self) -> None:
        if self._late is not None and self._late.active():
            self._late.cancel()
        self._late = None
