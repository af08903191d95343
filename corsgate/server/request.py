"""The IRequest that streams: it is rendered as soon as its head is complete."""

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

_REVOKED = "the client let it stall while others waited for a connection"
_PROTOCOLS = {"1.0": b"HTTP/1.0", "2": b"HTTP/2"}


class GateRequest(server.Request):
    """A request whose body is a stream, and whose response head is written as it is given.

    Any other resource of the tree has twisted.web's Request API, except for `content` and `args`,
    as the body is a stream, pull producers, and encoders.

    Attributes:
        head: What the client asked, its target brought into origin-form.
        index: The head's fields by lower-cased name.
        body: The body, or None where the request has none.
        authority: The Host value that counts (RFC 9112 3.2.2), empty where there is none.
        refusal: Why it must not be served, or None.
        log: What the access log is to say of it.
        client_key: What its client is counted by where clients share something, once the gate
            knows it; None for a client that is not counted.
        arrived_s: The reactor's time at which the head was complete.
        persistent: Whether the connection may serve another request behind this one.
        offers: The protocols that the client offers to switch to.
        trailers: The fields to send behind the response's body, where its framing has a place for
            them.
        memo: What has been worked out of its fields and connection; see `ParsedRequest`.
        on_lost: Called if the client leaves before the response has ended.
    """

    clientproto = b"HTTP/1.1"
    defaultContentType = None
    _parsePOSTFormSubmission = False
    queued = False
    channel: RequestChannel  # type: ignore[assignment]  # it stands where HTTPChannel does

    client_key: str | None = None
    on_lost: Callable[[], None] | None = None
    trailers: Sequence[Header] = ()
    notifications: Any = ()
    _bodiless = False
    _logged = False

    def __init__(
        self, channel: RequestChannel, read: ParsedRequest, body: RequestBody | None
    ) -> None:
        # Not Request's own, which makes two Headers, two collections for cookies and a cache of
        # adapters for every request. Here they are made for the few that look at them.
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

    # What Request's own initializer sets, made where something looks at it.

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
        """The fields as twisted.web has them."""
        headers = Headers()
        for name, value in self.head.headers:
            headers.addRawHeader(name, value)
        return headers

    @cached_property
    def responseHeaders(self) -> Headers:  # type: ignore[override]  # an attribute there
        """The fields that twisted.web's own API sets."""
        return Headers()

    @cached_property
    def received_cookies(self) -> dict[bytes, bytes]:  # type: ignore[override]  # an attribute there
        """The client's cookies by name."""
        found = self.received_cookies = {}
        self.parseCookies()
        return found

    @cached_property
    def cookies(self) -> list[bytes]:  # type: ignore[override]  # an attribute there
        """The cookies that twisted.web's own API sets."""
        return []

    @cached_property
    def _adapterCache(self) -> dict[str, Any]:  # type: ignore[override]  # an attribute there
        """What adapters of twisted.python.components are kept in, such as a session's."""
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
            # The response may have ended before, and with it `channel`.
            context = self._connection.context
            self.site = context.site
            if self.startedWriting:
                # An error page behind a response that has begun would pass for a part of it.
                more = context.log_throttle.due(place_of(Failure()), self.arrived_s)
                if more is not None:
                    self._log.failure("a response broke off{more}", more=more)
                self.abort()
            else:
                self.processingFailed(Failure())

    def find_anew(self) -> None:
        """Find the resource again, since the remembered one is no longer used, and render it."""
        self._read.resource = None
        self._find_and_render()

    def renew_memo(self) -> None:
        """Forget what was derived from the same fields before; requests in flight keep it."""
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
        """Write a response's head as it is; framing fields are added here.

        Args:
            head: The response's head without framing fields.
            length: The body's length in bytes; None where only its end shows it.
        """
        self.startedWriting = 1
        self.code = status = head.status
        self.code_message = head.reason
        self._bodiless = status in BODILESS_STATUSES or self.head.method == b"HEAD"
        self.chunked = self.channel.write_head(head, length, bodiless=self._bodiless)

    def respond(self, head: ResponseHead, body: bytes, *, announced: bool = True) -> None:
        """Write a whole response, and end it.

        Args:
            head: The response's head without framing fields.
            body: All of its body.
            announced: Whether the length is sent with the head; otherwise the body comes in one
                chunk, with the trailers behind it.
        """
        assert not self.startedWriting, "a response has begun"
        self.startedWriting = 1
        self.code = status = head.status
        self.code_message = head.reason
        bodiless = status in BODILESS_STATUSES or self.head.method == b"HEAD"
        length = len(body)
        if not bodiless:
            self.sentLength = length
        channel = self.channel
        channel.write_whole(head, length if announced else None, body, bodiless=bodiless)
        if not self._disconnected:
            self._end()

    def inform(self, head: ResponseHead) -> None:
        """Write an interim response; 100 only to a client that waits for it."""
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
            # What twisted.web does, or says to that.
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
        """See to it that a head whose body is not there yet leaves without it."""
        if not self.gone:
            self.channel.flush()

    def finish(self) -> None:
        """End the response; its line goes to the access log."""
        if self._disconnected or self.finished or not self.startedWriting or self.producer:
            # What twisted.web says to that.
            self._log_once()
            super().finish()
            return
        if self.chunked:
            self.channel.write(b"0\r\n%b\r\n" % field_lines([*self.trailers]))
        else:
            self.channel.flush()
        self._end()

    def _end(self) -> None:
        """End a response of which all has been written."""
        channel = self.channel
        if not self._logged:
            self._logged = True
            channel.context.record(self)
        # It knows who answers this, who knows this: a cycle would be left to the collector.
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
        """Return for how many seconds the client has let the exchange stall, 0 if it hasn't."""
        return 0.0 if self.gone else self.channel.stalled_s(now)

    def revoke(self) -> None:
        """End the exchange, which its client lets stall, with 408 where it may still hear that."""
        self.log.count_revoked()
        if (body := self.body) is not None and body.has_receiver and not self.startedWriting:
            body.fail(Failure(ExchangeRevoked(_REVOKED)))
        elif not self.gone:
            self.channel.cut(_REVOKED)

    def abort(self) -> None:
        """Cut the client's connection, so that a response cut short can't look whole."""
        if not self.gone:
            self.channel.abortConnection()

    def connectionLost(self, reason: Failure) -> None:
        """End what waits for the request: the client is gone."""
        self.log.conclude("the client closed the connection")
        self._log_once()
        # First those who wait for the response: it must not look to them as if the body alone
        # had failed, with the client still there to get an error.
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
