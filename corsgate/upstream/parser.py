"""Responses read from a server's bytes by llhttp, with all that it lets through refused here."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from functools import partial
from http import HTTPStatus
from itertools import compress
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
from corsgate.message.headers import HeaderList, HeadNames, head_names, index_headers
from corsgate.shortcuts import ALL, Shortcuts

_KNOWN_REASONS = frozenset(status.phrase.encode("ascii") for status in HTTPStatus)
_BODILESS = frozenset((204, 304))
_NO_TRAILERS: HeaderList = []

_MOST_PLAIN_DIGITS = 15
"""A Content-Length of so many digits is a number of 64 bits in any case."""

MAX_HEAD_BYTES = 256 * 1024
"""How much a server may send without its head, body or trailer moving on."""


class _AllButFraming:
    """The names of all fields that say nothing of how long a body is; see `NameSet`."""

    def __contains__(self, name: object, /) -> bool:
        return name not in FRAMING_FIELDS


_ALL_BUT_FRAMING = _AllButFraming()


class Ending(Enum):
    """How a connection ended.

    Attributes:
        CLOSED: The server closed it; over TLS, it said so by close_notify.
        UNSEALED: The server closed TCP without the close_notify of TLS. So might anyone on the way
            (RFC 9112 9.8).
        CUT: It was reset, timed out, or TLS broke.
    """

    CLOSED = auto()
    UNSEALED = auto()
    CUT = auto()


class ResponseParser:
    """Turns a connection's bytes into the response to one request after the other (RFC 9112).

    After each `feed` its attributes say what has come. llhttp calls back for each part of a
    message; most of these calls only append to a list, and what they mean is found out once.

    It is strict: a `LenientParser` puts right what has only one meaning.

    Args:
        informed: Called with the head of each interim response (RFC 9110 15.2), during `feed`.
        shortcuts: Which ones are taken.

    Attributes:
        head: The final response's head, framing fields included; None until it has come.
        announced_length: The length to tell the client; negative where nothing may be said.
        reusable: Whether the connection may carry another exchange behind this one, as far as can
            be known by now.
        switched: Whether the connection now speaks another protocol (RFC 9110 7.8).
        body: What the last `feed` brought of the body.
        complete: Whether all of the response has come.
        trailers: The fields that came behind the body.
        has_surplus: Whether bytes have come that belong to no response, so that the connection must
            not be used again.
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
        self._names_of = head_names if shortcuts.head_names else _names_of
        self._counted = shortcuts.counted
        self._method = b""
        self._offered = False
        self._is_first = True
        # How long the body is, and how much of it is still to be counted.
        self._length = self._left = 0
        self._unmoved_bytes = 0
        # The heads, until the final one is there.
        self._raw = b""
        # What reads in place of llhttp.
        self._instead: Callable[[bytes], bytes] | None = None
        # Whether the final head is HTTP/1.0's, where it matters.
        self._is_old = False
        # What the callbacks append to. They are C functions where there is one that does it.
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
        """Whether a byte of the response has come."""
        return self.head is not None or bool(self._begun)

    def expect(self, method: bytes, *, upgrade: bool) -> None:
        """Read the response to a request.

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
        """Read bytes.

        Args:
            data: What the server sent, split anyhow.

        Returns:
            What follows a 101: the first bytes of the other protocol.

        Raises:
            BadUpstreamResponse: They are no response, or one that can't be passed on.
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
            # Its traceback knows this frame: a cycle would be left to the collector.
            tail, rejected = None, error.with_traceback(None)
        if tail is None:
            # As long as one error is handled, llhttp's next one hides what a callback raised.
            return self._rejected(rejected, data)
        self.body = body = b"".join(self._pieces)
        self._pieces.clear()
        if self.complete and (self._begun or self._method == b"HEAD"):
            self._check_rest()
        self._chunks.clear()
        if begins and self.head is not None:
            self._unmoved_bytes = 0
            if not self.complete:
                self._go_on(body)
            self._raw = b""
        elif body:
            self._unmoved_bytes = 0
        else:
            # llhttp collects or skips all that is no body: heads, trailers, extensions.
            self._count_unmoved(data)
        return tail

    def finish(self, ending: Ending) -> UpstreamError | None:
        """Take the end of the connection, with which a response may end too (RFC 9112 8).

        Nothing is raised: a traceback would know the connection that keeps the error.

        Args:
            ending: How it ended.

        Returns:
            Why there is no whole response: BadUpstreamResponse where it was cut short,
            ConnectionReset where not a byte of it has come; None where it ends here.
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
        """Let go of llhttp's parser, which knows this one, and of who is informed."""
        self._parser = self._instead = None
        del self._informed

    # What llhttp calls, besides the callbacks that only append.

    def on_headers_complete(self) -> None:
        """Make a response of the head; behind a final response there must be none."""
        if self.head is not None:
            raise BadUpstreamResponse("bytes follow the response")
        parser, raw = self._parser, self._raw
        headers, reason = self._fields.copy(), b"".join(self._reason)
        self._fields.clear()
        self._reason.clear()
        status = parser.get_status_code()
        version = "1.1"
        if self._is_first and raw.startswith(b"HTTP/1.1 "):
            end = raw.find(b"\r\n\r\n") + 2
            if raw.find(b" \r\n", 0, end) >= 0 or raw.find(b"\t\r\n", 0, end) >= 0:
                headers = _stripped(headers)
        else:
            version, headers = self._version(status), _stripped(headers)
        if status < 200:
            self._read_early(status, version, reason, headers)
            return
        if reason not in _KNOWN_REASONS or status > 599 or version != "1.1":
            self._check_status_line(status, version, reason)
        names, method, stated = self._names_of(headers), self._method, b""
        if names.plain_response and status not in _BODILESS and method != b"HEAD":
            stated = headers[names.length_at][1]
        if stated.isdigit() and len(stated) <= _MOST_PLAIN_DIGITS:
            length = self.announced_length = int(stated)
            self.reusable = parser.should_keep_alive()
        else:
            self._is_old = version != "1.1"
            length = self._find_length(headers, names, status)
            # RFC 9112 6.1: the framing of HTTP/1.0 with a transfer coding is not to be trusted.
            framed = length != UNTIL_CLOSE and (version == "1.1" or length != CHUNKED)
            self.reusable = framed and parser.should_keep_alive()
        self._length = length
        self._begun.clear()
        self.trailers = _NO_TRAILERS
        self.head = ResponseHead(status, reason, headers, None, names)
        if method == b"HEAD":
            # llhttp would wait for the body that Content-Length speaks of.
            self._parser = httptools.HttpResponseParser(self)
            self.complete = True

    def on_message_complete(self) -> None:
        """End a final response."""
        if self.head is not None and not self.complete and not self.switched:
            self.complete = True
            if self._fields:
                self.trailers = _stripped(self._fields)
                self._fields.clear()

    # The parts.

    def _version(self, status: int) -> str:
        """Return the version of HTTP that a status line names.

        llhttp knows RTSP and ICE as well, and doesn't tell which of the three it has seen.
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
        """Take the head of an interim response, or of one that switches to another protocol."""
        self._is_first = False
        head = ResponseHead(status, reason, headers)
        # HTTP/1.0 knows no Upgrade (RFC 9110 7.8).
        offered = self._offered and version == "1.1"
        if status == 101 and offered and self._parser.should_upgrade():
            self.head, self.switched = head, True
            self._length = self.announced_length = NO_BODY
            self.reusable = False
        else:
            self._check_status_line(status, version, reason)
            self._informed(head)

    def _find_length(self, headers: HeaderList, names: HeadNames, status: int) -> int:
        """Return how long the body is that follows a head; set what is announced of it."""
        index = index_headers(compress(headers, names.mask(_ALL_BUT_FRAMING)))
        length = self.announced_length = response_length(index, status, self._method)
        if length == NO_BODY:
            self.announced_length = announced_length(index, status, self._method)
        return length

    def _may_end(self, ending: Ending) -> bool:
        """Return whether a body without a length ends whole with its connection."""
        return ending is Ending.CLOSED

    def _rejected(self, error: httptools.HttpParserError, data: bytes) -> bytes:
        """Raise what an error of llhttp means.

        Args:
            error: The error.
            data: What was being read.
        """
        self.body = b"" if self._method == b"HEAD" else b"".join(self._pieces)
        self.has_surplus = self.complete
        if not isinstance(error, httptools.HttpParserCallbackError):
            raise BadUpstreamResponse(f"it is not well-formed: {error}")
        cause = error.__context__
        if isinstance(cause, BadUpstreamResponse):
            # Another one, since this frame knows the cause.
            raise BadUpstreamResponse(str(cause))
        raise cause or error

    def _count_unmoved(self, data: bytes) -> None:
        """Bound what may come while neither a final head nor a part of the body does."""
        self._unmoved_bytes += len(data)
        if self._unmoved_bytes > MAX_HEAD_BYTES:
            raise BadUpstreamResponse("its head or trailer is too large")

    def _go_on(self, body: bytes) -> None:
        """Have the rest of a body read by what is quicker than llhttp, if there is something.

        Args:
            body: What has come of it.
        """
        if self._length > 0 and self._counted:
            self._left = self._length - len(body)
            self._instead = self._count
            # A parser that has seen nothing of a body is as good as one that has seen all.
            self._parser = httptools.HttpResponseParser(self)

    def _count(self, data: bytes) -> bytes:
        """Take a part of a body whose length is known; empty lines alone may stand behind it.

        llhttp takes as many (some servers send one).
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
        """Reject what stands behind a whole response, other than empty lines."""
        if rest.strip(b"\r\n"):
            self.has_surplus = True
            raise BadUpstreamResponse("bytes follow the response")

    def _check_rest(self) -> None:
        """Reject what stands behind a whole response in the same read."""
        # Behind the response to HEAD that may be a body, if only an empty one in chunks: where it
        # ends is anyone's guess.
        is_body = self._method == b"HEAD" and (self.body or self._chunks)
        if self._begun or is_body:
            self.has_surplus = True
        if is_body:
            self.body = b""
        if self._begun:
            raise BadUpstreamResponse("bytes follow the response")


def _names_of(headers: HeaderList) -> HeadNames:
    return HeadNames([name for name, _ in headers])


def _stripped(headers: HeaderList) -> HeaderList:
    """Return fields without the white space behind their values, which llhttp leaves there."""
    return [(name, value.rstrip(b" \t")) for name, value in headers]
