"""The IRequest that streams: it is rendered as soon as its head is complete."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import attrs
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.web import server
from twisted.web.http_headers import Headers

from corsgate.errors import BodyTooLarge, TargetError
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.headers import HeaderIndex, index_headers
from corsgate.message.target import segments

if TYPE_CHECKING:
    from corsgate.wire.channel import GateChannel

BODILESS_STATUSES = frozenset((204, 304))


@attrs.frozen(kw_only=True)
class Refusal:
    """Why a request is answered without being looked at further.

    Attributes:
        status: 400, 414, 417, 431, 501 or 505.
        detail: One sentence for the client.
        routable: Whether the head is sound enough to find the route by, so that its CORS
            headers let the page read the answer.
    """

    status: int
    detail: str
    routable: bool = False


class BodyReceiver(Protocol):
    """What a client's body is handed to, piece by piece."""

    def body_data(self, data: bytes) -> None:
        """Take the next piece, never an empty one."""

    def body_ended(self) -> None:
        """The body is complete; nothing more is called."""

    def body_failed(self, reason: Failure) -> None:
        """The body will never be complete; nothing more is called."""


class RequestBody:
    """A client's body on its way in: bounded, and read only as fast as it is taken.

    Pieces that arrive before there is a receiver are kept; past `max_buffered_bytes` the
    channel stops reading. One read of the transport may overshoot that bound.

    Attributes:
        length: Its length in bytes, or None where it is chunked.
        complete: Whether its end has arrived.
        limit: The most bytes it may have, or None; past it the receiver gets `BodyTooLarge`.
    """

    def __init__(
        self, length: int | None, max_buffered_bytes: int, update: Callable[[], None]
    ) -> None:
        self.length = length
        self.complete = False
        self.limit: int | None = None
        self._max_buffered_bytes = max_buffered_bytes
        self._update = update
        self._pieces: list[bytes] = []
        self._buffered = 0
        self._received = 0
        self._receiver: BodyReceiver | None = None
        self._paused = False
        self._discarding = False
        self._failure: Failure | None = None
        self._send_continue: Callable[[], None] | None = None

    @property
    def started(self) -> bool:
        """Whether a receiver has had a chance to take a part of it."""
        return self._receiver is not None or self._discarding

    @property
    def wants_data(self) -> bool:
        """Whether the channel should read on for this body."""
        if self._discarding or self.complete:
            return True
        if self._receiver is None:
            return self._buffered < self._max_buffered_bytes
        return not self._paused

    @property
    def awaits_continue(self) -> bool:
        """Whether the client holds it back until it is asked for (RFC 9110 10.1.1)."""
        return self._send_continue is not None and not self.complete and not self._received

    def expect_continue(self, send_continue: Callable[[], None]) -> None:
        """Call `send_continue` when a receiver first asks for the body."""
        self._send_continue = send_continue

    def start(self, receiver: BodyReceiver) -> None:
        """Hand what has arrived, and all that follows, to `receiver`; once only."""
        assert self._receiver is None, "a body has one receiver"
        if self._failure is not None:
            receiver.body_failed(self._failure)
            return
        self._receiver = receiver
        if self.awaits_continue and self._send_continue is not None:
            self._send_continue()
        self._send_continue = None
        self._flush()
        self._update()

    def pause(self) -> None:
        """Stop handing pieces on; the channel stops reading."""
        self._paused = True
        self._update()

    def resume(self) -> None:
        """Hand pieces on again."""
        self._paused = False
        self._flush()
        self._update()

    def discard(self) -> None:
        """Throw away what is left of it as it comes; the receiver hears no more."""
        self._discarding = True
        self._receiver = None
        self._pieces.clear()
        self._buffered = 0
        self._update()

    def data_received(self, data: bytes) -> None:
        """Take a piece from the channel."""
        self._received += len(data)
        if self._discarding:
            return
        if self.limit is not None and self._received > self.limit:
            self.fail(Failure(BodyTooLarge()))
            return
        if self._receiver is not None and not self._paused and not self._pieces:
            self._receiver.body_data(data)
            return
        self._pieces.append(data)
        self._buffered += len(data)

    def ended(self) -> None:
        """Take the end from the channel."""
        self.complete = True
        self._flush()

    def fail(self, reason: Failure) -> None:
        """Tell the receiver, now or when it comes, that the body will never be complete."""
        if self._failure is not None or self._discarding:
            return
        self._failure = reason
        receiver = self._receiver
        self.discard()
        if receiver is not None:
            receiver.body_failed(reason)

    def _flush(self) -> None:
        receiver = self._receiver
        if receiver is None or self._paused:
            return
        if self._pieces:
            data = b"".join(self._pieces)
            self._pieces.clear()
            self._buffered = 0
            receiver.body_data(data)
        # The receiver may have paused or discarded the body while it took the piece.
        if self.complete and not self._paused and self._receiver is receiver:
            self._receiver = None
            self._discarding = True
            receiver.body_ended()


