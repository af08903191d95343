"""The common parts of client connections for all versions of HTTP."""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionAborted
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Protocol
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure

from corsgate.server.admission import Spare
from corsgate.server.context import ServerContext
from corsgate.server.memory_budget import REQUEST_BYTES, Tally
from corsgate.server.memory_holder import MemoryHolder
from corsgate.server.request import GateRequest
from corsgate.transport.deadlines import NEVER
from corsgate.transport.fast_write import drop_unsent, pause_sooner, unsent

_WORTH_COUNTING = 4 * 1024

TLS_BYTES = 32 * 1024
"""The memory that OpenSSL and Twisted use for a TLS connection."""


class ClientConnection(MemoryHolder, Protocol):
    """A client's connection to a site.

    Attributes:
        context: What all connections of the listener share.
        deadline_s: When the next deadline of the connection itself passes, in seconds.
    """

    context: ServerContext
    deadline_s: float = NEVER
    _handling: GateRequest | None = None

    # Cached for requests, because the transport makes a system call each time.
    _peer: IAddress | None = None
    _host: IAddress | None = None

    @property
    def spare(self) -> Spare:
        """What closing it now would lose."""
        raise NotImplementedError

    def loseConnection(self) -> None:
        """Close once everything written has been sent."""
        raise NotImplementedError

    def abortConnection(self) -> None:
        """Cut the connection at once."""
        raise NotImplementedError

    def timed_out(self) -> None:
        """Act on the deadline that has passed."""
        raise NotImplementedError

    def drain(self) -> None:
        """Close now if idle, else after the current requests."""
        raise NotImplementedError

    def stopProducing(self) -> None:
        """Do nothing, since `connectionLost` ends the requests."""

    def getPeer(self) -> IAddress:
        """Return the client's address, which may come from a PROXY header."""
        if self._peer is None:
            self._peer = self._tcp.getPeer()
        return self._peer

    def getHost(self) -> IAddress:
        """Return the gate's own address."""
        if self._host is None:
            self._host = self._tcp.getHost()
        return self._host

    def isSecure(self) -> bool:
        """Return whether the client speaks TLS to the gate."""
        return isinstance(self.transport, TLSMemoryBIOProtocol)

    def shed(self) -> None:
        """Close at once, so that another connection can have this one's place."""
        if self.spare is not Spare.IDLE:
            self.abortConnection()
            return
        self.loseConnection()
        if self.isSecure():
            # The client gets close_notify, but its own, which may never come, is not waited for.
            self._tcp.transport.loseConnection()

    @property
    def overhead(self) -> int:
        """How many bytes of memory it takes besides the waiting ones, for its one request."""
        return REQUEST_BYTES + (TLS_BYTES if self.isSecure() else 0)

    def counted_for(self) -> tuple[str | None, Tally | None]:
        """Return the client of the request if it is known, else of the connection."""
        client = None if self._handling is None else self._handling.client_key
        # There is no tally: that is for HTTP/2, where single streams are cut, not connections.
        return client or self.context.connections.client_of(self), None

    @property
    def _tcp(self) -> Any:
        return self.transport

    def _enter(self) -> None:
        """Join the site's connections, and register to be paused for slow clients."""
        self.context.connections.add(self)
        self.context.deadlines.add(self)
        self._tcp.registerProducer(self, True)

    def _now(self) -> float:
        return self.context.now()

    def rest(self) -> None:
        """Count what waits in the transport below the size at which it pauses this: 64 KiB.

        Some of it may be sent in the next moment. It still counts until the next call.
        """
        waiting = unsent(self.transport)
        self.hold(response=waiting if waiting >= _WORTH_COUNTING else 0)

    def _hold_unsent(self) -> None:
        """Count what the client has not read."""
        self.hold(response=unsent(self.transport))
        if not self.most_waiting:
            pause_sooner(self.transport)

    def cut(self, outcome: str) -> None:
        """Cut the connection, and end its request at once; the access log has the reason."""
        handling, self._handling = self._handling, None
        if handling is not None:
            # Don't wait for the transport to report it, because the room is needed now.
            handling.log.outcome = outcome
            handling.connectionLost(Failure(ConnectionAborted()))
        self.abortConnection()

    def cut_for_memory(self, outcome: str) -> None:
        """Cut the connection, and drop its buffered bytes at once."""
        super().cut_for_memory(outcome)
        drop_unsent(self.transport)
