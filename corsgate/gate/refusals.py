"""What the CORS decision refused, told in the daemon's log, but not so often that it floods it."""

from __future__ import annotations

import attrs
from twisted.logger import Logger

from corsgate.wire.request import GateRequest

INTERVAL_S = 1.0
"""The shortest time between two lines on one route."""

MAX_SHOWN = 200
"""How many characters of an origin, or of a reason that may quote one, a line has."""

_log = Logger()


@attrs.define
class _Route:
    """When a route's last line was written, and how many refusals had none since."""

    told_s: float
    untold: int = 0


class Refusals:
    """Warns of requests that got 403 by their origin: a line per second and route at most.

    It is kept by route, of which there are as many as are configured: a key with the origin in it
    would be the client's to choose.
    """

    def __init__(self) -> None:
        self._routes: dict[str, _Route] = {}

    def record(self, request: GateRequest, now: float) -> None:
        """Warn of a request, if it was refused here.

        Args:
            request: One that was answered, or whose client left.
            now: The reactor's seconds.
        """
        notes = request.notes
        # A 403 of an upstream's own has a server; one made here for other reasons, no outcome.
        if request.code != 403 or "server" in notes or "outcome" not in notes:
            return
        label = notes.get("route", "")
        route = self._routes.get(label)
        if route is not None and now - route.told_s < INTERVAL_S:
            route.untold += 1
            return
        more = f" ({route.untold} more since the last such line)" if route and route.untold else ""
        self._routes[label] = _Route(told_s=now)
        _log.warn(
            "request {id} refused on route {route}: origin {origin}: {reason}{more}",
            id=notes.get("id"),
            route=label,
            origin=_shown(b", ".join(request.index.get(b"origin", ())).decode("latin-1")) or "-",
            reason=_shown(str(notes["outcome"])),
            more=more,
        )


def _shown(text: str) -> str:
    """Answer text cut short, all in it that could end a line escaped."""
    return ascii(text[:MAX_SHOWN])[1:-1]
