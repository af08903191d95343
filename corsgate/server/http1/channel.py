"""The server side of HTTP/1.1 over llhttp: a client's bytes in, requests out."""

from __future__ import annotations

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IDelayedCall, IPushProducer
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from corsgate.errors import BodyTimedOut
from corsgate.message.head import ResponseHead
from corsgate.server.admission import Spare
from corsgate.server.context import ServerContext
from corsgate.server.http1.pipeline import Pipeline
from corsgate.server.http1.response_writer import ResponseWriter
from corsgate.server.http1.states import NEXT_PHASES, Phase, State
from corsgate.server.http1.timeouts import (
    FIRST_REQUEST_S,
    LINGER_S,
    SLOW_HEAD,
    Awaited,
    ClientTimeouts,
    find_awaited,
    find_spare,
)
from corsgate.server.parsed_request import ParsedRequest
from corsgate.server.request import GateRequest
from corsgate.server.request_body import RequestBody
from corsgate.transport.deadlines import NEVER
from corsgate.transport.hangup import has_hung_up
from corsgate.transport.read_size import ReadSize
from corsgate.transport.tunnel import TunnelEnd
from corsgate.upstream.pins import Pins

# How many requests are served before other connections get a turn. One read may contain
# thousands, and the socket may accept all the responses at once.
PER_TURN = 16

# Looking up an enum member in its class is slow.
_IDLE, _PENDING, _RESPONDING = Phase.IDLE, Phase.PENDING, Phase.RESPONDING
_CLOSING, _TUNNEL = Phase.CLOSING, Phase.TUNNEL
_ANSWER, _REQUEST, _BETWEEN = Awaited.RESPONSE, Awaited.REQUEST, State.BETWEEN


