"""What a client's connection has in common, whichever version of HTTP it speaks."""

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
"""What OpenSSL and Twisted take for a connection over TLS."""


class ClientConnection(MemoryHolder, Protocol):
    """A client's connection to a site.

    Attributes:
        context: What it is served with.
        deadline_s: For the deadlines: when something of the connection itself is due.
    """

    context: ServerContext
    deadline_s: float = NEVER
    _handling: GateRequest | None = None

    # Requests ask for them, and the transport makes a system call each time.
    _peer: IAddress | None = None
    _host: IAddress | None = None

    @property
    def spare(self) -> Spare:
        """What would be lost with it, were it closed now."""
        raise NotImplementedError

    def loseConnection(self) -> None:
        """Close once all that was written has left."""
        raise NotImplementedError

    def abortConnection(self) -> None:
        """Cut the connection at once."""
        raise NotImplementedError

    def timed_out(self) -> None:
        """Act on what has become due."""
        raise NotImplementedError

    def drain(self) -> None:
        """Close now where nothing is in flight, else after that."""
        raise NotImplementedError

    def stopProducing(self) -> None:
        """Do nothing: the transport is gone, and `connectionLost` ends the requests."""

    def getPeer(self) -> IAddress:
        """Return the client's address, which a PROXY header may have named by now."""
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
        """How many bytes it takes besides those that wait; it is only there for the one request."""
        return REQUEST_BYTES + (TLS_BYTES if self.isSecure() else 0)

    def counted_for(self) -> tuple[str | None, Tally | None]:
        """Return the client of the request that is answered, or else the connection's."""
        client = None if self._handling is None else self._handling.client_key
        # Not with the tally of a connection's streams: one of them has to go, not the connection.
        return client or self.context.connections.client_of(self), None

    @property
    def _tcp(self) -> Any:
        return self.transport

    def _enter(self) -> None:
        """Become one of the site's connections; the transport says when its client falls behind."""
        self.context.connections.add(self)
        self.context.deadlines.add(self)
        self._tcp.registerProducer(self, True)

    def _now(self) -> float:
        return self.context.now()

    def rest(self) -> None:
        """Count what waits in the transport without its having said so: up to 64 KiB.

        It may just be on its way out. Then it counts too much until the next time.
        """
        waiting = unsent(self.transport)
        self.hold(response=waiting if waiting >= _WORTH_COUNTING else 0)

    def _hold_unsent(self) -> None:
        """Count what the client has not taken."""
        self.hold(response=unsent(self.transport))
        if not self.most_waiting:
            pause_sooner(self.transport)

    def cut(self, outcome: str) -> None:
        """Cut the connection, and end its request at once; the access log says why."""
        handling, self._handling = self._handling, None
        if handling is not None:
            # Not only when the transport comes to it: the place is another request's now.
            handling.log.outcome = outcome
            handling.connectionLost(Failure(ConnectionAborted()))
        self.abortConnection()

    def cut_for_memory(self, outcome: str) -> None:
        """Cut the connection, and let go of what waits in it at once."""
        super().cut_for_memory(outcome)
        drop_unsent(self.transport)
