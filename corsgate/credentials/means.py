"""What credentials may use of the outside world."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import attrs

from corsgate.credentials.guard import Guard
from corsgate.errors import UpstreamError
from corsgate.message.head import RequestHead, ResponseHead


@attrs.frozen(kw_only=True)
class OwnResponse:
    """The response to a request of the gate's own.

    Attributes:
        head: Its head, of any status; redirects are not followed.
        body: The beginning of its body, at most 1 MiB, as it came: nothing is decoded.
        target: The target of the request as it went on the wire, the server's own path included.
    """

    head: ResponseHead
    body: bytes = attrs.field(repr=False)
    target: bytes


Ask: TypeAlias = Callable[[str, RequestHead, bytes], Awaitable[OwnResponse]]
"""Sends a request of the gate's own to a server of the upstream, and to no other place.

Takes the server's origin, the head without Host and without the server's own path, and the body.
It raises UpstreamError where there is no response.
"""


async def ask_nobody(origin: str, head: RequestHead, body: bytes) -> OwnResponse:
    """Raise UpstreamError: there are no connections."""
    raise UpstreamError(f"{origin}: the gate has no connections for requests of its own")


@attrs.frozen(kw_only=True, eq=False)
class Means:
    """Time, chance and I/O for the credentials of an upstream.

    Attributes:
        seconds: Returns the seconds of the reactor's clock, which never goes back.
        wall_clock: Returns the seconds since 1970.
        rng: Returns the requested number of unpredictable bytes, like ``secrets.token_bytes``.
        ask: Sends a request of the gate's own to a server of the upstream.
        guard: Says when a login may be tried; None for a guard that never blocks one.
    """

    seconds: Callable[[], float]
    wall_clock: Callable[[], float]
    rng: Callable[[int], bytes] = attrs.field(repr=False)
    ask: Ask = attrs.field(default=ask_nobody, repr=False)
    guard: Guard | None = None
