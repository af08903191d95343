"""One stream of HTTP/2: it stands for a request where HTTP/1.1 has a whole connection."""

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
from corsgate.server.http2.send_queue import Block, SendQueue
from corsgate.server.http2.stream_channel import StreamChannel
from corsgate.server.http2.timeouts import StreamTimeouts
from corsgate.server.memory_budget import Tally
from corsgate.server.parsed_request import ParsedRequest
from corsgate.server.request import GateRequest
from corsgate.transport.deadlines import NEVER

if TYPE_CHECKING:
    from corsgate.server.http2.connection import Http2Connection


EARLY_RESPONSE_S = 1.0
"""How long a client may go on with a request that has had its response, before it is asked to stop.

RFC 9113 8.1 lets a server send RST_STREAM right behind such a response. But clients that read both
at once drop the response: curl 7.88 reports nothing of it at all.
"""

MAX_EARLY_RESPONSES = 10
"""How many streams of a connection may have that time at once; any other is reset at once."""


class Http2Stream(StreamChannel):
    """A request and its response, each no faster than the other side takes it.

    Args:
        connection: What the stream is a part of.
        number: Its identifier.
        ended: Whether the client sends nothing more on it.

    Attributes:
        deadline_s: For the deadlines: when the client has been too slow.
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
        self._receive_queue = ReceiveQueue(self._codec.stream_window, ended=ended)
        self._send_queue = SendQueue()
        # Whether the deadlines know it: most streams never wait for their client.
        self._gone = self._timed = False
        self._reset_by = NEVER
        # Made once there is something to wait for.
        self._timeouts: StreamTimeouts | None = None
        # Whether the last try to send something did.
        self._moves = False

    @property
    def responded(self) -> bool:
        """Whether the response has been sent whole."""
        return self._send_queue.sent

    # What the connection calls.

    def begin(self, read: ParsedRequest) -> None:
        """Hand the request on."""
        length = read.length
        body = None if length is None else self._receive_queue.open(length, self._body_changed)
        self._request = request = GateRequest(self, read, body)
        request.process()
        if body is not None:
            self._rearm_body()

    def begin_malformed(self, outcome: str) -> None:
        """Log what is no request at all."""
        nothing = RequestHead(method=b"-", target=b"-", headers=[])
        self._request = GateRequest(self, ParsedRequest(head=nothing, index={}, version="2"), None)
        self._request.startedWriting = 1
        self._request.code = 400
        self.lost(outcome)

    def data_received(self, data: bytes, size: int, *, ended: bool) -> None:
        """Take a piece of the request's body.

        Args:
            data: The piece, perhaps empty.
            size: What it takes of the window, padding included.
            ended: Whether it is the last.

        Raises:
            MalformedRequest: The body is not as long as was said.
        """
        self._connection.flood_limits.received_bytes += len(data)
        self._receive_queue.put(data, size, ended=ended)
        self._body_changed()
        self._settle()

    def trailers_received(self, fields: HeaderList) -> None:
        """Take the fields behind the request's body, which end it.

        Raises:
            MalformedRequest: One has no place there, or the body is too short.
        """
        self._receive_queue.put_trailers(fields)
        self._body_changed()
        self._settle()

    def send_some(self) -> bool:
        """Send one frame of the response, if the client takes one now; return whether it did."""
        if self._gone:
            return False
        item = None
        if self._send_queue.waiting:
            room = self._codec.room(self.number) if self._send_queue.pending else 0
            item = self._send_queue.take(room)
        self._moves = item is not None
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

    def sent(self) -> None:
        """Look at what has become possible after `send_some`, or has come to wait."""
        if self._gone:
            return
        drained = self._producer_paused and self._send_queue.pending <= self.most_waiting // 2
        waits = self._timeouts
        if not self._send_queue.waiting:
            if waits is not None:
                waits.stop_window(self._now())
                self._rearm()
        elif waits is not None or not self._moves:
            # Only so much puts off the deadline: a client that takes a byte now and then must
            # not hold the response for ever.
            taken = self._send_queue.taken_bytes
            self._waiting().wait_for_window(taken, self._now(), enough=drained)
            self._rearm()
        if drained:
            self._producer_paused = False
            if self._producer is not None:
                self._producer.resumeProducing()
        self._settle()

    def lost(self, outcome: str, reason: Failure | None = None) -> None:
        """Record that the stream has ended, for whatever reason but its response's end."""
        self._part()
        request, self._request = self._request, None
        self._producer = None
        if request is not None:
            request.log.conclude(outcome)
            request.connectionLost(reason or Failure(ConnectionDone(outcome)))

    def cut_malformed(self, outcome: str) -> None:
        """End the stream: what came on it is no HTTP (RFC 9113 8.1.1)."""
        self._cut(outcome, Code.PROTOCOL_ERROR)

    def timed_out(self) -> None:
        """End what the client is too slow with, by a 408 if no response has begun."""
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

    # What a request calls.

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
        """Write the head of a response that was made by twisted.web's own API."""
        fields = [(name, value) for name, values in headers.getAllRawHeaders() for value in values]
        head = ResponseHead(status=int(code), reason=reason, headers=fields)
        self._send_queue.put_head(response_block(head))
        self._send()

    def write_head(self, head: ResponseHead, length: int | None, *, bodiless: bool) -> bool:
        """Take a response's head, to be sent with the first piece of its body or by `flush`."""
        fields = framed_block(head, length, self.context.date())
        self._send_queue.put_head(fields, 0 if bodiless else length)
        return False

    def write_whole(
        self, head: ResponseHead, length: int | None, body: bytes, *, bodiless: bool
    ) -> None:
        """Write a whole response, in one go if the client takes it; its request ends behind it."""
        body = b"" if bodiless else body
        fields = framed_block(head, length, self.context.date())
        has_trailers = length is None and self._request is not None and self._request.trailers
        self._send_queue.put_head(fields, None if has_trailers else len(body))
        if body:
            self.write(body)
        else:
            self.flush()

    def flush(self) -> None:
        """Send a head whose body is not there yet."""
        if self._send_queue.waiting and not self._send_whole():
            self._send()

    def write_interim(self, head: ResponseHead) -> None:
        """Write an interim response's head (RFC 9113 8.1)."""
        self._send_queue.put_interim(response_block(head))
        self._send()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Take the source of the response, which is paused when the client does not keep up."""
        if not streaming:
            raise ValueError("a response's source here is a push producer")
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
            # Content-Length was not kept: what follows must not look whole (RFC 9113 8.1.1).
            self._reset(Code.INTERNAL_ERROR)
            return
        self._send_queue.end(field_block([*request.trailers]))
        self._send()

    def stalled_s(self, now: float) -> float:
        """Return for how many seconds the client has let the exchange stall."""
        return 0.0 if self._timeouts is None else self._timeouts.stalled_s(now)

    def counted_for(self) -> tuple[str | None, Tally | None]:
        """Return the request's client, or else the connection's."""
        client = None if self._request is None else self._request.client_key
        connection = self._connection
        return client or self.context.connections.client_of(connection), connection.tally

    # The parts.

    def _send_whole(self, body: bytes = b"") -> bool:
        """Send the response in one piece, if this is its body, nothing has left and it may leave.

        Returns:
            Whether it was sent.
        """
        fields = self._send_queue.whole(len(body))
        if fields is None or not self._connection.send_whole(self, fields, body):
            return False
        self._send_queue.whole_left(len(body))
        return True

    def _send(self) -> None:
        self._moves = False
        self._connection.send(self)
        if self._send_queue.waiting and not self._gone:
            self.hold(response=self._send_queue.held)

    def _settle(self) -> None:
        """Leave the connection, once both the response and its request are done with."""
        if self._gone or not self._send_queue.sent or self._request is not None:
            return
        if self._receive_queue.ended:
            self._leave()
        elif self._reset_by == NEVER:
            if self._connection.lingering >= MAX_EARLY_RESPONSES:
                # RFC 9113 8.1: the response is whole, and what else the client sends unwanted.
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
        # It knows this stream: a cycle would be left to the collector.
        self._receive_queue.body = None
        if self._timed:
            self.context.deadlines.discard(self)

    def _pause_producer(self) -> None:
        if not self._producer_paused:
            self._producer_paused = True
            self._producer.pauseProducing()

    def _body_changed(self) -> None:
        """Let the client send more of the body, where what came has been taken."""
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
