"""Parse chunked bodies that llhttp rejects although they have only one possible meaning."""

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

# Chunk extensions have no meaning for this hop (RFC 9112 7.1.1), as long as everyone agrees where
# the line ends.
_SIZE = re.compile(rb"([0-9A-Fa-f]+)([ \t]*)(;[\t -~\x80-\xff]*)?")
_TCHAR = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
# The extensions that llhttp also accepts.
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
    """Parses a chunked body as it arrives, and its trailers (RFC 9112 7.1).

    Attributes:
        body: The part of the body in the bytes of the last `feed`, even if that failed.
        complete: Whether the body is complete.
        trailers: The fields after it.
        rest: The bytes after the complete body in the last `feed`.
        repairs: The number of repairs of each kind.
    """

    def __init__(self) -> None:
        self.body = self.rest = b""
        self.complete = False
        self.trailers: HeaderList = []
        self.repairs: Counter[Repair] = Counter()
        # How many bytes of a chunk are missing, whether a bare LF followed its size, and whether
        # its bytes so far end with CR.
        self._left = 0
        self._has_lf = self._ends_with_cr = False
        # An incomplete line, and the function for the next line. It is not a bound method, which
        # would make a reference cycle.
        self._partial = bytearray()
        self._take_line: _TakeLine = ChunkReader._take_size
        self._trailer: list[bytes] = []

    def feed(self, data: bytes) -> None:
        """Parse bytes.

        Raises:
            BadUpstreamResponse: The end of a chunk is ambiguous or invalid.
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
        """Read chunks, starting within one; return the index of anything else."""
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
        """Parse the line before a chunk's data."""
        match = _SIZE.fullmatch(line)
        size = _TOO_LARGE if match is None else int(match[1], 16)
        if match is None or size >= _TOO_LARGE:
            raise BadUpstreamResponse("a chunk has no proper size")
        _, blanks, extension = match.groups()
        if end == b"\n":
            if extension:
                # Some parsers treat the LF as a part of the extension.
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
        """Parse the line end after a chunk's data."""
        if line:
            raise BadUpstreamResponse("a chunk is longer than its size")
        if end == b"\n":
            if self._ends_with_cr and not self._has_lf:
                # Perhaps its data is one byte shorter than its size, and the CR is in the line end.
                raise BadUpstreamResponse("a chunk's end is uncertain")
            self.repairs[Repair.CHUNK_LF] += 1
        self._take_line = ChunkReader._take_size

    def _take_trailer(self, line: bytes, end: bytes) -> None:
        """Parse a line after the last chunk."""
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
        """Reject an invalid line at once, because its end may not arrive for a long time."""
        partial = self._partial
        if self._take_line is ChunkReader._take_data_end:
            is_bad = partial != b"\r"
        else:
            is_bad = self._take_line is ChunkReader._take_size and partial[0] not in _HEX_DIGITS
        if is_bad:
            raise BadUpstreamResponse("a chunk is not well-formed")
