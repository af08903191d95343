"""Parse responses with llhttp, and reject the malformed ones that it accepts."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from functools import partial
from http import HTTPStatus
from itertools import compress
from operator import itemgetter
from typing import Any

import httptools

from corsgate.errors import BadUpstreamResponse, ConnectionReset, UpstreamError
from corsgate.message.framing import (
    CHUNKED,
    FRAMING_FIELDS,
    NO_BODY,
    UNTIL_CLOSE,
    announced_length,
    check_response,
    response_length,
)
from corsgate.message.head import ResponseHead
from corsgate.message.headers import HeaderList, HeadNames, index_headers, names_of
from corsgate.shortcuts import ALL, Shortcuts

_KNOWN_REASONS = frozenset(status.phrase.encode("ascii") for status in HTTPStatus)
_BODILESS = frozenset((204, 304))
_NO_TRAILERS: HeaderList = []
_name = itemgetter(0)

_MOST_PLAIN_DIGITS = 15
"""A Content-Length with at most this many digits always fits in 64 bits."""

MAX_HEAD_BYTES = 256 * 1024
"""How many bytes a server may send without completing a head or sending a part of a body."""


class _AllButFraming:
    """The names of all fields that don't affect the length of a body; see `NameSet`."""

    def __contains__(self, name: object, /) -> bool:
        return name not in FRAMING_FIELDS


_ALL_BUT_FRAMING = _AllButFraming()


class Ending(Enum):
    """How a connection ended.

    Attributes:
        CLOSED: The server closed it; over TLS, with a close_notify.
        UNSEALED: The server closed TCP without a close_notify of TLS. Anyone on the network path
            could do the same (RFC 9112 9.8).
        CUT: It was reset, it timed out, or TLS failed.
    """

    CLOSED = auto()
    UNSEALED = auto()
    CUT = auto()


