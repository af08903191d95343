"""The connection pool of one server, with its limits and its queue."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

from corsgate.balance.slots import Slots, Turn
from corsgate.config.model.values import Limits, PoolLimits, Server
from corsgate.errors import QueueFull, UpstreamBusy
from corsgate.shortcuts import ALL, Shortcuts
from corsgate.transport.deadlines import NEVER, Deadlines
from corsgate.upstream.connection import UpstreamConnection
from corsgate.upstream.connection_state import IDLE
from corsgate.upstream.connector import Connector
from corsgate.upstream.hosts import Hosts
from corsgate.upstream.keep_alive import KeepAlive
from corsgate.upstream.pinned import PinnedIdle
from corsgate.upstream.pins import Pins, lose_own
from corsgate.upstream.repair_log import RepairLog
from corsgate.upstream.revocation import Holder, Revoker
from corsgate.upstream.sending import CarriedHead
from corsgate.upstream.tls import VerifyingCreator
from corsgate.upstream.waiter import Taken, Waiter


class ServerPool:
    """The connections to one server. The most recently used idle one is used first.

    If all are in use, clients take turns. One that uses more than its share may lose the exchanges
    that it stalls. A connection that has become a tunnel is counted separately.

    Args:
        reactor: The reactor that connects.
        deadlines: Calls back when a deadline passes.
        server: The server.
        tls: Makes verified TLS connections; None for plain TCP.
        bounds: The maximum number of connections, and how long each may idle.
        short: Called when the process lacks descriptors or memory, to close idle connections.
        shortcuts: Which shortcuts to take.
        hosts: Resolves names that don't need DNS.
        strict: Whether malformed responses are rejected; otherwise they are repaired if they have
            only one possible meaning.

    Attributes:
        keep_alive: Decides which connections are reused.
        deadline_s: At the latest, when the first waiter in the queue times out, in seconds.
    """

    def __init__(
        self,
        reactor: Any,
        deadlines: Deadlines,
        server: Server,
        tls: VerifyingCreator | None,
        bounds: PoolLimits,
        short: Callable[[], None] = lambda: None,
        shortcuts: Shortcuts = ALL,
        hosts: Hosts | None = None,
        *,
        strict: bool = False,
    ) -> None:
        self.deadline_s = NEVER
        self._deadlines = deadlines
        self._server = server
        self._shortcuts = shortcuts
        self._repaired = None if strict else RepairLog(server.origin).note
        self._bounds = bounds
        make = self._make_connection
        self._connector = Connector(reactor, server, tls, make, short, hosts or Hosts())
        self._slots: Slots[UpstreamConnection, Waiter] = Slots(
            most=bounds.max_connections,
            most_waiting=bounds.max_queue,
            most_tunnels=bounds.max_tunnels,
        )
        self._revoker = Revoker(reactor, self._slots)
        self.keep_alive = KeepAlive(server.origin, deadlines, bounds)
        self._reuse = self.keep_alive.reuse
        # Waiters that got a free slot but have no connection yet.
        self._connect_next: deque[Waiter] = deque()
        self._pinned = PinnedIdle(self, self._slots, self._close)
        self._closed = False

    @property
    def name(self) -> str | None:
        """The host name that was resolved to the server's address, if any."""
        return self._server.name

    def may_serve(self, server: Server, bounds: PoolLimits) -> bool:
        """Return whether the pool can be kept for a server after a reload with new limits."""
        old, new = self._bounds, bounds
        return (
            _place(server) == _place(self._server)
            and old.most_per_connection == new.most_per_connection
            and old.max_connections <= new.max_connections
        )

    def rebound(self, bounds: PoolLimits) -> None:
        """Use new limits, for which `may_serve` returned True."""
        self._bounds = bounds
        for waiter in self._slots.rebound(
            most=bounds.max_connections,
            most_waiting=bounds.max_queue,
            most_tunnels=bounds.max_tunnels,
        ):
            self._freed(waiter)

    @property
    def origin(self) -> str:
        """The server's origin."""
        return self._server.origin

    @property
    def slots(self) -> Slots[UpstreamConnection, Waiter]:
        """The slots of the connections."""
        return self._slots

    @property
    def connections(self) -> int:
        """How many connections exist, including those being opened or closed."""
        return self._slots.connections

    @property
    def waiting(self) -> int:
        """How many requests wait for a connection."""
        return self._slots.waiting

    @property
    def tunnels(self) -> int:
        """How many connections have become tunnels."""
        return self._slots.tunnels

    def may_tunnel(self, holder: Holder) -> bool:
        """Return whether a request may probably switch to another protocol."""
        return self._slots.may_tunnel(holder.client_key)

    def take_idle(
        self, holder: Holder | None = None, sending: CarriedHead | None = None
    ) -> UpstreamConnection | None:
        """Return the newest idle connection that may carry a request, and give it to `holder`."""
        client = None if holder is None else holder.client_key
        while (connection := self._slots.take_idle(client)) is not None:
            if not self._give(connection, holder):
                continue
            if not self._reuse.active or self.keep_alive.may_use(connection, sending):
                return connection
            self._close(connection)
        return None

    def take_pinned(self, pins: Pins, holder: Holder | None = None) -> UpstreamConnection | None:
        """Return the client's pinned connection to this server, if any, and give it to `holder`."""
        client = None if holder is None else holder.client_key
        connection = self._pinned.take(pins, client)
        return connection if connection and self._give(connection, holder) else None

    def close_pinned(self, connection: UpstreamConnection) -> None:
        """Close an idle pinned connection."""
        self._pinned.close(connection)

    def is_usable(self, connection: UpstreamConnection) -> bool:
        """Return whether a request may be sent on an idle connection now, as in `_give`."""
        return (
            connection.state is IDLE
            and connection.deadline_s > self._deadlines.now()
            and not connection.has_unread()
        )

    def unheld(self, connection: UpstreamConnection) -> None:
        """Give an idle pinned connection without an attempt to the next waiter; see `adopts`."""
        if self._closed:
            self._pinned.close(connection)
        elif self._slots.waiting:
            self._pinned.forget(connection)
            waiter = self._slots.ended(connection)
            assert waiter is not None, "a request is waiting"
            self._watch()
            connection.holder = waiter.holder
            waiter.taken.callback(Taken(connection, fresh=False))

    def pin(self, connection: UpstreamConnection) -> None:
        """Reserve a connection for the pins that it now belongs to."""
        connection.holder = None
        self._pin(connection)

    def take(self, limits: Limits, holder: Holder | None = None) -> Deferred[Taken]:
        """Connect, or wait for a connection. Call this only if none is idle.

        Args:
            limits: Bounds on the time to connect, including name lookup and TLS handshake.
            holder: The holder of the request.

        Returns:
            A Deferred of the connection; it fails with ConnectFailed, ConnectTimedOut,
            UpstreamBusy or QueueFull. Cancelling it leaves the queue.
        """
        waiter = Waiter(limits, holder, Deferred(lambda _: self._given_up(waiter)))
        deadline_s = self._deadlines.now() + self._bounds.queue_timeout_s
        turn = self._slots.ask(waiter, deadline_s, waiter.client)
        if turn is Turn.CONNECT:
            return self._connect(limits, holder)
        self._pinned.make_way()
        if turn is Turn.REFUSED:
            displaced = self._slots.make_room(waiter.client)
            if displaced is None:
                return fail(self._queue_full())
            turn = self._slots.ask(waiter, deadline_s, waiter.client)
            assert turn is Turn.WAIT, "there is room for it now"
            displaced.taken.errback(self._queue_full())
        self._watch()
        self._revoker.start()
        return waiter.taken

    def replace(
        self, connection: UpstreamConnection, limits: Limits, holder: Holder | None = None
    ) -> Deferred[Taken]:
        """Open a new connection for the request of a lost one.

        The request keeps its slot. If it had to queue again, many lost connections could turn a
        burst of resends into a burst of timeouts.

        Args:
            connection: The lost connection.
            limits: As in `take`.
            holder: As in `take`.

        Returns:
            A Deferred of a fresh connection; it fails with ConnectFailed or ConnectTimedOut.
        """
        self._slots.replaced(connection, None if holder is None else holder.client_key)
        return self._connect(limits, holder)

    def close(self) -> None:
        """Close idle connections now, and the others when their exchanges have ended.

        Waiting requests still get a connection.
        """
        self._closed = True
        self.drop_idle()
        self._pinned.close_all()

    def timed_out(self) -> None:
        """Fail the requests that have waited for too long."""
        late = self._slots.expired(self._deadlines.now())
        self._watch()
        wait_s = self._bounds.queue_timeout_s
        for waiter in late:
            if not waiter.taken.called:
                problem = f"{self._server.origin}: no connection became free within {wait_s:g} s"
                waiter.taken.errback(UpstreamBusy(problem))

    # The queue.

    def _watch(self) -> None:
        """Set the deadline for the queue, if any request waits in it."""
        deadline_s = self._slots.next_deadline_s
        if deadline_s is None:
            self.deadline_s = NEVER
            self._deadlines.discard(self)
            self._revoker.stop()
        else:
            self.deadline_s = deadline_s
            self._deadlines.add(self)

    def _given_up(self, waiter: Waiter) -> None:
        """Forget a waiter whose client has left."""
        if self._slots.give_up(waiter):
            self._watch()
        elif waiter.connecting is not None:
            waiter.connecting.cancel()

    def _freed(self, waiter: Waiter | None) -> None:
        """Connect for the waiter that got the free slot, if there is one.

        A connection that can't even be started frees its slot at once. If the server is down, this
        may happen for the whole queue. So this is a loop rather than a recursion.
        """
        if waiter is None:
            return
        self._watch()
        self._connect_next.append(waiter)
        if len(self._connect_next) > 1:
            return  # The loop below, further up the stack, handles it.
        while self._connect_next:
            self._connect_for(self._connect_next[0])
            self._connect_next.popleft()

    def _connect_for(self, waiter: Waiter) -> None:
        if waiter.taken.called:  # It was cancelled in the meantime.
            self._freed(self._slots.not_connected(waiter.client))
            return
        waiter.connecting = self._connect(waiter.limits, waiter.holder)
        waiter.connecting.addCallbacks(waiter.taken.callback, waiter.taken.errback)

    # Connections.

    def _connect(self, limits: Limits, holder: Holder | None) -> Deferred[Taken]:
        """Open a connection in a granted slot."""
        client = None if holder is None else holder.client_key

        def connected(connection: UpstreamConnection) -> Taken:
            self._slots.connected(connection, client)
            connection.holder = holder
            return Taken(connection, fresh=True)

        def not_connected(failure: Failure) -> Failure:
            self._freed(self._slots.not_connected(client))
            return failure

        connecting: Deferred[Any] = self._connector.connect(limits.connect_timeout_s)
        return connecting.addCallbacks(connected, not_connected)

    def _make_connection(self) -> UpstreamConnection:
        return UpstreamConnection(
            self._deadlines, self._released, self._switched, self._shortcuts, self._repaired
        )

    def _queue_full(self) -> QueueFull:
        return QueueFull(f"{self._server.origin}: too many requests are waiting")

    def _give(self, connection: UpstreamConnection, holder: Holder | None) -> bool:
        """Give an idle connection to a request, or close it; return whether it was usable.

        Its deadline may have passed before the coarse sweep closed it. Or the server has sent
        something, which can't be the response to a request that wasn't sent yet.
        """
        if (
            connection.state is IDLE
            and connection.deadline_s > self._deadlines.now()
            and not connection.has_unread()
        ):
            connection.holder = holder
            return True
        # If it was lost, its socket still has to be closed.
        self._close(connection)
        return False

    def _close(self, connection: UpstreamConnection) -> None:
        connection.holder = None
        self._slots.closing(connection)
        connection.close()
        lose_own(connection)

    def _switched(self, connection: UpstreamConnection) -> bool:
        """Count a connection as a tunnel, if the limit allows it; return whether it does."""
        if not self._slots.may_tunnel(self._slots.user(connection)):
            return False
        connection.holder = None
        self._freed(self._slots.switched(connection))
        return True

    def _released(self, connection: UpstreamConnection, reusable: bool) -> None:
        connection.holder = None
        if connection.state is not IDLE:
            self._pinned.forget(connection)
            self._reuse.gone(connection)
            self._freed(self._slots.gone(connection))
            lose_own(connection)
            return
        if not reusable or (self._slots.waiting and connection.has_unread()):
            self._close(connection)
            return
        if connection.pinned:
            self._pin(connection)
            return
        if self._reuse.active and not self.keep_alive.may_keep(connection):
            self._close(connection)
            return
        waiter = self._slots.ended(connection)
        if waiter is not None:
            self._watch()
            connection.holder = waiter.holder
            waiter.taken.callback(Taken(connection, fresh=False))
        elif self._closed:
            self.drop_idle()
        else:
            connection.deadline_s = self._deadlines.now() + self._bounds.idle_timeout_s

    def _pin(self, connection: UpstreamConnection) -> None:
        """Keep a pinned connection for its pins. It also keeps its slot."""
        pins = connection.pins
        if pins is None or pins.closed or (self._closed and not pins.held):
            self._close(connection)
            return
        limits = connection.limits
        idle_s = self._bounds.idle_timeout_s if pins.own else limits.keep_alive_timeout_s
        self._pinned.put(connection, pins, self._deadlines.now() + idle_s)

    def drop_idle(self) -> None:
        """Close idle connections now."""
        for connection in self._slots.drop_idle():
            connection.close()


def _place(server: Server) -> tuple[object, ...]:
    """Return the values that decide where connections go and which name is verified."""
    return (server.scheme, server.host, server.port, server.name, server.socket)
