"""The part of a client's HTTP/1.1 connection that writes responses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.web.http_headers import Headers

from corsgate.message.framing import FRAMING_FIELDS, framed_head, response_framing
from corsgate.message.head import ResponseHead, field_lines
from corsgate.message.headers import Header
from corsgate.server.client_connection import ClientConnection
from corsgate.server.http1.pipeline import Pipeline
from corsgate.server.persistence import persistence
from corsgate.transport.fast_write import writer

_CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


def whole_chunked(body: bytes, trailers: Sequence[Header]) -> bytes:
    """Return a complete body encoded as one chunk (RFC 9112 7.1)."""
    chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
    return b"%b0\r\n%b\r\n" % (chunk, field_lines([*trailers]) if trailers else b"")


class ResponseWriter(ClientConnection):
    """A connection that frames and writes responses, one after another."""

    _pipeline: Pipeline
    _write: Callable[[bytes], None]
    _write_paused = False
    _producer: Any = None
    # A head that waits for the first piece of its body, to be written together with it.
    _head = b""

    def _begin_writing(self) -> None:
        """Start writing to the transport, which is now connected."""
        self._write = writer(self.transport)
        if not self.context.shortcuts.whole:
            self.write_whole = self._write_parts  # type: ignore[method-assign]  # chosen once

    def write(self, data: bytes) -> None:
        """Write bytes of a response, including framing."""
        if self._head:
            data, self._head = self._head + data, b""
        self._write(data)

    def writeSequence(self, data: list[bytes]) -> None:
        """Write bytes of a response at once."""
        self.write(b"".join(data))

    def flush(self) -> None:
        """Write a pending head whose body has not started yet."""
        if self._head:
            self.write(b"")

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Headers) -> None:
        """Write the head of a response made through the API of twisted.web."""
        fields = [(name, value) for name, values in headers.getAllRawHeaders() for value in values]
        delimited = any(name.lower() in FRAMING_FIELDS for name, _ in fields)
        head = ResponseHead(status=int(code), reason=reason, headers=fields)
        request = self._handling
        assert request is not None
        draining = self.context.draining and not self._pipeline.pending
        self.write(head.to_bytes(persistence(request, delimited=delimited, draining=draining)))

    def write_head(self, head: ResponseHead, length: int | None, *, bodiless: bool) -> bool:
        """Accept a response's head, to be written with the first piece of its body or by `flush`.

        Args:
            head: The head; framing fields in it are left out.
            length: The body's length in bytes; None if it is unknown until the body ends.
            bodiless: Whether no body follows, even if `length` is greater than zero.

        Returns:
            Whether the body is to be chunked.
        """
        request = self._handling
        assert request is not None
        framing = response_framing(
            head.status, length, bodiless=bodiless, chunkable=request.clientproto == b"HTTP/1.1"
        )
        # Requests that the client has already sent are still served.
        draining = self.context.draining and not self._pipeline.pending
        says = framing.line + persistence(request, delimited=framing.delimited, draining=draining)
        if head.lines is not None:
            self._head = head.to_bytes(says)
        else:
            self._head = framed_head(head, says, self.context.date())
        return framing.chunked

    def write_whole(
        self, head: ResponseHead, length: int | None, body: bytes, *, bodiless: bool
    ) -> None:
        """Write a complete response at once. The caller must end its request right after.

        Args:
            head: The head. If it has `lines`, they include Date, and no field about framing or
                the persistence of the connection.
            length: The body's length in bytes; None to send it as a chunk.
            body: The complete body.
            bodiless: Whether to omit the body.
        """
        request = self._handling
        assert request is not None
        lines, sent = head.lines, request.body
        if (
            lines is None
            or not request.persistent
            or self.context.draining
            or (sent is not None and not (sent.complete and not sent.failed))
            or request.clientproto != b"HTTP/1.1"
        ):
            self._write_parts(head, length, body, bodiless=bodiless)
            return
        status, reason = head.status, head.reason
        if length is not None and status != 204:
            parts = (status, reason, lines, length, b"" if bodiless else body)
            self._write(b"HTTP/1.1 %d %b\r\n%bContent-Length: %d\r\n\r\n%b" % parts)
        elif bodiless:
            self._write(b"HTTP/1.1 %d %b\r\n%b\r\n" % (status, reason, lines))
        else:
            data = whole_chunked(body, request.trailers)
            self._write(b"HTTP/1.1 %d %b\r\n%b%b" % (status, reason, lines, _CHUNKED + data))

    def _write_parts(
        self, head: ResponseHead, length: int | None, body: bytes, *, bodiless: bool
    ) -> None:
        """Write the same as `write_whole`, in several steps."""
        request = self._handling
        assert request is not None
        is_chunked = self.write_head(head, length, bodiless=bodiless)
        data = b"" if bodiless else body
        self.write(whole_chunked(data, request.trailers) if is_chunked else data)

    def write_interim(self, head: ResponseHead) -> None:
        """Write an interim response's head (RFC 9110 15.2)."""
        self._write(head.to_bytes())

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Register the source of the response; it is paused when the client does not keep up."""
        if not streaming:
            raise ValueError("the source of a response must be a push producer")
        self._producer = producer
        if self._write_paused:
            producer.pauseProducing()

    def unregisterProducer(self) -> None:
        """Forget the source of the response."""
        self._producer = None
