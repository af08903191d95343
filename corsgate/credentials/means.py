"""What credentials may use of the outside world."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import attrs
from twisted.internet.defer import Deferred

from corsgate.credentials.guard import Guard
from corsgate.credentials.outside import Outside
from corsgate.credentials.secret_commands import SecretCommands
from corsgate.credentials.shared import Shared
from corsgate.message.head import RequestHead, ResponseHead


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
    """

    seconds: Callable[[], float]
    wall_clock: Callable[[], float]
    rng: Callable[[int], bytes] = attrs.field(repr=False)
    guard: Guard
    fetch: Callable[[Outside, RequestHead, bytes], Awaitable[tuple[ResponseHead, bytes]]]
    in_thread: Callable[..., Deferred[Any]]
    commands: SecretCommands | None = None
    shared: Shared = attrs.field(factory=Shared, repr=False)
