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
