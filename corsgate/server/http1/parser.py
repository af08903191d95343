"""Requests read from a client's bytes by llhttp, with all that it lets through refused here."""

from __future__ import annotations

from typing import Any

import attrs
import httptools

from corsgate.config.model.values import Limits
from corsgate.errors import TargetError, UnknownCoding
from corsgate.message.framing import (
    CHUNKED,
    check_connection,
    request_authority,
    request_framing,
    request_length,
)
from corsgate.message.head import RequestHead
from corsgate.message.headers import HeaderList, index_headers
from corsgate.message.target import origin_form
from corsgate.message.upgrade import switchable
from corsgate.server.http1.message_cuts import HEAD_END, MessageCuts
from corsgate.server.http1.recall import LastRequest
from corsgate.server.http1.request_line import RequestLine
from corsgate.server.parsed_request import ParsedRequest, Refusal, RequestSink, malformed, refused


class RequestParser:
    """Turns a connection's bytes into requests (RFC 9112).

    Bytes that are no HTTP become a `ParsedRequest` with a refusal, in their place among the
    requests before them. What follows an offer to switch protocols is held until `go_on` or
    `switch` says what it is (RFC 9110 7.8).

    A client sends much the same fields with each request of a connection. Where they are the
    last request's byte for byte, llhttp is shown the request line alone, and what it made of
    the fields then is taken again.

    Args:
        sink: Told of what is read, during `feed`.
        limits: Bounds on the head.
    """

    def __init__(self, sink: RequestSink, limits: Limits) -> None:
        self._sink = sink
        self._limits = limits
        self._parser: Any = httptools.HttpRequestParser(self)
        self.in_head = False
        self._in_body = False
        self._final = False
        # Bytes of reads since the head began, or since the body last moved; and of this read.
        self._fed = self._reading = 0
        # Bytes of the reads that a head which is not complete has come in.
        self._collected = 0
        self._moved = False
        # While a new parser reads on behind an offer that can't be taken up.
        self._muted = False
        # Bytes behind an offer that may yet be taken up.
        self._held: bytes | None = None
        self._trailers: HeaderList = []
        self._length: int | None = None
        self._offered = False
        self._line = RequestLine()
        self._cuts = MessageCuts()
        # How much of a body of known length is still to come, and what this read brought of it.
        self._left = 0
        self._pieces: list[bytes] = []
        # The last request, what is taken of it for the next one, and what this read brought last.
        self._last = LastRequest(limits)
        self._recalled: ParsedRequest | None = None
        self._read: ParsedRequest | None = None
        self._begin()

    @property
    def holding(self) -> bool:
        """Whether nothing is read until it is known which protocol it is."""
        return self._held is not None

    @property
    def held(self) -> int:
        """About how many bytes of memory a head takes that has come in part."""
        return 2 * self._collected

    def feed(self, data: bytes) -> None:
        """Read bytes.

        Args:
            data: What the client sent, split anyhow.
        """
        if self._held is not None:
            self._held += data
            return
        if self._final and not self._in_body:
            return
        if self._last.request is not None and self._recall(data):
            return
        whole = data.endswith(HEAD_END) and not self._in_body and not self.in_head
        self._read = self._last.request = None
        self._moved = False
        self._reading = len(data)
        self._collected += len(data)
        self._parse(data)
        if not self.in_head:
            self._collected = 0
        if whole and self._read is not None and not self._in_body:
            self._last.remember(self._read, data)
        # A head may begin anywhere in a read, so the read that it begins in isn't counted.
        self._fed = 0 if self._moved else self._fed + len(data)
        if self._fed + len(data) > self._limits.max_head_bytes:
            self._check_size()

    def go_on(self) -> None:
        """Read on in HTTP/1.1: the offer was not taken up."""
        held, self._held = self._held, None
        if held:
            self.feed(held)

    def switch(self) -> bytes:
        """Read no more, and return the bytes of the other protocol that have come."""
        held, self._held = self._held, b""
        return held or b""

    def forget(self) -> None:
        """Remember no head for the next one."""
        self._read = None
        self._last.forget()

    def end(self) -> None:
        """Let go of the sink, and of the parser, which knows this: the connection is gone."""
        self._parser = self._read = self._last.request = None
        del self._sink

    # What llhttp calls.

    def on_message_begin(self) -> None:
        """Forget the head before."""
        if not self._muted and not self._final:
            self._begin()
            self.in_head = True
            if self._cuts.given_up:
                # It is not known where its request line begins, so it can't be checked. Who has
                # sent this many empty lines in a body doesn't send a request with it.
                self.refuse(Refusal(status=400, detail="Send this request again, by itself."))

    def on_url(self, data: bytes) -> None:
        """Take a part of the request target."""
        if self.in_head:
            self._target += data

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field; one behind the body is a trailer."""
        # llhttp leaves the white space behind a value on it (RFC 9112 5.1).
        if self.in_head:
            if len(self._headers) < self._limits.max_headers:
                self._headers.append((name, value.rstrip(b" \t")))
            else:
                self._surplus = True
        elif self._in_body:
            self._trailers.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        """Make a request of the head."""
        if self._muted or self._final:
            return
        self.in_head = False
        try:
            request = self._make_request()
        except TargetError as error:
            status = 501 if isinstance(error, UnknownCoding) else 400
            refusal = self._excess() or malformed(error, status)
            self.refuse(refusal, method=self._parser.get_method())
            return
        if self._recalled is None:
            self._line.clear()
        self._length = request.length
        self._left = request.length or 0
        self._offered = bool(request.offers)
        self._trailers = []
        self._in_body = request.length is not None
        self._final = not request.keep_alive
        self._read = request
        self._headers: HeaderList = []  # They are the request's alone.
        self._sink.request_read(request)

    def on_body(self, data: bytes) -> None:
        """Take a piece of a body."""
        if self._in_body:
            self._moved = True
            self._left -= len(data)
            self._pieces.append(data)

    def on_message_complete(self) -> None:
        """Take the end of a message."""
        if self._parser.should_upgrade() and not self._muted:
            # The body, if there is one, has not been read: `_decline_upgrade` goes on.
            return
        self._muted = False
        self._moved = True
        if self._in_body:
            self._pass_body()
            self._in_body = False
            self._sink.body_complete(self._trailers)

    # The parts.

    def _begin(self) -> None:
        self._moved = True
        self._target = b""
        self._headers = []
        self._surplus = False

    def _recall(self, data: bytes) -> bool:
        """Read a request whose fields are the last one's; return whether this is one."""
        head = self._last.head_with_its_fields(data)
        if head is None:
            return False
        self._recalled = self._last.request
        # llhttp sees to it that the method is one.
        self._parse_some(head)
        self._recalled = None
        return True

    def _check_size(self) -> None:
        """Refuse what goes on for too long without an end (RFC 6585 5)."""
        if self._in_body:
            if self._fed > self._limits.max_head_bytes:
                # llhttp would go on collecting an endless trailer, or skip an endless extension.
                self._broken(400, "The body's chunks or trailers are too large.")
        elif self.in_head:
            excess = self._excess()
            if excess is not None or self._fed > self._limits.max_head_bytes:
                self.refuse(excess or self._too_large())

    def _excess(self) -> Refusal | None:
        """Return why the head, as far as it has come, is too much; None where it isn't."""
        limits = self._limits
        # Where fewer bytes than that have been fed, none need be counted.
        if self._fed + self._reading > limits.max_head_bytes:
            size = len(self._target) + sum(len(n) + len(v) + 4 for n, v in self._headers)
            if size > limits.max_head_bytes:
                return self._too_large()
        if self._surplus:
            return Refusal(
                status=431, detail="The request has too many header fields.", routable=True
            )
        return None

    def _too_large(self) -> Refusal:
        if len(self._target) > self._limits.max_target_bytes:
            return Refusal(status=414, detail="The request target is too long.")
        return Refusal(status=431, detail="The request's head is too large.")

    def _parse(self, data: bytes) -> None:
        """Parse bytes piece by piece, so that each message begins with a piece.

        llhttp doesn't tell where in a read a message begins, and it is lenient about the request
        line: that can only be checked where the place of its first byte is known.
        """
        self._cuts.begin_read()
        at, size = 0, len(data)
        while at < size:
            if self._held is not None:
                self._held += data[at:]
                return
            if self._final and not self._in_body:
                return
            if self._in_body and self._length != CHUNKED and self._left > 0:
                end = min(at + self._left, size)
            else:
                end = self._cuts.next(data, at, in_body=self._in_body, in_line=bool(self._line))
            piece = data if end - at == size else data[at:end]
            if self._in_body or self._line.take(piece):
                self._parse_some(piece)
            else:
                # llhttp might have begun a message here, or not yet.
                self._begin()
                self._broken(400, "There is a bare CR or LF before a request.")
            at = end
        if self._pieces:
            self._pass_body()
        if self.in_head or (self._in_body and self._length == CHUNKED):
            self._cuts.end_read(data)

    def _pass_body(self) -> None:
        """Pass on what came of the body, joined: it may have come in chunks of a byte each."""
        data = b"".join(self._pieces)
        self._pieces.clear()
        if data:
            self._sink.body_read(data)

    def _parse_some(self, data: bytes) -> None:
        """Have a piece parsed that is part of one message."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # The piece ends where the head does.
            if self._offered:
                self._parser = httptools.HttpRequestParser(self)
                self._held = b""
            elif not self._final or self._in_body:
                self._decline_upgrade()
        except httptools.HttpParserInvalidMethodError:
            if self._line.has_misplaced_blank():
                self._broken(400, "The request line has a blank where none may be.")
            else:
                self._broken(501, "The method is not known here.")
        except httptools.HttpParserCallbackError as error:
            raise error.__context__ or error from None
        except httptools.HttpParserError as error:
            self._broken(400, f"The request is not well-formed: {error}.")

    def _broken(self, status: int, detail: str) -> None:
        if self._in_body:
            self._pass_body()
            self._in_body = False
            self._final = True
            self._sink.body_broken(detail)
        else:
            self.refuse(Refusal(status=status, detail=detail))

    def _make_request(self) -> ParsedRequest:
        """Check the head as a whole (RFC 9112 2.3, 3 and 6)."""
        method: bytes = self._parser.get_method()
        last = self._recalled
        if last is not None:
            return ParsedRequest(
                head=RequestHead(method=method, target=self._target, headers=last.head.headers),
                index=last.index,
                authority=last.authority,
                keep_alive=True,
                memo=last.memo,
            )
        version: str = self._parser.get_http_version()
        index = index_headers(self._headers)
        refusal = self._excess()
        target, authority, length = self._target, b"", None
        offers: tuple[bytes, ...] = ()
        if version not in ("1.1", "1.0"):
            refusal = Refusal(status=505, detail="HTTP/1.1 is spoken here.")
        elif not self._line.is_exactly(method, target, version):
            refusal = Refusal(
                status=400, detail="The request line is not a method, a target and HTTP/1.1."
            )
        elif method == b"CONNECT":
            refusal = Refusal(status=501, detail="This is not a tunnelling proxy.")
        elif refusal is None or refusal.status == 431:
            target, named = origin_form(self._target, method)
            authority = request_authority(index, version, named)
            length = request_length(index, version)
            check_connection(index)
            if refusal is not None:
                refusal = attrs.evolve(refusal, routable=True)
            if length is None and version == "1.1" and self._parser.should_upgrade():
                offers = switchable(index.get(b"upgrade", ()))
            if refusal is None and len(target) > self._limits.max_target_bytes:
                refusal = Refusal(
                    status=414, detail="The request target is too long.", routable=True
                )
        return ParsedRequest(
            head=RequestHead(method=method, target=target, headers=self._headers),
            index=index,
            version=version,
            authority=authority,
            length=length,
            keep_alive=refusal is None and self._parser.should_keep_alive(),
            offers=() if refusal else offers,
            refusal=refusal,
        )

    def refuse(self, refusal: Refusal, method: bytes = b"GET") -> None:
        """Put a refusal in the place of what can't be read, and read no more."""
        if self._final:
            return
        self._final = True
        self.in_head = False
        head = RequestHead(method=method, target=self._target or b"/", headers=self._headers)
        self._sink.request_read(refused(head, refusal))

    def _decline_upgrade(self) -> None:
        """Read on in HTTP/1.1 where a client offered another protocol.

        llhttp stops at such a request and leaves its body unread; a new parser that is shown
        the same framing reads on.
        """
        self._parser = httptools.HttpRequestParser(self)
        if self._in_body:
            framing = request_framing(b"POST", self._length)
            self._muted = True
            self._parser.feed_data(b"POST / HTTP/1.1\r\nHost: _\r\n%b\r\n" % framing)
            self._trailers.clear()
