"""Make a request from a head that llhttp parsed, and reject the malformed ones it accepts."""

from __future__ import annotations

import re
from operator import itemgetter
from typing import Any

import attrs

from corsgate.config.model.values import Limits
from corsgate.errors import UnknownCoding
from corsgate.message.framing import (
    check_connection,
    content_length,
    request_authority,
    request_length,
)
from corsgate.message.head import RequestHead
from corsgate.message.headers import HeaderIndex, HeaderList, HeadNames, index_headers, names_of
from corsgate.message.host import read_host
from corsgate.message.upgrade import switchable
from corsgate.server.http1.request_line import RequestLine
from corsgate.server.parsed_request import (
    NO_TUNNELS,
    TOO_LONG,
    ParsedRequest,
    Refusal,
    malformed,
    read_target,
    unserved,
)
from corsgate.shortcuts import Shortcuts

_name, _value = itemgetter(0), itemgetter(1)


class CollectedHead:
    """The target and the fields of a head, or of trailers, that llhttp has found so far.

    Args:
        limits: Bounds on the head.
        shortcuts: Which shortcuts to take.

    Attributes:
        on_header: Adds a field; called far more often than any other function here.
        is_trimmed: Whether it is known that no value ends with white space.
    """

    __slots__ = (
        "_fields",
        "_host",
        "_limits",
        "_names_of",
        "_surplus",
        "_target",
        "is_trimmed",
        "on_header",
    )

    def __init__(self, limits: Limits, shortcuts: Shortcuts) -> None:
        self.is_trimmed = False
        self._fields: HeaderList = []
        take = self._fields.append
        self.on_header = lambda name, value: take((name, value))
        self._target = b""
        self._surplus = False
        self._limits = limits
        self._names_of = names_of if shortcuts.head_names else HeadNames
        # The last Host value that was found valid.
        self._host = b""

    # Called by llhttp.

    def on_url(self, data: bytes) -> None:
        """Add a part of the request target."""
        self._target += data

    # Called by the parser.

    def begin(self) -> None:
        """Start a new head."""
        self._target = b""
        self._surplus = False
        self._fields.clear()

    def clear(self) -> None:
        """Forget the fields."""
        self._fields.clear()

    def forget(self) -> None:
        """Forget what only makes the next head cheaper to parse."""
        self._host = b""
        self.clear()

    def drop_surplus(self) -> None:
        """Drop the fields beyond the maximum number."""
        most = self._limits.max_headers
        if len(self._fields) > most:
            self._surplus = True
            del self._fields[most:]

    def fields(self) -> HeaderList:
        """Return the fields."""
        # llhttp keeps trailing white space in values (RFC 9112 5.1).
        return [(name, value.rstrip(b" \t")) for name, value in self._fields]

    def so_far(self, method: bytes) -> RequestHead:
        """Return the head as received so far.

        Args:
            method: The method to put into it.
        """
        self.drop_surplus()
        return RequestHead(method, self._target or b"/", self.fields())

    def excess(self, read: int) -> Refusal | None:
        """Return a refusal if the head is too large so far, or None.

        Args:
            read: An upper bound of its size in bytes.
        """
        limits = self._limits
        # The exact size matters only if the upper bound exceeds the limit.
        if read > limits.max_head_bytes:
            size = len(self._target) + sum(len(n) + len(v) + 4 for n, v in self._fields)
            if size > limits.max_head_bytes:
                return self.too_large()
        if self._surplus:
            return Refusal(status=431, detail="The request has too many header fields.")
        return None

    def too_large(self) -> Refusal:
        """Return the refusal of a head with too many bytes."""
        if len(self._target) > self._limits.max_target_bytes:
            return TOO_LONG
        return Refusal(status=431, detail="The request's head is too large.")

    def make(self, llhttp: Any, line: RequestLine | re.Match[bytes], read: int) -> ParsedRequest:
        """Return the request of a complete head.

        Args:
            llhttp: The parser that has just parsed it.
            line: Its first line; a match if it is known to be plain.
            read: An upper bound of its size in bytes.

        Raises:
            TargetError: The head is not well-formed.
        """
        if isinstance(line, re.Match):
            request = self._make_simple(line, read, llhttp)
            if request is not None:
                return request
        self.drop_surplus()
        return self._make(llhttp, line, self.excess(read))

    def _make_simple(self, line: re.Match[bytes], read: int, llhttp: Any) -> ParsedRequest | None:
        """Return the request if its field names allow a quick check; else None."""
        headers, limits = self._fields.copy(), self._limits
        names = self._names_of(tuple(map(_name, headers)))
        values = list(map(_value, headers))
        method, target = line.groups()
        if (
            not names.simple_request
            or not self.is_trimmed
            or len(headers) > limits.max_headers
            or len(target) > limits.max_target_bytes
            or read > limits.max_head_bytes
            or (names.connection_at >= 0 and values[names.connection_at].lower() != b"keep-alive")
        ):
            return None
        authority = values[names.host_at]
        if authority != self._host:
            if read_host(authority) is None:
                return None
            self._host = authority
        length = None
        if names.length_at >= 0:
            length = content_length((values[names.length_at],))
            if length is None:
                return None
        return ParsedRequest(
            RequestHead(method, target, headers, None, names),
            dict(zip(names.lowered, map(list, zip(values, strict=True)), strict=True)),
            authority=authority,
            length=length,
            # llhttp also considers Proxy-Connection.
            keep_alive=llhttp.should_keep_alive(),
        )

    def _make(
        self, llhttp: Any, line: RequestLine | re.Match[bytes], refusal: Refusal | None
    ) -> ParsedRequest:
        """Check the head as a whole (RFC 9112 2.3, 3 and 6)."""
        version: str = llhttp.get_http_version()
        headers = self.fields()
        index = index_headers(headers)
        target, authority, length = self._target, b"", None
        offers: tuple[bytes, ...] = ()
        if isinstance(line, RequestLine):
            method, is_exact = line.method, line.is_exactly(target, version)
        else:
            method, is_exact = line[1], True
        if version not in ("1.1", "1.0"):
            refusal = Refusal(status=505, detail="HTTP/1.1 is spoken here.")
        elif not is_exact:
            refusal = Refusal(
                status=400, detail="The request line is not a method, a target and HTTP/1.1."
            )
        elif method == b"CONNECT":
            refusal = NO_TUNNELS
        else:
            target, named, bad = read_target(target, method)
            authority = request_authority(index, version, named)
            length, unknown = _length(index, version)
            check_connection(index)
            refusal = refusal or bad or unknown or unserved(method, target, self._limits)
            if refusal is not None:
                refusal = attrs.evolve(refusal, routable=True)
            elif not length and version == "1.1" and llhttp.should_upgrade():
                offers = switchable(index.get(b"upgrade", ()))
                # Some clients state that no body follows (RFC 9110 8.6). Further bytes are held.
                length = None if offers else length
        return ParsedRequest(
            head=RequestHead(method=method, target=target, headers=headers),
            index=index,
            version=version,
            authority=authority,
            length=length,
            keep_alive=refusal is None and llhttp.should_keep_alive(),
            offers=offers,
            refusal=refusal,
        )


def _length(index: HeaderIndex, version: str) -> tuple[int | None, Refusal | None]:
    """Return a body's length, or a refusal if its transfer coding is unknown."""
    try:
        return request_length(index, version), None
    except UnknownCoding as error:
        return None, malformed(error, 501)
