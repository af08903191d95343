"""Counts requests, responses and failures as plain integers, which metrics and status read.

The counts outlive a reload. They are kept by the route's label, and by the upstream's name and the
server's origin. Nothing here is called unless ``[admin]`` is configured.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from typing import Final

from corsgate.errors import (
    BadUpstreamResponse,
    BodyNotCovered,
    ChallengedMidUpload,
    ConnectFailed,
    ConnectionReset,
    ConnectTimedOut,
    CorsgateError,
    CredentialsRejected,
    HandshakeFailed,
    LoginFailed,
    OutOfDescriptors,
    QueueFull,
    TunnelsFull,
    UnsignableBody,
    UpstreamBusy,
    UpstreamTimedOut,
    WeakChallenge,
)
from corsgate.server.request import GateRequest

BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""The upper bounds of the histograms of durations, in seconds; the rest is in one more bucket."""

CODES: Final = ("client_left", "1xx", "2xx", "3xx", "4xx", "5xx")
"""The classes of responses; ``client_left`` if the client left before the response."""

# Some servers send 600 to 999. They count as 5xx (RFC 9110 15).
_LAST_CODE: Final = len(CODES) - 1

VERDICTS: Final = ("none", "allowed", "ungranted", "preflight", "refused")
"""Results of the CORS decision. ``none``: a request without Origin that was not refused.
``ungranted``: a request that was forwarded although a page may not send it. ``preflight``: an
allowed preflight."""

_NONE, _ALLOWED, _UNGRANTED, _PREFLIGHT, _REFUSED = range(len(VERDICTS))

_FAILURES: Final[tuple[tuple[type[CorsgateError], str], ...]] = (
    (ConnectTimedOut, "connect_timeout"),
    (ConnectFailed, "connect"),
    (ConnectionReset, "reset"),
    (UpstreamTimedOut, "timeout"),
    (TunnelsFull, "tunnels_full"),
    (QueueFull, "queue_full"),
    (OutOfDescriptors, "descriptors"),
    (UpstreamBusy, "queue_timeout"),
    (BadUpstreamResponse, "bad_response"),
    (ChallengedMidUpload, "challenge"),
    (WeakChallenge, "challenge"),
    (CredentialsRejected, "credentials"),
    (UnsignableBody, "unsignable"),
    (LoginFailed, "login"),
    (HandshakeFailed, "challenge"),
    (BodyNotCovered, "challenge"),
)
"""The causes of failures, each subclass before its base class."""

CUT: Final = "cut"
"""The cause of a failure if the response broke off after it had started."""

FAILURES: Final = (*dict.fromkeys(cause for _, cause in _FAILURES), CUT, "other")
"""The causes of failures of attempts."""

REFUSALS: Final = ("origin", "method", "header", "no_policy", "site", "other")
"""The kinds of reasons for which the CORS decision refuses requests."""


def failure_cause(error: BaseException) -> str:
    """Return the cause of an attempt's failure: one of `FAILURES`."""
    return next((cause for kind, cause in _FAILURES if isinstance(error, kind)), "other")


def refusal_kind(reason: str) -> str:
    """Return the kind of a reason for a CORS refusal: one of `REFUSALS`.

    Reasons contain what clients sent, so they would make too many different labels.
    """
    if reason.endswith("has no CORS policy"):
        return "no_policy"
    if reason.startswith(("cross-site ", "same-site ")):
        return "site"
    if reason.startswith(("method ", "more than one Access-Control-Request-Method")):
        return "method"
    if reason.startswith(("request header ", "Access-Control-Request-Headers ")):
        return "header"
    if reason.endswith((" is not a method", " that scripts can't send")):
        return "method"
    if reason.endswith(" is not a header name"):
        return "header"
    return "origin" if "rigin" in reason else "other"


