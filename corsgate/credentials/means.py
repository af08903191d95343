"""What credentials may use of the outside world."""

from __future__ import annotations

from collections.abc import Callable

import attrs
from twisted.internet.interfaces import IDelayedCall


@attrs.frozen(kw_only=True, eq=False)
class Means:
    """Time, chance and I/O for the credentials of an upstream.

    Attributes:
        seconds: Returns the seconds of the reactor's clock, which never goes back.
        wall_clock: Returns the seconds since 1970.
        rng: Returns the requested number of unpredictable bytes, like ``secrets.token_bytes``.
        later: Calls a function after some seconds, like the reactor's ``callLater``; the returned
            `IDelayedCall` can be cancelled or reset.
    """

    seconds: Callable[[], float]
    wall_clock: Callable[[], float]
    rng: Callable[[int], bytes] = attrs.field(repr=False)
    later: Callable[..., IDelayedCall] = attrs.field(repr=False)
