"""One HTTP/2 stream, which has the same role as a whole connection in HTTP/1.1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers

from corsgate.errors import BodyTimedOut
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.headers import HeaderList
from corsgate.server.http2.fields import field_block, framed_block, response_block
from corsgate.server.http2.frames import Code
from corsgate.server.http2.receive_queue import ReceiveQueue
from corsgate.server.http2.receive_window import ReceiveWindow
from corsgate.server.http2.send_queue import Block, SendQueue
from corsgate.server.http2.stream_channel import StreamChannel
from corsgate.server.http2.timeouts import StreamTimeouts
from corsgate.server.memory_budget import Tally
from corsgate.server.parsed_request import ParsedRequest
from corsgate.server.request import GateRequest
from corsgate.server.request_body import RequestBody
from corsgate.transport.deadlines import NEVER

if TYPE_CHECKING:
    from corsgate.server.http2.connection import Http2Connection


EARLY_RESPONSE_S = 1.0
"""For how many seconds a client may continue to send a request that already has its response.

RFC 9113 8.1 allows a server to send RST_STREAM right after such a response. But a client that reads
both at once drops the response: curl 7.88 reports nothing of it.
"""

MAX_EARLY_RESPONSES = 10
"""How many streams of a connection may have that time at once. Others are reset immediately."""


class Http2Stream(StreamChannel):
    """A request and its response, each no faster than the other side reads it.

    Args:
        connection: The connection of the stream.
        number: The stream identifier.
        ended: Whether the client has ended its side of the stream.

    Attributes:
        deadline_s: The time in seconds at which the client has been too slow.
    """

    def __init__(self, connection: Http2Connection, number: int, *, ended: bool) -> None:
        self.site = self.factory = connection.context.site
        self.context = context = connection.context
        self.number = number
        self.deadline_s = NEVER
        self._connection = connection
        self._codec = connection.codec
        self._limits = context.limits
        self._request: GateRequest | None = None
        self._producer: Any = None
        self._producer_paused = False
        self._receive_queue = ReceiveQueue(ended=ended)
        self._send_queue = SendQueue()
        # `_timed` is whether it has a deadline; most streams never wait for their client.
        self._gone = self._timed = False
        self._reset_by = NEVER
        # Created when there is something to wait for.
        self._timeouts: StreamTimeouts | None = None

    @property
    def responded(self) -> bool:
        """Whether the complete response has been sent."""
        return self._send_queue.sent

    # Called by the connection.

    def begin(self, read: ParsedRequest) -> None:
        """Start serving the request."""
        body = None if read.length is None else self._open_body(read.length)
        self._request = request = GateRequest(self, read, body)
        request.process()
        if body is not None:
            self._rearm_body()

    def begin_malformed(self, outcome: str) -> None:
        """Log a stream whose fields are not a request."""
        nothing = RequestHead(method=b"-", target=b"-", headers=[])
        self._request = GateRequest(self, ParsedRequest(head=nothing, index={}, version="2"), None)
        self._request.startedWriting = 1
        self._request.code = 400
        self.lost(outcome)

    def data_received(self, data: bytes, size: int, *, ended: bool) -> None:
        """Receive a piece of the request's body.

        Args:
            data: The piece; it may be empty.
            size: How many bytes of the window it uses, including padding.
            ended: Whether it is the last.

        Raises:
            MalformedRequest: The body's length differs from Content-Length.
        """
        self._connection.flood_limits.received_bytes += len(data)
        self._receive_queue.put(data, size, ended=ended)
        self._body_changed()
        self._settle()

    def trailers_received(self, fields: HeaderList) -> None:
        """Receive the trailers, which end the request.

        Raises:
            MalformedRequest: A field is not allowed there, or the body is too short.
        """
        self._receive_queue.put_trailers(fields)
        self._body_changed()
        self._settle()

    def send_some(self) -> bool:
        """Send one frame of the response if the window allows it; return whether one was sent."""
        if self._gone:
            return False
        item = None
        if self._send_queue.waiting:
            room = self._codec.room(self.number) if self._send_queue.pending else 0
            item = self._send_queue.take(room)
        if item is None:
            if self._account is not None:
                self.hold(response=self._send_queue.held)
            return False
        if isinstance(item, Block):
            self._codec.send_block(self.number, item.fields, end=item.end)
        else:
            self._codec.send_data(self.number, item.data, end=item.end)
            self._connection.flood_limits.sent(len(item.data))
        if item.end:
            self._connection.flood_limits.responded()
        return True

    def turn_ended(self, *, sent: bool) -> None:
        """Resume the producer or start waiting.

        Args:
            sent: Whether a frame was sent in this turn.
        """
        if self._gone:
            return
        drained = self._producer_paused and self._send_queue.pending <= self.most_waiting // 2
        waits = self._timeouts
        if not self._send_queue.waiting:
            if waits is not None:
                waits.stop_window(self._now())
                self._rearm()
        elif waits is not None or not sent:
            # Only enough bytes extend the deadline. Otherwise a client that reads a byte now and
            # then could hold the response forever.
            taken = self._send_queue.taken_bytes
            self._waiting().wait_for_window(taken, self._now(), enough=drained)
            self._rearm()
        if drained:
            self._producer_paused = False
            if self._producer is not None:
                self._producer.resumeProducing()
        self._settle()

    def lost(self, outcome: str, reason: Failure | None = None) -> None:
        """Record that the stream ended before its response was complete."""
        self._part()
        request, self._request = self._request, None
        self._producer = None
        if request is not None:
            request.log.conclude(outcome)
            request.connectionLost(reason or Failure(ConnectionDone(outcome)))

    def cut_malformed(self, outcome: str) -> None:
        """End the stream, because its request is malformed (RFC 9113 8.1.1)."""
        self._cut(outcome, Code.PROTOCOL_ERROR)

    def timed_out(self) -> None:
        """End whatever the client is too slow with, with 408 if no response has begun."""
        body, request = self._receive_queue.body, self._request
        self._rearm()
        now = self._now()
        if self.deadline_s > now:
            return
        is_silent = request is not None and not request.startedWriting
        if self._reset_by <= now:
            self._reset(Code.NO_ERROR)
        elif self._timeouts is not None and self._timeouts.take_by() <= now:
            self._cut("the client did not take the response", Code.CANCEL)
        elif body is not None and body.has_receiver and is_silent:
            body.fail(Failure(BodyTimedOut()))
        else:
            self._cut("the client was too slow", Code.CANCEL)

    # Called by a request.

    def write(self, data: bytes) -> None:
        """Write a piece of the response's body."""
        if self._send_whole(data):
            return
        self._send_queue.put(data)
        self._send()
        pending = self._send_queue.pending
        if pending and self._producer is not None and pending > self.most_waiting:
            self._pause_producer()

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Headers) -> None:
        """Write the head of a response made through the API of twisted.web."""
        fields = [(name, value) for name, values in headers.getAllRawHeaders() for value in values]
        head = ResponseHead(status=int(code), reason=reason, headers=fields)
        self._send_queue.put_head(response_block(head))
        self._send()

    def write_head(self, head: ResponseHead, length: int | None, *, bodiless: bool) -> bool:
        """Accept a response's head, to be sent with the first piece of its body or by `flush`."""
        fields = framed_block(head, length, self.context.date())
        self._send_queue.put_head(fields, 0 if bodiless else length)
        return False

    def write_whole(
        self, head: ResponseHead, length: int | None, body: bytes, *, bodiless: bool
    ) -> None:
        """Write a complete response, in one piece if possible; its request ends after that."""
        body = b"" if bodiless else body
        fields = framed_block(head, length, self.context.date())
        has_trailers = length is None and self._request is not None and self._request.trailers
        self._send_queue.put_head(fields, None if has_trailers else len(body))
        if body:
            self.write(body)
        else:
            self.flush()

    def flush(self) -> None:
        """Send a pending head whose body has not started yet."""
        if self._send_queue.waiting and not self._send_whole():
            self._send()

    def write_interim(self, head: ResponseHead) -> None:
        """Write an interim response's head (RFC 9113 8.1)."""
        self._send_queue.put_interim(response_block(head))
        self._send()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Register the source of the response; it is paused when the client does not keep up."""
        if not streaming:
            raise ValueError("the source of a response must be a push producer")
        self._producer = producer
        self._producer_paused = False
        if self._send_queue.pending > self.most_waiting:
            self._pause_producer()

    def unregisterProducer(self) -> None:
        """Forget the source of the response."""
        self._producer = None

    def requestDone(self, request: GateRequest) -> None:
        """End the response once all of it has been sent."""
        self._request = None
        self._producer = None
        if self._gone:
            return
        body = self._receive_queue.body
        if body is not None and not body.complete:
            body.discard()
        if self._send_queue.sent:
            self._settle()
            return
        if self._send_queue.short:
            # The body is shorter than Content-Length; don't let it look complete (RFC 9113 8.1.1).
            self._reset(Code.INTERNAL_ERROR)
            return
        self._send_queue.end(field_block([*request.trailers]))
        self._send()

    def stalled_s(self, now: float) -> float:
        """Return for how many seconds the client has stalled the exchange."""
        return 0.0 if self._timeouts is None else self._timeouts.stalled_s(now)

    def counted_for(self) -> tuple[str | None, Tally]:
        """Return the client of the request if it is known, else of the connection."""
        client = None if self._request is None else self._request.client_key
        connection = self._connection
        return client or self.context.connections.client_of(connection), connection.tally

    # Internals.

    def _send_whole(self, body: bytes = b"") -> bool:
        """Send the complete response, if `body` is all of its body and nothing was sent before.

        Returns:
            Whether it was sent.
        """
        fields = self._send_queue.whole(len(body))
        if fields is None or not self._connection.send_whole(self, fields, body):
            return False
        self._send_queue.whole_left(len(body))
        return True

    def _send(self) -> None:
        self._connection.send(self)
        if self._send_queue.waiting and not self._gone:
            self.hold(response=self._send_queue.held)

    def _settle(self) -> None:
        """Leave the connection once both the request and the response have ended."""
        if self._gone or not self._send_queue.sent or self._request is not None:
            return
        if self._receive_queue.ended:
            self._leave()
        elif self._reset_by == NEVER:
            if self._connection.lingering >= MAX_EARLY_RESPONSES:
                # RFC 9113 8.1: the response is complete, and the rest of the request is unwanted.
                self._reset(Code.NO_ERROR)
                return
            self._connection.lingering += 1
            self._reset_by = self._now() + EARLY_RESPONSE_S
            self._rearm()

    def _cut(self, outcome: str, code: Code) -> None:
        if not self._gone:
            self._reset(code)
            self.lost(outcome, Failure(ConnectionAborted(outcome)))

    def _reset(self, code: Code) -> None:
        ended = self._receive_queue.ended
        if not (self._send_queue.sent and ended):
            self._codec.reset(self.number, code, give_up=not ended)
        self._leave()

    def _leave(self) -> None:
        self._part()
        self._connection.stream_left(self)

    def _part(self) -> None:
        self._gone = True
        if self._reset_by != NEVER:
            self._reset_by = NEVER
            self._connection.lingering -= 1
        if self._account is not None:
            self.hold_nothing()
        if self._receive_queue.body is not None:
            # The body refers to this stream. Break the cycle, or it waits for the GC.
            self._receive_queue.close()
        if self._timed:
            self.context.deadlines.discard(self)

    def _pause_producer(self) -> None:
        if not self._producer_paused:
            self._producer_paused = True
            self._producer.pauseProducing()

    def _open_body(self, length: int) -> RequestBody:
        first, memory = self._codec.stream_window, self.context.memory
        window = ReceiveWindow(first, memory, self.counted_for)
        return self._receive_queue.open(length, window, self._body_changed)

    def _body_changed(self) -> None:
        """Let the client send more of the body once earlier bytes have been read."""
        body = self._receive_queue.body
        if self._gone or body is None:
            return
        if body.held or self._account is not None:
            self.hold(request=body.held)
        credit = self._receive_queue.take_credit()
        if credit:
            self._codec.credit_stream(self.number, credit)
            self._connection.flush()
        self._rearm_body()

    def _rearm_body(self) -> None:
        if self._receive_queue.awaited and self._request is not None:
            self._waiting().wait_for_body(self._receive_queue.received, self._now())
        elif self._timeouts is not None:
            self._timeouts.stop_body(self._now())
        self._rearm()

    def _waiting(self) -> StreamTimeouts:
        if self._timeouts is None:
            flood_limits, limits = self._connection.flood_limits, self._limits
            self._timeouts = StreamTimeouts(self.number, self._codec, flood_limits, limits)
        return self._timeouts

    def _rearm(self) -> None:
        by_client = NEVER if self._timeouts is None else self._timeouts.deadline_s()
        self.deadline_s = min(by_client, self._reset_by)
        if self.deadline_s != NEVER and not (self._timed or self._gone):
            self._timed = True
            self.context.deadlines.add(self)

    def _now(self) -> float:
        return self.context.now()
