"""The IAgent under treq: it puts on the wire just the head that it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from corsgate.config.model.values import Limits, Server, Upstream
from corsgate.errors import ConnectFailed, PinnedConnectionLost, TunnelsFull
from corsgate.message.framing import FRAMING_FIELDS
from corsgate.message.head import RequestHead
from corsgate.shortcuts import ALL, Shortcuts
from corsgate.transport.deadlines import Deadlines
from corsgate.upstream.connection import UpstreamConnection
from corsgate.upstream.hosts import Hosts
from corsgate.upstream.pins import OwnPin, Pins
from corsgate.upstream.pool import ServerPool
from corsgate.upstream.revocation import Holder, take_back
from corsgate.upstream.sending import CarriedHead
from corsgate.upstream.tls import creators


@implementer(IAgent)
class UpstreamAgent:
    """Sends requests to the servers of one upstream, over a pool for each.

    Args:
        reactor: Connects and tells the time.
        deadlines: Ends what takes too long.
        upstream: Whose servers it may send to; it refuses any other address.
        shortcuts: Which ones are taken.
        hosts: Knows the names that come before DNS; by default the system's do.
        short: Called where the process lacks what a connection needs; it closes what it can.

    Attributes:
        pools: The connections to each server, by its origin.
        unconnected: The requests under way that ask for no connection before their bodies have
            come. The sender adds a request here while it waits, and takes it out again.

    Raises:
        BadValue: The upstream's certificates can't be used.
    """

    def __init__(
        self,
        reactor: Any,
        deadlines: Deadlines,
        upstream: Upstream,
        shortcuts: Shortcuts = ALL,
        hosts: Hosts | None = None,
        short: Callable[[], None] = lambda: None,
    ) -> None:
        self._reactor = reactor
        self._deadlines = deadlines
        self._upstream = upstream
        self._shortcuts = shortcuts
        self._hosts = hosts or Hosts()
        self.pools: Mapping[bytes, ServerPool] = {}
        self._short = short
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
                self._short,
                self._shortcuts,
                self._hosts,
                strict=self._upstream.strict_responses,
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
        pool, sending = self.pools.get(uri), headers
        if pool is None or not isinstance(sending, CarriedHead):
            origin, target = _split(uri)
            pool = self.pools.get(origin)
            if pool is None:
                shown = origin.decode("ascii", "replace")
                return fail(ConnectFailed(f"{shown}: it is no server of the upstream's"))
            if not isinstance(sending, CarriedHead):
                head = _plain_head(method, origin, target, headers or Headers())
                sending = CarriedHead(head, Limits())
        holder, pins = sending.holder, sending.pins
        if holder is not None and holder.offers and not pool.may_tunnel(holder):
            return fail(TunnelsFull(f"{pool.origin}: as many tunnels are open as may be"))
        sending.pool, sending.body = pool, bodyProducer
        result: Deferred[Any] = Deferred(sending.cancel)
        sending.result = result
        connection: UpstreamConnection | None = None
        if pins is not None and (pins.own or pins.idle):
            connection = pool.take_pinned(pins, holder)
            # Part of a handshake means nothing on another connection.
            sending.resends = connection is None or not sending.binds
            if connection is None and isinstance(pins, OwnPin):
                if pins.kept:
                    # It may also be idle in the pool of an agent before a reload.
                    pins.close()
                    pins.lose()
                    problem = f"{pool.origin}: it closed a kept connection"
                    return fail(PinnedConnectionLost(problem))
                sending.connect_alone()
                return result
        if connection is None:
            connection = pool.take_idle(holder, sending)
        if connection is None:
            sending.connect(pool.take(sending.limits, holder))
        else:
            sending.connection = connection
            connection.send(sending)
        return result

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

    def inherit(self, before: UpstreamAgent, servers: Iterable[Server]) -> None:
        """Go on with the connections of the agent before a reload, where that is safe.

        A connection may be bound to whoever has opened it, by its certificate or NTLM. So the
        connections are kept only where all that decides how one is made or authenticated is equal.

        Args:
            before: The agent of the same upstream in the configuration before.
            servers: The servers from now on.
        """
        bounds = self._upstream.pool
        if _connects(self._upstream) == _connects(before._upstream):
            kept = {
                origin: before.pools[origin]
                for origin, server in ((each.origin.encode("ascii"), each) for each in servers)
                if origin in before.pools and before.pools[origin].may_serve(server, bounds)
            }
            for pool in kept.values():
                pool.rebound(bounds)
            self.pools = {**self.pools, **kept}
        self.update(servers)

    def close(self, heir: UpstreamAgent | None = None) -> None:
        """Close idle connections now, and each other one after its exchange.

        Args:
            heir: An agent that goes on with some of the connections.
        """
        kept = set() if heir is None else set(heir.pools.values())
        for pool in self.pools.values():
            if pool not in kept:
                pool.close()


def _connects(upstream: Upstream) -> tuple[object, ...]:
    """Return what decides how connections of an upstream are made, authenticated and read."""
    return (
        upstream.credentials,
        upstream.credentials_by_origin,
        upstream.request_rules.request_headers,
        upstream.ca_pem,
        upstream.server_name,
        upstream.client_certificate,
        upstream.verify,
        upstream.tls,
        upstream.strict_responses,
    )


def _plain_head(method: bytes, origin: bytes, target: bytes, headers: Headers) -> RequestHead:
    """Return the head of a request whose fields are given the usual way."""
    # The framing is the connection's own: a second one beside it would be smuggling.
    fields = [
        (name, value)
        for name, values in headers.getAllRawHeaders()
        for value in values
        if name.lower() not in FRAMING_FIELDS
    ]
    if not any(name.lower() == b"host" for name, _ in fields):
        fields.insert(0, (b"Host", origin.partition(b"://")[2]))
    return RequestHead(method=method, target=target, headers=fields)


def _split(uri: bytes) -> tuple[bytes, bytes]:
    """Return an absolute URI's origin and its target."""
    scheme, _, rest = uri.partition(b"://")
    authority, slash, target = rest.partition(b"/")
    return b"%b://%b" % (scheme, authority), slash + target or b"/"
