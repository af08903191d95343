"""The IAgent under treq; it sends exactly the head that it gets."""

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
        reactor: Connects and has the clock.
        deadlines: Calls back when a deadline passes.
        upstream: The upstream; requests to other addresses are rejected.
        shortcuts: Which shortcuts to take.
        hosts: Resolves names before DNS does; None for the system's hosts file.
        short: Called when the process has no descriptor left; it closes what it can spare.

    Attributes:
        pools: The connections to each server, by its origin.
        unconnected: The running requests that need no connection until their bodies have arrived.
            The sender adds a request here while it waits, and removes it afterwards.

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
        """Replace the servers; those that stay keep their connections.

        A server whose DNS name has changed gets new connections, because the existing ones were
        verified for the old name.

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
            method: Its method; ignored for a `CarriedHead`, which has its own.
            uri: A server's origin, optionally followed by a target.
            headers: A `CarriedHead`, or the fields to send, unchanged.
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
                return fail(ConnectFailed(f"{shown}: it is not a server of the upstream"))
            if not isinstance(sending, CarriedHead):
                head = _plain_head(method, origin, target, headers or Headers())
                sending = CarriedHead(head, Limits())
        holder, pins = sending.holder, sending.pins
        if holder is not None and holder.offers and not pool.may_tunnel(holder):
            return fail(TunnelsFull(f"{pool.origin}: the maximum number of tunnels is open"))
        sending.pool, sending.body = pool, bodyProducer
        result: Deferred[Any] = Deferred(sending.cancel)
        sending.result = result
        connection: UpstreamConnection | None = None
        if pins is not None and (pins.own or pins.idle):
            connection = pool.take_pinned(pins, holder)
            # A message of a handshake is meaningless on another connection.
            sending.resends = connection is None or not sending.binds
            if connection is None and isinstance(pins, OwnPin):
                if pins.kept:
                    # It may also be idle, but in the pool of the agent before a reload.
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
            The one of the current servers that was used last; None if there is none.
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
        """Cut a stalled exchange of the client that holds most, to make room for a request.

        Returns:
            Whether one was cut, so that there is room.
        """
        slots = [pool.slots for pool in self.pools.values()]
        return take_back(slots, holder, self._deadlines.now(), self.unconnected)

    def inherit(self, before: UpstreamAgent, servers: Iterable[Server]) -> None:
        """Take over the connections of the agent before a reload, if that is safe.

        A connection may be bound to the user that opened it, by a client certificate or NTLM. So
        connections are kept only if all settings by which they are made or authenticated are equal.

        Args:
            before: The agent of the same upstream in the old configuration.
            servers: The new servers.
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
        """Close idle connections now, and the others after their exchanges.

        Args:
            heir: An agent that has taken over some of the connections.
        """
        kept = set() if heir is None else set(heir.pools.values())
        for pool in self.pools.values():
            if pool not in kept:
                pool.close()


def _connects(upstream: Upstream) -> tuple[object, ...]:
    """Return the settings by which an upstream's connections are made, authenticated and read."""
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
    """Return the head of a request whose fields are twisted.web's Headers."""
    # The connection adds the framing fields. A second set would allow request smuggling.
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
