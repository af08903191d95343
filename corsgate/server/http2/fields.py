"""Convert HTTP/2 field blocks to requests, and responses to field blocks (RFC 9113 8.2, 8.3)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import compress

import attrs
from hpack import NeverIndexedHeaderTuple

from corsgate.config.model.values import Limits
from corsgate.cors.names import TOKEN
from corsgate.errors import MalformedRequest, TargetError
from corsgate.message.framing import CHUNKED, content_length
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.headers import Header, HeaderIndex, HeaderList, head_names, index_headers
from corsgate.message.host import read_host
from corsgate.server.fields_memo import MAX_REMEMBERED_BYTES
from corsgate.server.http2.field_decoder import KeptBlock
from corsgate.server.parsed_request import (
    NO_TUNNELS,
    ParsedRequest,
    Refusal,
    malformed,
    read_target,
    unserved,
)
from corsgate.shortcuts import ALL, Shortcuts

_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
# The same bytes that llhttp rejects in HTTP/1.1. RFC 9113 8.2.1 forbids only NUL, CR and LF.
_NOT_IN_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")

_PSEUDO_FIELDS = frozenset((b":method", b":scheme", b":authority", b":path", b":protocol"))
_SCHEMES = (b"https", b"http")

CONNECTION_FIELDS = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade")
)
"""Connection-specific fields of HTTP/1.1, which are forbidden in HTTP/2 (RFC 9113 8.2.2)."""

_FRAMING_FIELDS = CONNECTION_FIELDS | {b"content-length"}

# The size of a field beyond its bytes: ": " and the line end of HTTP/1.1, so that the limit for
# heads is the same in both protocols.
_FIELD_OVERHEAD = 4


def read_request(fields: Iterable[Header], limits: Limits, *, ended: bool) -> ParsedRequest:
    """Make a request from the field block that opens a stream.

    Args:
        fields: The block, including pseudo-header fields.
        limits: Bounds on the head.
        ended: Whether no body follows.

    Returns:
        The request, with the same refusals as in HTTP/1.1.

    Raises:
        MalformedRequest: The block is not a valid request (RFC 9113 8.1.1).
    """
    pseudo, headers = _split(fields)
    method = pseudo.get(b":method")
    if method is None or not TOKEN.fullmatch(method):
        raise MalformedRequest("there is no :method, or it is not a token")
    index = index_headers(headers)
    length = _body_length(index, ended=ended)
    authority, target, refusal = b"", b"/", None
    if method == b"CONNECT":
        _check_connect(pseudo)
        refusal = NO_TUNNELS
    else:
        _check_pseudo(pseudo)
        try:
            authority = _authority(pseudo, index)
            target, refusal = _target(pseudo[b":path"], method)
        except TargetError as error:
            refusal = malformed(error)
        else:
            refusal = refusal or _refusal(method, target, headers, limits)
            refusal = refusal and attrs.evolve(refusal, routable=True)
    headers = [(b"host", authority), *(field for field in headers if field[0] != b"host")]
    return ParsedRequest(
        head=RequestHead(method=method, target=target, headers=headers),
        index={**index, b"host": [authority]},
        version="2",
        authority=authority,
        length=length,
        keep_alive=True,
        refusal=refusal,
    )


class RequestBlocks:
    """Makes requests from the field blocks of one connection.

    Most requests of a browser differ only in their path. So fields that equal those of the last
    block are not checked again, and values derived from them are reused.

    Args:
        limits: Bounds on the heads.
        shortcuts: Which shortcuts to take.
    """

    def __init__(self, limits: Limits, shortcuts: Shortcuts = ALL) -> None:
        self._limits = limits
        self._shortcuts = shortcuts
        # The last block, the index of :path in it, and the request made from it.
        self._last: tuple[HeaderList, int, ParsedRequest] | None = None

    def read(self, fields: HeaderList, *, ended: bool) -> ParsedRequest:
        """Return the request of a block. Equal blocks may share one request object."""
        kept = fields if ended and isinstance(fields, KeptBlock) else None
        if kept is not None and kept.request is not None:
            return kept.request
        read = self._read(fields, ended=ended)
        if (
            kept is not None
            and self._shortcuts.same_bytes
            and read.length is None
            and read.refusal is None
            and b"expect" not in read.index
        ):
            kept.request = read
        return read

    def _read(self, fields: HeaderList, *, ended: bool) -> ParsedRequest:
        if ended and self._last is not None:
            recalled = self._recall(fields, *self._last)
            if recalled is not None:
                return recalled
        read = read_request(fields, self._limits, ended=ended)
        size = sum(len(name) + len(value) + _FIELD_OVERHEAD for name, value in fields)
        if size > MAX_REMEMBERED_BYTES or not self._shortcuts.same_fields:
            self._last = None
        elif read.length is None and read.refusal is None:
            at = next(at for at, (name, _) in enumerate(fields) if name == b":path")
            self._last = (fields, at, read)
        return read

    def forget(self) -> None:
        """Forget the last block, since the connection is idle."""
        self._last = None

    def _recall(
        self, fields: HeaderList, before: HeaderList, at: int, read: ParsedRequest
    ) -> ParsedRequest | None:
        """Return the request if only its path differs from the last one's."""
        if (
            len(fields) != len(before)
            or fields[at][0] != b":path"
            or fields[:at] != before[:at]
            or fields[at + 1 :] != before[at + 1 :]
        ):
            return None
        method, headers = read.head.method, read.head.headers
        try:
            target, refusal = _target(fields[at][1], method)
        except TargetError:
            return None
        if refusal or _refusal(method, target, headers[1:], self._limits) is not None:
            return None
        return ParsedRequest(
            head=RequestHead(method=method, target=target, headers=headers),
            index=read.index,
            version="2",
            authority=read.authority,
            keep_alive=True,
            memo=read.memo,
        )


