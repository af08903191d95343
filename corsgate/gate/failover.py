"""What follows on an attempt that failed: another server, or the end."""

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

    It is made once a first attempt has failed, so that requests that are served at once don't
    pay for it.

    Args:
        upstream: Whose servers they are.
        method: The request's method.
        until_s: Until when it may be repeated, by the reactor's clock.

    Attributes:
        shown: What was tried, for the access log.
        since_s: When the last attempt began, by the reactor's clock.
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
        """Return the server that gets the request next, once it may.

        Args:
            failed: The one that had it.
            cause: How that failed; None for no cause that can be configured.
            key: What belongs together, as for `Balancer.pick`.
            sent: Whether something of it may have reached the server.
            replayable: Whether all of the body can be sent again.

        Returns:
            Its state; None where no other server may get it.
        """
        self._servers.append(failed)
        if len(self._servers) >= self._upstream.rules.max_tries:
            # Each try costs a connection, be it one that is refused.
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
        # Others may have come or gone in the meantime.
        state = balancer.pick(clock.seconds(), key, tried=self._servers)
        if state is not None:
            self.since_s = clock.seconds()
            if state.counters is not None:
                state.counters.retries += 1
            self.shown.append(f"{failed.server.origin} {cause or 'busy'}")
        return state

    def end(self) -> None:
        """Record that no other server will be asked; again does no harm."""
        self._retries.end()


def count_response(
    state: ServerState,
    response: UpstreamResponse,
    request: GateRequest,
    route: CompiledRoute,
    failover: Failover | None,
) -> None:
    """Count a server's response, and how long it took to begin.

    Args:
        state: The server, which has counters.
        response: What it sent.
        request: The client's.
        route: The request's route.
        failover: What came before; None for a first attempt, which began when the request came.
    """
    began_s = request.arrived_s if failover is None else failover.since_s
    state.counters.responded(response.head.status, route.upstream.clock.seconds() - began_s)


def report(
    route: CompiledRoute,
    request_id: str,
    error: CorsgateError,
    state: ServerState | None = None,
) -> None:
    """Log why an attempt failed: a line per second, route and kind of failure at most; count it.

    Args:
        route: The request's route.
        request_id: By which the access log's line is found.
        error: What the attempt failed with.
        state: The server, if one had the request.
    """
    if state is not None and state.counters is not None:
        state.counters.failures[failure_cause(error)] += 1
    if isinstance(error, CredentialsRejected):
        # The guard has logged the block, which may last for minutes.
        return
    more = route.log_throttle.due(type(error).__name__, route.upstream.clock.seconds())
    if more is not None:
        _log.warn(
            "request {id} on route {route}: {error}{more}",
            id=request_id,
            route=route.label,
            error=shown(str(error)),
            more=more,
        )
