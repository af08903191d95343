"""What credentials may use of the outside world."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from corsgate.credentials.guard import Guard
from corsgate.credentials.outside import Outside
from corsgate.credentials.secret_commands import SecretCommands
from corsgate.credentials.shared import Shared
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
    target: bytes = attrs.field(repr=False)


Ask: TypeAlias = Callable[[str, RequestHead, bytes], Awaitable[OwnResponse]]
"""Sends a request of the gate's own to a server of the upstream, and to no other place.

Takes the server's origin, the head without Host and without the server's own path, and the body.
It raises UpstreamError where there is no response.
"""


async def ask_nobody(origin: str, head: RequestHead, body: bytes) -> OwnResponse:
    """Raise UpstreamError: there are no connections."""
    raise UpstreamError(f"{origin}: the gate has no connections for requests of its own")


class Pin(Protocol):
    """An upstream connection that belongs to credentials, see `corsgate.upstream.pins.OwnPin`.

    Attributes:
        kept: Whether the connection has carried a whole exchange before.
        held: Whether an attempt to send a request holds it.
        authenticated: Whether the server takes its requests for the credentials' user's.
    """

    kept: bool
    held: bool
    authenticated: bool

    @property
    def usable(self) -> bool:
        """Whether a request may be sent on the connection now."""

    def when_settled(self) -> Deferred[None]:
        """Return a Deferred that fires when the connection is idle or lost."""

    def release(self, *, keep: bool) -> None:
        """End an attempt's hold; close the connection unless it may be used again."""

    def peer_certificate(self) -> Any:
        """Return the server's certificate as a pyOpenSSL object; None without TLS."""


MakePin: TypeAlias = Callable[[Callable[[Any], None]], Pin]
"""Returns a new `Pin`; what it is given is called when the connection is idle and not held."""


@attrs.frozen(kw_only=True, eq=False)
class Means:
    """Time, chance and I/O for the credentials of an upstream.

    Attributes:
        seconds: Returns the seconds of the reactor's clock, which never goes back.
        wall_clock: Returns the seconds since 1970.
        rng: Returns the requested number of unpredictable bytes, like ``secrets.token_bytes``.
        guard: Says when the secret may be sent. Requests ask it where they are sent; a kind that
            logs in by itself asks it for each login.
        commands: Run again the commands that print secrets; None if none can be.
        fetch: Sends a request of the gate's own, with its body, to a server outside the upstream;
            returns the head and the whole body of the response, or raises UpstreamError. It follows
            no redirect, and its time and size are bounded.
        in_thread: Calls a function with arguments in a thread; returns a Deferred of the result. It
            fails with Twisted's TimeoutError if that takes too long.
        shared: What upstreams share, and what outlives a reload.
        ask: Sends a request of the gate's own to a server of the upstream.
        make_pin: Returns what stands for an upstream connection of these credentials' own.
        later: Calls a function after some seconds, like the reactor's ``callLater``; the returned
            `IDelayedCall` can be cancelled or reset.
    """

    seconds: Callable[[], float]
    wall_clock: Callable[[], float]
    rng: Callable[[int], bytes] = attrs.field(repr=False)
    later: Callable[..., IDelayedCall] = attrs.field(repr=False)
    guard: Guard
    fetch: Callable[[Outside, RequestHead, bytes], Awaitable[tuple[ResponseHead, bytes]]]
    in_thread: Callable[..., Deferred[Any]]
    make_pin: MakePin
    ask: Ask = attrs.field(default=ask_nobody, repr=False)
    commands: SecretCommands | None = None
    shared: Shared = attrs.field(factory=Shared, repr=False)
