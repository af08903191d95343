"""What credentials may use of the outside world."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

import attrs
from twisted.internet.defer import Deferred


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
        in_thread: Calls a function with arguments in another thread; returns a Deferred of its
            result.
        make_pin: Returns what stands for an upstream connection of these credentials' own.
    """

    seconds: Callable[[], float]
    wall_clock: Callable[[], float]
    rng: Callable[[int], bytes] = attrs.field(repr=False)
    in_thread: Callable[..., Deferred[Any]]
    make_pin: MakePin
