"""The head of a request and the head of a response, as values."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from corsgate.message.headers import Header, HeaderList, HeadNames


def _without_query(target: bytes) -> str:
    """Return the repr of a target without its query, which may have an API key."""
    return repr(target.partition(b"?")[0])


@attrs.define(eq=False)
class RequestHead:
    """A request without its body, as it is sent.

    Treat it as immutable: it is not frozen only because that would be slower. Its repr has neither
    fields nor query, since these may contain credentials.

    Attributes:
        method: The method, in the client's case.
        target: The request target in origin-form (or ``*``), byte for byte.
        headers: The fields in order, without framing fields, which the sender adds.
        lines: The same fields as written by `field_lines`, if that was done already. A head
            derived from this one with other fields must leave it out.
        names: What the names of the fields imply, if known.
        wire: The head of a request without a body as sent, except for its end: the fields that are
            different for each request, and the empty line. It has neither Upgrade nor Expect, which
            would allow other responses. None if it was not composed.
    """

    method: bytes
    target: bytes = attrs.field(repr=_without_query)
    headers: HeaderList = attrs.field(repr=False)
    lines: bytes | None = attrs.field(default=None, repr=False)
    names: HeadNames | None = attrs.field(default=None, repr=False)
    wire: bytes | None = attrs.field(default=None, repr=False)

    def to_bytes(self, framing: bytes = b"") -> bytes:
        """Return the head as sent, including the empty line (RFC 9112 3).

        Args:
            framing: The line of a framing field, which comes last.
        """
        lines = field_lines(self.headers) if self.lines is None else self.lines
        return b"%b %b HTTP/1.1\r\n%b%b\r\n" % (self.method, self.target, lines, framing)


@attrs.define(eq=False)
class ResponseHead:
    """A response without its body.

    Treat it as immutable: it is not frozen only because that would be slower.

    Attributes:
        status: The status code, 100 to 599.
        reason: The reason phrase, possibly empty.
        headers: The fields in order, as received.
        lines: The same fields as written by `field_lines`, if that was done already.
        names: What the names of the fields imply, if known.
    """

    status: int
    reason: bytes
    headers: HeaderList = attrs.field(repr=False)
    lines: bytes | None = attrs.field(default=None, repr=False)
    names: HeadNames | None = attrs.field(default=None, repr=False)

    def to_bytes(self, more: bytes = b"") -> bytes:
        """Return the head as sent, including the empty line (RFC 9112 4).

        Args:
            more: Lines of further fields, which come last.
        """
        lines = field_lines(self.headers) if self.lines is None else self.lines
        return b"HTTP/1.1 %d %b\r\n%b%b\r\n" % (self.status, self.reason, lines, more)


def field_lines(headers: Iterable[Header]) -> bytes:
    """Return fields in wire format, each line with its line end (RFC 9112 5)."""
    return b"\r\n".join([*map(b": ".join, headers), b""])
