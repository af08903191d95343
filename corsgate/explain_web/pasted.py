"""A pasted call, with its known responses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

import attrs

from corsgate.explain.call import is_forbidden
from corsgate.explain.console import Message
from corsgate.explain.trace import Answer, Request
from corsgate.explain.url import Url
from corsgate.message.headers import Header

_BROWSERS_OWN = frozenset(
    b"accept accept-language authority cache-control if-modified-since if-none-match method path"
    b" pragma priority purpose scheme upgrade-insecure-requests user-agent x-client-data".split()
)
"""Request headers that browsers and their tools add, besides those that scripts can't set."""

MAX_FIELDS = 200
"""How many fields of one message are read. Servers and browsers accept fewer."""

MAX_VALUE_LENGTH = 8 * 1024
"""How many characters of a field's value or a URL are read."""

Lookup: TypeAlias = Callable[[Request], Answer | None]
"""Returns the recorded response to a request, or None if there is none."""


def nothing_recorded(request: Request) -> Answer | None:
    """Return None, since no response was recorded."""
    return None


@attrs.frozen(kw_only=True)
class Details:
    """The parts of a call, each None or empty if it is unknown.

    Attributes:
        origin: The page's origin.
        method: The method.
        url: The URL.
        headers: The fields that the script sets.
        credentials: Whether the call has credentials.
    """

    origin: str | None = None
    method: str | None = None
    url: Url | None = None
    headers: tuple[Header, ...] = ()
    credentials: bool = False


@attrs.frozen(kw_only=True)
class Pasted:
    """One call, as pasted.

    Attributes:
        kind: ``message``, ``curl``, ``har`` or ``form``.
        details: The known parts of the call.
        lookup: The recorded responses.
        message: The message from the browser's console, or None.
        notes: Notes about the record, as sentences.
        failure: The network error that the browser recorded; empty for none.
    """

    kind: str
    details: Details
    lookup: Lookup = nothing_recorded
    message: Message | None = None
    notes: tuple[str, ...] = ()
    failure: str = ""


def of_script(fields: Iterable[Header]) -> tuple[Header, ...]:
    """Return those request headers that the page's script set."""
    return tuple(
        (name, value)
        for name, value in fields
        if name.lower() not in _BROWSERS_OWN and not is_forbidden(name, value)
    )


def is_preflight(request: Request) -> bool:
    """Return whether a browser's request is a preflight."""
    return request.method == b"OPTIONS" and any(
        name.lower() == b"access-control-request-method" for name, _ in request.headers
    )


def of_heads(first: Answer, last: Answer) -> Lookup:
    """Return a lookup with the same two responses for every URL.

    Args:
        first: The response to the preflight.
        last: The response to the call itself.
    """
    return lambda request: first if is_preflight(request) else last
