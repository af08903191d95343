"""Parse requests with llhttp, and reject the malformed ones that it accepts."""

from __future__ import annotations

import re
from typing import Any

import httptools

from corsgate.config.model.values import Limits
from corsgate.errors import TargetError
from corsgate.message.headers import HeaderList
from corsgate.server.http1.last_request import PLAIN_LINE, LastRequest
from corsgate.server.http1.message_cuts import HEAD_END, MessageCuts
from corsgate.server.http1.request_head import CollectedHead
from corsgate.server.http1.request_line import RequestLine, head_before
from corsgate.server.http1.states import NEXT_STATES, State
from corsgate.server.parsed_request import ParsedRequest, Refusal, RequestSink, malformed, refused
from corsgate.shortcuts import ALL, Shortcuts
from corsgate.transport.deadlines import NEVER

# Looking up an enum member in its class is slow.
_BETWEEN, _HEAD, _BODY = State.BETWEEN, State.HEAD, State.BODY
_OFFERED, _ENDED = State.OFFERED, State.ENDED

# A longer head is parsed in steps, which bounds the memory that its fields take.
_LONG_HEAD = 4 * 1024

_LARGE_CHUNKS = Refusal(status=400, detail="The body's chunks or trailers are too large.")
_SEND_AGAIN = Refusal(status=400, detail="Send this request again, by itself.")

COUNTED_BYTES = 16 * 1024
"""Bodies of known length and at least this size are counted instead of parsed. For smaller ones,
parsing costs less than the new parser that is needed after a counted body."""


