"""The two heads of HTTP: a request's and a response's, as values."""

from __future__ import annotations

import attrs

from corsgate.message.headers import HeaderList


@attrs.frozen(kw_only=True, eq=False)
class RequestHead:
    """A request without its body, as it goes on the wire.

    Attributes:
        method: The method's token, case as it came.
        target: The request target in origin-form (or ``*``), byte for byte.
        headers: The fields in order; framing fields are the wire's own and are not in it.
    """

    method: bytes
    target: bytes
    headers: HeaderList

    def to_bytes(self) -> bytes:
        """Answer the head as it stands on the wire, the empty line included (RFC 9112 3)."""
        lines = [b"%b %b HTTP/1.1" % (self.method, self.target)]
        lines += [name + b": " + value for name, value in self.headers]
        return b"\r\n".join(lines) + b"\r\n\r\n"


@attrs.frozen(kw_only=True, eq=False)
class ResponseHead:
    """A response without its body.

    Attributes:
        status: The status code, 100 to 599.
        reason: The reason phrase, perhaps empty.
        headers: The fields in order, as they came.
    """

    status: int
    reason: bytes
    headers: HeaderList

    def to_bytes(self) -> bytes:
        """Answer the head as it stands on the wire, the empty line included (RFC 9112 4)."""
        lines = [b"HTTP/1.1 %d %b" % (self.status, self.reason)]
        lines += [name + b": " + value for name, value in self.headers]
        return b"\r\n".join(lines) + b"\r\n\r\n"
