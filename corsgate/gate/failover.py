"""What happens after a failed attempt: another server gets the request, or it fails."""

from __future__ import annotations

from twisted.internet.task import deferLater
from twisted.logger import Logger

from corsgate.balance.retry import May, Retries
from corsgate.balance.state import ServerState
from corsgate.errors import CorsgateError, CredentialsRejected
from corsgate.gate.compiled_route import CompiledRoute
from corsgate.gate.counters import failure_cause
from corsgate.gate.log_text import shown
from corsgate.gate.upstream_runtime import UpstreamRuntime
from corsgate.server.request import GateRequest
from corsgate.upstream.response import UpstreamResponse

_log = Logger()


class Failover:
    """The servers that failed one request, and whether another may get it.

    It is made after the first attempt has failed, so that successful requests don't pay for it.

    Args:
        upstream: The upstream of the servers.
        method: The request's method.
        until_s: The reactor's time in seconds until which the request may be repeated.

    Attributes:
        shown: The failed servers with the causes, for the access log.
        since_s: The reactor's time in seconds when the last attempt started.
    """

    def __init__(self, upstream: UpstreamRuntime, method: bytes, until_s: float) -> None:
        self.shown: list[str] = []
        self.since_s = 0.0
        self._upstream = upstream
        self._retries = Retries(upstream.rules, upstream.balancer.budget, method, until_s)
        self._servers: list[ServerState] = []

    async def next(
        self, failed: ServerState, cause: str | None, key: bytes, *, sent: bool, replayable: bool
    ) -> ServerState | None:
        """Return the next server for the request, after waiting if necessary.

        Args:
            failed: The server that had it.
            cause: The configurable cause of the failure; None for any other.
            key: The balancing key, as for `Balancer.pick`.
            sent: Whether any part of the request may have reached the server.
            replayable: Whether the whole body can be sent again.

        Returns:
            Its state; None if no other server may get the request.
        """
        self._servers.append(failed)
        if len(self._servers) >= self._upstream.rules.max_tries:
            # Each try costs a connection, even if it is refused.
            return None
        balancer, clock = self._upstream.balancer, self._upstream.clock
        may = May.WAIT
        while may is May.WAIT:
            if not balancer.has_another(clock.seconds(), self._servers):
                return None
            may = self._retries.ask(
                cause,
                sent=sent,
                replayable=replayable,
                requests=balancer.running,
                now=clock.seconds(),
            )
            wait_s = self._retries.back_off_s(may, self._upstream.chance())
            if wait_s:
                await deferLater(clock, wait_s)
        if may is May.END:
            return None
        # Servers may have appeared or disappeared in the meantime.
        state = balancer.pick(clock.seconds(), key, tried=self._servers)
        if state is not None:
            self.since_s = clock.seconds()
            if state.counters is not None:
                state.counters.retries += 1
            self.shown.append(f"{failed.server.origin} {cause or 'busy'}")
        return state

    def end(self) -> None:
        """Record that no further server will be tried. Calling it again is harmless."""
        self._retries.end()


def count_response(
    state: ServerState,
    response: UpstreamResponse,
    request: GateRequest,
    route: CompiledRoute,
    failover: Failover | None,
) -> None:
    """Count a server's response, and the time until it started.

    Args:
        state: The server, which has counters.
        response: What it sent.
        request: The client's request.
        route: The request's route.
        failover: The earlier attempts; None if this was the first, which started on arrival.
    """
    began_s = request.arrived_s if failover is None else failover.since_s
    state.counters.responded(response.head.status, route.upstream.clock.seconds() - began_s)


def report(
    route: CompiledRoute,
    request_id: str,
    error: CorsgateError,
    state: ServerState | None = None,
) -> None:
    """Count a failed attempt, and log it at most once a second per route and kind of failure.

    Args:
        route: The request's route.
        request_id: The request's id, which is also in the access log.
        error: Why the attempt failed.
        state: The server, if one was chosen.
    """
    if state is not None and state.counters is not None:
        state.counters.failures[failure_cause(error)] += 1
    if isinstance(error, CredentialsRejected):
        # The guard has logged the block, which may last for minutes.
        return
    more = route.log_throttle.due(type(error).__name__, route.upstream.clock.seconds())
    if more is not None:
        text = str(error)
        if state is not None and state.server.origin not in text:
            text = f"{state.server.origin}: {text}"
        _log.warn(
            "request {id} on route {route}: {error}{more}",
            id=request_id,
            route=route.label,
            error=shown(text),
            more=more,
        )
