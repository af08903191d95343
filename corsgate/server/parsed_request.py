"""A parsed request head, or the reason why it can't be served; and the interface for receivers."""

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
    """The reason for an immediate error response.

    Attributes:
        status: 400, 403, 408, 414, 431, 501 or 505.
        detail: One sentence for the client.
        routable: Whether the head is valid enough to find the route, so that the route's CORS
            headers let the page read the error.
        after_policy: Whether requests that the route's policy answers itself, such as preflights,
            still get that response.
    """

    status: int
    detail: str
    routable: bool = False
    after_policy: bool = False


NO_TUNNELS = Refusal(status=501, detail="This is not a tunnelling proxy.")
TOO_LONG = Refusal(status=414, detail="The request target is too long.")


class ParsedRequest:
    """A parsed request head.

    Change nothing but `memo` and `resource`; it is not frozen only because that would be slow. A
    later request of the connection with the same bytes may be the same object.

    Args:
        memo: Values already derived from its fields; by default none.

    Attributes:
        head: The head, with its target in origin-form.
        index: Its fields by lower-cased name.
        version: ``1.1``, ``1.0``, ``2``, or another version that the client sent.
        authority: The effective Host value (RFC 9112 3.2.2); empty if there is none.
        length: The body's length in bytes, `CHUNKED`, or None if there is no body.
        keep_alive: Whether another request may follow.
        offers: The protocols that it offers to switch to, in order; usually none.
        refusal: Why it must not be served, or None.
        memo: Values derived from its fields and its connection. A later request of the connection
            with identical fields has the same memo.
        resource: The resource that serves it, once found and if the head alone determines it.
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
    """Return the refusal of a malformed request, with the error as a sentence."""
    text = str(error)
    detail = f"{text[:1].upper()}{text[1:]}."
    return Refusal(status=status, detail=detail, routable=routable)


def unserved(method: bytes, target: bytes, limits: Limits) -> Refusal | None:
    """Return a refusal if a well-formed method or target is not served, or None.

    All other methods pass (RFC 9110 9.1). TRACE and similar methods are refused later, by routes.
    """
    if len(method) > MAX_METHOD_BYTES:
        return Refusal(status=501, detail="The method is too long.")
    if method.upper() == b"CONNECT":
        # In upper or lower case, because some server may ignore the case.
        return NO_TUNNELS
    return TOO_LONG if len(target) > limits.max_target_bytes else None


def read_target(target: bytes, method: bytes) -> tuple[bytes, bytes | None, Refusal | None]:
    """Return a request target in origin-form, and the host that it names.

    Returns:
        The same as `origin_form`, and None; or the unchanged path, None, and a refusal. The part
        of the path before the fault may still match a route.

    Raises:
        TargetError: The target is malformed, and is not a path.
    """
    try:
        return (*origin_form(target, method), None)
    except TargetError as error:
        if not target.startswith(b"/"):
            raise
        return target, None, malformed(error)


def refused(head: RequestHead, refusal: Refusal) -> ParsedRequest:
    """Return a request for a head that can't be parsed further.

    Args:
        head: The head received so far.
        refusal: The reason. Whether it is routable is determined here.
    """
    index, authority, routable = index_headers(head.headers), b"", False
    try:
        target, named = origin_form(head.target, head.method)
        head = attrs.evolve(head, target=target)
        authority = request_authority(index, "1.1", named)
        # Pages should be able to read that a request was too large. Malformed ones have no route.
        routable = refusal.status in (408, 414, 431)
    except TargetError:
        pass
    refusal = attrs.evolve(refusal, routable=routable)
    return ParsedRequest(head=head, index=index, authority=authority, refusal=refusal)


class RequestSink(Protocol):
    """The receiver of parsed requests."""

    def request_read(self, request: ParsedRequest) -> None:
        """A head is complete. If its `keep_alive` is False, it is the last."""

    def body_read(self, data: bytes) -> None:
        """A piece of the last request's body has arrived."""

    def body_complete(self, trailers: HeaderList) -> None:
        """The last request's body is complete."""

    def body_broken(self, detail: str) -> None:
        """The last request's body is malformed. Nothing follows it."""