@implementer(IPushProducer)
class GateChannel(ResponseWriter):
    """One client's connection, which serves its requests one after another.

    Pipelined requests of one read wait in a queue, and nothing more is read until they have been
    served. Each is passed on as soon as its head has been parsed, with the part of its body that
    the same read contained.
    """

    _log = Logger()

    def __init__(self, context: ServerContext) -> None:
        self.context = context
        self.site = self.factory = context.site
        self.pins = Pins()
        self._limits = context.limits
        self._phase = _IDLE
        self._handling: GateRequest | None = None
        self._dispatching = False
        self._reading = True
        self._tunnel: TunnelEnd | None = None
        self._next_turn: IDelayedCall | None = None
        self._timeouts = ClientTimeouts(context.limits)

    # What the transport calls.

    def connectionMade(self) -> None:
        """Start waiting for a request."""
        if not self.isSecure() and hasattr(self._tcp, "setTcpNoDelay"):
            self._tcp.setTcpNoDelay(True)
        self._begin_writing()
        # Not earlier: this makes a reference cycle, which only connectionLost breaks.
        read_size = ReadSize(self.transport)
        self._pipeline = Pipeline(
            self._limits, self._body_changed, self.context.shortcuts, read_size
        )
        self._last = self._pipeline.parser.last
        self._enter()
        self._rearm()

    def dataReceived(self, data: bytes) -> None:
        """Parse bytes, then pass on the requests that they contained."""
        if self._phase is _IDLE and not self._write_paused:
            last = self._last
            read = last.request if data == last.data else last.recall(data)
            if read is not None:
                self._serve(read, None)
                return
        elif self._phase is _TUNNEL:
            assert self._tunnel is not None
            self._tunnel.data_received(data)
            return
        elif self._phase >= _CLOSING:
            return
        self._pipeline.feed(data)
        self._go_on()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """End the requests, since their client is gone."""
        if self._phase < _CLOSING:
            # TLS and its producer refer to each other. Break the cycle, or it waits for the GC.
            self._tcp.unregisterProducer()
        self._become(Phase.LOST)
        self.context.deadlines.discard(self)
        if self._tunnel is not None:
            self._tunnel.lost(reason)
        handling, self._handling = self._handling, None
        self._pipeline.clear()
        if handling is not None:
            handling.connectionLost(reason)
        self._pipeline.end()
        # The timeouts refer to a body that refers to this. Break this cycle as well.
        self._timeouts.begin_exchange()
        self.pins.close()
        self.hold_nothing()
        if self._next_turn is not None:
            self._next_turn.cancel()
        self.context.connections.lost(self)

    def pauseProducing(self) -> None:
        """The client does not keep up with the response."""
        self._write_paused = True
        written = 0 if self._handling is None else self._handling.sentLength
        self.deadline_s = self._timeouts.pause(written, self._now())
        self._hold_unsent()
        if self._producer is not None:
            self._producer.pauseProducing()

    def resumeProducing(self) -> None:
        """The client has taken what was buffered."""
        self._write_paused = False
        self._timeouts.resume(self._now())
        self.hold(response=0)
        if self._producer is not None:
            self._producer.resumeProducing()
        self._go_on()

    def tls_ended(self) -> None:
        """The client ended TLS, so nothing more can be sent to it.

        What a tunnel has already written is still sent.
        """
        if self._handling is not None and self._tunnel is None:
            self.abortConnection()

    def timed_out(self) -> None:
        """End whatever the client is too slow with; send 408 if it can still receive that."""
        self.deadline_s = NEVER
        awaited, self._timeouts.awaited = self._timeouts.awaited, None
        body = self._pipeline.body
        begun = self._handling is not None and self._handling.startedWriting
        if self._phase is _CLOSING or self._write_paused:
            self.cut("the client did not take the response")
        elif awaited is Awaited.RESPONSE_UNREAD:
            if has_hung_up(self._tcp):
                self.cut("the client closed the connection")
            self._rearm()
        elif awaited is Awaited.HEAD:
            self._pipeline.refuse(SLOW_HEAD)
            self._go_on()
        elif body is not None and body.has_receiver and not begun:
            body.fail(Failure(BodyTimedOut()))
        elif awaited is Awaited.REQUEST:
            self.loseConnection()
        else:
            self.cut("the client was too slow")

    @property
    def spare(self) -> Spare:
        """What closing this connection would lose: a request, part of one, or nothing."""
        left_s = self.deadline_s - self._now() if self._phase is _CLOSING else None
        return find_spare(self._timeouts.awaited, left_s)

    # What a request calls.

    def require_http1(self) -> bool:
        """Return False, since the client already speaks HTTP/1.1."""
        return False

    def switch(self, head: ResponseHead) -> TunnelEnd:
        """Write a 101 response and stop speaking HTTP.

        Args:
            head: The response's head, which has an Upgrade field.

        Returns:
            The connection as one side of a tunnel. This is the connection's last request; it
            ends when the connection does.

        Raises:
            ConnectionDone: The connection was cut in this turn of the reactor.
        """
        if self._phase >= _CLOSING:
            raise ConnectionDone("the client was cut")
        fields = [*head.headers, (b"Connection", b"Upgrade")]
        self._write(ResponseHead(status=head.status, reason=head.reason, headers=fields).to_bytes())
        self._tcp.unregisterProducer()
        self._become(_TUNNEL)
        self._tunnel = TunnelEnd(self._tcp, self._pipeline.switch())
        self.deadline_s = NEVER
        return self._tunnel

    def requestDone(self, request: GateRequest) -> None:
        """Continue with the next request, or close."""
        self._handling = self._producer = None
        if self._phase is not _RESPONDING:
            return
        self._phase = _PENDING
        body, unread, broken = request.body, False, False
        if body is not None:
            unread, broken = not body.complete, body.failed
            if unread:
                body.discard()
        drained = self.context.draining and not self._pipeline.pending
        if drained or broken or not request.persistent:
            if unread or request.refusal is not None or self._pipeline.pending:
                self._linger()
            else:
                self._close(self._limits.response_idle_timeout_s)
            return
        if request.offers:
            self._pipeline.go_on()
        if not self._dispatching:
            pipeline = self._pipeline
            if pipeline.unread or pipeline.queue or pipeline.broken:
                self._go_on()
            else:
                self._settle()

    def loseConnection(self) -> None:
        """Close once everything written has been sent."""
        self._close(LINGER_S)

    def abortConnection(self) -> None:
        """Cut the connection at once."""
        if self._phase is not Phase.LOST:
            self._become(_CLOSING)
        self._tcp.abortConnection()

    def stalled_s(self, now: float) -> float:
        """Return for how many seconds the client has let the exchange stall."""
        return self._timeouts.stalled_s(now)

    def drain(self) -> None:
        """Close now if idle, else after the response; a first request is still allowed."""
        busy = self._handling is not None or self._pipeline.pending or self._pipeline.in_head
        if busy or self._phase >= _CLOSING:
            return
        if self._pipeline.fresh:
            self.deadline_s = min(self.deadline_s, self._now() + FIRST_REQUEST_S)
        else:
            # The client may still be reading the last response.
            limit_s = self._limits.response_idle_timeout_s if self._write_paused else LINGER_S
            self._close(limit_s)

    def rest(self) -> None:
        """Drop what would make the next request cheaper, if no request is in progress."""
        super().rest()
        if self._timeouts.awaited is Awaited.REQUEST:
            self._pipeline.rest()

    # Internals.

    def _become(self, phase: Phase) -> None:
        assert phase in NEXT_PHASES[self._phase], (self._phase, phase)
        self._phase = phase

    def _serve(self, read: ParsedRequest, body: RequestBody | None) -> None:
        """Start serving a request."""
        assert self._phase <= _PENDING, self._phase
        self._phase = _RESPONDING
        # If the response is written at once, the wait for the next request starts over.
        self._timeouts.begin_exchange()
        self.deadline_s = NEVER
        if self._peer is None:
            self.getPeer()
        self._handling = request = GateRequest(self, read, body)
        request.process()

    def _rearm(self) -> None:
        """Set the deadline for the current state.

        Only bytes of a body extend a deadline. Otherwise a client that sends something else now
        and then could hold the connection forever.
        """
        if self._phase >= _CLOSING or self._write_paused:
            return
        handling = self._handling is not None
        awaited = find_awaited(self._pipeline, handling=handling, reading=self._reading)
        if awaited is not self._timeouts.awaited or awaited is Awaited.BODY:
            self.deadline_s = self._timeouts.begin(awaited, self._pipeline.body, self._now())

    def _go_on(self) -> None:
        """Parse and serve the received bytes for as long as the client reads the responses."""
        if self._dispatching:
            return
        self._dispatching = True
        pipeline, left = self._pipeline, PER_TURN
        queue = pipeline.queue
        try:
            while self._phase < _CLOSING:
                if self._handling is None and not self._write_paused:
                    if not left and pipeline.pending:
                        if self._next_turn is None:
                            self._next_turn = self.context.reactor.callLater(0, self._take_turn)
                        break
                    if queue:
                        left -= 1
                        self._serve(*queue.popleft())
                        continue
                    if pipeline.broken:
                        # The malformed part was the rest of a body that nobody reads.
                        self.loseConnection()
                        break
                if not pipeline.unread or not pipeline.advance():
                    break
        finally:
            self._dispatching = False
        self._settle()

    def _take_turn(self) -> None:
        self._next_turn = None
        self._go_on()

    def _settle(self) -> None:
        """Wait for the next event, and resume reading if there is room."""
        pipeline, timeouts, handling = self._pipeline, self._timeouts, self._handling
        if (
            self._phase >= _CLOSING
            or self._write_paused
            or not self._reading
            or self._account is not None
            or pipeline.unread
            or pipeline.body is not None
            or pipeline.parser.state is not _BETWEEN
            or pipeline.queue
            or (handling is not None and handling.body is not None and handling.body.held)
        ):
            if self._phase is _IDLE:
                self._become(_PENDING)
            self._body_changed()
        elif handling is None:
            assert self._phase <= _PENDING, self._phase
            self._phase = _IDLE
            if timeouts.awaited is not _REQUEST:
                timeouts.awaited = _REQUEST
                self.deadline_s = self.context.now() + self._limits.keep_alive_timeout_s
        elif timeouts.awaited is not _ANSWER:
            self.deadline_s = timeouts.begin(_ANSWER, None, self.context.now())

    def _body_changed(self) -> None:
        if self._dispatching:
            # Nothing is left waiting: this turn of the reactor passes it on.
            return
        held = self._pipeline.held_with(None if self._handling is None else self._handling.body)
        if held or self._account is not None:
            self.hold(request=held)
        self._update_reading()
        self._rearm()

    def _update_reading(self) -> None:
        """Read only while there is room for more."""
        if self._phase is _TUNNEL:
            # The tunnel decides when to read.
            return
        blocked = self._write_paused and self._handling is None
        wanted = self._phase >= _CLOSING or (self._pipeline.has_room and not blocked)
        if wanted != self._reading and self.transport is not None:
            self._reading = wanted
            if wanted:
                self._tcp.resumeProducing()
            else:
                self._tcp.pauseProducing()

    def _linger(self) -> None:
        """Close the sending side, and discard what the client sends for a while."""
        if self.isSecure() or not hasattr(self._tcp, "loseWriteConnection"):
            self.loseConnection()
            return
        self._begin_closing(LINGER_S)
        self._tcp.loseWriteConnection()

    def _close(self, limit_s: float) -> None:
        self._begin_closing(limit_s)
        self._tcp.loseConnection()

    def _begin_closing(self, limit_s: float) -> None:
        if self._phase < _CLOSING:
            self._tcp.unregisterProducer()
        if self._phase is not Phase.LOST:
            self._become(_CLOSING)
        self.deadline_s = self._now() + limit_s
        # Keep reading, because TLS waits for the client's close_notify.
        self._update_reading()