class ResponseParser:
    """Parses the bytes of a connection into the responses to its requests (RFC 9112).

    After each `feed`, its attributes describe the response so far. llhttp calls back for each part
    of a message. Most of these callbacks only append to a list, which is evaluated once.

    It is strict: a `LenientParser` repairs responses that have only one possible meaning.

    Args:
        informed: Called with the head of each interim response (RFC 9110 15.2), during `feed`.
        shortcuts: Which shortcuts to take.

    Attributes:
        head: The final response's head, including framing fields; None until it has arrived.
        announced_length: The length to send to the client; negative if there must not be one.
        reusable: Whether the connection may carry another exchange after this one, according to
            the bytes so far.
        switched: Whether the connection now speaks another protocol (RFC 9110 7.8).
        body: The part of the body in the bytes of the last `feed`.
        complete: Whether the response is complete.
        trailers: The fields after the body.
        has_surplus: Whether bytes have arrived that belong to no response, so that the connection
            must not be reused.
    """

    def __init__(
        self, informed: Callable[[ResponseHead], None], shortcuts: Shortcuts = ALL
    ) -> None:
        self.head: ResponseHead | None = None
        self.announced_length = 0
        self.reusable = self.switched = self.complete = self.has_surplus = False
        self.body = b""
        self.trailers = _NO_TRAILERS
        self._informed = informed
        self._names_of = names_of if shortcuts.head_names else HeadNames
        self._counted = shortcuts.counted
        self._method = b""
        self._offered = False
        self._is_first = True
        # The length of the body, and how many bytes of it have not been counted yet.
        self._length = self._left = 0
        self._unmoved_bytes = 0
        # The bytes of all heads, until the final one is complete.
        self._raw = b""
        # The function that parses instead of llhttp.
        self._instead: Callable[[bytes], bytes] | None = None
        # Whether the final head is HTTP/1.0, if that matters.
        self._is_old = False
        # The callbacks append to these lists. Most callbacks are C functions, for speed.
        self._begun: list[None] = []
        self._reason: list[bytes] = []
        self._fields: HeaderList = []
        self._chunks: list[None] = []
        self._pieces: list[bytes] = []
        append = self._fields.append
        self.on_message_begin = partial(self._begun.append, None)
        self.on_status = self._reason.append
        self.on_header = lambda name, value: append((name, value))
        self.on_chunk_header = partial(self._chunks.append, None)
        self.on_body = self._pieces.append
        self._parser: Any = httptools.HttpResponseParser(self)

    @property
    def started(self) -> bool:
        """Whether any byte of the response has arrived."""
        return self.head is not None or bool(self._begun)

    def expect(self, method: bytes, *, upgrade: bool) -> None:
        """Prepare for the response to a request.

        Args:
            method: The request's method, which decides whether there is a body.
            upgrade: Whether it offered to switch protocols.
        """
        self._method = method
        self._offered = upgrade
        self._is_first = True
        self.head = None
        self.complete = self.has_surplus = False
        self._unmoved_bytes = 0

    def feed(self, data: bytes) -> bytes:
        """Parse bytes.

        Args:
            data: Bytes from the server, split at any place.

        Returns:
            The bytes after a 101, which belong to the other protocol.

        Raises:
            BadUpstreamResponse: They are not a response, or one that can't be passed on.
        """
        if self._instead is not None:
            return self._instead(data)
        if self.switched:
            return data
        begins = self.head is None
        if begins:
            self._raw = self._raw + data if self._raw else data
        tail: bytes | None = b""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            tail = data[upgrade.args[0] :]
        except httptools.HttpParserError as error:
            # Its traceback refers to this frame. Break the cycle, or it waits for the GC.
            tail, rejected = None, error.with_traceback(None)
        if tail is None:
            # Outside of `except`, so that `__context__` of a later error is the callback's own.
            return self._rejected(rejected, data)
        self.body = body = b"".join(self._pieces)
        self._pieces.clear()
        if self.complete and (self._begun or self._method == b"HEAD"):
            self._check_rest()
        if self._chunks:
            self._chunks.clear()
        if begins and self.head is not None:
            self._unmoved_bytes = 0
            if not self.complete:
                self._go_on(body)
            self._raw = b""
        elif body:
            self._unmoved_bytes = 0
        else:
            # llhttp collects or skips everything but the body: heads, trailers, extensions.
            self._count_unmoved(data)
        return tail

    def finish(self, ending: Ending) -> UpstreamError | None:
        """Handle the end of the connection, which may also end the response (RFC 9112 8).

        Errors are returned, because a raised error's traceback would refer to the connection that
        keeps it.

        Args:
            ending: How the connection ended.

        Returns:
            Why the response is incomplete: BadUpstreamResponse if it was truncated, ConnectionReset
            if no byte of it has arrived. None if it is complete.
        """
        self.body = b""
        if self.head is None:
            if self.started:
                return BadUpstreamResponse("its head was cut short")
            return ConnectionReset("the server closed the connection")
        if self._length != UNTIL_CLOSE or not self._may_end(ending):
            return BadUpstreamResponse("its body was cut short")
        self.complete = True
        return None

    def end(self) -> None:
        """Drop the parser, which refers to this, and the callback for interim responses."""
        self._parser = self._instead = None
        del self._informed

    # Callbacks of llhttp, besides those that only append.

    def on_headers_complete(self) -> None:
        """Make a response from the head. There must be no head after a final response."""
        if self.head is not None:
            raise BadUpstreamResponse("bytes follow the response")
        parser, raw = self._parser, self._raw
        headers, reason = self._fields.copy(), b"".join(self._reason)
        self._fields.clear()
        self._reason.clear()
        status = parser.get_status_code()
        version = "1.1"
        if self._is_first and raw.startswith(b"HTTP/1.1 "):
            head = raw[: raw.find(b"\r\n\r\n") + 2]
            if b" \r\n" in head or b"\t\r\n" in head:
                headers = _stripped(headers)
        else:
            version, headers = self._version(status), _stripped(headers)
        if status < 200:
            self._read_early(status, version, reason, headers)
            return
        if reason not in _KNOWN_REASONS or status > 599 or version != "1.1":
            self._check_status_line(status, version, reason)
        names, method, stated = self._names_of(tuple(map(_name, headers))), self._method, b""
        if names.plain_response and status not in _BODILESS and method != b"HEAD":
            stated = headers[names.length_at][1]
        if stated.isdigit() and len(stated) <= _MOST_PLAIN_DIGITS:
            length = self.announced_length = int(stated)
            self.reusable = parser.should_keep_alive()
        else:
            self._is_old = version != "1.1"
            length = self._find_length(headers, names, status)
            # RFC 9112 6.1: the framing of HTTP/1.0 with a transfer coding can't be trusted.
            framed = length != UNTIL_CLOSE and (version == "1.1" or length != CHUNKED)
            self.reusable = framed and parser.should_keep_alive()
        self._length = length
        self._begun.clear()
        self.trailers = _NO_TRAILERS
        self.head = ResponseHead(status, reason, headers, None, names)
        if method == b"HEAD":
            # llhttp would wait for a body because of Content-Length.
            self._parser = httptools.HttpResponseParser(self)
            self.complete = True

    def on_message_complete(self) -> None:
        """End a final response."""
        if self.head is not None and not self.complete and not self.switched:
            self.complete = True
            if self._fields:
                self.trailers = _stripped(self._fields)
                self._fields.clear()

    # Internals.

    def _version(self, status: int) -> str:
        """Return the HTTP version in a status line.

        llhttp also accepts RTSP and ICE, without reporting which of the three it found.
        """
        version: str = self._parser.get_http_version()
        line = b"HTTP/%b %d" % (version.encode("ascii"), status)
        if not self._raw.startswith(line) and b"\n" + line not in self._raw:
            raise BadUpstreamResponse("its status line does not begin with HTTP/1.1")
        return version

    def _check_status_line(self, status: int, version: str, reason: bytes) -> None:
        """Reject a status line that can't be passed on."""
        check_response(status, version, reason)

    def _read_early(self, status: int, version: str, reason: bytes, headers: HeaderList) -> None:
        """Handle the head of an interim response, or of one that switches to another protocol."""
        self._is_first = False
        head = ResponseHead(status, reason, headers)
        # HTTP/1.0 has no Upgrade (RFC 9110 7.8).
        offered = self._offered and version == "1.1"
        if status == 101 and offered and self._parser.should_upgrade():
            self.head, self.switched = head, True
            self._length = self.announced_length = NO_BODY
            self.reusable = False
        else:
            self._check_status_line(status, version, reason)
            self._informed(head)

    def _find_length(self, headers: HeaderList, names: HeadNames, status: int) -> int:
        """Return the length of the body after a head, and set the announced length."""
        index = index_headers(compress(headers, names.mask(_ALL_BUT_FRAMING)))
        length = self.announced_length = response_length(index, status, self._method)
        if length == NO_BODY:
            self.announced_length = announced_length(index, status, self._method)
        return length

    def _may_end(self, ending: Ending) -> bool:
        """Return whether a body without a length is complete when its connection ends."""
        return ending is Ending.CLOSED

    def _rejected(self, error: httptools.HttpParserError, data: bytes) -> bytes:
        """Raise the error that corresponds to an error of llhttp.

        Args:
            error: The error.
            data: The bytes being parsed.
        """
        self.body = b"" if self._method == b"HEAD" else b"".join(self._pieces)
        self.has_surplus = self.complete
        if not isinstance(error, httptools.HttpParserCallbackError):
            raise BadUpstreamResponse(f"it is not well-formed: {error}")
        cause = error.__context__
        if isinstance(cause, BadUpstreamResponse):
            # Raise a copy, since this frame refers to the cause.
            raise BadUpstreamResponse(str(cause))
        raise cause or error

    def _count_unmoved(self, data: bytes) -> None:
        """Limit the bytes received without a final head or a part of the body."""
        self._unmoved_bytes += len(data)
        if self._unmoved_bytes > MAX_HEAD_BYTES:
            raise BadUpstreamResponse("its head or trailer is too large")

    def _go_on(self, body: bytes) -> None:
        """Parse the rest of a body with something faster than llhttp, if possible.

        Args:
            body: The bytes of the body so far.
        """
        if self._length > 0 and self._counted:
            self._left = self._length - len(body)
            self._instead = self._count
            # The next response needs a parser that doesn't expect the rest of this body.
            self._parser = httptools.HttpResponseParser(self)

    def _count(self, data: bytes) -> bytes:
        """Count a part of a body of known length. Only empty lines may follow it.

        llhttp also accepts any number of empty lines (some servers send one).
        """
        left = self._left - len(data)
        self.body = data[:left] if left < 0 else data
        self._left = max(left, 0)
        if left <= 0:
            self.complete = True
            self._instead = None
            if left < 0:
                self._check_surplus(data[left:])
        return b""

    def _check_surplus(self, rest: bytes) -> None:
        """Reject bytes after a complete response, except empty lines."""
        if rest.strip(b"\r\n"):
            self.has_surplus = True
            raise BadUpstreamResponse("bytes follow the response")

    def _check_rest(self) -> None:
        """Reject bytes after a complete response in the same read."""
        # After a response to HEAD, such bytes may be a body, even an empty chunked one. Where it
        # ends can't be known.
        is_body = self._method == b"HEAD" and (self.body or self._chunks)
        if self._begun or is_body:
            self.has_surplus = True
        if is_body:
            self.body = b""
        if self._begun:
            raise BadUpstreamResponse("bytes follow the response")


def _stripped(headers: HeaderList) -> HeaderList:
    """Return fields without the trailing white space of values, which llhttp keeps."""
    return [(name, value.rstrip(b" \t")) for name, value in headers]
