"""The client side of HTTP/1.1 over llhttp: one connection to an upstream server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.iweb import UNKNOWN_LENGTH, IBodyProducer
from zope.interface import implementer

from corsgate.config.model.values import Limits
from corsgate.errors import BadUpstreamResponse, TunnelsFull, UpstreamError, UpstreamTimedOut
from corsgate.message.connection_auth import challenge_binds
from corsgate.message.framing import CHUNKED, request_framing
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.headers import head_names, index_headers
from corsgate.shortcuts import ALL, Shortcuts
from corsgate.transport.deadlines import NEVER, Deadlines
from corsgate.transport.fast_write import writer
from corsgate.transport.hangup import unread_check
from corsgate.transport.read_size import ReadSize
from corsgate.transport.tunnel import TunnelEnd
from corsgate.upstream.connection_state import ASKED, FOLLOWS, IDLE, UNDER_WAY, USABLE, State
from corsgate.upstream.ending import ending_of, explained
from corsgate.upstream.held_body import HeldBody
from corsgate.upstream.lenient_parser import parser_for
from corsgate.upstream.parser import Ending
from corsgate.upstream.pins import Pins
from corsgate.upstream.repairs import Repaired, ignore_repair
from corsgate.upstream.response import UpstreamResponse
from corsgate.upstream.revocation import Holder
from corsgate.upstream.sending import CarriedHead
from corsgate.upstream.upload import Upload, take_whole

CLOSE_TIMEOUT_S = 10.0


@implementer(IHandshakeListener)
class UpstreamConnection(Protocol):
    """A keep-alive connection to one server, which carries one exchange at a time.

    Args:
        deadlines: Calls back when a deadline passes.
        released: Called with this connection and whether it can serve another request, when its
            exchange has ended, and once more when it is lost.
        switched: Called with this connection before it becomes a tunnel; returns whether it may.
        shortcuts: Which shortcuts to take.
        repaired: Called for each repair of a malformed response; None: malformed ones fail.

    Attributes:
        state: Its current state.
        holder: The holder of the current exchange, for its pool.
        limits: The limits of the last request.
        has_unread: Returns a true value if the server has sent unread bytes, or has closed.
        pinned: Whether it belongs to a single client connection for the rest of its life.
        pins: The pins of that client connection, or of the last one; None if it can't have any.
    """

    def __init__(
        self,
        deadlines: Deadlines,
        released: Callable[[UpstreamConnection, bool], None],
        switched: Callable[[UpstreamConnection], bool] = lambda _: True,
        shortcuts: Shortcuts = ALL,
        repaired: Repaired | None = ignore_repair,
    ) -> None:
        self.deadline_s = NEVER
        self.state = IDLE
        self.holder: Holder | None = None
        self.pinned = False
        self.pins: Pins | None = None
        self._switched = switched
        self._deadlines = deadlines
        self._now = deadlines.now
        self._released = released
        self._parser = parser_for(self._informed, shortcuts, repaired)
        # The request until its response is passed on, then the response until it has ended.
        self._sending: CarriedHead | None = None
        self._response: UpstreamResponse | None = None
        self._asked_to_continue = True
        self._tunnel: TunnelEnd | None = None
        self._upload: Upload | None = None
        self.limits = Limits()
        self._ready: Deferred[UpstreamConnection] | None = None

    @property
    def _tcp(self) -> Any:
        return self.transport

    @property
    def lost(self) -> bool:
        """Whether its pool can no longer use it."""
        return self.state not in USABLE

    def connectionMade(self) -> None:
        """Set up the socket."""
        self._write = writer(self.transport)
        self.has_unread = unread_check(self.transport)
        self._read_size = ReadSize(self.transport)
        if hasattr(self._tcp, "setTcpNoDelay"):
            self._tcp.setTcpNoDelay(True)
        self._deadlines.add(self)

    def handshakeCompleted(self) -> None:
        """Notify the pool that the server's certificate was verified."""
        ready, self._ready = self._ready, None
        if ready is not None and not ready.called:
            ready.callback(self)

    def when_verified(self) -> Deferred[UpstreamConnection]:
        """Return a Deferred of this connection once its TLS handshake is done."""
        self._ready = Deferred(lambda _: self._tcp.abortConnection())
        return self._ready

    def idle_until(self, deadline_s: float) -> None:
        """Wait in the pool until the server or the deadline closes it."""
        self.deadline_s = deadline_s

    def close(self) -> None:
        """Close it, if it is idle. No exchange may start after this."""
        if self.state is IDLE:
            self._enter(State.CLOSING)
            # A TLS server may never send its close_notify.
            self.deadline_s = self._now() + CLOSE_TIMEOUT_S
            self._tcp.loseConnection()

    def send(self, sending: CarriedHead) -> None:
        """Send a request.

        Args:
            sending: The request. Its `result` gets the response, or its `failed` is called.
        """
        assert self.state is IDLE, "one exchange at a time"
        self.state = ASKED
        self._sending = sending
        self.limits = limits = sending.limits
        self.pins = sending.pins
        if sending.binds:
            self.pinned = True
        head = sending.head
        if head.wire is None or sending.body is not None:
            self._send_framed(head, sending.body)
            return
        self._asked_to_continue = True
        self._parser.expect(head.method, upgrade=False)
        self._write(head.wire + sending.ending)
        self.deadline_s = self._now() + limits.first_byte_timeout_s

    def cancel(self) -> None:
        """Cut the connection, since the response is no longer wanted."""
        self._sending = None
        self._stop_sending()
        self._cut()

    # Called by the transport.

    def dataReceived(self, data: bytes) -> None:
        """Parse bytes, then pass on their part of the body in one piece."""
        state, parser = self.state, self._parser
        if state not in UNDER_WAY:
            self._take_unasked(data)
            return
        try:
            tail = parser.feed(data)
        except BadUpstreamResponse as error:
            if not parser.complete:
                if self._response is not None:
                    self._response.body_data(parser.body)
                self._fail(error)
                return
            tail = b""
        head, response = parser.head, self._response
        # The callback for an interim response may have cut the connection.
        if head is None or self.state is not state:
            return
        body, parser.body = parser.body, b""
        if response is not None:
            response.body_data(body)
            if parser.complete:
                self._complete(response)
            else:
                self._more(response, len(data))
            return
        response = UpstreamResponse(self, head, parser.announced_length, body)
        if head.status == 401 and not self.pinned:
            challenges = index_headers(head.headers).get(b"www-authenticate", ())
            self.pinned = challenge_binds(challenges)
        if parser.complete:
            self._complete(response)
        elif parser.switched:
            self._switch(response, tail)
        else:
            self._begin(response)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """End the current exchange."""
        self._enter(State.GONE)
        self._deadlines.discard(self)
        tunnel, self._tunnel = self._tunnel, None
        if tunnel is not None:
            tunnel.lost(reason)
        ready, self._ready = self._ready, None
        if ready is not None and not ready.called:
            ready.errback(reason)
        if self._sending is not None or self._response is not None:
            ending = ending_of(reason, self.transport)
            if (error := self._parser.finish(ending)) is not None:
                self._fail(explained(error, reason))
            elif self._response is not None:
                self._response.unsealed = ending is Ending.UNSEALED
                self._complete(self._response)
        # The parser refers to this. Break the cycle, or it waits for the GC.
        self._parser.end()
        self._released(self, False)

    def timed_out(self) -> None:
        """Give up on a server that is too slow, or close a connection after its idle time."""
        self.deadline_s = NEVER
        if self.state in UNDER_WAY:
            self._fail(UpstreamTimedOut("the server sent nothing for too long"))
        elif self.state is IDLE:
            self.close()
        else:
            self._cut()

    # Called by the response.

    def pause_response(self, response: UpstreamResponse) -> None:
        """Stop reading until the client has read what was received."""
        if response is self._response and self.state is State.RESPONDING:
            self._enter(State.HELD)
            # A slow client has its own time limit.
            self.deadline_s = NEVER
            self._read_size.reset()
            self._tcp.pauseProducing()

    def resume_response(self, response: UpstreamResponse) -> None:
        """Resume reading."""
        if response is self._response and self.state is State.HELD:
            self._enter(State.RESPONDING)
            self.touch()
            self._tcp.resumeProducing()

    def give_up_response(self, response: UpstreamResponse) -> None:
        """Cut the connection, since the rest of the body is not wanted."""
        if response is self._response:
            self._fail(BadUpstreamResponse("it was abandoned"))

    # Called by the upload.

    def upload_ended(self, failure: Failure | None) -> None:
        """Wait for the response, or cut the connection so that the body can't look complete."""
        self._upload = None
        if failure is None:
            self.touch()
            return
        sending, self._sending = self._sending, None
        self._cut()
        if sending is not None:
            sending.failed(failure)

    def touch(self) -> None:
        """Extend the deadline, since there was progress."""
        if self._response is not None:
            waits_for_client = self.state is State.HELD and self._response.wanted
            limit_s = NEVER if waits_for_client else self.limits.response_idle_timeout_s
        elif self._upload is not None and not self._upload.held and self._asked_to_continue:
            # The server waits for the client or a `HeldBody`, which both have their own limits.
            limit_s = NEVER
        else:
            limit_s = self.limits.first_byte_timeout_s
        self.deadline_s = self._now() + limit_s

    # Internals.

    def _enter(self, state: State) -> None:
        assert state in FOLLOWS[self.state], f"{state} can't follow {self.state}"
        self.state = state

    def _send_framed(self, head: RequestHead, body: IBodyProducer | None) -> None:
        """Send a head that is not encoded yet, and the body."""
        names = (head.names or head_names(head.headers)).names
        length = None if body is None else body.length
        framed = CHUNKED if length is UNKNOWN_LENGTH else length
        raw = head.to_bytes(request_framing(head.method, framed))
        self._asked_to_continue = b"expect" not in names or isinstance(body, HeldBody)
        self._parser.expect(head.method, upgrade=b"upgrade" in names)
        whole = b"" if body is None or length == 0 else take_whole(body)
        if body is not None and whole is None:
            self._upload = Upload(raw, body, self._tcp, self)
            self.touch()
            self._upload.start()
        else:
            self._write(raw + whole if whole else raw)
            self.touch()

    def _take_unasked(self, data: bytes) -> None:
        """Handle bytes outside of any response."""
        if self._tunnel is not None:
            self._tunnel.data_received(data)
        elif self.state is not State.CUT:
            # No request is waiting for them, so they can't be matched to one.
            self._cut()

    def _informed(self, head: ResponseHead) -> None:
        """Pass an interim response on, and extend the deadline."""
        self._asked_to_continue = True
        self.touch()
        if self._sending is not None and self._sending.inform is not None:
            self._sending.inform(head)

    def _begin(self, response: UpstreamResponse) -> None:
        """Pass on a response whose body is incomplete."""
        self._enter(State.RESPONDING)
        sending, self._sending, self._response = self._sending, None, response
        assert sending is not None, "a response is passed on only once"
        self.touch()
        sending.result.callback(response)
        if response is self._response and not response.wanted:
            response.wait()
            # If its body is never read, the connection must not stay forever.
            self.touch()
        response.flush()

    def _more(self, response: UpstreamResponse, size: int) -> None:
        """Pass on another part of a response; increase the read size if the client keeps up."""
        self.touch()
        response.flush()
        if self.state is State.RESPONDING and self._upload is None:
            self._read_size.grow(size)

    def _complete(self, response: UpstreamResponse) -> None:
        """End a complete response."""
        parser, sending, state = self._parser, self._sending, self.state
        self._sending = self._response = None
        response.complete = True
        response.trailers = parser.trailers
        # An idle connection keeps nothing of the response.
        parser.head = None
        if self._upload is not None:
            # The response came before the request was complete. The rest can't be sent.
            self._stop_sending()
            if state is not State.GONE:
                self._cut()
        elif state is not State.GONE:
            assert state in UNDER_WAY, "only a response in progress can be complete"
            self.state = IDLE
            self.deadline_s = NEVER
            if state is not ASKED:
                self._read_size.reset()
                if state is State.HELD:
                    # TLS may deliver the rest of its decrypted bytes after a pause.
                    self._tcp.resumeProducing()
            # Do this first, so that a follow-up request finds this connection idle.
            self._released(self, parser.reusable and not parser.has_surplus)
        if sending is None:
            response.flush()
        else:
            sending.result.callback(response)

    def _switch(self, response: UpstreamResponse, tail: bytes) -> None:
        """Stop speaking HTTP, and keep received bytes for a tunnel."""
        sending = self._sending
        assert sending is not None, "a switch is the complete response"
        if not self._switched(self):
            self._fail(TunnelsFull("the maximum number of tunnels is open"))
            return
        self._sending = None
        self._enter(State.TUNNEL)
        self._tunnel = response.tunnel = TunnelEnd(self._tcp, tail)
        self.deadline_s = NEVER
        sending.result.callback(response)

    def _stop_sending(self) -> None:
        upload, self._upload = self._upload, None
        if upload is not None:
            upload.stop()

    def _fail(self, error: UpstreamError) -> None:
        """End the exchange without a complete response, and cut the connection."""
        sending, response = self._sending, self._response
        self._sending = self._response = None
        self._stop_sending()
        if self.state is not State.GONE:
            self._cut()
        if sending is not None:
            sending.failed(Failure(error))
        elif response is not None:
            response.body_ended(Failure(error))
            response.flush()

    def _cut(self) -> None:
        """Cut the connection. The pool no longer uses it."""
        if self.state is not State.CUT:
            self._enter(State.CUT)
        self._tcp.abortConnection()
