"""The server side of HTTP/2: a connection whose streams are requests (RFC 9113)."""

from __future__ import annotations

from h2.events import (
    DataReceived,
    Event,
    PingAckReceived,
    RemoteSettingsChanged,
    RequestReceived,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from corsgate.errors import ConnectionFault, MalformedRequest
from corsgate.message.headers import HeaderList
from corsgate.server.admission import Spare
from corsgate.server.client_connection import ClientConnection
from corsgate.server.context import ServerContext
from corsgate.server.http1.timeouts import LINGER_S
from corsgate.server.http2.codec import MAX_STREAMS, Codec
from corsgate.server.http2.fields import RequestBlocks
from corsgate.server.http2.flood_limits import BYTES_PER_FRAME, FloodLimits
from corsgate.server.http2.frames import Code, Frame, FrameReader, Kind
from corsgate.server.http2.goaway import GoAway
from corsgate.server.http2.pump import Pump
from corsgate.server.http2.stream import Http2Stream
from corsgate.server.http2.timeouts import ConnectionTimeouts
from corsgate.server.http2.turns import REQUESTS_PER_TURN, Turns
from corsgate.server.http2.uploads import Uploads
from corsgate.server.memory_budget import Tally
from corsgate.transport.deadlines import NEVER

# Looking up an enum member costs a call.
_DATA, _HEADERS = Kind.DATA, Kind.HEADERS
_OF_REQUESTS = (Kind.DATA, Kind.HEADERS, Kind.CONTINUATION)


@implementer(IPushProducer)
class Http2Connection(ClientConnection):
    """One client's connection, which serves many requests at once, each in its own stream.

    Args:
        context: What all connections of the listener share.

    Attributes:
        tally: The memory that its streams hold.
        codec: Encodes and decodes HTTP/2.
        flood_limits: Counts cheap frames of the client.
        lingering: How many streams have a complete response but an incomplete request.
    """

    _log = Logger()

    def __init__(self, context: ServerContext) -> None:
        self.context = context
        limits = context.limits
        self.tally = Tally()
        self.codec = Codec(limits, context.shortcuts)
        self.lingering = 0
        # A compressed field is never larger than the same field uncompressed.
        self.flood_limits = FloodLimits(2 * limits.max_head_bytes)
        self._reader = FrameReader()
        self._blocks = RequestBlocks(limits, context.shortcuts)
        self._streams: dict[int, Http2Stream] = {}
        self._uploads = Uploads(self.codec, self.flood_limits, self._streams)
        self._pump = Pump()
        self._turns = Turns(context.reactor, lambda: self.dataReceived(b""))
        self._closing = False
        self._goaway = GoAway(self.codec)
        self._timeouts = ConnectionTimeouts(limits)

    # Called by the transport.

    def connectionMade(self) -> None:
        """Send the gate's settings, and wait for the client's."""
        self._enter()
        self.flush()
        self._rearm()

    def dataReceived(self, data: bytes) -> None:
        """Parse frames, and act on each."""
        if self._closing:
            return
        left = REQUESTS_PER_TURN
        try:
            for frame in self._reader.feed(data):
                self._receive(frame)
                if self._closing:
                    return
                left -= frame.kind == _HEADERS
                if not left:
                    self._turns.pause(self._tcp)
                    break
            if self._uploads.pieces:
                self._uploads.pass_on(self._now())
        except ConnectionFault as fault:
            self._fail(fault)
            return
        self.flush()
        if not self._streams:
            self._check_done()
        self._rearm()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """End the requests, since their client is gone."""
        self._begin_closing()
        self.context.deadlines.discard(self)
        self._lose_streams("the client closed the connection", reason)
        self.hold_nothing()
        self.codec.close()
        self._turns.end()
        self.context.connections.lost(self)

    def pauseProducing(self) -> None:
        """The client does not keep up with the responses."""
        self._pump.pause()
        self._hold_unsent()
        self._timeouts.pause(self._now())
        self._rearm()

    def resumeProducing(self) -> None:
        """The client has read what was buffered."""
        self._pump.resume()
        self.hold(response=0)
        self._timeouts.resume()
        self._send()
        self._rearm()

    def tls_ended(self) -> None:
        """The client ended TLS, so nothing more can be sent to it."""
        if self._streams:
            self.abortConnection()

    def timed_out(self) -> None:
        """Act on the deadline that has passed."""
        now = self._now()
        if self._closing or self._timeouts.take_by <= now:
            self.cut("the client did not take the response")
        elif self._timeouts.head_by <= now:
            self._fail(ConnectionFault(Code.ENHANCE_YOUR_CALM, "a head did not arrive in time"))
        elif self._goaway.due_s <= now:
            self._finish_farewell()
        else:
            self.drain()

    @property
    def spare(self) -> Spare:
        """What closing this connection would lose: requests, part of one, or nothing."""
        ready = not self._closing and self._timeouts.head_by == NEVER
        return Spare.NO if self._streams else Spare.IDLE if ready else Spare.UNREADY

    # Called by its streams.

    def send(self, stream: Http2Stream) -> None:
        """Send what a stream has waiting, when it is its turn."""
        self._pump.add(stream)
        if not self._send():
            stream.turn_ended(sent=False)

    def send_whole(self, stream: Http2Stream, fields: HeaderList, body: bytes) -> bool:
        """Send a complete response if the windows allow it; return whether it was sent."""
        if not self._pump.flows or not self.codec.send_whole(stream.number, fields, body):
            return False
        self.flood_limits.responded(len(body))
        self.flush()
        return True

    def flush(self) -> None:
        """Write the frames that the codec has collected."""
        if self.codec.waiting and not self._closing:
            self._tcp.write(self.codec.take())

    def stream_left(self, stream: Http2Stream) -> None:
        """Forget a stream that has ended."""
        self._streams.pop(stream.number, None)
        self._pump.drop(stream)
        self.flush()
        if not self._streams:
            self._check_done()
            self._rearm()

    # Called by the listener.

    def drain(self) -> None:
        """Accept no more requests, and close once the current ones have ended."""
        if not self._closing and self._goaway.begin(self._now()):
            self.flush()
            self._rearm()

    def loseConnection(self) -> None:
        """Close, with a GOAWAY that counts all requests as served (RFC 9113 6.8)."""
        self.codec.goaway(self.codec.last_id)
        self.flush()
        self._close()

    def rest(self) -> None:
        """Drop what would make the next request cheaper, if no request is in progress."""
        super().rest()
        if not self._streams:
            self._blocks.forget()
            self.codec.rest()

    def cut(self, outcome: str) -> None:
        """Cut the connection; the access log has the reason."""
        self._lose_streams(outcome, Failure(ConnectionDone(outcome)))
        self.abortConnection()

    def abortConnection(self) -> None:
        """Cut the connection at once."""
        self._begin_closing()
        self.deadline_s = NEVER
        self._tcp.abortConnection()

    # Internals.

    def _rearm(self) -> None:
        """Set the deadline for the current state."""
        if self._closing:
            return
        in_head = (
            self.flood_limits.in_block
            or not self.flood_limits.greeted
            or (not self._streams and self._reader.partial)
        )
        idle = not (self._streams or self._goaway.begun)
        by_client = self._timeouts.update(self._now(), in_head=in_head, idle=idle)
        self.deadline_s = min(by_client, self._goaway.due_s)

    def _receive(self, frame: Frame) -> None:
        now = self._now()
        self.flood_limits.frame_came(frame, now)
        if self._timeouts.head_by != NEVER and not self.flood_limits.in_block:
            self._timeouts.head_ended()
        if frame.kind == _DATA and self._uploads.takes(frame, now):
            return
        if self._uploads.pieces:
            self._uploads.pass_on(now)
        if self.codec.opens(frame):
            self._open(frame.stream_id, ended=True)
            return
        if frame.kind == Kind.GOAWAY:
            # The client opens no more streams. The open ones continue.
            self._goaway.client_leaves = True
            return
        if frame.kind == Kind.RST_STREAM and frame.stream_id > self.codec.last_id:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "a stream was reset before it was opened")
        if self.codec.ignores(frame):
            # The client has sent it before it knew. A small one may also be a part of a flood.
            if frame.size < BYTES_PER_FRAME:
                self.flood_limits.idle(now)
            return
        events = self.codec.receive(frame)
        if not events and frame.kind in _OF_REQUESTS and not self.flood_limits.in_block:
            # It arrived late, for a stream that has ended.
            self.flood_limits.idle(now)
        for event in events:
            self._take(event)

    def _take(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            self._open(event.stream_id, ended=event.stream_ended is not None)
        elif isinstance(event, DataReceived):
            self._uploads.received(event, self._now())
        elif isinstance(event, TrailersReceived):
            self._uploads.trailers_received(event, self._now())
        elif isinstance(event, StreamReset):
            self._reset_received(event)
        elif isinstance(event, WindowUpdated | RemoteSettingsChanged):
            self._window_opened(getattr(event, "stream_id", 0))
        elif isinstance(event, PingAckReceived) and self._goaway.is_answered(event.ping_data):
            self._finish_farewell()

    def _open(self, number: int, *, ended: bool) -> None:
        """Serve a new stream, or refuse it."""
        open_streams = len(self._streams)
        if open_streams >= MAX_STREAMS:
            open_streams = sum(not stream.responded for stream in self._streams.values())
        if open_streams >= MAX_STREAMS or self._goaway.finished:
            self._turn_away(number, Code.REFUSED_STREAM, ended=ended)
            return
        try:
            read = self._blocks.read(self.codec.fields, ended=ended)
        except MalformedRequest as error:
            self._turn_away(number, Code.PROTOCOL_ERROR, ended=ended)
            Http2Stream(self, number, ended=True).begin_malformed(
                f"the request is malformed: {error}"
            )
            return
        stream = self._streams[number] = Http2Stream(self, number, ended=ended)
        self._timeouts.request_came()
        stream.begin(read)

    def _turn_away(self, number: int, code: Code, *, ended: bool) -> None:
        self.codec.reset(number, code, give_up=not ended)
        self.flood_limits.reset(self._now())

    def _reset_received(self, event: StreamReset) -> None:
        """End a stream that the client reset, or that h2 reset because of the client."""
        stream = self._streams.pop(event.stream_id, None)
        if stream is None:
            return
        self._pump.drop(stream)
        outcome = "the client reset the stream" if event.remote_reset else "the client broke HTTP/2"
        stream.lost(outcome)
        self.flood_limits.reset(self._now())

    def _window_opened(self, number: int | None) -> None:
        if number:
            if (stream := self._streams.get(number)) is not None:
                self._pump.add(stream)
        else:
            self._pump.add(*self._streams.values())
        self._send()

    def _send(self) -> bool:
        """Send as much as the windows allow; return whether the streams had their turns."""
        ran = self._pump.run(self.flush)
        self.flush()
        return ran

    def _finish_farewell(self) -> None:
        """Send the GOAWAY that names the last stream."""
        if self._goaway.finish():
            self.flush()
            self._check_done()
        self._rearm()

    def _check_done(self) -> None:
        """Close if no stream is left and no more will be opened."""
        if self._streams or self._closing:
            return
        if self._goaway.finished:
            self._close()
        elif self._goaway.client_leaves:
            self._finish_farewell()

    def _fail(self, fault: ConnectionFault) -> None:
        """End the connection with an error (RFC 9113 5.4.1)."""
        self._report(fault)
        self.codec.fail(fault.code, str(fault).encode("ascii", "replace"))
        self.flush()
        self._close()
        self._lose_streams(f"the client broke HTTP/2: {fault}", Failure(fault))

    def _report(self, fault: ConnectionFault) -> None:
        """Log, throttled, that a fault of the client ended the connection."""
        more = self.context.log_throttle.due(("HTTP/2", fault.code), self._now())
        if more is not None:
            self._log.debug("a connection was ended: {fault}{more}", fault=str(fault), more=more)

    def _begin_closing(self) -> None:
        if not self._closing:
            self._closing = True
            self._pump.close()
            # TLS and its producer refer to each other. Break the cycle, or it waits for the GC.
            self._tcp.unregisterProducer()

    def _close(self) -> None:
        self._begin_closing()
        self._turns.stop()
        self._tcp.loseConnection()
        # TLS waits for the client's own close_notify.
        self.deadline_s = self._now() + LINGER_S

    def _lose_streams(self, outcome: str, reason: Failure) -> None:
        streams = list(self._streams.values())
        self._streams.clear()
        for stream in streams:
            stream.lost(outcome, reason)


def make_http2(context: ServerContext) -> Http2Connection:
    """Return the protocol of one HTTP/2 connection."""
    return Http2Connection(context)
