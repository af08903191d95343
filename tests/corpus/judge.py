"""A reader of HTTP/1.1 with no mercy: what it takes, any reader would take for the same."""

from __future__ import annotations

import re
from collections.abc import Iterable

import attrs

from corsgate.message.headers import HeaderList, index_headers

_REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) [!-~]+ HTTP/1\.1")
_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-9][0-9]{2}) [\t -~\x80-\xff]*")
_VALUE = rb"[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?"
_FIELD_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(" + _VALUE + rb")?[ \t]*")
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})")


class Malformed(AssertionError):
    """The gate sent what it never should: to a client or to an upstream."""


@attrs.frozen
class Judged:
    """A message as it was read.

    Attributes:
        start: Its first line.
        fields: Its fields in order.
        body: Its content, transfer coding undone; what has come of it.
        size: How many bytes it took.
        whole: Whether nothing of it is missing.
        trailers: What stood behind its last chunk.
    """

    start: bytes
    fields: HeaderList
    body: bytes
    size: int
    whole: bool
    trailers: HeaderList = attrs.field(factory=list)

    @property
    def status(self) -> int:
        """A response's status."""
        return int(self.start[9:12])

    @property
    def target(self) -> bytes:
        """A request's target."""
        return self.start.split(b" ")[1]


def read_request(data: bytes) -> Judged | None:
    """Return the request that stands at the start of bytes.

    Returns:
        A request, perhaps with its body cut short; None where its head has not ended.

    Raises:
        Malformed: Some server might take it for something else.
    """
    head = _read_head(data, _REQUEST_LINE)
    if head is None:
        return None
    start, fields, size = head
    if len(index_headers(fields).get(b"host", ())) != 1:
        raise Malformed(f"not one Host: {data!r}")
    return _read_body(data, start, fields, size, without=0)


def read_response(data: bytes, *, method: bytes, ended: bool) -> Judged | None:
    """Return the response that stands at the start of bytes, perhaps an interim one.

    Args:
        data: What has come.
        method: What it answers.
        ended: Whether the connection has been closed, and not reset.

    Returns:
        A response, perhaps with its body cut short; None where its head has not ended.

    Raises:
        Malformed: Some client might take it for something else.
    """
    head = _read_head(data, _STATUS_LINE)
    if head is None:
        return None
    start, fields, size = head
    status = int(start[9:12])
    if status < 200 or status in (204, 304) or method == b"HEAD":
        if status < 200 or status == 204:
            _no_framing(fields)
        _framing(fields)
        return Judged(start, fields, b"", size, whole=True)
    return _read_body(data, start, fields, size, without=None, ended=ended)


def read_responses(data: bytes, methods: Iterable[bytes], *, ended: bool) -> list[Judged]:
    """Return all responses in what a connection brought.

    Args:
        data: What has come.
        methods: What the client asked, in order.
        ended: Whether the connection has been closed, and not reset.

    Raises:
        Malformed: Something is no response, or answers no request.
    """
    found: list[Judged] = []
    for method in methods:
        while True:
            response = read_response(data, method=method, ended=ended)
            if response is None:
                return found
            found.append(response)
            data = data[response.size :]
            if not response.whole:
                return found
            if response.status >= 200:
                break
    if data:
        raise Malformed(f"bytes that answer nothing: {data!r}")
    return found


def _read_head(data: bytes, grammar: re.Pattern[bytes]) -> tuple[bytes, HeaderList, int] | None:
    head, end, _ = data.partition(b"\r\n\r\n")
    if not end:
        return None
    start, *lines = head.split(b"\r\n")
    if grammar.fullmatch(start) is None:
        raise Malformed(f"a bad first line: {start!r}")
    return start, _read_fields(lines), len(head) + 4


def _read_fields(lines: Iterable[bytes]) -> HeaderList:
    fields: HeaderList = []
    for line in lines:
        found = _FIELD_LINE.fullmatch(line)
        if found is None:
            raise Malformed(f"a bad field: {line!r}")
        fields.append((found[1], found[2] or b""))
    return fields


def _no_framing(fields: HeaderList) -> None:
    index = index_headers(fields)
    if b"content-length" in index or b"transfer-encoding" in index:
        raise Malformed(f"a length of what has none: {fields}")


def _framing(fields: HeaderList) -> tuple[bool, int | None]:
    """Return whether a body is chunked, and else its length if it is stated."""
    index = index_headers(fields)
    codings, lengths = index.get(b"transfer-encoding"), index.get(b"content-length")
    if codings is not None:
        if lengths is not None or codings != [b"chunked"]:
            raise Malformed(f"ambiguous framing: {codings} {lengths}")
        return True, None
    if lengths is None:
        return False, None
    if len(lengths) > 1 or not re.fullmatch(rb"0|[1-9][0-9]{0,18}", lengths[0]):
        raise Malformed(f"ambiguous length: {lengths}")
    return False, int(lengths[0])


def _read_body(
    data: bytes,
    start: bytes,
    fields: HeaderList,
    at: int,
    *,
    without: int | None,
    ended: bool = False,
) -> Judged:
    chunked, length = _framing(fields)
    if chunked:
        return _read_chunks(data, start, fields, at)
    if length is None:
        length = without
    if length is None:
        return Judged(start, fields, data[at:], len(data), whole=ended)
    body = data[at : at + length]
    return Judged(start, fields, body, at + len(body), whole=len(body) == length)


def _read_chunks(data: bytes, start: bytes, fields: HeaderList, at: int) -> Judged:
    pieces: list[bytes] = []
    while True:
        line, end, _ = data[at:].partition(b"\r\n")
        if not end:
            break
        if _SIZE_LINE.fullmatch(line) is None:
            raise Malformed(f"a bad chunk size: {line!r}")
        size = int(line, 16)
        at += len(line) + 2
        if not size:
            block, end, _ = (b"\r\n" + data[at:]).partition(b"\r\n\r\n")
            if not end:
                break
            trailers = _read_fields(block.split(b"\r\n")[1:])
            at += len(block) + 2
            return Judged(start, fields, b"".join(pieces), at, whole=True, trailers=trailers)
        pieces.append(data[at : at + size])
        at += size + 2
        if len(data) < at:
            break
        if data[at - 2 : at] != b"\r\n":
            raise Malformed(f"a bad end of a chunk: {data[at - 2 : at]!r}")
    return Judged(start, fields, b"".join(pieces), len(data), whole=False)
