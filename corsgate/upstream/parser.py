"""Responses read from a server's bytes by llhttp, with all that it lets through refused here."""

from __future__ import annotations

from typing import Any, Protocol

import attrs
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
from corsgate.message.headers import HeaderList, index_headers

_FRAMING_LENGTHS = frozenset(len(name) for name in FRAMING_FIELDS)

MAX_HEAD_BYTES = 256 * 1024
"""How much a server may send without its head, body or trailer moving on."""


@attrs.frozen(kw_only=True, eq=False)
class ParsedResponse:
    """A final response's head as it was read.

    Attributes:
        head: The head, framing fields included.
        announced_length: The length to tell the client; negative where nothing may be said.
        reusable: Whether the connection may carry another exchange behind this one.
        switched: Whether the connection now speaks another protocol (RFC 9110 7.8).
    """

    head: ResponseHead
    announced_length: int
    reusable: bool = False
    switched: bool = False


class ResponseSink(Protocol):
    """What is told of the response that is read."""

    def informed(self, head: ResponseHead) -> None:
        """An interim response has come (RFC 9110 15.2)."""

    def response_read(self, response: ParsedResponse) -> None:
        """The final response's head is complete."""

    def response_body_read(self, data: bytes) -> None:
        """A piece of its body has come."""

    def response_complete(self, trailers: HeaderList) -> None:
        """It is complete."""

    def response_doubtful(self) -> None:
        """Bytes have come that belong to no response: the connection must not be reused."""


class ResponseParser:
    """Turns a connection's bytes into the response to one request after the other (RFC 9112).

    Args:
        sink: Told of what is read, during `feed`.

    Attributes:
        started: Whether a byte of the response has come.
    """

    def __init__(self, sink: ResponseSink) -> None:
        self.started = False
        self._sink = sink
        self._parser: Any = httptools.HttpResponseParser(self)
        self._method = b""
        self._offered = False
        self._switched = False
        self._expecting = False
        self._in_body = False
        # Whether the body ends with the connection.
        self._until_close = False
        self._unmoved_bytes = 0
        self._moved = False
        self._raw = b""
        self._reason = b""
        self._headers: HeaderList = []
        # Those of them that may say how long the body is.
        self._framing: HeaderList = []

    def expect(self, method: bytes, *, upgrade: bool) -> None:
        """Read the response to a request.

        Args:
            method: The request's method, which decides whether there is a body.
            upgrade: Whether it offered to switch protocols.
        """
        self._method = method
        self._offered = upgrade
        self._expecting = True
        self.started = self._in_body = False
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
        if self._switched:
            return data
        self._moved = False
        tail = b""
        if self._expecting:
            self._raw = self._raw + data if self._raw else data
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            tail = data[upgrade.args[0] :]
        except httptools.HttpParserCallbackError as error:
            raise error.__context__ or error from None
        except httptools.HttpParserError as error:
            raise BadUpstreamResponse(f"it is not well-formed: {error}") from None
        # All that is no body is collected or skipped by llhttp: heads, trailers, extensions.
        self._unmoved_bytes = 0 if self._moved else self._unmoved_bytes + len(data)
        if self._unmoved_bytes > MAX_HEAD_BYTES:
            raise BadUpstreamResponse("its head or trailer is too large")
        return tail

    def finish(self, *, cleanly: bool) -> UpstreamError | None:
        """Take the end of the connection, with which a response may end too (RFC 9112 8).

        Nothing is raised: a traceback would know the connection that keeps the error.

        Args:
            cleanly: Whether the server closed it. A reset, or TLS that ends without its
                close_notify, may have cut a body anywhere.

        Returns:
            Why there is no whole response: BadUpstreamResponse where it was cut short,
            ConnectionReset where not a byte of it has come; None where it ends here.
        """
        if self._in_body and self._until_close and cleanly:
            self._in_body = False
            self._sink.response_complete([])
            return None
        if self._in_body:
            return BadUpstreamResponse("its body was cut short")
        if self.started:
            return BadUpstreamResponse("its head was cut short")
        return ConnectionReset("the server closed the connection")

    def end(self) -> None:
        """Let go of the sink, and of the parser, which knows this: the connection is gone."""
        self._parser = None
        del self._sink

    # What llhttp calls.

    def on_message_begin(self) -> None:
        """Begin a head; behind a final response there must be none."""
        if not self._expecting:
            self._sink.response_doubtful()
            raise BadUpstreamResponse("bytes follow the response")
        self.started = True
        self._reason = b""
        self._headers = []
        self._framing = []

    def on_status(self, reason: bytes) -> None:
        """Take a part of the reason phrase."""
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field; one behind the body is a trailer."""
        field = name, value.rstrip(b" \t")
        self._headers.append(field)
        if len(name) in _FRAMING_LENGTHS:
            self._framing.append(field)

    def on_headers_complete(self) -> None:
        """Make a response of the head."""
        status = self._parser.get_status_code()
        version = self._parser.get_http_version()
        line = b"HTTP/%b %d" % (version.encode("ascii"), status)
        if not self._raw.startswith(line) and b"\n" + line not in self._raw:
            # llhttp knows RTSP and ICE as well, and doesn't tell which of the three it has seen.
            raise BadUpstreamResponse("its status line does not begin with HTTP/1.1")
        # HTTP/1.0 knows no Upgrade (RFC 9110 7.8).
        offered = self._offered and version == "1.1"
        switched = status == 101 and offered and self._parser.should_upgrade()
        if not switched:
            check_response(status, version, self._reason)
        head = ResponseHead(status=status, reason=self._reason, headers=self._headers)
        self._headers = []
        if switched:
            self._expecting = False
            self._switched = True
            self._sink.response_read(ParsedResponse(head=head, announced_length=0, switched=True))
        elif status < 200:
            self._sink.informed(head)
        else:
            self._expecting = False
            self._raw = b""
            self._moved = self._in_body = True
            self._read_final(head, version)

    def on_chunk_header(self) -> None:
        """See to it that the answer to HEAD has no body, not even an empty one."""
        if not self._in_body:
            self._sink.response_doubtful()

    def on_body(self, data: bytes) -> None:
        """Take a piece of the body."""
        if self._in_body:
            self._moved = True
            self._sink.response_body_read(data)
        else:
            # A body behind the answer to HEAD: where it ends is anyone's guess.
            self._sink.response_doubtful()

    def on_message_complete(self) -> None:
        """End a final response."""
        if self._in_body:
            self._in_body = False
            self._sink.response_complete(self._headers)

    # The parts.

    def _read_final(self, head: ResponseHead, version: str) -> None:
        index, self._framing = index_headers(self._framing), []
        length = announced = response_length(index, head.status, self._method)
        if length == NO_BODY:
            announced = announced_length(index, head.status, self._method)
        # RFC 9112 6.1: the framing of HTTP/1.0 with a transfer coding is not to be trusted.
        self._until_close = length == UNTIL_CLOSE
        framed = not self._until_close and not (version == "1.0" and length == CHUNKED)
        self._sink.response_read(
            ParsedResponse(
                head=head,
                announced_length=announced,
                reusable=framed and self._parser.should_keep_alive(),
            )
        )
        if self._method == b"HEAD":
            # llhttp would wait for the body that Content-Length speaks of.
            self._in_body = False
            self._parser = httptools.HttpResponseParser(self)
            self._sink.response_complete([])
