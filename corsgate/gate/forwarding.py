"""Which server a request goes to, and to which other one where that fails it."""

from __future__ import annotations

from collections.abc import Awaitable

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from corsgate.balance.circuit import CircuitState
from corsgate.balance.failure_causes import CAUSE_OF_STATUS, cause_of
from corsgate.balance.retry import nothing_sent
from corsgate.balance.state import ServerState
from corsgate.config.model.values import Server
from corsgate.errors import NoServer, UpstreamError, UpstreamFull, UpstreamTimedOut
from corsgate.gate.failover import Failover
from corsgate.gate.log_text import shown
from corsgate.gate.runtime import RoutePlan
from corsgate.gate.sender import Sender
from corsgate.server.request import GateRequest
from corsgate.transport.deadlines import NEVER
from corsgate.upstream.body import drain
from corsgate.upstream.response import UpstreamResponse

_log = Logger()


class Forwarding:
    """One request's way to a server that answers it; the balancer is told how each one does.

    Args:
        request: What the client asked.
        plan: Its route.
        attempts: Sends the request to the server that it is told.

    Attributes:
        deadline_s: For the deadlines: when half of the route's timeout is over, if it has one, and
            after that when all of it is.
    """

    __slots__ = (
        "_ends_s",
        "_entered",
        "_failover",
        "_key",
        "_late",
        "_pinned_to",
        "_plan",
        "_request",
        "_sender",
        "_server",
        "_state",
        "_sticks_to",
        "_suspect",
        "_task",
        "_term",
        "deadline_s",
    )

    def __init__(
        self,
        request: GateRequest,
        plan: RoutePlan,
        attempts: Sender,
    ) -> None:
        self.deadline_s = NEVER
        self._request = request
        self._plan = plan
        self._sender = attempts
        # Whether the balancer counts the request.
        self._entered = False
        self._server: Server | None = None
        # The server that has the request, as long as the balancer counts it.
        self._state: ServerState | None = None
        self._term = 0
        # The server that had the whole request when half of the timeout was over.
        self._suspect: ServerState | None = None
        self._ends_s = NEVER
        self._failover: Failover | None = None
        self._key = b""
        self._sticks_to: str | None = None
        # The server that the client's connection has a connection pinned to.
        self._pinned_to: str | None = None
        self._late = False
        self._task: Deferred[UpstreamResponse] | None = None

    @property
    def server(self) -> Server:
        """The server that had the request last."""
        assert self._server is not None, "there is one from the first attempt on"
        return self._server

    def run(self) -> Awaitable[UpstreamResponse]:
        """Return the first response that is to be passed on; `end` follows once it is relayed.

        Raises:
            UpstreamError: No server gave one, or none in time.
        """
        timeout_s = self._plan.limits.timeout_s
        return self._run() if timeout_s is None else self._run_within(timeout_s)

    def timed_out(self) -> None:
        """Look who has the request; and end what runs, once the route's timeout is over.

        It is the fault of a server that had the whole request for half of the time. One that got
        it late, from a client that took its time to send it or after another server had failed,
        was given no chance.
        """
        assert self._task is not None, "only a task that runs is swept"
        body = self._request.body
        holder = self._state if body is None or body.complete else None
        is_first_look = self.deadline_s < self._ends_s
        if is_first_look:
            self.deadline_s, self._suspect = self._ends_s, holder
            if self._now() < self._ends_s:
                return
        is_to_blame = holder is not None and holder is self._suspect
        self._end_attempt(self._is_served("timeout") if is_to_blame else None)
        self._late = True
        self._task.cancel()

    def end(self, relayed: bool | None) -> None:
        """Record that the request has ended.

        Args:
            relayed: Whether the response was relayed whole; False where the server cut it short
                or gave none, None where something else ended it.
        """
        self._end_attempt(relayed)
        if self._entered:
            self._plan.upstream.balancer.leave()
        if self._failover is not None:
            self._failover.end()

    def set_cookie(self, origin: bytes) -> bytes | None:
        """Return the Set-Cookie value that leads the client back to a server that is new to it.

        Args:
            origin: The origin by which the client knows the gate.
        """
        sticky = self._plan.upstream.sticky
        server = self.server.origin
        if sticky is None or server == self._sticks_to:
            return None
        path = self._plan.shape.match.prefix or b"/"
        return sticky.set_cookie(server, path, secure=origin.startswith(b"https:"))

    async def _run_within(self, timeout_s: float) -> UpstreamResponse:
        deadlines = self._request.channel.site.deadlines
        arrived_s = self._request.arrived_s
        self.deadline_s, self._ends_s = arrived_s + timeout_s / 2, arrived_s + timeout_s
        deadlines.add(self)
        self._task = Deferred.fromCoroutine(self._run())
        try:
            return await self._task
        except CancelledError:
            if not self._late:
                raise
            raise UpstreamTimedOut("no response came within the route's timeout") from None
        finally:
            deadlines.discard(self)

    async def _run(self) -> UpstreamResponse:
        balancer = self._plan.upstream.balancer
        state = self._first_server() or await self._server_to_come()
        while True:
            response: UpstreamResponse | None = None
            failure: UpstreamError | None = None
            self._term = balancer.begin(state)
            self._state = state
            self._server = server = state.server
            self._request.log.server = server.origin
            try:
                response = await self._sender.send(server)
                cause = CAUSE_OF_STATUS.get(response.head.status)
                if cause is None:
                    if state.circuit.state is not CircuitState.CLOSED:
                        balancer.answered(state, self._term, self._now())
                    if self._failover is not None:
                        # Its body may be an endless one, which is no repetition any more.
                        self._failover.end()
                    return response
            except UpstreamError as error:
                failure, cause = error, cause_of(error)
                self._report(error)
            # At once: those who come next shall not meet a server that is known to fail.
            self._end_attempt(self._is_served(cause))
            try:
                another = await self._another_server(state, cause, failure)
            except CancelledError:
                if response is not None:
                    response.stopProducing()
                raise
            if another is not None:
                state = another
                if response is not None:
                    drain(response)
            elif response is not None:
                return response
            else:
                assert failure is not None, "there is a response, or why there is none"
                raise failure

    def _report(self, error: UpstreamError) -> None:
        """Log why an attempt failed: a line per second, route and kind of failure at most."""
        more = self._plan.log_throttle.due(type(error).__name__, self._now())
        if more is not None:
            _log.warn(
                "request {id} on route {route}: {error}{more}",
                id=self._request.log.id,
                route=self._plan.label,
                error=shown(str(error)),
                more=more,
            )

    def _now(self) -> float:
        return self._plan.upstream.clock.seconds()

    def _first_server(self) -> ServerState | None:
        """Return the server that gets the request first; None where there is none."""
        request, upstream = self._request, self._plan.upstream
        balancer = upstream.balancer
        # Where one client has too many of the places, and lets them stall, there may be one yet.
        if not balancer.enter() and not (upstream.agent.take_back(request) and balancer.enter()):
            raise UpstreamFull("as many requests run as max_requests lets")
        self._entered = True
        if upstream.key is not None:
            self._key = upstream.key(request.index, request.uri, request.log.client)
        if upstream.sticky is not None:
            self._sticks_to = upstream.sticky.origin(request.index.get(b"cookie", ()))
        pins = self._sender.pins
        if pins is not None and pins.idle:
            self._pinned_to = upstream.agent.pinned_to(pins)
        prefer = self._pinned_to or self._sticks_to
        return balancer.pick(self._now(), self._key, prefer=prefer)

    async def _server_to_come(self) -> ServerState:
        """Return a server once DNS was asked for one: right after a start it may not be yet."""
        upstream = self._plan.upstream
        if upstream.watchers:
            await upstream.found(self._plan.limits.connect_timeout_s)
        state = upstream.balancer.pick(self._now(), self._key, prefer=self._sticks_to)
        if state is None:
            raise NoServer("every server of the upstream is down or drained, or none is known")
        return state

    async def _another_server(
        self, state: ServerState, cause: str | None, failure: UpstreamError | None
    ) -> ServerState | None:
        """Return the server that gets the request after one failed it, or None."""
        request = self._request
        if self._failover is None:
            limits = self._plan.limits
            until_s = request.arrived_s + (limits.timeout_s or limits.first_byte_timeout_s)
            self._failover = Failover(self._plan.upstream, request.head.method, until_s)
            request.log.tried = self._failover.shown
        sent = failure is None or not nothing_sent(failure)
        if sent and (self._sender.binds or state.server.origin == self._pinned_to):
            # The other server knows nothing of the handshake, nor of the user.
            return None
        return await self._failover.next(
            state, cause, self._key, sent=sent, replayable=self._sender.replayable
        )

    def _is_served(self, cause: str | None) -> bool | None:
        """Return whether a server that failed a request did as it should; None for neither."""
        if cause is None:
            return None
        # Where a 500 doesn't count as a failure, it is the application's good answer.
        return cause not in self._plan.upstream.ejecting

    def _end_attempt(self, served: bool | None) -> None:
        """Tell the balancer how the attempt that runs, if any does, has ended."""
        state, self._state = self._state, None
        if state is not None:
            self._plan.upstream.balancer.ended(state, self._term, served, self._now())
