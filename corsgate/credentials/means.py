"""What credentials may use of the outside world."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from corsgate.credentials.guard import Guard
from corsgate.credentials.secret_commands import SecretCommands


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
    """

    seconds: Callable[[], float]
    wall_clock: Callable[[], float]
    rng: Callable[[int], bytes] = attrs.field(repr=False)
    guard: Guard
    commands: SecretCommands | None = None
