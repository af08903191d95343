"""The IAgent under treq: it puts on the wire just the head that it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs
from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from corsgate.balance.retry import may_resend
from corsgate.config.model.values import Limits, Server, Upstream
from corsgate.errors import ConnectFailed, ConnectionReset, TunnelsFull
from corsgate.message.framing import FRAMING_FIELDS
from corsgate.message.head import RequestHead
from corsgate.shortcuts import ALL, Shortcuts
from corsgate.transport.deadlines import Deadlines
from corsgate.upstream.connection import Inform, UpstreamConnection
from corsgate.upstream.pins import Pins
from corsgate.upstream.pool import ServerPool, Taken
from corsgate.upstream.response import UpstreamResponse
from corsgate.upstream.revocation import Holder, take_back
from corsgate.upstream.tls import creators


class CarriedHead(Headers):
    """Header fields that carry a whole request head past treq unchanged.

    treq copies the fields it is given, adds Accept-Encoding of its own, and sorts repeated
    ones together. What is added to this is ignored, and the agent sends `head`.

    Attributes:
        head: The head to send.
        limits: Bounds on the times of this request.
        inform: Told of interim responses.
        pins: The connections that are pinned to the client's; None if none may be.
        binds: Whether the request authenticates its connection.
        holder: The client's request that it is sent for, if it is one's.
    """

    __slots__ = ("binds", "head", "holder", "inform", "limits", "pins")

    def __init__(
        self,
        head: RequestHead,
        limits: Limits,
        inform: Inform | None = None,
        pins: Pins | None = None,
        binds: bool = False,
        holder: Holder | None = None,
    ) -> None:
        super().__init__()
        self.head = head
        self.limits = limits
        self.inform = inform
        self.pins = pins
        self.binds = binds
        self.holder = holder

    def copy(self) -> CarriedHead:
        """Return itself: nothing can be added, so there is nothing to keep apart."""
        return self

    def hasHeader(self, name: Any) -> bool:
        """Return True, so that no cookie jar is asked for a Cookie field."""
        return True

    def addRawHeader(self, name: Any, value: Any) -> None:
        """Ignore it."""


@implementer(IAgent)
class UpstreamAgent:
    """Sends requests to the servers of one upstream, over a pool for each.

    Args:
        reactor: Connects and tells the time.
        deadlines: Ends what takes too long.
        upstream: Whose servers it may send to; it refuses any other address.
        shortcuts: Which ones are taken.

    Attributes:
        pools: The connections to each server, by its origin.
        short: Called where the process lacks what a connection needs; it closes what it can.
        unconnected: The requests under way that ask for no connection before their bodies have
            come. Whoever has one wait says so here.

    Raises:
        BadValue: The upstream's certificates can't be used.
    """

    def __init__(
        self,
        reactor: Any,
        deadlines: Deadlines,
        upstream: Upstream,
        shortcuts: Shortcuts = ALL,
    ) -> None:
        self._reactor = reactor
        self._deadlines = deadlines
        self._upstream = upstream
        self._shortcuts = shortcuts
        self.pools: Mapping[bytes, ServerPool] = {}
        self.short: Callable[[], None] = lambda: None
        self.unconnected: set[Holder] = set()
        self.update(upstream.servers)

    def update(self, servers: Iterable[Server]) -> None:
        """Have other servers from now on; those that stay keep their connections.

        One that DNS knows by another name now has other connections: those that there are were
        made, and verified, for the name it had.

        Args:
            servers: All of them; no two have the same origin.

        Raises:
            BadValue: The upstream's certificates can't be used.
        """
        before = self.pools
        by_origin = {server.origin.encode("ascii"): server for server in servers}
        kept = {
            origin: pool
            for origin, pool in before.items()
            if origin in by_origin and pool.name == by_origin[origin].name
        }
        new = [server for origin, server in by_origin.items() if origin not in kept]
        tls = creators(self._upstream, new)
        self.pools = {
            origin: kept[origin]
            if origin in kept
            else ServerPool(
                self._reactor,
                self._deadlines,
                server,
                tls.get(server.origin),
                self._upstream.pool,
                lambda: self.short(),
                self._shortcuts,
            )
            for origin, server in by_origin.items()
        }
        for origin, pool in before.items():
            if origin not in kept:
                pool.close()

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        """Send a request.

        Args:
            method: Its method; a `CarriedHead`'s own counts.
            uri: A server's origin, perhaps with a target behind it.
            headers: A `CarriedHead`, or fields to send as they are.
            bodyProducer: Its body, or None.

        Returns:
            A Deferred of an `UpstreamResponse`; it fails with an UpstreamError. Cancelling it
            cuts the connection.
        """
        origin, target = uri, b"/"
        pool = self.pools.get(uri)
        if pool is None:
            origin, target = _split(uri)
            pool = self.pools.get(origin)
            if pool is None:
                shown = origin.decode("ascii", "replace")
                return fail(ConnectFailed(f"{shown}: it is no server of the upstream's"))
        holder: Holder | None = None
        if isinstance(headers, CarriedHead):
            holder = headers.holder
            sending = _Sending(
                pool,
                headers.head,
                bodyProducer,
                headers.limits,
                headers.inform,
                headers.pins,
                headers.binds,
                holder,
            )
        else:
            # The framing is the connection's own: a second one beside it would be smuggling.
            fields = [
                (name, value)
                for name, values in (headers or Headers()).getAllRawHeaders()
                for value in values
                if name.lower() not in FRAMING_FIELDS
            ]
            if not any(name.lower() == b"host" for name, _ in fields):
                fields.insert(0, (b"Host", origin.partition(b"://")[2]))
            head = RequestHead(method=method, target=target, headers=fields)
            sending = _Sending(pool, head, bodyProducer, Limits())
        if holder is not None and holder.offers and not pool.may_tunnel(holder):
            return fail(TunnelsFull(f"{pool.origin}: as many tunnels are open as may be"))
        return self._send(sending)  # type: ignore[return-value]  # IResponse is provided

    def pinned_to(self, pins: Pins) -> str | None:
        """Return the origin of the server that a client's connection has a connection pinned to.

        Args:
            pins: The connections that are pinned to the client's.

        Returns:
            The server that was used last, among those that there are; None if there is none.
        """
        for pool in reversed(pins.idle):
            if self.pools.get(pool.origin.encode("ascii")) is pool:
                return pool.origin
        return None

    def drop_idle(self) -> None:
        """Close idle connections."""
        for pool in self.pools.values():
            pool.drop_idle()

    def take_back(self, holder: Holder) -> bool:
        """Cut what the client that holds most lets stall, for a request that finds no place.

        Returns:
            Whether there was something, and so there is a place.
        """
        slots = [pool.slots for pool in self.pools.values()]
        return take_back(slots, holder, self._deadlines.now(), self.unconnected)

    def close(self) -> None:
        """Close idle connections now, and each other one after its exchange."""
        for pool in self.pools.values():
            pool.close()

    def _send(self, sending: _Sending) -> Deferred[UpstreamResponse]:
        pins = sending.pins
        if pins is not None and pins.idle:
            pinned = sending.pool.take_pinned(pins, sending.holder)
            if pinned is not None:
                answered = sending.on(pinned)
                # Part of a handshake means nothing on another connection.
                return (
                    answered
                    if sending.binds
                    else answered.addErrback(self._resend, sending, pinned)
                )
        idle = sending.pool.take_idle(sending.holder)
        if idle is not None:
            return sending.on(idle).addErrback(self._resend, sending, idle)
        waiting: Deferred[Any] = sending.pool.take(sending.limits, sending.holder)
        return waiting.addCallback(self._send_on, sending)

    def _send_on(self, taken: Taken, sending: _Sending) -> Deferred[UpstreamResponse]:
        answered = sending.on(taken.connection)
        if not taken.fresh:
            answered.addErrback(self._resend, sending, taken.connection)
        return answered

    def _resend(
        self, failure: Failure, sending: _Sending, lost: UpstreamConnection
    ) -> Deferred[UpstreamResponse]:
        error = failure.value
        replayable = sending.body is None or getattr(sending.body, "replayable", False)
        if isinstance(error, ConnectionReset) and may_resend(
            error, sending.head.method, replayable=replayable
        ):
            connecting: Deferred[Any] = sending.pool.replace(lost, sending.limits, sending.holder)
            return connecting.addCallback(self._send_on, sending)
        return fail(failure)


@attrs.define(eq=False)
class _Sending:
    """A request on its way to one server."""

    pool: ServerPool
    head: RequestHead
    body: IBodyProducer | None
    limits: Limits
    inform: Inform | None = None
    pins: Pins | None = None
    binds: bool = False
    holder: Holder | None = None

    def on(self, connection: UpstreamConnection) -> Deferred[UpstreamResponse]:
        """Send it on a connection."""
        return connection.request(
            self.head, self.body, self.limits, self.inform, self.pins, self.binds
        )


def _split(uri: bytes) -> tuple[bytes, bytes]:
    """Return an absolute URI's origin and its target."""
    scheme, _, rest = uri.partition(b"://")
    authority, slash, target = rest.partition(b"/")
    return b"%b://%b" % (scheme, authority), slash + target or b"/"
