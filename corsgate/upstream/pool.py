"""The connections to one server: how many, kept for how long, and for whom."""

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
from corsgate.upstream.connection_state import State
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
    """Connections to one server: the newest idle one first, each for one request at a time.

    Where they are all taken, clients take turns, and one that holds more than its share may lose
    what it lets stall. A connection that has become a tunnel is counted apart.

    Args:
        reactor: Connects and tells the time.
        deadlines: Ends what takes too long.
        server: Where to connect.
        tls: Makes verified TLS connections; None for plain TCP.
        bounds: How many connections there may be, and how long each may idle.
        short: Called where the process lacks what a connection needs; it closes what it can.
        shortcuts: Which ones are taken.
        hosts: Knows the names that come before DNS.
        strict: Whether responses that are not well-formed are rejected; otherwise they are put
            right where they can have only one meaning.

    Attributes:
        keep_alive: Which connections are used again.
        deadline_s: For the deadlines: until when the longest waiter waits, or an earlier time.
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
        # Waiters that a slot came free for, and nobody has connected for yet.
        self._connect_next: deque[Waiter] = deque()
        self._pinned = PinnedIdle(self, self._slots, self._close)
        self._closed = False

    @property
    def name(self) -> str | None:
        """The host name that the server's address was found by, if it was."""
        return self._server.name

    def may_serve(self, server: Server, bounds: PoolLimits) -> bool:
        """Return whether the pool can go on for a server after a reload, with other bounds."""
        old, new = self._bounds, bounds
        return (
            _place(server) == _place(self._server)
            and old.most_per_connection == new.most_per_connection
            and old.max_connections <= new.max_connections
        )

    def rebound(self, bounds: PoolLimits) -> None:
        """Use other bounds from now on, with which `may_serve` is true."""
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
        """Whose connections they are."""
        return self._slots

    @property
    def connections(self) -> int:
        """How many connections there are, those being made or closed included."""
        return self._slots.connections

    @property
    def waiting(self) -> int:
        """How many requests wait for one."""
        return self._slots.waiting

    @property
    def tunnels(self) -> int:
        """How many connections have become tunnels."""
        return self._slots.tunnels

    def may_tunnel(self, holder: Holder) -> bool:
        """Return whether a request may switch to another protocol, as far as can be known."""
        return self._slots.may_tunnel(holder.client_key)

    def take_idle(
        self, holder: Holder | None = None, sending: CarriedHead | None = None
    ) -> UpstreamConnection | None:
        """Return the newest idle connection that may carry a request, which is then `holder`'s."""
        client = None if holder is None else holder.client_key
        while (connection := self._slots.take_idle(client)) is not None:
            if not self._give(connection, holder):
                continue
            if not self._reuse.active or self.keep_alive.may_use(connection, sending):
                return connection
            self._close(connection)
        return None

    def take_pinned(self, pins: Pins, holder: Holder | None = None) -> UpstreamConnection | None:
        """Return the one of a client's pinned connections that is to this server, for `holder`."""
        client = None if holder is None else holder.client_key
        connection = self._pinned.take(pins, client)
        return connection if connection and self._give(connection, holder) else None

    def close_pinned(self, connection: UpstreamConnection) -> None:
        """Close an idle connection that is pinned."""
        self._pinned.close(connection)

    def is_usable(self, connection: UpstreamConnection) -> bool:
        """Return whether a request may be sent on an idle connection now; as in `_give`."""
        return (
            connection.state is State.IDLE
            and connection.deadline_s > self._deadlines.now()
            and not connection.has_unread()
        )

    def unheld(self, connection: UpstreamConnection) -> None:
        """Hand an idle pinned connection that no attempt holds to whoever waits; see `adopts`."""
        if self._closed:
            self._pinned.close(connection)
        elif self._slots.waiting:
            self._pinned.forget(connection)
            waiter = self._slots.ended(connection)
            assert waiter is not None, "somebody waits"
            self._watch()
            connection.holder = waiter.holder
            waiter.taken.callback(Taken(connection, fresh=False))

    def pin(self, connection: UpstreamConnection) -> None:
        """Keep a connection that a request has got for what it is pinned to from now on."""
        connection.holder = None
        self._pin(connection)

    def take(self, limits: Limits, holder: Holder | None = None) -> Deferred[Taken]:
        """Connect, or wait for a connection; to be called where none is idle.

        Args:
            limits: Bound the time to connect, name look-up and TLS handshake included.
            holder: The request that it is for.

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
        """Connect anew for the request of a connection that was lost.

        It keeps its place: were it to wait behind others, then many a lost connection could
        turn a burst of resends into one of time-outs.

        Args:
            connection: What the request was sent on.
            limits: As in `take`.
            holder: As in `take`.

        Returns:
            A Deferred of a fresh connection; it fails with ConnectFailed or ConnectTimedOut.
        """
        self._slots.replaced(connection, None if holder is None else holder.client_key)
        return self._connect(limits, holder)

    def close(self) -> None:
        """Close what is idle now, and every other connection when its exchange has ended.

        Those who wait still get theirs.
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
                problem = f"{self._server.origin}: no connection came free within {wait_s:g} s"
                waiter.taken.errback(UpstreamBusy(problem))

    # The queue.

    def _watch(self) -> None:
        """Have the deadlines look at the queue as long as somebody is in it."""
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
        """Connect for the waiter that gets the slot that came free, if there is one.

        A connection that can't even be begun frees its slot at once. With a server that is
        down the whole queue goes through here then, one after the other: in turn, not nested.
        """
        if waiter is None:
            return
        self._watch()
        self._connect_next.append(waiter)
        if len(self._connect_next) > 1:
            return  # The loop below, further up the stack, comes to it.
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
        """Make a connection in a slot that was granted."""
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
        return QueueFull(f"{self._server.origin}: too many requests wait")

    def _give(self, connection: UpstreamConnection, holder: Holder | None) -> bool:
        """Hand a connection that was kept to a request, or let go of it; return whether it could.

        The sweep, which is coarse, may not have come to it yet, though its server has. Or the
        server has sent something, which can't be the response to a request that wasn't sent yet.
        """
        if (
            connection.state is State.IDLE
            and connection.deadline_s > self._deadlines.now()
            and not connection.has_unread()
        ):
            connection.holder = holder
            return True
        # The socket of one that is lost is still to go.
        self._close(connection)
        return False

    def _close(self, connection: UpstreamConnection) -> None:
        connection.holder = None
        self._slots.closing(connection)
        connection.close()
        lose_own(connection)

    def _switched(self, connection: UpstreamConnection) -> bool:
        """Count a connection among the tunnels, if there is room; return whether there was."""
        if not self._slots.may_tunnel(self._slots.user(connection)):
            return False
        connection.holder = None
        self._freed(self._slots.switched(connection))
        return True

    def _released(self, connection: UpstreamConnection, reusable: bool) -> None:
        connection.holder = None
        if connection.state is not State.IDLE:
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
        """Keep a connection for whatever it is pinned to; it keeps its place here too."""
        pins = connection.pins
        if pins is None or pins.closed or (self._closed and not pins.held):
            self._close(connection)
            return
        limits = connection.limits
        idle_s = self._bounds.idle_timeout_s if pins.own else limits.keep_alive_timeout_s
        self._pinned.put(connection, pins, self._deadlines.now() + idle_s)

    def drop_idle(self) -> None:
        """Close what is idle now."""
        for connection in self._slots.drop_idle():
            connection.close()


def _place(server: Server) -> tuple[object, ...]:
    """Return what decides where a connection to a server goes, and whom it is verified as."""
    return (server.scheme, server.host, server.port, server.name, server.socket)
