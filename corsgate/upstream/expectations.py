"""Which servers are asked for 100 Continue before a large body is sent."""

from __future__ import annotations

from functools import partial
from typing import Final

from twisted.internet.interfaces import IReactorTime

from corsgate.credentials.servers import remember
from corsgate.upstream.body import Body
from corsgate.upstream.held_body import HeldBody

FRESH_S: Final = 5.0
"""How long after a challenge the server will probably not send another one, in seconds."""

IGNORED_S: Final = 3600.0
"""How long a server that ignored Expect is not asked again, in seconds, as it may just be slow."""


class Expectations:
    """Remembers which servers ignore ``Expect: 100-continue``, and when each sent a challenge.

    With a server that ignores Expect (RFC 9110 10.1.1), each large body would wait in vain. But a
    server that challenges a request after its body was sent should have got more time. So it is
    asked again, and bodies wait longer for its challenge. A forgotten server costs one more wait.

    Args:
        clock: The clock.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        # When each server last ignored Expect, sent a challenge, and sent one after the body.
        self._ignored_s: dict[str, float] = {}
        self._challenged_s: dict[str, float] = {}
        self._late_s: dict[str, float] = {}

    def hold(
        self, body: Body, server: str, *, is_signed: bool = True, may_ask: bool = True
    ) -> HeldBody | None:
        """Return a body that waits for 100 Continue or a challenge; None if it must not wait.

        Args:
            body: A body of which nothing has been read.
            server: The server's origin, such as ``http://10.0.0.11:8000``.
            is_signed: Whether its request has credentials. Otherwise a challenge may follow even
                after 100 Continue, and after any request if the server has done that before.
            may_ask: Whether the server may be asked for 100 Continue. If it must not be, only the
                body of an unsigned request waits.
        """
        ignored_s = self._ignored_s.get(server)
        is_known = ignored_s is not None and self._clock.seconds() - ignored_s < IGNORED_S
        asks = may_ask and not is_known
        if is_signed and not asks:
            return None
        ignored = partial(self._note, self._ignored_s, server)
        heeded, is_wary = partial(self._heeded, server), not is_signed or server in self._late_s
        return HeldBody(body, self._clock, ignored, heeded, is_wary=is_wary, asks=asks)

    def challenged(self, server: str) -> None:
        """Record that a server has sent a challenge.

        Args:
            server: The server's origin.
        """
        self._note(self._challenged_s, server)

    def challenged_late(self, server: str) -> None:
        """Record that a server sent a challenge after the body: it should have waited longer.

        Args:
            server: The server's origin.
        """
        # It may only have been slow once.
        self._ignored_s.pop(server, None)
        self._note(self._late_s, server)

    def may_lapse(self, server: str) -> bool:
        """Return whether a server's last challenge, if there was one, may be stale by now.

        Args:
            server: The server's origin.
        """
        challenged_s = self._challenged_s.get(server)
        return challenged_s is not None and self._clock.seconds() - challenged_s >= FRESH_S

    def _heeded(self, server: str) -> None:
        self._ignored_s.pop(server, None)

    def _note(self, times_s: dict[str, float], server: str) -> None:
        remember(times_s, server, self._clock.seconds())
