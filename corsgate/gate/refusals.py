"""Requests that the CORS decision refused: logged, counted, and the last ones kept in memory."""

from __future__ import annotations

import re
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Mapping

import attrs
from twisted.logger import Logger

from corsgate.gate.log_text import sender, shown, shown_bytes
from corsgate.message.client import gate_origin
from corsgate.message.headers import HeaderIndex
from corsgate.server.request import GateRequest
from corsgate.transport.log_throttle import Throttle

KEPT = 20
"""The maximum number of refusals that are kept for a route."""

MAX_KEPT = 1000
"""The maximum number of refusals that are kept for all routes; they take at most 10 MiB."""

KEPT_PER_SECOND = 5
"""How many refusals per second are kept for a route, so that a flood costs little."""

MAX_LINES_PER_SECOND = 20
"""The maximum number of log lines per second for all routes and reasons."""

MAX_KINDS = 32
"""The maximum number of kinds of reasons that a route distinguishes."""

OTHER_KIND = "other"
"""The kind of all reasons beyond the first `MAX_KINDS`."""

MAX_ASKED_BYTES = 512
"""The maximum size of the kept header names that a preflight asks for."""

_log = Logger()

# The quoted values in a reason, as `corsgate.cors.decision.shown` writes them, and numbers.
_VALUE = re.compile(r"'(?:[^'\\]|\\.)*'(?:\.\.\.)?|\"(?:[^\"\\]|\\.)*\"(?:\.\.\.)?|\b[0-9]+\b")


@attrs.frozen(kw_only=True)
class Refusal:
    """A request that the CORS decision refused, or several that were refused for the same reason.

    It has everything that `corsgate.explain` needs. All texts come from a client, so they are cut
    short, and everything except printable ASCII is escaped.

    Attributes:
        time_s: The time of the last such request, in seconds since 1970.
        id: The id of the last such request.
        origin: The value of Origin, several values separated by commas, or ``-`` for none.
        method: The request's method; ``OPTIONS`` for a preflight.
        reason: Why it was refused.
        kind: The reason without what the client chose, so that there are few kinds.
        path: The target of the last such request, without its query.
        gate_origin: The gate's origin as the browser sees it, such as
            ``https://api.example.com``; empty if the request had no host. With `path` it forms
            the URL of the call.
        authority: The value of Host.
        asked_method: The method that a preflight asks for; None if it asks for none.
        asked_headers: The header names that a preflight asks for, unchanged, but cut after a whole
            name if they are too long; None if it asks for none.
        site: The value of Sec-Fetch-Site, or ``-``.
        mode: The value of Sec-Fetch-Mode, or ``-``.
        dest: The value of Sec-Fetch-Dest, or ``-``.
        has_cookies: Whether it had cookies, so that its credentials mode was "include".
        count: How many such requests were kept, at most `KEPT_PER_SECOND` of each second.
    """

    time_s: float
    id: str = ""
    origin: str
    method: str
    reason: str
    kind: str
    path: str = ""
    gate_origin: str = ""
    authority: str = ""
    asked_method: str | None = None
    asked_headers: str | None = None
    site: str = "-"
    mode: str = "-"
    dest: str = "-"
    has_cookies: bool = False
    count: int = 1

    @property
    def is_preflight(self) -> bool:
        """Whether it is a preflight, which asks whether the browser may send a call."""
        return self.method == "OPTIONS" and self.asked_method is not None


@attrs.define
class _Route:
    """The counts and the last refusals of one route."""

    total: int = 0
    kinds: Counter[str] = attrs.field(factory=Counter)
    throttles: dict[str, Throttle] = attrs.field(factory=dict)
    last: deque[Refusal] = attrs.field(factory=deque)
    second: float = float("-inf")
    room: int = 0


