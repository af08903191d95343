"""A body in chunks, read where llhttp would reject what leaves it only one meaning."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import TypeAlias

from corsgate.errors import BadUpstreamResponse
from corsgate.message.headers import HeaderList
from corsgate.upstream.lenient_head import read_fields
from corsgate.upstream.repairs import Repair

_TOO_LARGE = 1 << 64

# What is behind the size has no meaning to this hop (RFC 9112 7.1.1), as long as all agree where
# the line ends.
_SIZE = re.compile(rb"([0-9A-Fa-f]+)([ \t]*)(;[\t -~\x80-\xff]*)?")
_TCHAR = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
# What llhttp takes for an extension, too.
_EXTENSION = re.compile(
    rb'(?:;(?:%b+|(?==))(?:=%b*(?:"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*")?)?)*'
    % (_TCHAR, _TCHAR)
)
# The usual line between the data of two chunks.
_BETWEEN = re.compile(rb"\r\n([0-9A-Fa-f]{1,8})\r\n")
_TakeLine: TypeAlias = Callable[["ChunkReader", bytes, bytes], None]
_CR = ord("\r")
_HEX_DIGITS = b"0123456789abcdefABCDEF"


class ChunkReader:
    """Reads a body in chunks as it comes, and the trailer behind it (RFC 9112 7.1).

    Attributes:
        body: What the last `feed` brought of the body, even if it failed.
        complete: Whether all of it has come.
        trailers: The fields behind it.
        rest: What stood behind all of it in the last `feed`.
        repairs: What was put right, and how often.
    """

    def __init__(self) -> None:
        self.body = self.rest = b""
        self.complete = False
        self.trailers: HeaderList = []
        self.repairs: Counter[Repair] = Counter()
        # How much of a chunk is to come, whether its size has a bare LF behind it, and whether what
        # came of it ends with CR.
        self._left = 0
        self._has_lf = self._ends_with_cr = False
        # A line of which only a part has come, and what takes the next one: no bound method, which
        # would make a cycle.
        self._partial = bytearray()
        self._take_line: _TakeLine = ChunkReader._take_size
        self._trailer: list[bytes] = []

    def feed(self, data: bytes) -> None:
        """Read bytes.

        Raises:
            BadUpstreamResponse: Where a chunk ends could be understood in two ways, or in none.
        """
        pieces: list[bytes] = []
        try:
            self._feed(data, pieces)
        finally:
            self.body = b"".join(pieces)

    def _feed(self, data: bytes, pieces: list[bytes]) -> None:
        at, size = 0, len(data)
        while at < size:
            if self._left:
                at = self._take_data(data, pieces, at, size)
                continue
            end = data.find(b"\n", at) + 1
            if not end:
                self._partial += data[at:]
                self._check_partial()
                return
            line = data[at:end]
            at = end
            if self._partial:
                line = bytes(self._partial) + line
                self._partial.clear()
            if line.endswith(b"\r\n"):
                self._take_line(self, line[:-2], b"\r\n")
            else:
                self._take_line(self, line[:-1], b"\n")
            if self.complete:
                self.rest = data[at:]
                return

    def _take_data(self, data: bytes, pieces: list[bytes], at: int, size: int) -> int:
        """Take chunks from a place within one on; return where something else comes."""
        left = self._left
        while left:
            stop = at + left
            if stop > size:
                pieces.append(data[at:])
                self._left = stop - size
                return size
            pieces.append(data[at:stop])
            between = _BETWEEN.match(data, stop)
            if between is None:
                self._left, self._take_line = 0, ChunkReader._take_data_end
                self._ends_with_cr = data[stop - 1] == _CR
                return stop
            self._has_lf = False
            left, at = int(between[1], 16), between.end()
        self._begin_chunk(0)
        return at

    # The lines.

    def _take_size(self, line: bytes, end: bytes) -> None:
        """Take the line in front of a chunk's data."""
        match = _SIZE.fullmatch(line)
        size = _TOO_LARGE if match is None else int(match[1], 16)
        if match is None or size >= _TOO_LARGE:
            raise BadUpstreamResponse("a chunk has no proper size")
        _, blanks, extension = match.groups()
        if end == b"\n":
            if extension:
                # Some take the LF for a part of the extension.
                raise BadUpstreamResponse("a chunk's extension has a bare LF")
            self.repairs[Repair.CHUNK_LF] += 1
        self._has_lf = end == b"\n"
        if blanks or (extension and _EXTENSION.fullmatch(extension) is None):
            self.repairs[Repair.CHUNK_LINE] += 1
        self._begin_chunk(size)

    def _begin_chunk(self, size: int) -> None:
        self._left = size
        if not size:
            self._take_line = ChunkReader._take_trailer

    def _take_data_end(self, line: bytes, end: bytes) -> None:
        """Take the line end behind a chunk's data."""
        if line:
            raise BadUpstreamResponse("a chunk is longer than it says")
        if end == b"\n":
            if self._ends_with_cr and not self._has_lf:
                # Its data may be shorter by one byte than its size, and CR belong to the line end.
                raise BadUpstreamResponse("a chunk's end is uncertain")
            self.repairs[Repair.CHUNK_LF] += 1
        self._take_line = ChunkReader._take_size

    def _take_trailer(self, line: bytes, end: bytes) -> None:
        """Take a line behind the last chunk."""
        if end == b"\n":
            self.repairs[Repair.CHUNK_LF] += 1
        if b"\r" in line or b"\0" in line:
            raise BadUpstreamResponse("its trailer has a bare CR or a NUL")
        if line:
            self._trailer.append(line)
            return
        self.complete = True
        if self._trailer:
            self.trailers = read_fields(self._trailer, self.repairs)
            if any(name.lower() == b"content-length" for name, _ in self.trailers):
                self.repairs[Repair.LENGTH_WITH_CHUNKED] += 1

    def _check_partial(self) -> None:
        """Reject at once what can't become a proper line: its end may be long in coming."""
        partial = self._partial
        if self._take_line is ChunkReader._take_data_end:
            is_bad = partial != b"\r"
        else:
            is_bad = self._take_line is ChunkReader._take_size and partial[0] not in _HEX_DIGITS
        if is_bad:
            raise BadUpstreamResponse("a chunk is not well-formed")
