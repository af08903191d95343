"""Responses that the gate itself makes: to requests that it doesn't forward, and to failures."""

from __future__ import annotations

import attrs
from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from corsgate.cors.debug import is_readable_by_strangers, may_know
from corsgate.cors.decide import Decision
from corsgate.errors import (
    ConnectFailed,
    ConnectionReset,
    CorsgateError,
    NoServer,
    RedirectLoop,
    UpstreamError,
)
from corsgate.gate.compiled_route import CompiledRoute
from corsgate.gate.counters import CUT
from corsgate.gate.error_page import Problem, problem_of, render, render_fallback
from corsgate.gate.failover import report
from corsgate.message.host import is_loopback_address
from corsgate.message.request_id import REQUEST_ID
from corsgate.server.request import GateRequest
from corsgate.transport.log_throttle import place_of

_log = Logger()

_FROM_PROXIES = frozenset(
    (
        *(b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto"),
        *(b"x-forwarded-server", b"x-forwarded-port", b"x-real-ip", b"via", b"cdn-loop"),
    )
)
"""Fields by which a proxy on this machine gives itself away; its client may be anywhere."""


def came_through_proxy(request: GateRequest) -> bool:
    """Return whether a request shows that a proxy has passed it on.

    A proxy may hide itself. nginx does unless it is configured otherwise, but then it usually
    speaks HTTP/1.0 to its upstreams, which neither browsers nor curl do.
    """
    return request.clientproto == b"HTTP/1.0" or not _FROM_PROXIES.isdisjoint(request.index)


def respond(request: GateRequest, problem: Problem, decision: Decision | None = None) -> None:
    """Respond with an error to a request that is not served.

    Args:
        request: The request.
        problem: The error.
        decision: Its CORS headers let a page read the response; None if no route was found.
    """
    # Unless the exchange has set another outcome, the log has the same detail as the client.
    request.log.conclude(problem.detail)
    _count_own(request, problem.status)
    own = (REQUEST_ID, request.log.id.encode("ascii"))
    headers = [own]
    if decision is not None:
        headers += decision.exposing((*problem.headers, own)).headers
    accept = request.index.get(b"accept", ())
    head, body = render(problem, accept, request.log.id, headers)
    request.respond(head, body)


def respond_to_failure(
    request: GateRequest, route: CompiledRoute, decision: Decision, failure: Failure
) -> None:
    """End a failed request with an error page, or by cutting its connection, so it never hangs.

    Args:
        request: The request.
        route: Its route.
        decision: Its CORS headers let a page read the response.
        failure: The failure that ended the exchange.
    """
    try:
        _respond_or_cut(request, route, decision, failure)
    except Exception:
        _report(route, request, "request {id} got no response", Failure())
        request.abort()


def _respond_or_cut(
    request: GateRequest, route: CompiledRoute, decision: Decision, failure: Failure
) -> None:
    # If the client leaves, its body fails with ConnectionDone before `gone` is set.
    if request.gone or failure.check(ConnectionDone):
        return
    error = failure.value
    request.log.outcome = str(error) or type(error).__name__
    if not isinstance(error, CorsgateError | CancelledError):
        _report(route, request, "request {id} failed", failure)
    if isinstance(error, RedirectLoop):
        report(route, request.log.id, error)
    fallback = route.upstream.rules.on_down
    if request.startedWriting:
        _count_cut(request, route, error)
        request.abort()
    elif fallback is not None and isinstance(error, NoServer | ConnectFailed):
        head, body = render_fallback(fallback)
        head.headers.append((REQUEST_ID, request.log.id.encode("ascii")))
        head.headers.extend(decision.exposing(head.headers).headers)
        _count_own(request, fallback.status)
        request.respond(head, body)
    else:
        respond(request, _explained(request, route, error), decision)


def _explained(request: GateRequest, route: CompiledRoute, error: BaseException | None) -> Problem:
    """Return the error response for a failure, with the reason if the client may know it.

    The reason contains the server's name, so only clients that may know why a policy refuses a
    request get it.
    """
    problem, policy = problem_of(error), route.policy
    if policy is None or not policy.debugs or not isinstance(error, UpstreamError):
        return problem
    is_local = is_loopback_address(request.log.client) and not came_through_proxy(request)
    if not may_know(policy, request.index, loopback=is_local):
        return problem
    if is_readable_by_strangers(policy, request.index):
        return problem
    hint, server = "", request.log.server or ""
    if isinstance(error, ConnectionReset) and server.startswith("http://"):
        # Many TLS servers close a connection on which they get plain HTTP, without a response.
        hint = f" ({server}); if it uses TLS on this port, write https:// in servers"
    return attrs.evolve(problem, detail=f"{problem.detail} The reason: {error}{hint}")


def _count_own(request: GateRequest, status: int) -> None:
    counters = request.log.counters
    if counters is not None:
        counters.own[status] += 1


def _count_cut(request: GateRequest, route: CompiledRoute, error: BaseException | None) -> None:
    """Count a response that broke off, if that was the server's fault."""
    if isinstance(error, UpstreamError) and request.log.server is not None:
        state = route.upstream.balancer.states.get(request.log.server)
        if state is not None and state.counters is not None:
            state.counters.failures[CUT] += 1


def _report(route: CompiledRoute, request: GateRequest, what: str, failure: Failure) -> None:
    """Log an unexpected failure, once per second for each place where it is raised."""
    now = route.upstream.clock.seconds()
    more = route.log_throttle.due((what, place_of(failure)), now)
    if more is not None:
        _log.failure(what + "{more}", failure, id=request.log.id, more=more)
