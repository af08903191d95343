"""The server side of HTTP/1.1 over llhttp: a client's bytes in, requests out."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import httptools
from twisted.internet.interfaces import IAddress, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from zope.interface import implementer

from corsgate.errors import TargetError
from corsgate.message.framing import CHUNKED, request_authority, request_length
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.headers import HeaderList
from corsgate.message.target import origin_form
from corsgate.wire.request import GateRequest, Refusal, RequestBody
from corsgate.wire.sweeper import NEVER

if TYPE_CHECKING:
    from corsgate.wire.site import GateSite

_FRAMING = frozenset((b"content-length", b"transfer-encoding"))

# How long a client may go on sending what nobody reads any more. Closing at once would reset
# the connection, and the client could lose the response before it has read it (RFC 9112 9.6).
LINGER_S = 10.0


@implementer(IPushProducer)
class GateChannel(Protocol):
    """One client's connection: it parses, and answers one request after the other.

    Requests that were pipelined wait in a queue of what one read brought; nothing more is
    read until they are answered. Each is handed on when its head, and what came with it in
    the same read, has been parsed.
    """

    _log = Logger()

    def __init__(self, site: GateSite) -> None:
        self.site = site
        self.factory = site
        self.deadline_s = NEVER
        self._limits = site.limits
        self._parser: Any = httptools.HttpRequestParser(self)
        # What was parsed and not answered yet; the last one's body may still be coming in.
        self._queue: deque[GateRequest] = deque()
        self._handling: GateRequest | None = None
        self._receiving: RequestBody | None = None
        self._dispatching = False
        # Nothing behind the last request counts any more: it asked to close, or was broken.
        self._final = False
        self._closing = False
        self._reading = True
        self._write_paused = False
        self._producer: Any = None
        # The head that is being parsed.
        self._in_head = False
        self._head_fed = 0
        self._head_deadline_s = NEVER
        # While a new parser reads on behind a declined upgrade.
        self._muted = False
        self._refusal: Refusal | None = None
        self._reset_head()

    # What the transport calls.

    def connectionMade(self) -> None:
        """Start to wait for a request."""
        if not self.isSecure() and hasattr(self._tcp, "setTcpNoDelay"):
            self._tcp.setTcpNoDelay(True)
        self.site.channels.add(self)
        self.site.sweeper.add(self)
        self._tcp.registerProducer(self, True)
        self._rearm()

    def dataReceived(self, data: bytes) -> None:
        """Parse bytes, then hand on the requests that they held."""
        if self._closing or (self._final and self._receiving is None):
            return
        # Bytes that ended a body are not counted to the head that began behind them.
        counted = self._in_head or self._receiving is None
        self._feed(data)
        if self._in_head and counted and not self._final:
            self._head_fed += len(data)
            if self._head_fed > self._limits.max_head_bytes:
                self._refuse_early()
        self._dispatch()
        self._update_reading()
        self._rearm()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell the requests that their client is gone."""
        self._closing = True
        self.site.sweeper.discard(self)
        handling, self._handling = self._handling, None
        waiting = [*([handling] if handling else []), *self._queue]
        self._queue.clear()
        for request in waiting:
            request.connectionLost(reason)
        self.site.channel_lost(self)

    def pauseProducing(self) -> None:
        """The client does not keep up with the response."""
        self._write_paused = True
        self.deadline_s = self._now() + self._limits.response_idle_timeout_s
        if self._producer is not None:
            self._producer.pauseProducing()

    def resumeProducing(self) -> None:
        """The client has taken what was buffered."""
        self._write_paused = False
        self._rearm()
        if self._producer is not None:
            self._producer.resumeProducing()

    def stopProducing(self) -> None:
        """The transport is gone; `connectionLost` tells the requests."""

    def timed_out(self) -> None:
        """Cut a connection that is idle, slow, or does not take its response."""
        idle = self._handling is None and not self._in_head and not self._closing
        if idle and self._receiving is None:
            self.loseConnection()
        else:
            self.deadline_s = NEVER
            self.abortConnection()

    # What llhttp calls.

    def on_message_begin(self) -> None:
        """Forget the head before."""
        if not self._muted:
            self._reset_head()
            self._in_head = True
            self._head_fed = 0

    def on_url(self, data: bytes) -> None:
        """Take a part of the request target."""
        if not self._muted:
            self._count(len(data))
            if self._head_bytes <= self._limits.max_head_bytes:
                self._target += data

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field; one that comes behind a body is a trailer, which is not forwarded."""
        if self._muted or not self._in_head:
            return
        self._count(len(name) + len(value) + 4)
        if self._head_bytes > self._limits.max_head_bytes:
            return
        if len(self._headers) < self._limits.max_headers:
            # llhttp leaves the white space behind a value on it (RFC 9112 5.1).
            self._headers.append((name, value.rstrip(b" \t")))
        elif self._refusal is None:
            self._refusal = Refusal(
                status=431, detail="The request has too many header fields.", routable=True
            )

    def on_headers_complete(self) -> None:
        """Make a request of the head."""
        if self._muted:
            return
        self._in_head = False
        self._head_deadline_s = NEVER
        if self._final:
            return
        try:
            request = self._make_request()
        except TargetError as error:
            self._refuse(400, f"{error}.")
            return
        request.persistent = self._parser.should_keep_alive() and request.refusal is None
        self._final = not request.persistent
        self._receiving = request.body
        self._queue.append(request)

    def on_body(self, data: bytes) -> None:
        """Take a piece of a body."""
        if self._receiving is not None:
            self._receiving.data_received(data)

    def on_message_complete(self) -> None:
        """Take the end of a message."""
        if self._parser.should_upgrade() and not self._muted:
            # The body, if there is one, has not been read: `_decline_upgrade` goes on.
            return
        self._muted = False
        if self._receiving is not None:
            body, self._receiving = self._receiving, None
            body.ended()

    # What a request calls.

    def getPeer(self) -> IAddress:
        """Answer the client's address."""
        return self._tcp.getPeer()  # type: ignore[no-any-return]  # transports are untyped

    def getHost(self) -> IAddress:
        """Answer the gate's own address."""
        return self._tcp.getHost()  # type: ignore[no-any-return]  # transports are untyped

    def isSecure(self) -> bool:
        """Answer whether the client speaks TLS to the gate."""
        return isinstance(self.transport, TLSMemoryBIOProtocol)

    def write(self, data: bytes) -> None:
        """Write bytes of a response, framing included."""
        self._tcp.write(data)

    def writeSequence(self, data: list[bytes]) -> None:
        """Write bytes of a response in one go."""
        self._tcp.write(b"".join(data))

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Headers) -> None:
        """Write the head of a response that was made by twisted.web's own API."""
        fields = [(name, value) for name, values in headers.getAllRawHeaders() for value in values]
        delimited = any(name.lower() in _FRAMING for name, _ in fields)
        self._say_persistence(fields, delimited=delimited)
        self._write_lines(int(code), reason, fields)

    def write_head(self, head: ResponseHead, length: int | None, *, bodiless: bool) -> bool:
        """Write a response's head with its framing (RFC 9112 6.3).

        Args:
            head: The head; framing fields in it are left out.
            length: The body's length in bytes, or None where only its end will tell.
            bodiless: Whether no body follows, whatever `length` says.

        Returns:
            Whether the body is to be chunked.
        """
        assert self._handling is not None
        fields = [field for field in head.headers if field[0].lower() not in _FRAMING]
        chunked = False
        if length is not None:
            if head.status != 204:
                fields.append((b"Content-Length", b"%d" % length))
        elif not bodiless and self._handling.clientproto == b"HTTP/1.1":
            chunked = True
            fields.append((b"Transfer-Encoding", b"chunked"))
        self._say_persistence(fields, delimited=bodiless or chunked or length is not None)
        self._write_lines(head.status, head.reason, fields)
        return chunked

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Take the source of the response; it hears when the client does not keep up."""
        self._producer = producer
        if not streaming or not self._write_paused:
            return
        producer.pauseProducing()

    def unregisterProducer(self) -> None:
        """Forget the source of the response."""
        self._producer = None

    def requestDone(self, request: GateRequest) -> None:
        """Go on to the next request, or close."""
        self._handling = None
        self._producer = None
        unread = request.body is not None and not request.body.complete
        if unread and request.body is not None:
            request.body.discard()
            self.deadline_s = self._now() + LINGER_S
        if not request.persistent or self.site.draining:
            if unread or request.refusal is not None:
                self._linger()
            else:
                self.loseConnection()
            return
        self._dispatch()
        self._update_reading()
        self._rearm()

    def loseConnection(self) -> None:
        """Close once all that was written has left."""
        self._closing = True
        self.deadline_s = self._now() + LINGER_S
        self._tcp.unregisterProducer()
        self._tcp.loseConnection()

    def abortConnection(self) -> None:
        """Cut the connection at once."""
        self._closing = True
        self._tcp.abortConnection()

    def drain(self) -> None:
        """Close now where nothing is in flight, else after the response."""
        if self._handling is None and not self._queue and not self._closing:
            self.loseConnection()

    # The parts.

    @property
    def _tcp(self) -> Any:
        return self.transport

    def _now(self) -> float:
        return self.site.sweeper.now()

    def _rearm(self) -> None:
        """Set the deadline that the state asks for, where no other is running."""
        if self._closing or self._write_paused:
            return
        limits = self._limits
        if self._handling is not None or self._queue:
            waits_for_client = self._receiving is not None and self._reading
            self.deadline_s = (
                self._now() + limits.client_body_timeout_s if waits_for_client else NEVER
            )
        elif self._receiving is not None:
            # What is left of a body that nobody wants: `requestDone` has set the deadline.
            return
        elif self._in_head:
            if self._head_deadline_s == NEVER:
                self._head_deadline_s = self._now() + limits.client_head_timeout_s
            self.deadline_s = self._head_deadline_s
        else:
            self.deadline_s = self._now() + limits.keep_alive_timeout_s

    def _reset_head(self) -> None:
        self._target = b""
        self._headers: HeaderList = []
        self._head_bytes = 0
        self._refusal = None

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self._limits.max_head_bytes:
            self._refusal = Refusal(status=431, detail="The request's head is too large.")

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._decline_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserInvalidMethodError:
            self._broken(501, "The method is not known here.")
        except httptools.HttpParserCallbackError as error:
            self._log.failure("while parsing a request", Failure(error.__context__ or error))
            self.abortConnection()
        except httptools.HttpParserError as error:
            self._broken(400, f"The request is not well-formed: {error}.")

    def _broken(self, status: int, detail: str) -> None:
        """Answer bytes that are no HTTP; a body that breaks off takes its request with it."""
        if self._receiving is None:
            self._refuse(status, detail)
            return
        body, self._receiving = self._receiving, None
        self._final = True
        for request in (self._handling, *self._queue):
            if request is not None and request.body is body:
                request.persistent = False
                body.fail(Failure(TargetError(detail)))
                return
        # Its response has been sent, and the rest of the body was only being discarded.
        self.loseConnection()

    def _make_request(self) -> GateRequest:
        """Check the head as a whole (RFC 9112 3, 6)."""
        method: bytes = self._parser.get_method()
        version = self._parser.get_http_version()
        refusal = self._refusal
        head = RequestHead(method=method, target=self._target, headers=self._headers)
        request = GateRequest(self, head, refusal)
        if version == "1.0":
            request.clientproto = b"HTTP/1.0"
        if refusal is not None and not refusal.routable:
            return request
        if version not in ("1.1", "1.0"):
            request.refusal = Refusal(status=505, detail="HTTP/1.1 is spoken here.")
        elif method == b"CONNECT":
            request.refusal = Refusal(status=501, detail="This is not a tunnelling proxy.")
        else:
            target, named = origin_form(self._target, method)
            request.take_target(target, request_authority(request.index, version, named))
            length = request_length(request.index, version)
            if length is not None:
                request.take_body(
                    RequestBody(
                        None if length == CHUNKED else length,
                        self._limits.max_buffered_bytes,
                        self._body_changed,
                    )
                )
            if refusal is None and len(target) > self._limits.max_target_bytes:
                request.refusal = Refusal(
                    status=414, detail="The request target is too long.", routable=True
                )
        return request

    def _refuse(self, status: int, detail: str) -> None:
        """Answer with an error behind what is in flight, then close."""
        if self._final:
            return
        self._final = True
        self._in_head = False
        head = RequestHead(method=b"GET", target=self._target or b"/", headers=self._headers)
        request = GateRequest(self, head, Refusal(status=status, detail=detail))
        request.persistent = False
        self._queue.append(request)

    def _refuse_early(self) -> None:
        """Answer a head that is too large before it has ended."""
        if self._headers:
            self._refuse(431, "The request's head is too large.")
        else:
            self._refuse(414, "The request target is too long.")

    def _decline_upgrade(self, rest: bytes) -> None:
        """Go on in HTTP/1.1 where a client offered another protocol (RFC 9110 7.8).

        llhttp stops at such a request and leaves its body unread; a new parser that is shown
        the same framing reads on.
        """
        if self._final and self._receiving is None:
            return
        self._parser = httptools.HttpRequestParser(self)
        body = self._receiving
        if body is not None:
            framing = (
                b"Transfer-Encoding: chunked"
                if body.length is None
                else b"Content-Length: %d" % body.length
            )
            self._muted = True
            self._parser.feed_data(b"POST / HTTP/1.1\r\nHost: _\r\n%b\r\n\r\n" % framing)
        if rest:
            self._feed(rest)

    def _dispatch(self) -> None:
        """Render queued requests, as long as each is answered at once."""
        if self._dispatching:
            return
        self._dispatching = True
        try:
            while self._queue and self._handling is None and not self._closing:
                self._handling = self._queue.popleft()
                self._handling.process()
        finally:
            self._dispatching = False

    def _body_changed(self) -> None:
        self._update_reading()
        self._rearm()

    def _update_reading(self) -> None:
        """Read on only where there is room for what comes."""
        body = self._receiving
        wanted = self._closing or (not self._queue and (body is None or body.wants_data))
        if wanted != self._reading and self.transport is not None:
            self._reading = wanted
            if wanted:
                self._tcp.resumeProducing()
            else:
                self._tcp.pauseProducing()

    def _say_persistence(self, fields: HeaderList, *, delimited: bool) -> None:
        """Say whether the connection stays open (RFC 9112 9.3, 9.6)."""
        request = self._handling
        assert request is not None
        body = request.body
        # A client that still waits for 100 Continue may send its body or not: only closing
        # tells the two apart.
        unasked = body is not None and body.awaits_continue
        if not request.persistent or self.site.draining or not delimited or unasked:
            request.persistent = False
            self._final = True
            fields.append((b"Connection", b"close"))
        elif request.clientproto == b"HTTP/1.0":
            fields.append((b"Connection", b"keep-alive"))

    def _write_lines(self, status: int, reason: bytes, fields: HeaderList) -> None:
        lines = [b"HTTP/1.1 %d %b" % (status, reason)]
        lines += [name + b": " + value for name, value in fields]
        self._tcp.write(b"\r\n".join(lines) + b"\r\n\r\n")

    def _linger(self) -> None:
        """Close the sending side, and read on for a while what nobody wants."""
        if self.isSecure() or not hasattr(self._tcp, "loseWriteConnection"):
            self.loseConnection()
            return
        self._closing = True
        self.deadline_s = self._now() + LINGER_S
        self._tcp.unregisterProducer()
        self._update_reading()
        self._tcp.loseWriteConnection()