def read_trailers(fields: Iterable[Header]) -> HeaderList:
    """Return the fields of a block after a body.

    Raises:
        MalformedRequest: A field is not allowed there (RFC 9113 8.1).
    """
    pseudo, trailers = _split(fields)
    if pseudo:
        raise MalformedRequest("there are pseudo-header fields after the body")
    return trailers


def framed_block(head: ResponseHead, length: int | None, date: bytes) -> HeaderList:
    """Return a response's field block with new framing.

    Args:
        head: The head; its Content-Length is omitted.
        length: The body's length in bytes; None if it is unknown until the body ends.
        date: The value of Date if the head has none (RFC 9110 6.6.1).
    """
    names = head_names(head.headers) if head.names is None else head.names
    lowered, mask = names.lowered, names.mask(_FRAMING_FIELDS)
    values = [value.strip(b" \t") for _, value in head.headers]
    block: HeaderList = [(b":status", b"%d" % head.status)]
    block += compress(zip(lowered, values, strict=True), mask)
    if b"set-cookie" in names.names:
        block = [_written(*field) for field in block]
    if b"date" not in names.names:
        block.append((b"date", date))
    if length is not None and head.status != 204:
        block.append((b"content-length", b"%d" % length))
    return block


def response_block(head: ResponseHead) -> HeaderList:
    """Return a head's field block: lower-case names, and no fields specific to HTTP/1.1."""
    return [(b":status", b"%d" % head.status), *field_block(head.headers)]


def field_block(fields: Iterable[Header]) -> HeaderList:
    """Return the fields of a head or trailers in the form for a block (RFC 9113 8.2)."""
    return [
        _written(lowered, value.strip(b" \t"))
        for name, value in fields
        if (lowered := name.lower()) not in CONNECTION_FIELDS
    ]


def _written(name: bytes, value: bytes) -> Header:
    # Each value is new and secret, so it must stay out of the table (RFC 7541 7.1.3).
    if name == b"set-cookie":
        return NeverIndexedHeaderTuple(name, value)
    return name, value


