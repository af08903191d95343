"""A request on its way to a server: its parts, its connection, and the result."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.iweb import IBodyProducer

from corsgate.balance.retry import may_repeat
from corsgate.config.model.values import Limits
from corsgate.errors import ConnectionReset, PinnedConnectionLost
from corsgate.message.head import RequestHead
from corsgate.upstream.pins import Pins
from corsgate.upstream.response import Inform, UpstreamResponse
from corsgate.upstream.revocation import Holder

if TYPE_CHECKING:
    from corsgate.upstream.connection import UpstreamConnection
    from corsgate.upstream.pool import ServerPool
    from corsgate.upstream.waiter import Taken

_NO_FIELDS: Mapping[bytes, list[bytes]] = MappingProxyType({})


class CarriedHead(Headers):
    """A whole request head in the shape of header fields, so that treq passes it on unchanged.

    treq copies the fields it gets, adds Accept-Encoding, and groups repeated fields. This class
    ignores added fields, and the agent sends `head`. From then on the object is the running
    request: the agent sets its server, and a connection reports how it ended.

    Attributes:
        head: The head to send.
        limits: Bounds on the times of this request.
        inform: Called with interim responses.
        pins: The connections that are pinned to the client's; None if none may be pinned.
        binds: Whether the request authenticates its connection.
        holder: The client's request for which it is sent, or None.
        ending: If `head.wire` is sent, the rest of the head after it.
        body: The body to send, or None.
        pool: The connections to its server.
        result: A Deferred of the response.
        connection: The connection on which it was sent; None before that.
        resends: Whether it may be sent once more if the server closed the connection meanwhile.
    """

    __slots__ = (
        "_connecting",
        "binds",
        "body",
        "connection",
        "ending",
        "head",
        "holder",
        "inform",
        "limits",
        "pins",
        "pool",
        "resends",
        "result",
    )

    # Shared instead of a dictionary for each, since it is always empty.
    _rawHeaders = _NO_FIELDS  # type: ignore[assignment]  # it is only read here

    body: IBodyProducer | None
    pool: ServerPool
    result: Deferred[UpstreamResponse]

    def __init__(
        self,
        head: RequestHead,
        limits: Limits,
        inform: Inform | None = None,
        pins: Pins | None = None,
        binds: bool = False,
        holder: Holder | None = None,
        ending: bytes = b"\r\n",
    ) -> None:
        self.head = head
        self.limits = limits
        self.inform = inform
        self.pins = pins
        self.binds = binds
        self.holder = holder
        self.ending = ending
        self.connection: UpstreamConnection | None = None
        self.resends = True
        self._connecting: Deferred[Any] | None = None

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent again even though a server may have acted on it."""
        body = self.body
        replayable = body is None or getattr(body, "replayable", False)
        return may_repeat(self.head.method, replayable=replayable)

    # Called by treq.

    def copy(self) -> CarriedHead:
        """Return itself, since nothing can be added to either copy."""
        return self

    def hasHeader(self, name: Any) -> bool:
        """Return True, so that no cookie jar is asked for a Cookie field."""
        return True

    def addRawHeader(self, name: Any, value: Any) -> None:
        """Ignore the field."""

    # Called by the agent and the connection, which passes a response to `result` directly.

    def connect(self, connecting: Deferred[Taken]) -> None:
        """Send the request on a connection once that is made or free."""
        self._connecting = connecting
        connecting.addCallback(self._connected).addErrback(self._not_connected)

    def connect_alone(self) -> None:
        """Send the request on a new connection, once that is made."""
        pool, limits, holder = self.pool, self.limits, self.holder
        idle = pool.take_idle(holder, self)
        if idle is None:
            self.connect(pool.take(limits, holder))
        else:
            self.connect(pool.replace(idle, limits, holder))
            idle.close()

    def cancel(self, _: Deferred[UpstreamResponse]) -> None:
        """Cut the connection, or stop waiting for one, because the response is not needed."""
        if self._connecting is not None:
            self._connecting.cancel()
        elif self.connection is not None:
            self.connection.cancel()

    def failed(self, failure: Failure) -> None:
        """Pass a failure on, or send the request once more.

        A server may close a kept connection just as a request is on its way to it.

        Args:
            failure: Why there is no response.
        """
        lost = self.connection
        if self.resends and lost is not None and failure.check(ConnectionReset):
            # The server may have closed an idle connection (RFC 9112 9.3.1), or may have acted on
            # the request and then failed: the two can't be distinguished.
            repeatable = self.repeatable
            self.pool.keep_alive.closed(lost, repeatable=repeatable)
            if repeatable:
                self.connection = None
                self.connect(self.pool.replace(lost, self.limits, self.holder))
                return
        self.result.errback(failure)

    # Internals.

    def _connected(self, taken: Taken) -> None:
        self._connecting = None
        pins, connection = self.pins, taken.connection
        if not taken.fresh and pins is not None and pins.adopts(connection):
            # It is already authenticated, so the request must be signed differently.
            pins.adopt(connection)
            self.pool.pin(connection)
            problem = "it must be signed again for an authenticated connection"
            self.result.errback(Failure(PinnedConnectionLost(problem)))
            return
        if not taken.fresh and not self._may_use(connection):
            # The request waited for this connection, so it may connect before other waiters.
            self.connect(self.pool.replace(taken.connection, self.limits, self.holder))
            taken.connection.close()
            return
        self.connection = taken.connection
        # On a fresh connection the server must have seen the request.
        self.resends = not taken.fresh
        taken.connection.send(self)

    def _may_use(self, connection: UpstreamConnection) -> bool:
        """Return whether a connection that carried other requests may carry this one."""
        is_shared = not connection.pinned and (self.pins is None or not self.pins.own)
        return is_shared and self.pool.keep_alive.may_use(connection, self)

    def _not_connected(self, failure: Failure) -> None:
        self._connecting = None
        self.result.errback(failure)
