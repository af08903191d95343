"""The length of a message's body, which must be unambiguous (RFC 9112 6)."""

from __future__ import annotations

import re
from collections.abc import Sequence

import attrs

from corsgate.errors import BadUpstreamResponse, TargetError, UnknownCoding
from corsgate.message.head import ResponseHead, field_lines
from corsgate.message.headers import HeaderIndex, is_short, short_list
from corsgate.message.host import read_host

NO_BODY = 0
"""The length of an absent body."""

UNTIL_CLOSE = -1
"""The length of a response body that ends with its connection."""

CHUNKED = -2
"""The length of a body that ends with its last chunk."""

FRAMING_FIELDS = frozenset((b"content-length", b"transfer-encoding"))
"""The lower-cased names of the fields that define a body's length."""

_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_MOST_DIGITS = 20
_CHUNKED_ALONE = [b"chunked"]
_EXPECTS_CONTENT = frozenset((b"POST", b"PUT", b"PATCH"))


def request_length(index: HeaderIndex, version: str) -> int | None:
    """Return the length of a request's body.

    Args:
        index: The request's fields; llhttp has rejected a Content-Length that is not a number,
            is repeated, or comes with Transfer-Encoding.
        version: ``1.1`` or ``1.0``.

    Returns:
        Its length in bytes, `CHUNKED`, or None if the request announces no body.

    Raises:
        TargetError: A length or transfer coding that another server may interpret differently,
            which allows request smuggling (RFC 9112 6.1, 11.2).
        UnknownCoding: A transfer coding in addition to chunked.
    """
    if b"transfer-encoding" in index:
        codings = short_list(index[b"transfer-encoding"])
        if codings is None:
            raise TargetError("Transfer-Encoding is too long")
        names = [coding.lower() for coding in codings]
        if version != "1.1" or names.count(b"chunked") != 1 or names[-1] != b"chunked":
            raise TargetError("a transfer coding must end with chunked, in HTTP/1.1")
        if len(names) > 1:
            raise UnknownCoding("the only transfer coding known here is chunked")
        return CHUNKED
    lengths = index.get(b"content-length")
    if lengths is None:
        return None
    length = content_length(lengths)
    if length is None:
        raise TargetError("the Content-Length is not one number")
    return length


def check_connection(index: HeaderIndex) -> None:
    """Reject a Connection field that is longer than any real one.

    Args:
        index: The request's fields.

    Raises:
        TargetError: It is too long. All fields that it names must be removed (RFC 9110 7.6.1), so
            reading only a part of it is not safe.
    """
    options = index.get(b"connection")
    if options is not None and not is_short(options):
        raise TargetError("the Connection field is too long")


def content_length(values: Sequence[bytes]) -> int | None:
    """Return the number in a message's Content-Length fields (RFC 9110 8.6).

    Args:
        values: The field's values, at least one.

    Returns:
        The length in bytes; None for several values, or one that is not a number or is too long.
        It may have any number of leading zeros, even more than int() accepts.
    """
    digits = values[0].lstrip(b"0")
    if len(values) > 1 or not values[0].isdigit() or len(digits) > _MOST_DIGITS:
        return None
    return int(digits or b"0")


def request_framing(method: bytes, length: int | None) -> bytes:
    """Return the field line that frames a request's body (RFC 9110 8.6).

    Args:
        method: The request's method.
        length: The body's length in bytes, `CHUNKED`, or None without a body.

    Returns:
        The line with its line end; empty if the request needs none.
    """
    if length == CHUNKED:
        return b"Transfer-Encoding: chunked\r\n"
    if length is None:
        return b"Content-Length: 0\r\n" if method in _EXPECTS_CONTENT else b""
    return b"Content-Length: %d\r\n" % length


def check_response(status: int, version: str, reason: bytes = b"", max_status: int = 599) -> None:
    """Reject a response that llhttp accepts but that can't be passed on.

    Args:
        status: The status code.
        version: The server's protocol version.
        reason: The reason phrase.
        max_status: The highest status that may be passed on.

    Raises:
        BadUpstreamResponse: An unrequested 101, or a status outside 100 to 599 (RFC 9110 15). Or
            an unknown version, or a control character in the reason phrase (RFC 9112 4).
    """
    if status == 101 or not 100 <= status <= max_status:
        raise BadUpstreamResponse(f"its status is {status}")
    if version not in ("1.1", "1.0"):
        raise BadUpstreamResponse(f"its version is HTTP/{version}")
    if _CONTROL.search(reason):
        raise BadUpstreamResponse("its reason phrase has a control character")