class Refusals:
    """Counts and logs the requests that the CORS decision refused.

    The log gets at most one line per second, route and kind of reason. Counts and throttles are by
    route and kind, because there are few. Clients could invent any number of keys with origins.

    Args:
        wall_clock: Returns the seconds since 1970.

    Attributes:
        remedy: Returns the settings that would allow a refused call, in one line, given the
            reactor's seconds; empty if unknown.
    """

    def __init__(self, wall_clock: Callable[[], float]) -> None:
        self.remedy: Callable[[Refusal, float], str] = lambda refusal, now: ""
        self._wall_clock = wall_clock
        # By label, in the order of each route's last kept refusal.
        self._routes: OrderedDict[str, _Route] = OrderedDict()
        self._kept = 0
        self._second = float("-inf")
        self._lines = 0

    def last(self, route: str) -> list[Refusal]:
        """Return the kept refusals of a route, the newest first.

        Args:
            route: The route's label, such as ``api.example.com/v1``.
        """
        return list(reversed(self._routes[route].last)) if route in self._routes else []

    def total(self, route: str) -> int:
        """Return how many requests on a route were refused, kept or not."""
        return self._routes[route].total if route in self._routes else 0

    def kinds(self, route: str) -> Mapping[str, int]:
        """Return how many requests on a route were refused, by the kind of the reason.

        Args:
            route: The route's label.

        Returns:
            At most `MAX_KINDS` kinds and `OTHER_KIND`, none of which a client can choose.
        """
        return dict(self._routes[route].kinds) if route in self._routes else {}

    def forget_others(self, labels: frozenset[str]) -> None:
        """Forget routes that are no longer served. Requests without a route are kept.

        Args:
            labels: The labels of the routes that are served.
        """
        for label in self._routes.keys() - labels - {""}:
            self._kept -= len(self._routes.pop(label).last)

    def record(self, request: GateRequest, now: float) -> None:
        """Record a request if the CORS decision refused it; add the suggested fix to its log.

        Args:
            request: A request whose response has ended, or whose client has left.
            now: The reactor's seconds.
        """
        log = request.log
        reason = log.refused
        if reason is None:
            return
        label = log.route or ""
        route = self._routes.get(label)
        if route is None:
            route = self._routes[label] = _Route()
        kind = _kind(route, reason)
        route.total += 1
        route.kinds[kind] += 1
        kept = self._keep(label, route, request, kind, now)
        more = self._due(route, kind, now)
        if more is None:
            return
        log.remedy = self.remedy(kept or _refusal_of(request, kind, self._wall_clock()), now)
        _log.warn(
            "request {id} refused on route {route}: {reason}{sender}{remedy}{more}",
            id=log.id,
            route=label,
            reason=shown(reason),
            sender=sender(request.index.get(b"origin"), reason),
            remedy=log.remedy and f"; {log.remedy}",
            more=more,
        )

    def _due(self, route: _Route, kind: str, now: float) -> str | None:
        """Return the end of a line that may be written now; None if none may be."""
        throttle = route.throttles.get(kind)
        if throttle is None:
            throttle = route.throttles[kind] = Throttle()
        if now - self._second >= 1:
            self._second, self._lines = now, 0
        if self._lines >= MAX_LINES_PER_SECOND:
            throttle.skip()
            return None
        more = throttle.due(now)
        if more is not None:
            self._lines += 1
        return more

    def _keep(
        self, label: str, route: _Route, request: GateRequest, kind: str, now: float
    ) -> Refusal | None:
        """Keep a refusal and return it, unless this second's limit is used up."""
        if now - route.second >= 1:
            route.second, route.room = now, KEPT_PER_SECOND
        if not route.room:
            return None
        route.room -= 1
        refusal = _refusal_of(request, kind, self._wall_clock())
        for known in route.last:
            if _alike(known, refusal):
                route.last.remove(known)
                self._kept -= 1
                refusal = attrs.evolve(refusal, count=known.count + 1)
                break
        route.last.append(refusal)
        self._kept += 1
        self._routes.move_to_end(label)
        if len(route.last) > KEPT:
            route.last.popleft()
            self._kept -= 1
        elif self._kept > MAX_KEPT:
            oldest = next(each for each in self._routes.values() if each.last)
            oldest.last.popleft()
            self._kept -= 1
        return refusal


def _kind(route: _Route, reason: str) -> str:
    """Return a reason with everything replaced that a client chose."""
    kind = _VALUE.sub("...", reason)[:200]
    return kind if kind in route.kinds or len(route.kinds) < MAX_KINDS else OTHER_KIND


def _refusal_of(request: GateRequest, kind: str, time_s: float) -> Refusal:
    index, known = request.index, request.memo.client
    reached = b"" if known is None else gate_origin(known[0], request.head.headers)
    is_asked = request.method == b"OPTIONS" and b"access-control-request-method" in index
    return Refusal(
        time_s=time_s,
        id=request.log.id,
        origin=shown_bytes(index.get(b"origin")),
        method=_text(request.method),
        reason=shown(request.log.refused or ""),
        kind=kind,
        path=_text(request.uri.partition(b"?")[0]),
        gate_origin=_text(reached),
        authority=_text(request.authority),
        asked_method=shown_bytes(index[b"access-control-request-method"]) if is_asked else None,
        asked_headers=_asked_headers(index) if is_asked else None,
        site=shown_bytes(index.get(b"sec-fetch-site")),
        mode=shown_bytes(index.get(b"sec-fetch-mode")),
        dest=shown_bytes(index.get(b"sec-fetch-dest")),
        has_cookies=b"cookie" in index,
    )


def _asked_headers(index: HeaderIndex) -> str | None:
    """Return the header names that a preflight asks for, cut to the size that is kept."""
    values = index.get(b"access-control-request-headers")
    if values is None:
        return None
    asked = b",".join(values)
    if len(asked) > MAX_ASKED_BYTES:
        asked = asked[: MAX_ASKED_BYTES + 1].rpartition(b",")[0]
    return ascii(asked.decode("latin-1"))[1:-1]


def _text(value: bytes) -> str:
    return shown(value.decode("latin-1"))


def _alike(one: Refusal, other: Refusal) -> bool:
    return (
        one.kind == other.kind
        and one.origin == other.origin
        and one.method == other.method
        and one.reason == other.reason
        and one.asked_method == other.asked_method
        and one.asked_headers == other.asked_headers
    )
