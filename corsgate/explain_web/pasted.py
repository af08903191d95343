"""What was pasted: a call, and what is known about the responses to it."""

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
"""Request headers that browsers and their devtools add, besides those that scripts can't set."""

MAX_FIELDS = 200
"""Fields of one message that are read. Servers and browsers accept fewer."""

MAX_VALUE_LENGTH = 8 * 1024
"""Characters of a field's value or a URL that are read."""

Lookup: TypeAlias = Callable[[Request], Answer | None]
"""Returns the recorded response to a request, or None if there is none."""


def nothing_recorded(request: Request) -> Answer | None:
    """Return None: no response was recorded."""
    return None


@attrs.frozen(kw_only=True)
class Details:
    """The parts of a call, each None or empty if it is not known.

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
        details: What is known of the call.
        lookup: The recorded responses.
        message: What the browser's console said, or None.
        notes: What to know about the record, as sentences.
        failure: The network error that the browser recorded; empty for none.
    """

    kind: str
    details: Details
    lookup: Lookup = nothing_recorded
    message: Message | None = None
    notes: tuple[str, ...] = ()
    failure: str = ""


def of_script(fields: Iterable[Header]) -> tuple[Header, ...]:
    """Return the request headers that a page's script has set, of all that were sent."""
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
    """Return a lookup of two responses, whatever the URL.

    Args:
        first: The response to the preflight.
        last: The response to the call itself.
    """
    return lambda request: first if is_preflight(request) else last
