"""How long a message's body is: one answer, or a refusal (RFC 9112 6)."""

from __future__ import annotations

from corsgate.errors import BadUpstreamResponse, TargetError
from corsgate.message.headers import HeaderIndex, list_members
from corsgate.message.host import parse_host

NO_BODY = 0
"""The length of a body that is not there at all."""

UNTIL_CLOSE = -1
"""The length of a response body that ends with its connection."""

CHUNKED = -2
"""The length of a body whose last chunk tells its end."""


def request_length(index: HeaderIndex, version: str) -> int | None:
    """Answer how long a request's body is.

    Args:
        index: The request's fields; llhttp has refused a Content-Length that is no number,
            is repeated, or stands beside Transfer-Encoding.
        version: ``1.1`` or ``1.0``.

    Returns:
        Its length in bytes, `CHUNKED`, or None where the request announces no body.

    Raises:
        TargetError: A transfer coding that another server may read otherwise, which is how
            requests are smuggled (RFC 9112 6.1, 11.2).
    """
    codings = list_members(index.get(b"transfer-encoding", ()))
    if b"transfer-encoding" in index:
        if version != "1.1" or [coding.lower() for coding in codings] != [b"chunked"]:
            raise TargetError("the only transfer coding here is chunked, in HTTP/1.1")
        return CHUNKED
    lengths = index.get(b"content-length")
    return None if lengths is None else int(lengths[0])


def response_length(index: HeaderIndex, status: int, method: bytes) -> int:
    """Answer how many bytes of body follow a response's head (RFC 9112 6.3).

    Args:
        index: The response's fields; llhttp has refused what is ambiguous in them.
        status: A final status code.
        method: The request's method.

    Returns:
        Its length in bytes, `CHUNKED` or `UNTIL_CLOSE`.

    Raises:
        BadUpstreamResponse: A transfer coding other than chunked.
    """
    if method == b"HEAD" or status in (204, 304):
        return NO_BODY
    if b"transfer-encoding" in index:
        codings = [coding.lower() for coding in list_members(index[b"transfer-encoding"])]
        if codings != [b"chunked"]:
            raise BadUpstreamResponse("its transfer coding is not chunked alone")
        return CHUNKED
    lengths = index.get(b"content-length")
    return UNTIL_CLOSE if lengths is None else int(lengths[0])


def request_authority(index: HeaderIndex, version: str, named: bytes | None) -> bytes:
    """Answer the host that a request is for (RFC 9112 3.2).

    Args:
        index: The request's fields.
        version: ``1.1`` or ``1.0``.
        named: The host that an absolute-form target names, which then counts (3.2.2).

    Returns:
        The Host value; empty where an HTTP/1.0 request has none or the field is empty.

    Raises:
        TargetError: No Host, several, or one that is not a host with an optional port.
    """
    hosts = index.get(b"host", [])
    if len(hosts) > 1 or (not hosts and version == "1.1"):
        raise TargetError("a request needs exactly one Host field")
    authority = named if named is not None else hosts[0] if hosts else b""
    for value in {authority, *hosts}:
        if value and parse_host(value) is None:
            raise TargetError("the Host field is not a host name with an optional port")
    return authority
