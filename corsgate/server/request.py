"""A streaming IRequest, which is rendered as soon as its head is complete."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress
from twisted.python.failure import Failure
from twisted.web import server
from twisted.web.http_headers import Headers

from corsgate.errors import ExchangeRevoked, TargetError
from corsgate.message.head import ResponseHead, field_lines
from corsgate.message.headers import Header
from corsgate.message.target import segments, sound_segments
from corsgate.server.fields_memo import FieldsMemo
from corsgate.server.parsed_request import ParsedRequest, malformed
from corsgate.server.request_body import RequestBody
from corsgate.server.request_channel import RequestChannel
from corsgate.server.request_log import RequestLog
from corsgate.transport.log_throttle import place_of
from corsgate.transport.tunnel import TunnelEnd

BODILESS_STATUSES = frozenset((204, 304))
CONTINUE = ResponseHead(status=100, reason=b"Continue", headers=[])

_REVOKED = "the client stalled it while others waited for a connection"
_PROTOCOLS = {"1.0": b"HTTP/1.0", "2": b"HTTP/2"}


class GateRequest(server.Request):
    """A request whose body is a stream, and whose response head is written unchanged.

    Resources can use twisted.web's Request API, except for `content` and `args` (since the body is
    a stream), pull producers and encoders.

    Attributes:
        head: The request head, with its target in origin-form.
        index: The head's fields by lower-cased name.
        body: The body; None if the request has none.
        authority: The effective Host value (RFC 9112 3.2.2); empty if there is none.
        refusal: Why it must not be served, or None.
        log: The data of its access log line.
        client_key: The key by which its client is counted, once it is known; None for a client
            that is not counted.
        arrived_s: The reactor's time at which the head was complete.
        persistent: Whether the connection may serve another request after this one.
        offers: The protocols that the client offers to switch to.
        trailers: The fields to send after the response's body, if its framing allows any.
        memo: Values derived from its fields and connection; see `ParsedRequest`.
        on_lost: Called if the client leaves before the response has ended.
    """

    clientproto = b"HTTP/1.1"
    defaultContentType = None
    _parsePOSTFormSubmission = False
    queued = False
    channel: RequestChannel  # type: ignore[assignment]  # in place of HTTPChannel

    client_key: str | None = None
    on_lost: Callable[[], None] | None = None
    trailers: Sequence[Header] = ()
    notifications: Any = ()
    _bodiless = False
    _logged = False

    def __init__(
        self, channel: RequestChannel, read: ParsedRequest, body: RequestBody | None
    ) -> None:
        # Request's own initializer is not called. It creates two Headers, two collections for
        # cookies and a cache of adapters. Here they are created only when needed.
        self.channel = channel
        self._connection = channel
        self._read = read
        self.head = head = read.head
        self.index = read.index
        self.memo = read.memo
        self.authority = read.authority
        self.refusal = read.refusal
        self.persistent = read.keep_alive
        self.offers = read.offers
        self.body = body
        self.method = head.method
        self.uri = head.target
        self.log = RequestLog()
        self.arrived_s = channel.context.now()
        version = read.version
        if version != "1.1":
            self.clientproto = _PROTOCOLS.get(version, b"HTTP/1.1")
        if body is not None and b"expect" in self.index and version != "1.0":
            expectations = self.index[b"expect"]
            if [value.lower() for value in expectations] == [b"100-continue"]:
                body.expect_continue(self._continue)

    # The attributes that Request's own initializer sets, created when they are needed.

    @property
    def transport(self) -> Any:  # type: ignore[override]  # an attribute there
        """The client connection's transport."""
        return self._connection.transport

    @property
    def client(self) -> IAddress:
        """The client's address."""
        return self._connection.getPeer()

    @property
    def host(self) -> IAddress:
        """The gate's own address."""
        return self._connection.getHost()

    @cached_property
    def path(self) -> bytes:  # type: ignore[override]  # an attribute there
        """The target's path."""
        return self.uri.partition(b"?")[0]

    def notifyFinish(self) -> Deferred[None]:
        """Return a Deferred that fires when the response has ended, or fails before that."""
        if not self.notifications:
            self.notifications = []
        return super().notifyFinish()

    @cached_property
    def requestHeaders(self) -> Headers:  # type: ignore[override]  # an attribute there
        """The request's fields in twisted.web's form."""
        headers = Headers()
        for name, value in self.head.headers:
            headers.addRawHeader(name, value)
        return headers

    @cached_property
    def responseHeaders(self) -> Headers:  # type: ignore[override]  # an attribute there
        """The response fields set through twisted.web's own API."""
        return Headers()

    @cached_property
    def received_cookies(self) -> dict[bytes, bytes]:  # type: ignore[override]  # an attribute there
        """The client's cookies by name."""
        found = self.received_cookies = {}
        self.parseCookies()
        return found

    @cached_property
    def cookies(self) -> list[bytes]:  # type: ignore[override]  # an attribute there
        """The cookies set through twisted.web's own API."""
        return []

    @cached_property
    def _adapterCache(self) -> dict[str, Any]:  # type: ignore[override]  # an attribute there
        """The cache of twisted.python.components adapters, such as the session's."""
        return {}

    def _continue(self) -> None:
        if not self.startedWriting:
            self.channel.write_interim(CONTINUE)

    def process(self) -> None:
        """Find the resource and render it."""
        try:
            resource = self._read.resource
            if resource is not None:
                resource.render(self)
            else:
                self._find_and_render()
        except BaseException:
            # The response may already have ended, so that `channel` is gone.
            context = self._connection.context
            self.site = context.site
            if self.startedWriting:
                # An error page after the start of a response would look like a part of it.
                more = context.log_throttle.due(place_of(Failure()), self.arrived_s)
                if more is not None:
                    self._log.failure("a response broke off{more}", more=more)
                self.abort()
            else:
                self.processingFailed(Failure())

    def find_anew(self) -> None:
        """Find the resource again, because the remembered one is outdated, and render it."""
        self._read.resource = None
        self._find_and_render()

    def renew_memo(self) -> None:
        """Start with an empty memo. Requests in flight keep the old one."""
        self.memo = self._read.memo = FieldsMemo()

    def _find_and_render(self) -> None:
        self.site = self.channel.context.site
        self.prepath = []
        self.postpath = []
        try:
            if self.refusal is None or self.refusal.routable:
                self.postpath = segments(self.head.target)
        except TargetError as error:
            self.refusal = malformed(error, routable=True)
            self.postpath = sound_segments(self.head.target)
        resource = self.site.getResourceFor(self)
        if self.refusal is None and getattr(resource, "by_head", False):
            self._read.resource = resource
            resource.render(self)
        else:
            self.render(resource)

    def begin(self, head: ResponseHead, length: int | None) -> None:
        """Write a response's head unchanged, except that framing fields are added.

        Args:
            head: The response's head without framing fields.
            length: The body's length in bytes; None if it is unknown until the body ends.
        """
        self.startedWriting = 1
        self.code = status = head.status
        self.code_message = head.reason
        self._bodiless = status in BODILESS_STATUSES or self.head.method == b"HEAD"
        self.chunked = self.channel.write_head(head, length, bodiless=self._bodiless)

    def respond(self, head: ResponseHead, body: bytes, *, announced: bool = True) -> None:
        """Write a complete response, and end it.

        Args:
            head: The response's head without framing fields.
            body: The complete body.
            announced: Whether the length is sent with the head; otherwise the body is sent as one
                chunk, followed by the trailers.
        """
        assert not self.startedWriting, "a response has already begun"
        self.startedWriting = 1
        self.code = status = head.status
        self.code_message = head.reason
        bodiless = status in BODILESS_STATUSES or self.head.method == b"HEAD"
        length = len(body)
        if not bodiless:
            self.sentLength = length
        self.channel.write_whole(head, length if announced else None, body, bodiless=bodiless)
        if not self._disconnected:
            self._end()

    def inform(self, head: ResponseHead) -> None:
        """Write an interim response; 100 (Continue) only if the client waits for it."""
        if self.gone or self.startedWriting or self.clientproto == b"HTTP/1.0":
            return
        if head.status != 100:
            self.channel.write_interim(head)
        elif self.body is not None:
            self.body.ask()

    def switch(self, head: ResponseHead) -> TunnelEnd:
        """Write a 101; return the client's connection as one side of a tunnel."""
        end = self.channel.switch(head)
        self.startedWriting = 1
        self.code = head.status
        self.code_message = head.reason
        return end

    def write(self, data: bytes) -> None:
        """Write a piece of the response's body."""
        if not self.startedWriting or self.finished:
            # Let twisted.web write it, or report the misuse.
            super().write(data)
            return
        if self._disconnected or self._bodiless or not data:
            return
        size = len(data)
        self.sentLength += size
        if self.chunked:
            data = b"%x\r\n%b\r\n" % (size, data)
        self.channel.write(data)

    def flush(self) -> None:
        """Send a pending head whose body has not started yet."""
        if not self.gone:
            self.channel.flush()

    def finish(self) -> None:
        """End the response, and write its access log line."""
        if self._disconnected or self.finished or not self.startedWriting or self.producer:
            # Let twisted.web report the misuse.
            self._log_once()
            super().finish()
            return
        if self.chunked:
            self.channel.write(b"0\r\n%b\r\n" % field_lines([*self.trailers]))
        else:
            self.channel.flush()
        self._end()

    def _end(self) -> None:
        """End a response that has been written completely."""
        channel = self.channel
        if not self._logged:
            self._logged = True
            channel.context.record(self)
        # It refers to the exchange, which refers to this. Break the cycle, or it waits for the GC.
        self.on_lost = None
        self.finished = 1
        channel.requestDone(self)
        del self.channel
        if self.notifications:
            notifications, self.notifications = self.notifications, ()
            for deferred in notifications:
                deferred.callback(None)

    @property
    def gone(self) -> bool:
        """Whether the client has left or the response has ended."""
        return bool(self._disconnected or self.finished)

    def stalled_s(self, now: float) -> float:
        """Return for how many seconds the client has stalled the exchange; 0 if it hasn't."""
        return 0.0 if self.gone else self.channel.stalled_s(now)

    def revoke(self) -> None:
        """End the exchange, which its client stalls, with 408 if it can still receive that."""
        self.log.count_revoked()
        if (body := self.body) is not None and body.has_receiver and not self.startedWriting:
            body.fail(Failure(ExchangeRevoked(_REVOKED)))
        elif not self.gone:
            self.channel.cut(_REVOKED)

    def abort(self) -> None:
        """Cut the client's connection, so that a truncated response can't look complete."""
        if not self.gone:
            self.channel.abortConnection()

    def connectionLost(self, reason: Failure) -> None:
        """End everything that waits for the request, since the client is gone."""
        self.log.conclude("the client closed the connection")
        self._log_once()
        # First notify those who wait for the response. Otherwise it would seem to them that only
        # the body failed, and that the client could still get an error page.
        super().connectionLost(reason)
        on_lost, self.on_lost = self.on_lost, None
        if on_lost is not None:
            on_lost()
        if self.body is not None and not self.body.complete:
            self.body.fail(Failure(ConnectionDone("the client is gone")))

    def _log_once(self) -> None:
        if not self._logged:
            self._logged = True
            self._connection.context.record(self)
