"""What the CORS decision refused: logged, and the last of it kept in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection

import attrs
from twisted.logger import Logger

from corsgate.gate.log_text import shown, shown_bytes
from corsgate.server.request import GateRequest
from corsgate.transport.log_throttle import Throttle

KEPT = 20
"""How many refusals are kept of each route."""

KEPT_PER_SECOND = 5
"""How many of those may be new in one second, so that a flood costs next to nothing."""

_log = Logger()


@attrs.frozen(kw_only=True)
class Refusal:
    """A request that the CORS decision refused, or several in a row that differ in nothing here.

    Attributes:
        time_s: When the last of them came, in seconds since 1970.
        origin: The value of Origin, of several one after the other, or ``-`` where there is none.
        method: The request's method.
        reason: Why it was refused.
        count: How many of them were kept, of which a second has `KEPT_PER_SECOND` at most.
    """

    time_s: float
    origin: str
    method: str
    reason: str
    count: int = 1


@attrs.define
class _Route:
    """What is known of one route's refusals."""

    throttle: Throttle = attrs.field(factory=Throttle)
    total: int = 0
    last: deque[Refusal] = attrs.field(factory=lambda: deque(maxlen=KEPT))
    second: float = float("-inf")
    room: int = 0


class Refusals:
    """Warns of requests that were refused by their origin: a line per second and route at most.

    It is kept by route, of which there are as many as are configured: a key with the origin in it
    would be the client's to choose.

    Args:
        wall_clock: Returns the seconds since 1970.
    """

    def __init__(self, wall_clock: Callable[[], float]) -> None:
        self._wall_clock = wall_clock
        self._routes: dict[str, _Route] = {}

    def last(self, route: str) -> list[Refusal]:
        """Return the refusals that are kept of a route, the newest first.

        Args:
            route: Its label, such as ``api.example.com/v1``.
        """
        return list(reversed(self._routes[route].last)) if route in self._routes else []

    def total(self, route: str) -> int:
        """Return how many requests on a route were refused, kept or not."""
        return self._routes[route].total if route in self._routes else 0

    def keep(self, routes: Collection[str]) -> None:
        """Forget what is known of all other routes: they are no longer configured.

        Args:
            routes: The labels of those that are.
        """
        self._routes = {
            label: route for label, route in self._routes.items() if not label or label in routes
        }

    def record(self, request: GateRequest, now: float) -> None:
        """Note a request, if it was refused here.

        Args:
            request: One that was responded to, or whose client left.
            now: The reactor's seconds.
        """
        log = request.log
        reason = log.refused
        if reason is None:
            return
        label = log.route or ""
        route = self._routes.setdefault(label, _Route())
        route.total += 1
        self._keep(route, request, reason, now)
        more = route.throttle.due(now)
        if more is not None:
            _log.warn(
                "request {id} refused on route {route}: origin {origin}: {reason}{more}",
                id=log.id,
                route=label,
                origin=shown_bytes(request.index.get(b"origin")),
                reason=shown(reason),
                more=more,
            )

    def _keep(self, route: _Route, request: GateRequest, reason: str, now: float) -> None:
        if now - route.second >= 1:
            route.second, route.room = now, KEPT_PER_SECOND
        if not route.room:
            return
        route.room -= 1
        refusal = Refusal(
            time_s=self._wall_clock(),
            origin=shown_bytes(request.index.get(b"origin")),
            method=shown(request.method.decode("latin-1")),
            reason=shown(reason),
        )
        if route.last and _same(route.last[-1], refusal):
            refusal = attrs.evolve(refusal, count=route.last.pop().count + 1)
        route.last.append(refusal)


def _same(one: Refusal, other: Refusal) -> bool:
    return (one.origin, one.method, one.reason) == (other.origin, other.method, other.reason)
