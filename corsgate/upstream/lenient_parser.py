"""A parser for responses that are not well-formed but can have only one meaning.

llhttp reads regular heads, and `lenient_head` rewrites irregular ones for it. Chunked bodies that
are not received as a whole with their heads are read by `chunk_reader`, because llhttp doesn't
report where an error is.
"""

from __future__ import annotations

from collections.abc import Callable

import httptools

from corsgate.errors import BadUpstreamResponse
from corsgate.message.framing import CHUNKED, check_response
from corsgate.message.head import ResponseHead
from corsgate.message.headers import HeaderList, index_headers, list_members
from corsgate.shortcuts import ALL, Shortcuts
from corsgate.upstream.chunk_reader import ChunkReader
from corsgate.upstream.lenient_head import KeptHeads
from corsgate.upstream.parser import Ending, ResponseParser
from corsgate.upstream.repairs import Repair, Repaired, ignore_repair

_MAX_STATUS = 999


class LenientParser(ResponseParser):
    """A `ResponseParser` that repairs faults which browsers, nginx or HAProxy accept.

    A connection is never used again after a repair, because the bytes that follow could still be a
    part of the response.

    Args:
        informed: As for `ResponseParser`.
        shortcuts: As for `ResponseParser`.
        repaired: Called with each repaired fault, during `feed` or `finish`.
    """

    def __init__(
        self,
        informed: Callable[[ResponseHead], None],
        shortcuts: Shortcuts = ALL,
        repaired: Repaired = ignore_repair,
    ) -> None:
        super().__init__(informed, shortcuts)
        self._repaired = repaired
        # The index of the head that follows interim responses.
        self._head_at = 0
        self._kept: KeptHeads | None = None
        self._chunks_of: ChunkReader | None = None

    @property
    def started(self) -> bool:
        """Whether a byte of the response was received."""
        return super().started or self._kept is not None

    # Heads.

    @property
    def _begin(self) -> int:
        """The index at which the head that llhttp reads begins."""
        return 0 if self._is_first else self._head_at

    @property
    def _end(self) -> int:
        """The index at which it ends, once llhttp has read it; only CRLF ends a line in llhttp."""
        return self._raw.find(b"\r\n\r\n", self._begin) + 4

    def _rejected(self, error: httptools.HttpParserError, data: bytes) -> bytes:
        """Read a response that llhttp rejects again, from its head or from its body on."""
        is_fault = not isinstance(error, httptools.HttpParserCallbackError)
        if self.complete or not (is_fault or isinstance(error.__context__, BadUpstreamResponse)):
            return super()._rejected(error, data)
        if self.head is None:
            self._kept = KeptHeads(self._raw, self._begin)
            self._instead = self._read_kept
            self._count_unmoved(data)
            return self._read_heads(self._kept)
        if self._length != CHUNKED:
            return super()._rejected(error, data)
        # The chunks were received together with the head.
        return self._begin_chunks()

    def _read_kept(self, data: bytes) -> bytes:
        """Read more of a head that llhttp rejected."""
        assert self._kept is not None, "there is a kept head"
        self._kept.add(data)
        self._count_unmoved(data)
        return self._read_heads(self._kept)

    def _read_heads(self, kept: KeptHeads) -> bytes:
        """Read the heads that are complete, and the bytes after the final one."""
        self.body = b""
        while self.head is None:
            found = kept.take()
            if found is None:
                return b""
            self._read_rewritten(found.head)
            for repair, count in found.repairs.items():
                self._repaired(repair, count)
        rest = kept.rest()
        self._kept = self._instead = None
        self.reusable = False
        self._unmoved_bytes = 0
        if self.switched or self.complete:
            self._raw = b""
        if self.switched:
            return rest
        if self.complete:
            # Any bytes after it belong to no response, even those of a body in response to HEAD.
            self.has_surplus = bool(rest.strip(b"\r\n"))
            return b""
        self._go_on(b"")
        self._raw = b""
        return self.feed(rest) if rest else b""

    def _read_rewritten(self, head: bytes) -> None:
        """Let llhttp read a rewritten head, which is well-formed."""
        self._raw, self._is_first = head, True
        for came in (self._begun, self._reason, self._fields, self._chunks, self._pieces):
            came.clear()
        parser = self._parser = httptools.HttpResponseParser(self)
        try:
            parser.feed_data(head)
        except httptools.HttpParserUpgrade:
            pass  # The bytes after the head were not fed.
        except httptools.HttpParserError as error:
            super()._rejected(error, head)

    def _version(self, status: int) -> str:
        """Return the version of HTTP; reject empty lines before it, which llhttp skips."""
        if not self._raw.startswith(b"HTTP/", self._begin):
            raise BadUpstreamResponse("its status line does not begin with HTTP/1.1")
        return super()._version(status)

    def _read_early(self, status: int, version: str, reason: bytes, headers: HeaderList) -> None:
        """Read an interim head or a 101, and record where the next head begins."""
        end = self._end
        # If this head is rejected, it is read again from its beginning. Without this line, `_begin`
        # could refer to the heads of an earlier response.
        self._head_at = self._begin
        super()._read_early(status, version, reason, headers)
        self._head_at = end

    def _check_status_line(self, status: int, version: str, reason: bytes) -> None:
        """Reject a status line that can't be passed on, or that must be rewritten first."""
        if self._kept is None and reason.startswith((b" ", b"\t")):
            raise BadUpstreamResponse("its status line has superfluous whitespace")
        check_response(status, version, reason, 599 if self._kept is None else _MAX_STATUS)

    # Bodies.

    def _go_on(self, body: bytes) -> None:
        """Let a faster or more tolerant reader than llhttp read the rest of a body."""
        if self._length == CHUNKED:
            self._begin_chunks()
        else:
            super()._go_on(body)

    def _begin_chunks(self) -> bytes:
        """Read the chunks that follow the head."""
        came = self._raw[self._end :]
        self._raw = b""
        self._pieces.clear()
        self._chunks.clear()
        self._fields.clear()
        self._parser = httptools.HttpResponseParser(self)
        self._chunks_of = ChunkReader()
        self._instead = self._read_chunks
        return self._read_chunks(came)

    def _read_chunks(self, data: bytes) -> bytes:
        """Read a part of a chunked body."""
        reader = self._chunks_of
        assert reader is not None, "the body is chunked"
        try:
            reader.feed(data)
        finally:
            self.body = reader.body
            for repair, count in reader.repairs.items():
                self.reusable = False
                self._repaired(repair, count)
            reader.repairs.clear()
        if reader.complete:
            self.complete = True
            self._instead = self._chunks_of = None
            if reader.trailers:
                self.trailers = reader.trailers
            self._check_surplus(reader.rest)
        elif self.body:
            self._unmoved_bytes = 0
        else:
            self._count_unmoved(data)
        return b""

    def _may_end(self, ending: Ending) -> bool:
        """Return whether a body without a length is complete when its connection ends.

        Without TLS close_notify, it is complete if the head has announced that the connection ends
        with the body, as in browsers, curl and nginx.
        """
        if ending is not Ending.UNSEALED:
            return super()._may_end(ending)
        assert self.head is not None, "its body has begun"
        options = index_headers(self.head.headers).get(b"connection", ())
        if not self._is_old and b"close" not in [each.lower() for each in list_members(options)]:
            return False
        self._repaired(Repair.UNSEALED, 1)
        return True


def parser_for(
    informed: Callable[[ResponseHead], None], shortcuts: Shortcuts, repaired: Repaired | None
) -> ResponseParser:
    """Return a parser of a server's responses.

    Args:
        informed: As for `ResponseParser`.
        shortcuts: As for `ResponseParser`.
        repaired: As for `LenientParser`; None for strict parsing.
    """
    if repaired is None:
        return ResponseParser(informed, shortcuts)
    return LenientParser(informed, shortcuts, repaired)
