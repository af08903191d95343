"""Time, randomness and I/O for credentials."""

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
    """The response to one of the gate's own requests.

    Attributes:
        head: Its head, with any status; redirects are not followed.
        body: The first 1 MiB of its body at most, as received, without decoding.
        target: The request target as sent, including the server's own path.
    """

    head: ResponseHead
    body: bytes = attrs.field(repr=False)
    target: bytes = attrs.field(repr=False)


Ask: TypeAlias = Callable[[str, RequestHead, bytes], Awaitable[OwnResponse]]
"""Sends one of the gate's own requests to a server of the upstream, and nowhere else.

The arguments are the server's origin, the head without Host and without the server's own path, and
the body. It raises UpstreamError if there is no response.
"""


async def ask_nobody(origin: str, head: RequestHead, body: bytes) -> OwnResponse:
    """Raise UpstreamError; the default if there are no connections."""
    raise UpstreamError(f"{origin}: the gate has no connections for its own requests")


class Pin(Protocol):
    """An upstream connection that belongs to credentials, see `corsgate.upstream.pins.OwnPin`.

    Attributes:
        kept: Whether the connection has already carried a complete exchange.
        held: Whether an attempt to send a request holds the connection.
        authenticated: Whether the server has authenticated the connection as the user.
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
        """Release the connection from an attempt; close it unless it may be reused."""

    def peer_certificate(self) -> Any:
        """Return the server's certificate as a pyOpenSSL object; None without TLS."""


MakePin: TypeAlias = Callable[[Callable[[Any], None]], Pin]
"""Returns a new `Pin`; its argument is called when the connection is idle and not held."""


@attrs.frozen(kw_only=True, eq=False)
class Means:
    """Time, randomness and I/O for the credentials of an upstream.

    Attributes:
        seconds: Returns the seconds of the reactor's clock, which never goes back.
        wall_clock: Returns the seconds since 1970.
        rng: Returns the requested number of unpredictable bytes, like ``secrets.token_bytes``.
        guard: Decides when the secret may be sent. It is asked when a request is sent, and by
            credentials that log in before each login.
        commands: Reruns commands that print secrets; None if that is not supported.
        fetch: Sends one of the gate's own requests, with its body, to a server outside the
            upstream. It returns the head and the whole body of the response, or raises
            UpstreamError. It follows no redirects, and its time and size are limited.
        in_thread: Calls a function with arguments in a thread; returns a Deferred of the result. It
            fails with Twisted's TimeoutError if that takes too long.
        shared: Objects shared by upstreams, which survive reloads.
        ask: Sends one of the gate's own requests to a server of the upstream.
        make_pin: Returns a handle of a connection dedicated to these credentials.
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
