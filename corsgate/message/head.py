"""The two heads of HTTP: a request's and a response's, as values."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from corsgate.message.headers import Header, HeaderList, HeadNames


@attrs.define(eq=False)
class RequestHead:
    """A request without its body, as it goes on the wire.

    Nobody changes one: it is not frozen for the sake of speed alone.

    Attributes:
        method: The method's token, case as it came.
        target: The request target in origin-form (or ``*``), byte for byte.
        headers: The fields in order; framing fields are the wire's own and are not in it.
        lines: The same fields as `field_lines` writes them, where that was done before. A head
            that is made of this one with other fields has to leave them out.
        names: What the names of the fields imply, where it is known.
        wire: All of it as `to_bytes` writes it for a request without a body, where that was done
            before.
    """

    method: bytes
    target: bytes
    headers: HeaderList
    lines: bytes | None = None
    names: HeadNames | None = None
    wire: bytes | None = None

    def to_bytes(self, framing: bytes = b"") -> bytes:
        """Return the head as it stands on the wire, the empty line included (RFC 9112 3).

        Args:
            framing: The line of a framing field, to stand behind the others.
        """
        lines = field_lines(self.headers) if self.lines is None else self.lines
        return b"%b %b HTTP/1.1\r\n%b%b\r\n" % (self.method, self.target, lines, framing)


@attrs.define(eq=False)
class ResponseHead:
    """A response without its body.

    Nobody changes one: it is not frozen for the sake of speed alone.

    Attributes:
        status: The status code, 100 to 599.
        reason: The reason phrase, perhaps empty.
        headers: The fields in order, as they came.
        lines: The same fields as `field_lines` writes them, where that was done before.
        names: What the names of the fields imply, where it is known.
    """

    status: int
    reason: bytes
    headers: HeaderList
    lines: bytes | None = None
    names: HeadNames | None = None

    def to_bytes(self, more: bytes = b"") -> bytes:
        """Return the head as it stands on the wire, the empty line included (RFC 9112 4).

        Args:
            more: Lines of further fields, to stand behind the others.
        """
        lines = field_lines(self.headers) if self.lines is None else self.lines
        return b"HTTP/1.1 %d %b\r\n%b%b\r\n" % (self.status, self.reason, lines, more)


def field_lines(headers: Iterable[Header]) -> bytes:
    """Return fields as they stand on the wire, each line with its end (RFC 9112 5)."""
    return b"\r\n".join([*map(b": ".join, headers), b""])