def announced_length(index: HeaderIndex, status: int, method: bytes) -> int:
    """Return the length to announce to the client, which may differ from that of the sent body.

    For HEAD and 304, Content-Length describes a body that is not sent. If it is missing, none may
    be announced: a 0 would state the length of the resource (RFC 9110 8.6).

    Args:
        index: The response's fields.
        status: A final status code.
        method: The request's method.

    Returns:
        A length in bytes, or `CHUNKED` or `UNTIL_CLOSE`, for which no length is announced.

    Raises:
        BadUpstreamResponse: As for `response_length`.
    """
    if status != 204 and (method == b"HEAD" or status == 304):
        lengths = index.get(b"content-length")
        stated = None if lengths is None else content_length(lengths)
        return UNTIL_CLOSE if stated is None else stated
    return response_length(index, status, method)


def response_length(index: HeaderIndex, status: int, method: bytes) -> int:
    """Return the length of the body that follows a response's head (RFC 9112 6.3).

    Args:
        index: The response's fields; llhttp has rejected ambiguous ones.
        status: A final status code.
        method: The request's method.

    Returns:
        Its length in bytes, `CHUNKED` or `UNTIL_CLOSE`.

    Raises:
        BadUpstreamResponse: A transfer coding other than chunked, or a bad Content-Length.
    """
    if method == b"HEAD" or status in (204, 304):
        return NO_BODY
    codings_stated = index.get(b"transfer-encoding")
    if codings_stated == _CHUNKED_ALONE:
        return CHUNKED
    if codings_stated is not None:
        codings = short_list(codings_stated)
        if codings is None or [coding.lower() for coding in codings] != [b"chunked"]:
            raise BadUpstreamResponse("its transfer coding is not just chunked")
        return CHUNKED
    lengths = index.get(b"content-length")
    if lengths is None:
        return UNTIL_CLOSE
    length = content_length(lengths)
    if length is None:
        raise BadUpstreamResponse("its Content-Length is not one number")
    return length


def request_authority(index: HeaderIndex, version: str, named: bytes | None) -> bytes:
    """Return the host of a request (RFC 9112 3.2).

    Args:
        index: The request's fields.
        version: ``1.1`` or ``1.0``.
        named: The host of an absolute-form target, which takes precedence (3.2.2), or None.

    Returns:
        The Host value; empty if an HTTP/1.0 request has none or the field is empty.

    Raises:
        TargetError: There is no Host, there are several, or one is not a host with optional port.
    """
    hosts = index.get(b"host", [])
    if len(hosts) > 1 or (not hosts and version == "1.1"):
        raise TargetError("a request needs exactly one Host field")
    authority = named if named is not None else hosts[0] if hosts else b""
    for value in {authority, *hosts}:
        if value and read_host(value) is None:
            raise TargetError("the Host field is not a host name with an optional port")
    return authority


@attrs.frozen
class ResponseFraming:
    """How the client finds the end of a response's body.

    Attributes:
        line: The field line that defines it, with its line end; empty if there is none.
        chunked: Whether to send the body in chunks.
        delimited: Whether the end is visible without closing the connection.
    """

    line: bytes
    chunked: bool
    delimited: bool


_SENT_IN_CHUNKS = ResponseFraming(b"Transfer-Encoding: chunked\r\n", True, True)
_ENDS_WITH_HEAD = ResponseFraming(b"", False, True)
_ENDS_WITH_CONNECTION = ResponseFraming(b"", False, False)


def response_framing(
    status: int, length: int | None, *, bodiless: bool, chunkable: bool
) -> ResponseFraming:
    """Return the framing of a response's body towards the client (RFC 9112 6).

    Args:
        status: The response's status.
        length: The body's length in bytes, or None if it is unknown.
        bodiless: Whether no body follows, regardless of `length`.
        chunkable: Whether the client supports chunks.
    """
    if length is not None and status != 204:
        return ResponseFraming(b"Content-Length: %d\r\n" % length, False, True)
    if length is not None or bodiless:
        return _ENDS_WITH_HEAD
    return _SENT_IN_CHUNKS if chunkable else _ENDS_WITH_CONNECTION


def framed_head(head: ResponseHead, ending: bytes, date: bytes) -> bytes:
    """Return a response's head as sent, with new framing.

    Args:
        head: The head; its framing fields are left out.
        ending: The lines for the body's end and the connection's persistence.
        date: The value of Date if the head has none (RFC 9110 6.6.1).
    """
    lines = field_lines(head.headers)
    lowered = b"\n" + lines.lower()
    if b"\ncontent-length:" in lowered or b"\ntransfer-encoding:" in lowered:
        lines = field_lines([f for f in head.headers if f[0].lower() not in FRAMING_FIELDS])
    if b"\ndate:" not in lowered:
        ending = b"Date: %b\r\n%b" % (date, ending)
    return b"HTTP/1.1 %d %b\r\n%b%b\r\n" % (head.status, head.reason, lines, ending)