class RouteCounters:
    """Counts the requests on one route.

    Args:
        label: The route's label; empty for requests without a route.

    Attributes:
        label: As above.
        in_flight: How many requests are being served.
        requests: How many requests have ended, at the index ``code * len(VERDICTS) + verdict``.
        received_bytes: How many bytes of bodies clients sent.
        sent_bytes: How many bytes of bodies were sent to clients.
        buckets: How many requests have each duration: not cumulative, one more than `BUCKETS_S`.
            Requests that switched protocols, such as to WebSocket, are not included.
        sum_s: The total duration of these requests.
        refusals: How many requests the CORS decision refused, by `refusal_kind`.
        own: How many responses the gate itself made, by status.
        revoked: How many requests were ended because their clients stalled while others waited.
    """

    __slots__ = (
        "buckets",
        "in_flight",
        "label",
        "own",
        "received_bytes",
        "refusals",
        "requests",
        "revoked",
        "sent_bytes",
        "sum_s",
    )

    def __init__(self, label: str) -> None:
        self.label = label
        self.in_flight = 0
        self.requests = [0] * (len(CODES) * len(VERDICTS))
        self.received_bytes = 0
        self.sent_bytes = 0
        self.buckets = [0] * (len(BUCKETS_S) + 1)
        self.sum_s = 0.0
        self.refusals: Counter[str] = Counter()
        self.own: Counter[int] = Counter()
        self.revoked = 0

    @property
    def total(self) -> int:
        """How many requests have ended."""
        return sum(self.requests)

    def record(self, request: GateRequest, now: float) -> None:
        """Count a request that has ended.

        Args:
            request: A request whose response has ended, or whose client has left.
            now: The reactor's seconds.
        """
        log, index = request.log, request.index
        self.in_flight -= 1
        if log.refused is not None:
            verdict = _REFUSED
            self.refusals[refusal_kind(log.refused)] += 1
        elif b"origin" not in index:
            verdict = _NONE
        elif log.ungranted:
            verdict = _UNGRANTED
        elif request.method == b"OPTIONS" and b"access-control-request-method" in index:
            verdict = _PREFLIGHT
        else:
            verdict = _ALLOWED
        code = request.code // 100 if request.startedWriting else 0
        if code > _LAST_CODE:
            code = _LAST_CODE
        self.requests[code * len(VERDICTS) + verdict] += 1
        self.sent_bytes += request.sentLength
        if request.body is not None:
            self.received_bytes += request.body.received
        if code != 1:
            took_s = now - request.arrived_s
            self.buckets[bisect_left(BUCKETS_S, took_s)] += 1
            self.sum_s += took_s


class ServerCounters:
    """Counts the attempts at one server.

    Attributes:
        responses: How many responses it sent, by the first digit of the status.
        failures: How many attempts got no complete response, by cause.
        buckets: How many responses have each time to the head: not cumulative, one more than
            `BUCKETS_S`.
        sum_s: The total of these times.
        retries: How many requests it got after an attempt at it or another server had failed.
        credentials_refused: How many responses refused the gate's own credentials, by status.
    """

    __slots__ = ("buckets", "credentials_refused", "failures", "responses", "retries", "sum_s")

    def __init__(self) -> None:
        self.responses = [0] * len(CODES)
        self.failures: Counter[str] = Counter()
        self.buckets = [0] * (len(BUCKETS_S) + 1)
        self.sum_s = 0.0
        self.retries = 0
        self.credentials_refused: Counter[int] = Counter()

    def responded(self, status: int, took_s: float) -> None:
        """Count a response.

        Args:
            status: 101, or 200 to 999.
            took_s: The time in seconds from the start of the attempt until the head arrived.
        """
        code = status // 100
        self.responses[code if code < _LAST_CODE else _LAST_CODE] += 1
        self.buckets[bisect_left(BUCKETS_S, took_s)] += 1
        self.sum_s += took_s


class Counters:
    """All counters of the gate.

    Attributes:
        unrouted: The counters of requests without a route.
        routes: The counters of each route, by label.
        servers: The counters of each server, by the upstream's name and the server's origin.
    """

    def __init__(self) -> None:
        self.unrouted = RouteCounters("")
        self.routes: dict[str, RouteCounters] = {}
        self.servers: dict[tuple[str, str], ServerCounters] = {}

    @property
    def revoked(self) -> int:
        """How many requests on all routes were revoked."""
        # The thread of a reload may add routes in the meantime.
        return self.unrouted.revoked + sum(each.revoked for each in list(self.routes.values()))

    def route(self, label: str) -> RouteCounters:
        """Return the counters of a route; make them if necessary."""
        found = self.routes.get(label)
        if found is None:
            found = self.routes[label] = RouteCounters(label)
        return found

    def server(self, upstream: str, origin: str) -> ServerCounters:
        """Return the counters of a server; make them if necessary."""
        found = self.servers.get((upstream, origin))
        if found is None:
            found = self.servers[upstream, origin] = ServerCounters()
        return found

    def keep_servers(self, upstream: str, origins: Iterable[str]) -> None:
        """Forget the servers that an upstream no longer has.

        Args:
            upstream: Its name.
            origins: The origins of its servers.
        """
        kept = set(origins)
        for name, origin in list(self.servers):
            if name == upstream and origin not in kept:
                del self.servers[name, origin]

    def keep(self, routes: Iterable[str], servers: Iterable[tuple[str, str]]) -> None:
        """Forget removed routes and servers, so that discovery and reloads leak no counters.

        Args:
            routes: The labels of the routes that exist.
            servers: The upstream's name and the origin of each server that exists.
        """
        labels, places = set(routes), set(servers)
        for label in self.routes.keys() - labels:
            if not self.routes[label].in_flight:
                # The total of all routes keeps this count.
                self.unrouted.revoked += self.routes.pop(label).revoked
        for place in self.servers.keys() - places:
            del self.servers[place]