class RequestParser:
    """Turns a connection's bytes into requests (RFC 9112).

    Bytes that are not HTTP become a `ParsedRequest` with a refusal, in order after the requests
    before them. Bytes after an offer to switch protocols are held until `go_on` or `switch` is
    called, which decides how to read them (RFC 9110 7.8).

    If the fields equal the last request's byte for byte, only the request line is parsed, and the
    values derived from those fields are reused. Other fields are parsed by llhttp.

    Args:
        sink: Receives the requests and bodies during `feed`.
        limits: Bounds on the head.
        shortcuts: Which shortcuts to take.

    Attributes:
        state: Which part of a message comes next.
        last: The last request, for a next one with the same fields.
    """

    def __init__(self, sink: RequestSink, limits: Limits, shortcuts: Shortcuts = ALL) -> None:
        self._sink = sink
        self._limits = limits
        self.state = _BETWEEN
        # Whether the request being read is the connection's last.
        self._is_last = False
        # Bytes read since the head began or the last progress of a body; and bytes of this read.
        self._fed = self._reading = 0
        # Bytes of the reads that contained an incomplete head so far.
        self._collected = 0
        self._moved = False
        # Bytes after an offer to switch protocols that may still be accepted.
        self._held = b""
        self._head = head = CollectedHead(limits, shortcuts)
        self.on_url, self.on_header = head.on_url, head.on_header
        self._line = RequestLine()
        self._cuts = MessageCuts()
        # The request line of a head that came in one piece.
        self._plain: re.Match[bytes] | None = None
        # How many bytes of a body of known length are missing, whether it is counted rather than
        # parsed, and the pieces that this read contained.
        self._left = 0
        self._counted = False
        self._pieces: list[bytes] = []
        self._counts_from: float = COUNTED_BYTES if shortcuts.counted else NEVER
        self.last = LastRequest(limits, shortcuts)
        self._read: ParsedRequest | None = None
        self._parser: Any = httptools.HttpRequestParser(self)

    @property
    def held(self) -> int:
        """Approximately how many bytes of memory an incomplete head takes."""
        return 2 * self._collected

    def feed(self, data: bytes) -> None:
        """Parse bytes from the client, split at any place."""
        at = self.read_message(data) if self.state is _BETWEEN else 0
        if at < len(data):
            self.parse(data[at:] if at else data)

    def read_message(self, data: bytes) -> int:
        """Parse a request whose head is in one piece and begins with a plain request line.

        Args:
            data: The bytes after the last message.

        Returns:
            How many bytes were parsed, including those of a body of known length; 0 if this is
            not such a request.
        """
        last = self.last
        if last.request is not None:
            used = len(last.data)
            if used and data.startswith(last.data):
                again: ParsedRequest | None = last.request
            else:
                used, again = len(data), last.recall(data)
            if again is not None:
                self._sink.request_read(again)
                return used
        # After half of an empty line, only its other half may follow.
        line = None if self._fed else PLAIN_LINE.match(data)
        if line is None:
            return 0
        at = data.find(HEAD_END, line.end(), _LONG_HEAD) + len(HEAD_END)
        if at < len(HEAD_END):
            return 0
        head = data if at == len(data) else data[:at]
        self._reading = at
        self._plain = line
        self._head.is_trimmed = b" \r\n" not in head and b"\t\r\n" not in head
        self._cuts.given_up = False
        self._parse_some(head)
        self._plain = None
        if self.state is _BODY:
            if self._left > 0 and at < len(data):
                at += self.read_body(data[at:])
        elif self.state is _BETWEEN:
            read, self._read = self._read, None
            if read is not None:
                last.remember(read, head, line.end())
        return at

    def read_body(self, data: bytes) -> int:
        """Read the next bytes of a body of known length.

        Args:
            data: The bytes after the body's last piece.

        Returns:
            How many bytes belonged to the body; 0 if no such body is being read.
        """
        left = self._left
        if self.state is not _BODY or left <= 0:
            return 0
        piece = data if len(data) <= left else data[:left]
        self._fed = 0
        if self._counted:
            self._count(piece)
        else:
            self._parse_some(piece)
            if self._pieces:
                self._pass_body()
        return len(piece)

    def parse(self, data: bytes) -> None:
        """Parse bytes of any kind.

        Args:
            data: The bytes after those already parsed.
        """
        if self.state is _OFFERED:
            self._held += data
            return
        if self.state is _ENDED:
            return
        self.last.forget()
        size = len(data)
        self._moved = False
        self._reading = size
        self._collected += size
        self._parse(data)
        if self.state is not _HEAD:
            self._collected = 0
            if self.state is _ENDED:
                self._head.clear()
        # A head may begin anywhere in a read, so that read is not counted.
        self._fed = 0 if self._moved else self._fed + size
        if self._fed + size > self._limits.max_head_bytes:
            self._check_size()

    def go_on(self) -> None:
        """Continue in HTTP/1.1, since the offer was not accepted."""
        if self.state is not _OFFERED:
            return
        self._become(_ENDED if self._is_last else _BETWEEN)
        held, self._held = self._held, b""
        if held:
            self.feed(held)

    def switch(self) -> bytes:
        """Stop parsing, and return the bytes of the other protocol received so far."""
        self._become(_ENDED)
        held, self._held = self._held, b""
        return held

    def forget(self) -> None:
        """Forget the last head."""
        self._read = None
        self._head.forget()
        self.last.forget()

    def end(self) -> None:
        """Drop the sink and the parser, which refers to this, after the connection is lost."""
        self._parser = self._read = None
        self.last.forget()
        del self._sink

    # Callbacks of llhttp. Work that can wait until the head is complete is left until then.

    def on_message_begin(self) -> None:
        """Forget the previous head."""
        if self.state is not _BETWEEN:
            # It has already begun, or this is the artificial head of `_decline_upgrade`.
            return
        self.state = _HEAD
        self._moved = True
        self._head.begin()
        if self._cuts.given_up:
            # The start of the request line is unknown, so it can't be checked. No honest client
            # sends that many empty lines in a body and then a request in the same read.
            self.refuse(_SEND_AGAIN)

    def on_headers_complete(self) -> None:
        """Make a request from the head."""
        if self.state is not _HEAD:
            # These are the fields of the artificial head of `_decline_upgrade`.
            self._head.clear()
            return
        size = self._fed + self._reading
        try:
            request = self._head.make(self._parser, self._plain or self._line, size)
        except TargetError as error:
            self.refuse(self._head.excess(size) or malformed(error))
            return
        if self._plain is None:
            self._line.clear()
        self._is_last = not request.keep_alive
        length = request.length
        if length is not None:
            # Fields that follow are trailers.
            self._head.clear()
            self.state = _BODY
            self._left = max(length, 0)
            self._counted = length >= self._counts_from
        elif request.offers:
            self.state = _OFFERED
        else:
            self.state = _BETWEEN if request.keep_alive else _ENDED
        self._read = request
        self._sink.request_read(request)

    def on_body(self, data: bytes) -> None:
        """Collect a piece of a body."""
        if self.state is _BODY and not self._counted:
            self._moved = True
            self._left -= len(data)
            self._pieces.append(data)

    def on_message_complete(self) -> None:
        """End the message."""
        if self._parser.should_upgrade():
            # A body has not been parsed yet: `_decline_upgrade` continues with it.
            return
        self._moved = True
        if self.state is _BODY:
            if self._pieces:
                self._pass_body()
            self._end_body(self._head.fields())

    # Internals.

    def _become(self, state: State) -> None:
        assert state in NEXT_STATES[self.state], (self.state, state)
        self.state = state

    def _check_size(self) -> None:
        """Reject a head or body framing that is too long without an end (RFC 6585 5)."""
        if self.state is _BODY:
            if self._fed > self._limits.max_head_bytes:
                # llhttp would collect an endless trailer, or skip an endless chunk extension.
                self._broken(_LARGE_CHUNKS)
        elif self.state is _HEAD:
            excess = self._head.excess(self._fed + self._reading)
            if excess is not None or self._fed > self._limits.max_head_bytes:
                self.refuse(excess or self._head.too_large())

    def _parse(self, data: bytes) -> None:
        """Parse bytes in pieces, so that each message starts at the start of a piece.

        llhttp doesn't report where in a read a message begins, and it is lenient about the request
        line. That line can only be checked if the position of its first byte is known.
        """
        self._cuts.begin_read()
        at, size = 0, len(data)
        while at < size:
            in_body = self.state is _BODY
            if self.state is _OFFERED:
                self._held += data[at:]
                return
            if self.state is _ENDED:
                return
            if in_body and self._left > 0:
                end = min(at + self._left, size)
            else:
                end = self._cuts.next(data, at, in_body=in_body, in_line=bool(self._line))
            piece = data if end - at == size else data[at:end]
            if in_body and self._counted:
                self._count(piece)
            elif in_body:
                self._parse_some(piece)
            else:
                self._parse_head(piece)
            at = end
        if self._pieces:
            self._pass_body()
        if self.state is _HEAD or (self.state is _BODY and not self._left > 0):
            self._cuts.end_read(data)

    def _parse_head(self, piece: bytes) -> None:
        """Parse a piece of a head, or of the empty lines before one."""
        try:
            shown = self._line.take(piece)
        except TargetError as error:
            self.on_message_begin()
            self.refuse(malformed(error))
            return
        if self._line:
            # llhttp gets nothing of the head until the method is complete.
            self.on_message_begin()
        if shown:
            self._parse_some(shown)
            if self.state is _HEAD:
                self._head.drop_surplus()

    def _count(self, piece: bytes) -> None:
        """Pass on a piece of a body that is counted, not parsed."""
        self._moved = True
        self._left -= len(piece)
        self._sink.body_read(piece)
        if not self._left and self.state is _BODY:
            # llhttp still expects this body, so the next message needs a new parser.
            self._parser = httptools.HttpRequestParser(self)
            self._end_body([])

    def _end_body(self, trailers: HeaderList) -> None:
        assert self.state is _BODY, self.state
        self.state = _ENDED if self._is_last else _BETWEEN
        self._sink.body_complete(trailers)

    def _pass_body(self) -> None:
        """Pass on the pieces of the body, joined, since each chunk may be a single byte."""
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._sink.body_read(data)

    def _parse_some(self, data: bytes) -> None:
        """Parse a piece of a single message."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # The piece ends where the head does.
            if self.state is _OFFERED:
                self._parser = httptools.HttpRequestParser(self)
            elif self.state is not _ENDED:
                self._decline_upgrade()
        except httptools.HttpParserCallbackError as error:
            raise error.__context__ or error from None
        except httptools.HttpParserError as error:
            self._broken(Refusal(status=400, detail=f"The request is not well-formed: {error}."))

    def _broken(self, refusal: Refusal) -> None:
        if self.state is not _BODY:
            self.refuse(refusal)
            return
        if self._pieces:
            self._pass_body()
        self._become(_ENDED)
        self._sink.body_broken(refusal.detail)

    def refuse(self, refusal: Refusal) -> None:
        """Pass on a refusal in place of the unreadable request, and stop parsing."""
        if self.state is _ENDED:
            return
        self._become(_ENDED)
        method = self._line.method if self._plain is None else self._plain[1]
        self._sink.request_read(refused(self._head.so_far(method or b"GET"), refusal))

    def _decline_upgrade(self) -> None:
        """Continue in HTTP/1.1 after a client offered another protocol."""
        self._parser = httptools.HttpRequestParser(self)
        if self.state is _BODY and not self._counted:
            assert self._read is not None
            self._parser.feed_data(head_before(self._read.length))
