"""A request's head as it was read from a client, or why it can't be served; and who is told."""

from __future__ import annotations

from typing import Any, Protocol

import attrs

from corsgate.errors import TargetError
from corsgate.message.framing import request_authority
from corsgate.message.head import RequestHead
from corsgate.message.headers import HeaderIndex, HeaderList, index_headers
from corsgate.message.target import origin_form


@attrs.frozen(kw_only=True)
class Refusal:
    """Why a request is answered without being looked at further.

    Attributes:
        status: 400, 408, 414, 431, 501 or 505.
        detail: One sentence for the client.
        routable: Whether the head is sound enough to find the route by, so that its CORS
            headers let the page read the answer.
    """

    status: int
    detail: str
    routable: bool = False


MAX_REMEMBERED_BYTES = 2 * 1024
"""The largest head that a connection remembers for the next request. A browser's has some 800
bytes; one with more is parsed anew each time."""

MAX_READY = 16
"""How much a connection's requests may have ready: a head for each route and server is much."""

MAX_READY_BYTES = 4 * MAX_REMEMBERED_BYTES
"""How large the heads among that may be together: two for a route, with room for what is added."""


class Ready(dict[Any, Any]):
    """What has been worked out of a request's fields and connection, by all else it depends on.

    It has `MAX_READY` things at most, with `MAX_READY_BYTES` of prepared heads at most.
    """

    __slots__ = ("_bytes",)

    def __init__(self) -> None:
        super().__init__()
        self._bytes = 0

    def __setitem__(self, key: Any, value: Any) -> None:
        """Keep a thing; where that is too much, forget all the others."""
        size = len(value.lines or b"") if isinstance(value, RequestHead) else 0
        if size > MAX_READY_BYTES:
            return
        if len(self) >= MAX_READY or self._bytes + size > MAX_READY_BYTES:
            self.clear()
            self._bytes = 0
        self._bytes += size
        super().__setitem__(key, value)


@attrs.frozen(kw_only=True, eq=False)
class ParsedRequest:
    """A request's head as it was read.

    Attributes:
        head: The head, its target in origin-form.
        index: Its fields by lower-cased name.
        version: ``1.1``, ``1.0``, or what else the client said.
        authority: The Host value that counts (RFC 9112 3.2.2), empty where there is none.
        length: The body's length in bytes, `CHUNKED`, or None where no body is announced.
        keep_alive: Whether another request may follow.
        offers: The protocols that it offers to switch to, in order; mostly none.
        refusal: Why it must not be served, or None.
        ready: What has been worked out of its fields and its connection. A later request of the
            connection with the very same fields has the same dictionary, so that all else that
            a thing depends on, such as the method or the route, must be in its key.
    """

    head: RequestHead
    index: HeaderIndex
    version: str = "1.1"
    authority: bytes = b""
    length: int | None = None
    keep_alive: bool = False
    offers: tuple[bytes, ...] = ()
    refusal: Refusal | None = None
    ready: Ready = attrs.field(factory=Ready)


def malformed(error: TargetError, status: int = 400) -> Refusal:
    """Return why a request that is not well-formed must not be served, as a sentence."""
    text = str(error)
    return Refusal(status=status, detail=f"{text[:1].upper()}{text[1:]}.")


def refused(head: RequestHead, refusal: Refusal) -> ParsedRequest:
    """Return what stands for a request that can't be read on.

    Args:
        head: As much of its head as has come.
        refusal: Why; here it is found out whether it is routable.
    """
    index, authority, routable = index_headers(head.headers), b"", False
    try:
        target, named = origin_form(head.target, head.method)
        head = attrs.evolve(head, target=target)
        authority = request_authority(index, "1.1", named)
        # A page is to read why its request was too large; what is malformed has no route.
        routable = refusal.status in (408, 431)
    except TargetError:
        pass
    refusal = attrs.evolve(refusal, routable=routable)
    return ParsedRequest(head=head, index=index, authority=authority, refusal=refusal)


class RequestSink(Protocol):
    """What is told of the requests that are read."""

    def request_read(self, request: ParsedRequest) -> None:
        """A head is complete; after one with `keep_alive` False no other comes."""

    def body_read(self, data: bytes) -> None:
        """A piece of the last request's body has come."""

    def body_complete(self, trailers: HeaderList) -> None:
        """The last request's body is complete."""

    def body_broken(self, detail: str) -> None:
        """The last request's body is not well-formed; nothing comes after it."""