class GateRequest(server.Request):
    """A request whose body is a stream, and whose response head is written as it is given.

    It keeps the whole of twisted.web's Request API for any other resource of the tree.

    Attributes:
        head: What the client asked, its target brought into origin-form.
        index: The head's fields by lower-cased name.
        body: The body, or None where the request has none.
        authority: The Host value that counts (RFC 9112 3.2.2), empty where there is none.
        refusal: Why it must not be served, or None.
        notes: What the access log is to say of it, by name.
        arrived_s: The reactor's time at which the head was complete.
        persistent: Whether the connection may serve another request behind this one.
    """

    defaultContentType = None
    channel: GateChannel  # type: ignore[assignment]  # it stands where HTTPChannel does

    def __init__(
        self,
        channel: GateChannel,
        head: RequestHead,
        refusal: Refusal | None = None,
    ) -> None:
        super().__init__(channel, parsePOSTFormSubmission=False)
        self.head = head
        self.index: HeaderIndex = index_headers(head.headers)
        self.body: RequestBody | None = None
        self.authority = b""
        self.refusal = refusal
        self.notes: dict[str, Any] = {}
        self.arrived_s = channel.site.sweeper.now()
        self.persistent = True
        self.method = head.method
        self.uri = head.target
        self.path = head.target.partition(b"?")[0]
        self.clientproto = b"HTTP/1.1"
        self._bodiless = head.method == b"HEAD"
        self._logged = False
        self._request_headers: Headers | None = None

    @property
    def requestHeaders(self) -> Headers:
        """The fields as twisted.web has them; made when first asked for."""
        if self._request_headers is None:
            self._request_headers = Headers()
            for name, value in self.head.headers:
                self._request_headers.addRawHeader(name, value)
        return self._request_headers

    @requestHeaders.setter
    def requestHeaders(self, value: Headers) -> None:
        # Request.__init__ assigns an empty one, before there is a head to fill it from.
        self._request_headers = None

    def take_target(self, target: bytes, authority: bytes) -> None:
        """Set the target in origin-form and the host that counts."""
        if target is not self.uri:
            self.head = attrs.evolve(self.head, target=target)
            self.uri = target
            self.path = target.partition(b"?")[0]
        self.authority = authority

    def take_body(self, body: RequestBody) -> None:
        """Set the body that follows the head."""
        self.body = body
        expectations = self.index.get(b"expect", ())
        asked = [value.lower() for value in expectations] == [b"100-continue"]
        if asked and self.clientproto == b"HTTP/1.1":
            body.expect_continue(self._continue)

    def _continue(self) -> None:
        if not self.startedWriting:
            self.channel.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def process(self) -> None:
        """Find the resource and render it."""
        self.site = self.channel.site
        self.prepath = []
        self.postpath = []
        try:
            if self.refusal is None or self.refusal.routable:
                self.postpath = segments(self.head.target)
        except TargetError as error:
            self.refusal = Refusal(status=400, detail=f"{error}.")
        try:
            self.render(self.site.getResourceFor(self))
        except BaseException:
            self.processingFailed(Failure())

    def begin(self, head: ResponseHead, length: int | None) -> None:
        """Write a response's head as it is; framing fields are added here.

        Args:
            head: The response's head without framing fields.
            length: The body's length in bytes; None where only its end will tell.
        """
        self.startedWriting = 1
        self.code = head.status
        self.code_message = head.reason
        if head.status in BODILESS_STATUSES:
            self._bodiless = True
        self.chunked = self.channel.write_head(head, length, bodiless=self._bodiless)

    def write(self, data: bytes) -> None:
        """Write a piece of the response's body."""
        if not self.startedWriting:
            super().write(data)
            return
        if self._disconnected or self._bodiless or not data:
            return
        size = len(data)
        self.sentLength += size
        if self.chunked:
            data = b"%x\r\n%b\r\n" % (size, data)
        self.channel.write(data)

    def finish(self) -> None:
        """End the response; its line goes to the access log."""
        if not self.startedWriting:
            self.write(b"")
        self._log_once()
        super().finish()

    @property
    def gone(self) -> bool:
        """Whether the client has left or the response has ended."""
        return bool(self._disconnected or self.finished)

    def abort(self) -> None:
        """Cut the client's connection, so that a response cut short can't look whole."""
        if not self.gone:
            self.channel.abortConnection()

    def connectionLost(self, reason: Failure) -> None:
        """Tell whoever waits that the client is gone."""
        self.notes.setdefault("outcome", "the client closed the connection")
        self._log_once()
        if self.body is not None and not self.body.complete:
            self.body.fail(Failure(ConnectionDone("the client is gone")))
        super().connectionLost(reason)

    def _log_once(self) -> None:
        if not self._logged:
            self._logged = True
            self.channel.site.record(self)