def _split(fields: Iterable[Header]) -> tuple[dict[bytes, bytes], HeaderList]:
    """Return the pseudo-header fields and the others, each checked (RFC 9113 8.2, 8.3)."""
    pseudo: dict[bytes, bytes] = {}
    headers: HeaderList = []
    crumbs: list[bytes] = []
    for name, value in fields:
        if _NOT_IN_VALUE.search(value) or value != value.strip(b" \t"):
            raise MalformedRequest("a field's value has a forbidden byte")
        if name.startswith(b":"):
            if name not in _PSEUDO_FIELDS or name in pseudo or headers or crumbs:
                raise MalformedRequest("a pseudo-header field is unknown, repeated or too late")
            pseudo[name] = value
        elif not _NAME.fullmatch(name):
            raise MalformedRequest("a field's name has a forbidden byte")
        elif name in CONNECTION_FIELDS or (name == b"te" and value.lower() != b"trailers"):
            raise MalformedRequest(f"the field {name.decode()} is only for HTTP/1.1")
        elif name == b"cookie":
            crumbs.append(value)
        else:
            headers.append((name, value))
    if crumbs:
        # RFC 9113 8.2.3: join the cookie fields that were split for better compression.
        headers.append((b"cookie", b"; ".join(crumbs)))
    return pseudo, headers


def _check_pseudo(pseudo: dict[bytes, bytes]) -> None:
    """Reject a request without the mandatory pseudo-header fields (RFC 9113 8.3.1)."""
    if not pseudo.get(b":path") or b":scheme" not in pseudo:
        raise MalformedRequest("there is no :path or no :scheme")
    if b":protocol" in pseudo:
        raise MalformedRequest(":protocol is only for CONNECT")


def _check_connect(pseudo: dict[bytes, bytes]) -> None:
    """Reject a CONNECT that follows neither RFC 9113 8.5 nor RFC 8441."""
    extended = b":protocol" in pseudo
    if not pseudo.get(b":authority") or {b":scheme", b":path"} & pseudo.keys() != (
        {b":scheme", b":path"} if extended else set()
    ):
        raise MalformedRequest("a CONNECT has a forbidden pseudo-header field, or lacks one")


def _authority(pseudo: dict[bytes, bytes], index: HeaderIndex) -> bytes:
    """Return the host that a request addresses (RFC 9113 8.3.1)."""
    if pseudo[b":scheme"].lower() not in _SCHEMES:
        raise TargetError("the scheme is neither https nor http")
    hosts = index.get(b"host", [])
    authority = pseudo.get(b":authority")
    if authority is None:
        if len(hosts) != 1:
            raise TargetError("a request needs :authority, or exactly one Host field")
        authority = hosts[0]
    parsed = read_host(authority)
    if parsed is None:
        raise TargetError("the authority is not a host name with an optional port")
    if len(hosts) > 1 or any(read_host(host) != parsed for host in hosts):
        raise TargetError("the Host field and :authority do not agree")
    return authority


def _target(path: bytes, method: bytes) -> tuple[bytes, Refusal | None]:
    """Return a path, and a refusal if it is refused although it may match a route, or None."""
    if not path.startswith((b"/", b"*")):
        raise TargetError("the path does not begin with /")
    target, _, refusal = read_target(path, method)
    return target, refusal


def _body_length(index: HeaderIndex, *, ended: bool) -> int | None:
    """Return the declared length of the body (RFC 9113 8.1.1)."""
    stated = index.get(b"content-length")
    if stated is None:
        return None if ended else CHUNKED
    length = content_length(stated)
    if length is None or (ended and length):
        raise MalformedRequest("Content-Length is not the number of the body's bytes")
    return length


def _refusal(method: bytes, target: bytes, headers: HeaderList, limits: Limits) -> Refusal | None:
    """Return a refusal if a well-formed request can't be served or is too large, or None."""
    refusal = unserved(method, target, limits)
    if refusal is not None:
        return refusal
    if len(headers) > limits.max_headers:
        return Refusal(status=431, detail="The request has too many header fields.")
    size = len(target) + sum(len(name) + len(value) + _FIELD_OVERHEAD for name, value in headers)
    if size > limits.max_head_bytes:
        return Refusal(status=431, detail="The request's head is too large.")
    return None
