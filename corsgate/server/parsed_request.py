"""A request's head as it was read from a client, or why it can't be served; and what takes it."""

from __future__ import annotations

from typing import Any, Protocol

import attrs

from corsgate.config.model.values import Limits
from corsgate.cors.names import MAX_METHOD_BYTES
from corsgate.errors import TargetError
from corsgate.message.framing import request_authority
from corsgate.message.head import RequestHead
from corsgate.message.headers import HeaderIndex, HeaderList, index_headers
from corsgate.message.target import origin_form
from corsgate.server.fields_memo import FieldsMemo


@attrs.frozen(kw_only=True)
class Refusal:
    """Why a request is answered without being looked at further.

    Attributes:
        status: 400, 403, 408, 414, 431, 501 or 505.
        detail: One sentence for the client.
        routable: Whether the head is sound enough to find the route by, so that its CORS
            headers let the page read the answer.
        after_policy: Whether what the route's policy does not forward gets its own response, such
            as a preflight.
    """

    status: int
    detail: str
    routable: bool = False
    after_policy: bool = False


NO_TUNNELS = Refusal(status=501, detail="This is not a tunnelling proxy.")
TOO_LONG = Refusal(status=414, detail="The request target is too long.")


class ParsedRequest:
    """A request's head as it was read.

    Nobody changes one, except that its resource is noted: it is not frozen for the sake of speed
    alone. A later request of the connection with the same bytes may be the very same one.

    Args:
        memo: What is known of its fields; by default nothing.

    Attributes:
        head: The head, its target in origin-form.
        index: Its fields by lower-cased name.
        version: ``1.1``, ``1.0``, or what else the client said.
        authority: The Host value that counts (RFC 9112 3.2.2), empty where there is none.
        length: The body's length in bytes, `CHUNKED`, or None where no body is announced.
        keep_alive: Whether another request may follow.
        offers: The protocols that it offers to switch to, in order; mostly none.
        refusal: Why it must not be served, or None.
        memo: What has been worked out of its fields and its connection. A later request of the
            connection with the very same fields has the same one.
        resource: What serves it, once that was found and if it follows from the head alone.
    """

    __slots__ = (
        "authority",
        "head",
        "index",
        "keep_alive",
        "length",
        "memo",
        "offers",
        "refusal",
        "resource",
        "version",
    )

    def __init__(
        self,
        head: RequestHead,
        index: HeaderIndex,
        *,
        version: str = "1.1",
        authority: bytes = b"",
        length: int | None = None,
        keep_alive: bool = False,
        offers: tuple[bytes, ...] = (),
        refusal: Refusal | None = None,
        memo: FieldsMemo | None = None,
    ) -> None:
        self.head = head
        self.index = index
        self.version = version
        self.authority = authority
        self.length = length
        self.keep_alive = keep_alive
        self.offers = offers
        self.refusal = refusal
        self.memo = FieldsMemo() if memo is None else memo
        self.resource: Any = None


def malformed(error: TargetError, status: int = 400, *, routable: bool = False) -> Refusal:
    """Return why a request that is not well-formed must not be served, as a sentence."""
    text = str(error)
    detail = f"{text[:1].upper()}{text[1:]}."
    return Refusal(status=status, detail=detail, routable=routable)


def unserved(method: bytes, target: bytes, limits: Limits) -> Refusal | None:
    """Return why a method or a target is not served, though it is well-formed; or None.

    Any other method passes (RFC 9110 9.1), except for TRACE and its like: a route refuses those.
    """
    if len(method) > MAX_METHOD_BYTES:
        return Refusal(status=501, detail="The method is too long.")
    if method.upper() == b"CONNECT":
        # In any case: some server may not be strict about it.
        return NO_TUNNELS
    return TOO_LONG if len(target) > limits.max_target_bytes else None


def read_target(target: bytes, method: bytes) -> tuple[bytes, bytes | None, Refusal | None]:
    """Return a request target in origin-form, and the host that it names.

    Returns:
        The same as `origin_form`, and None; or a path as it came, None, and why it is refused.
        What precedes the fault in that may still lead to a route.

    Raises:
        TargetError: It is refused, and is no path.
    """
    try:
        return (*origin_form(target, method), None)
    except TargetError as error:
        if not target.startswith(b"/"):
            raise
        return target, None, malformed(error)


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
        routable = refusal.status in (408, 414, 431)
    except TargetError:
        pass
    refusal = attrs.evolve(refusal, routable=routable)
    return ParsedRequest(head=head, index=index, authority=authority, refusal=refusal)


class RequestSink(Protocol):
    """What takes the requests that are read."""

    def request_read(self, request: ParsedRequest) -> None:
        """A head is complete; after one with `keep_alive` False no other comes."""

    def body_read(self, data: bytes) -> None:
        """A piece of the last request's body has come."""

    def body_complete(self, trailers: HeaderList) -> None:
        """The last request's body is complete."""

    def body_broken(self, detail: str) -> None:
        """The last request's body is not well-formed; nothing comes after it."""
