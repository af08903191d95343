"""Decide whether the connections to a server are used again: as configured, and as it behaves."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, Generic, TypeVar

C = TypeVar("C", bound=Hashable)

CAREFUL_S: Final = 60.0
"""For how long one close makes only requests that can be repeated use a kept connection."""

FIRST_REST_S: Final = 60.0
MOST_REST_S: Final = 3600.0
"""For how long no connection is used again, the first time and at most."""


class Reuse(Generic[C]):
    """Whether the connections to one server may carry further requests.

    Some servers serve one request on a connection, keep it open, and close it on the next one. A
    request that can't be sent again fails then. Since a server may also close an idle connection
    just as a request is on its way (RFC 9112 9.3.1), one close proves nothing:

    - After one close, only requests that can be repeated get a kept connection, for `CAREFUL_S`.
    - After a close on a connection that was reused since then, no connection is used again for
      `FIRST_REST_S`. This time doubles with each such close, up to `MOST_REST_S`. In between, only
      requests that can be repeated try.
    - A response on a kept connection ends all this.

    Connections are only used as keys here.

    Args:
        most: How many requests a connection may carry, at least 1; None for no limit.

    Attributes:
        active: Whether there is anything to decide. If not, every connection may be used again,
            and its owner need not ask. For reading only.
    """

    __slots__ = (
        "_careful_until_s",
        "_closes",
        "_most",
        "_rest_until_s",
        "_served",
        "_tried",
        "active",
    )

    def __init__(self, most: int | None = None) -> None:
        self.active = most is not None
        self._most = most
        # How many requests each connection has carried, if that is limited.
        self._served: dict[C, int] = {}
        # How often the server has closed a connection on reuse, until one has worked again.
        self._closes = 0
        self._careful_until_s = self._rest_until_s = 0.0
        # The connections that were handed out again since the first of those.
        self._tried: set[C] = set()

    def may_use(self, connection: C, now: float, *, repeatable: bool) -> bool:
        """Return whether a kept connection may carry a request.

        Args:
            connection: The connection.
            now: The time in seconds.
            repeatable: Whether the request can be sent again if the server closes it.
        """
        if not self._closes:
            return True
        if now < self._rest_until_s:
            return False
        # A server that has closed twice must not cost another request that can't be sent again.
        if not repeatable and (self._closes > 1 or now < self._careful_until_s):
            return False
        self._tried.add(connection)
        return True

    def may_keep(self, connection: C, now: float) -> bool:
        """Return whether a connection whose response is complete may be used again."""
        if connection in self._tried:
            self._closes = 0
            self._tried.clear()
            self.active = self._most is not None
        if self._most is not None:
            served = self._served[connection] = self._served.get(connection, 0) + 1
            if served >= self._most:
                return False
        return not self._closes or now >= self._rest_until_s

    def closed(self, connection: C, now: float) -> float | None:
        """Record that a server closed a kept connection instead of responding to a request.

        Args:
            connection: The connection.
            now: The time in seconds.

        Returns:
            For how many seconds no connection is used again, if this is the first such time;
            None otherwise.
        """
        if not self._closes:
            self._closes, self.active = 1, True
            self._careful_until_s = now + CAREFUL_S
            return None
        # A server that goes away closes many at once, which counts as one close.
        if connection not in self._tried or now < self._rest_until_s:
            return None
        self._closes += 1
        rest_s: float = min(FIRST_REST_S * 2 ** (self._closes - 2), MOST_REST_S)
        self._rest_until_s = now + rest_s
        return rest_s if self._closes == 2 else None

    def gone(self, connection: C) -> None:
        """Forget a connection."""
        self._served.pop(connection, None)
        self._tried.discard(connection)
