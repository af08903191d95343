"""The client side of HTTP/1.1 over llhttp: one connection to an upstream server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.iweb import UNKNOWN_LENGTH, IBodyProducer
from zope.interface import implementer

from corsgate.config.model.values import Limits
from corsgate.errors import (
    BadUpstreamResponse,
    TunnelsFull,
    UpstreamError,
    UpstreamTimedOut,
)
from corsgate.message.connection_auth import challenge_binds
from corsgate.message.framing import CHUNKED, request_framing
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.headers import HeaderList, index_headers
from corsgate.shortcuts import ALL, Shortcuts
from corsgate.transport.deadlines import NEVER, Deadlines
from corsgate.transport.fast_write import writer
from corsgate.transport.tunnel import TunnelEnd
from corsgate.upstream.parser import ParsedResponse, ResponseParser
from corsgate.upstream.pins import Pins
from corsgate.upstream.response import RESPONSE_DONE, UpstreamResponse
from corsgate.upstream.revocation import Holder
from corsgate.upstream.upload import Upload

Inform = Callable[[ResponseHead], None]
"""Told of an interim response's head."""

CLOSE_TIMEOUT_S = 10.0


@implementer(IHandshakeListener)
class UpstreamConnection(Protocol):
    """A keep-alive connection to one server; it carries one exchange at a time.

    Args:
        deadlines: Ends what takes too long.
        released: Called with this connection and whether it can serve another request, when
            its exchange has ended, and once more when it is lost.
        switched: Called with this connection when it would become a tunnel; returns whether it
            may.
        shortcuts: Which ones are taken.

    Attributes:
        holder: Whose exchange it serves, for its pool.
        lost: Whether it is of no more use.
        pinned: Whether it belongs to one client's connection alone, from now on until its end.
        pins: What that is, or the client's connection whose request came last; None if it may
            keep no connection.
    """

    def __init__(
        self,
        deadlines: Deadlines,
        released: Callable[[UpstreamConnection, bool], None],
        switched: Callable[[UpstreamConnection], bool] = lambda _: True,
        shortcuts: Shortcuts = ALL,
    ) -> None:
        self.deadline_s = NEVER
        self.holder: Holder | None = None
        self.lost = False
        self.pinned = False
        self.pins: Pins | None = None
        self._switched = switched
        self._shortcuts = shortcuts
        self._deadlines = deadlines
        self._released = released
        self._reader = ResponseParser(self)
        self._result: Deferred[UpstreamResponse] | None = None
        self._response: UpstreamResponse | None = None
        self._announced = False
        self._inform: Inform | None = None
        self._asked_to_continue = True
        self._tunnel: TunnelEnd | None = None
        self._upload: Upload | None = None
        self._paused = False
        self._limits = Limits()
        self._reusable = False
        self._ended = True
        self._ready: Deferred[UpstreamConnection] | None = None
        self._failure: UpstreamError | None = None

    @property
    def _tcp(self) -> Any:
        return self.transport

    def connectionMade(self) -> None:
        """Take the socket over."""
        self._write = writer(self.transport)
        if hasattr(self._tcp, "setTcpNoDelay"):
            self._tcp.setTcpNoDelay(True)
        self._deadlines.add(self)

    def handshakeCompleted(self) -> None:
        """Tell the pool that the peer is who it should be."""
        ready, self._ready = self._ready, None
        if ready is not None and not ready.called:
            ready.callback(self)

    def when_verified(self) -> Deferred[UpstreamConnection]:
        """Return a Deferred of this connection once its TLS handshake is done."""
        self._ready = Deferred(lambda _: self._tcp.abortConnection())
        return self._ready

    def idle_until(self, deadline_s: float) -> None:
        """Wait in the pool; the server may close, and so does the deadline."""
        self.deadline_s = deadline_s

    def close(self) -> None:
        """Close it; nothing is under way on it, and nothing may begin."""
        self.lost = True
        # A TLS server may never answer the close_notify.
        self.deadline_s = self._deadlines.now() + CLOSE_TIMEOUT_S
        self._tcp.loseConnection()

    def request(
        self,
        head: RequestHead,
        body: IBodyProducer | None,
        limits: Limits,
        inform: Inform | None = None,
        pins: Pins | None = None,
        binds: bool = False,
    ) -> Deferred[UpstreamResponse]:
        """Send a request.

        Args:
            head: Its head without framing fields.
            body: Its body, or None for none.
            limits: Bounds on the times between its parts.
            inform: Told of interim responses.
            pins: Keeps the connection for the client, should it be pinned.
            binds: Whether the request authenticates the connection, which pins it.

        Returns:
            A Deferred of the response once its head has come; it fails with an UpstreamError.
            Cancelling it cuts the connection.
        """
        assert self._ended, "one exchange at a time"
        self._ended = False
        self._limits, self._inform, self.pins = limits, inform, pins
        if binds:
            self.pinned = True
        self._response = None
        self._failure = None
        self._announced = self._reusable = self._paused = False
        length = None if body is None else body.length
        raw = head.to_bytes(
            request_framing(head.method, CHUNKED if length is UNKNOWN_LENGTH else length)
        )
        lowered = raw.lower()
        self._asked_to_continue = b"\nexpect:" not in lowered
        self._reader.expect(head.method, upgrade=b"\nupgrade:" in lowered)
        result: Deferred[UpstreamResponse] = Deferred(self._cancelled)
        self._result = result
        if body is None or length == 0:
            self._write(raw)
        else:
            self._upload = Upload(raw, body, self._tcp, self)
        self.touch()
        if self._upload is not None:
            self._upload.start()
        return result

    # What the transport calls.

    def dataReceived(self, data: bytes) -> None:
        """Parse bytes, then hand on what they held in one piece."""
        if self._tunnel is not None:
            self._tunnel.data_received(data)
            return
        if self._ended:
            # Bytes that nobody asked for: what they belong to can't be known.
            self._abort()
            return
        try:
            tail = self._reader.feed(data)
        except BadUpstreamResponse as error:
            self._fail(error)
            tail = b""
        if self._response is not None and self._response.code == 101:
            self._switch(tail)
        if self._response is not None and not self._ended:
            self.touch()
        self._hand_on()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """End what was under way."""
        self.lost = True
        self._deadlines.discard(self)
        tunnel, self._tunnel = self._tunnel, None
        if tunnel is not None:
            tunnel.lost(reason)
        ready, self._ready = self._ready, None
        if ready is not None and not ready.called:
            ready.errback(reason)
        if not self._ended:
            error = self._reader.finish(cleanly=reason.check(ConnectionDone) is not None)
            if error is not None:
                self._end(error)
            self._hand_on()
        # These know this: a cycle would be left to the collector.
        self._response = None
        self._reader.end()
        self._released(self, False)

    def timed_out(self) -> None:
        """Give up on a server that is too slow, or on a connection idle for long."""
        self.deadline_s = NEVER
        if self.lost:
            self._abort()
        elif self._ended:
            self.close()
        else:
            self._fail(UpstreamTimedOut("the server sent nothing for too long"))
            self._hand_on()

    # What the reader calls.

    def informed(self, head: ResponseHead) -> None:
        """Pass an interim response on; the server is at work."""
        self._asked_to_continue = True
        self.touch()
        if self._inform is not None:
            self._inform(head)

    def response_read(self, response: ParsedResponse) -> None:
        """Make a response of its head."""
        self._response = UpstreamResponse(self, response.head, response.announced_length)
        if response.head.status == 401 and not self.pinned:
            challenges = index_headers(response.head.headers).get(b"www-authenticate", ())
            self.pinned = challenge_binds(challenges)
        self._reusable = response.reusable
        if response.switched:
            self._ended = True

    def response_body_read(self, data: bytes) -> None:
        """Take a piece of the body."""
        if self._response is not None and not self._ended:
            self._response.body_data(data)

    def response_complete(self, trailers: HeaderList) -> None:
        """End a final response."""
        if self._response is not None and not self._ended:
            self._response.trailers = trailers
            self._complete()

    def response_doubtful(self) -> None:
        """See to it that the connection is not used again."""
        self._reusable = False

    # What the response calls.

    def pause_response(self, response: UpstreamResponse) -> None:
        """Read no more until the client has taken what came."""
        if response is self._response and not self._ended:
            # A client that doesn't keep up has a time limit of its own.
            self._paused = True
            self.deadline_s = NEVER
            self._tcp.pauseProducing()

    def resume_response(self, response: UpstreamResponse) -> None:
        """Read on."""
        if response is self._response and not self._ended:
            self._paused = False
            self.touch()
            self._tcp.resumeProducing()

    def give_up_response(self, response: UpstreamResponse) -> None:
        """Cut the connection: the rest of the body is not wanted."""
        if response is self._response and not self._ended:
            self._fail(BadUpstreamResponse("it was given up"))
            self._hand_on()

    # What the upload calls; and `touch`.

    def upload_ended(self, failure: Failure | None) -> None:
        """Wait for the response; or cut the connection, lest what was sent look whole."""
        self._upload = None
        if failure is None:
            self.touch()
            return
        self._abort()
        result, self._result = self._result, None
        if result is not None:
            self._ended = True
            result.errback(failure)

    # The parts.

    @property
    def keep_alive_timeout_s(self) -> float:
        """How long the client whose request came last may be idle."""
        return self._limits.keep_alive_timeout_s

    def touch(self) -> None:
        """Set the deadline anew: something moved."""
        if self._response is not None:
            waits_for_client = self._paused and self._response.wanted
            limit_s = NEVER if waits_for_client else self._limits.response_idle_timeout_s
        elif self._upload is not None and not self._upload.held and self._asked_to_continue:
            # The server waits for the client, which has a time limit of its own.
            limit_s = NEVER
        else:
            limit_s = self._limits.first_byte_timeout_s
        self.deadline_s = self._deadlines.now() + limit_s

    def _cancelled(self, _: Deferred[UpstreamResponse]) -> None:
        self._result = None
        self._end(BadUpstreamResponse("its request was cancelled"))
        self._abort()

    def _switch(self, tail: bytes) -> None:
        """Speak no more HTTP: what comes waits for a tunnel."""
        assert self._response is not None
        if not self._switched(self):
            self._end(TunnelsFull("as many tunnels are open as may be"))
            self._abort()
            return
        self._tunnel = TunnelEnd(self._tcp, tail)
        self._response.tunnel = self._tunnel
        self.lost = True  # for the pool
        self.deadline_s = NEVER

    def _complete(self) -> None:
        assert self._response is not None
        self._ended = True
        if self._upload is not None:
            # It was answered before it was sent whole; what is left has no place to go.
            self._reusable = False
            self._stop_sending()
            self._abort()
        self._response.body_ended(RESPONSE_DONE)

    def _stop_sending(self) -> None:
        upload, self._upload = self._upload, None
        if upload is not None:
            upload.stop()

    def _end(self, error: UpstreamError) -> None:
        """End the exchange without a whole response."""
        self._ended, self._reusable, self._failure = True, False, error
        if self._response is not None and self._announced:
            self._response.body_ended(Failure(error))
        else:
            self._response = None
        self._stop_sending()

    def _fail(self, error: UpstreamError) -> None:
        if not self._ended:
            self._end(error)
            self._abort()

    def _abort(self) -> None:
        """Cut the connection; nobody may take it from the pool in the meantime."""
        self.lost = True
        self._tcp.abortConnection()

    def _hand_on(self) -> None:
        """Give what one read brought to whoever waits for it."""
        result, response, ended = self._result, self._response, self._ended
        if response is None:
            if result is not None and self._failure is not None:
                self._result = None
                result.errback(Failure(self._failure))
            return
        self._result, self._announced = None, True
        if ended:
            # First, so that a request that the response leads to finds this connection idle.
            self._release()
        if result is not None:
            result.callback(response)
            if not ended and not self._ended and not response.wanted:
                response.wait()
                # If nobody ever takes it, it must not stay for ever.
                self.touch()
        response.flush()

    def _release(self) -> None:
        """Go back to the pool, where the connection's state is beyond doubt."""
        if self.lost:
            return
        self.deadline_s = NEVER
        self._inform = None
        if self._paused:
            # TLS may bring the rest of what it has decrypted after it was paused.
            self._paused = False
            self._tcp.resumeProducing()
        self._released(self, self._reusable)
