"""The IAgent under treq: it puts on the wire just the head that it is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from corsgate.balance.retry import may_resend
from corsgate.config.model import Limits, Server, Upstream
from corsgate.errors import ConnectionReset
from corsgate.message.framing import FRAMING_FIELDS
from corsgate.message.head import RequestHead
from corsgate.wire.connection import UpstreamConnection
from corsgate.wire.pool import ServerPool
from corsgate.wire.response import UpstreamResponse
from corsgate.wire.sweeper import Sweeper
from corsgate.wire.tls import VerifyingCreator, trust_from_pem


class CarriedHead(Headers):
    """Header fields that carry a whole request head past treq unchanged.

    treq copies the fields it is given, adds Accept-Encoding of its own, and sorts repeated
    ones together. What is added to this is ignored, and the agent sends `head`.

    Attributes:
        head: The head to send.
        limits: Bounds on the times of this request.
    """

    __slots__ = ("head", "limits")

    def __init__(self, head: RequestHead, limits: Limits) -> None:
        super().__init__()
        self.head = head
        self.limits = limits

    def copy(self) -> CarriedHead:
        """Answer itself: nothing can be added, so there is nothing to keep apart."""
        return self

    def hasHeader(self, name: Any) -> bool:
        """Answer True, so that no cookie jar is asked for a Cookie field."""
        return True

    def addRawHeader(self, name: Any, value: Any) -> None:
        """Ignore it."""


@implementer(IAgent)
class UpstreamAgent:
    """Sends requests to the servers of one upstream, over a pool for each.

    Args:
        reactor: Connects and tells the time.
        sweeper: Ends what takes too long.
        upstream: Whose servers it may send to; it refuses any other address.

    Raises:
        BadValue: The upstream's `ca_pem` holds no certificate that can be read.
    """

    def __init__(self, reactor: Any, sweeper: Sweeper, upstream: Upstream) -> None:
        trust = None if upstream.ca_pem is None else trust_from_pem(upstream.ca_pem)

        def tls(server: Server) -> IOpenSSLClientConnectionCreator | None:
            return VerifyingCreator(server.host, trust) if server.scheme == "https" else None

        self._pools: Mapping[bytes, ServerPool] = {
            server.origin.encode("ascii"): ServerPool(reactor, sweeper, server, tls(server))
            for server in upstream.servers
        }

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
        origin, target = _split(uri)
        pool = self._pools[origin]
        if isinstance(headers, CarriedHead):
            head, limits = headers.head, headers.limits
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
            head, limits = RequestHead(method=method, target=target, headers=fields), Limits()
        return self._send(pool, head, bodyProducer, limits)  # type: ignore[return-value]  # IResponse is provided

    def close(self) -> None:
        """Close idle connections now, and each other one after its exchange."""
        for pool in self._pools.values():
            pool.close()

    def _send(
        self, pool: ServerPool, head: RequestHead, body: IBodyProducer | None, limits: Limits
    ) -> Deferred[UpstreamResponse]:
        def fresh() -> Deferred[UpstreamResponse]:
            connecting: Deferred[Any] = pool.connect(limits)
            return connecting.addCallback(send)

        def send(connection: UpstreamConnection) -> Deferred[UpstreamResponse]:
            return connection.request(head, body, limits)

        def failed(failure: Failure) -> Deferred[UpstreamResponse]:
            error = failure.value
            replayable = body is None or getattr(body, "replayable", False)
            if isinstance(error, ConnectionReset) and may_resend(
                error, head.method, replayable=replayable
            ):
                return fresh()
            return fail(failure)

        idle = pool.take_idle()
        return fresh() if idle is None else send(idle).addErrback(failed)


def _split(uri: bytes) -> tuple[bytes, bytes]:
    """Answer an absolute URI's origin and its target."""
    scheme, _, rest = uri.partition(b"://")
    authority, slash, target = rest.partition(b"/")
    return b"%b://%b" % (scheme, authority), slash + target or b"/"
