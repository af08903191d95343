"""One request from its head to the end of its response: calls each stage in order.

The usual path runs in plain callbacks. A coroutine starts only if something besides a server's
response must be waited for: another server, a buffered body, or an authentication challenge.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from corsgate.balance.circuit import CircuitState
from corsgate.balance.failure_causes import CAUSE_OF_STATUS, cause_of
from corsgate.balance.retry import nothing_sent
from corsgate.balance.state import ServerState
from corsgate.errors import UpstreamError, UpstreamFull, UpstreamTimedOut
from corsgate.gate.choice import FREE, choice_of, server_to_come
from corsgate.gate.compiled_route import CompiledRoute
from corsgate.gate.credential_refusals import REFUSED, note_response
from corsgate.gate.error_page import TOO_LARGE, Problem
from corsgate.gate.failover import Failover, count_response, report
from corsgate.gate.own_responses import respond, respond_to_failure
from corsgate.gate.relay import Relay, note_unsealed, tunnelled
from corsgate.gate.route_timeout import RouteTimeout
from corsgate.gate.ruling import Ruling
from corsgate.gate.sender import Sender
from corsgate.message.client import Client
from corsgate.server.request import GateRequest
from corsgate.upstream.body import drain
from corsgate.upstream.response import UpstreamResponse


class Exchange:
    """A request on a route, from its head to the end of its response.

    Args:
        request: The client's request.
        route: Its route.
        client: The client.

    Attributes:
        state: The server that has the request, while the balancer counts it.
    """

    __slots__ = (
        "_choice",
        "_client",
        "_entered",
        "_failover",
        "_last",
        "_late",
        "_pending",
        "_request",
        "_route",
        "_ruling",
        "_sender",
        "_term",
        "_timeout",
        "state",
    )

    def __init__(self, request: GateRequest, route: CompiledRoute, client: Client) -> None:
        self._request = request
        self._route = route
        self._client = client
        memo, method = request.memo, request.head.method
        ruling: Ruling | None = memo.rulings.get((route.kind, method))
        if ruling is None:
            ruling = Ruling(route, client, request.log.client, request.head, request.index)
            memo.keep_ruling(route.kind, method, ruling)
        self._ruling = ruling
        self.state: ServerState | None = None
        # Whether the balancer counts the request.
        self._entered = False
        self._failover: Failover | None = None
        self._timeout: RouteTimeout | None = None
        # The current Deferred, which is cancelled if the client leaves.
        self._pending: Deferred[Any] | None = None

    def start(self) -> None:
        """Serve the request; stop if the client leaves."""
        request, ruling = self._request, self._ruling
        try:
            if ruling.ungranted:
                request.log.ungranted = ruling.ungranted
            if self._route.report_only is not None:
                self._route.report_only.compare(
                    request,
                    ruling.live,
                    ruling.gate_origin,
                    credentialed=ruling.confines,
                    allow_framing=self._route.route.allow_framing,
                )
            if not ruling.passes or request.refusal is not None:
                self._respond_here()
            elif request.body is not None and not self._admit(request.body.length):
                respond(request, TOO_LARGE, ruling.decision)
            elif not (ruling.binds and request.channel.require_http1()):
                self._forward()
        except Exception:
            self._fail(Failure())

    # Responses that the gate itself makes.

    def _respond_here(self) -> None:
        """Respond to a preflight, or say why the request is not forwarded."""
        request, ruling, refusal = self._request, self._ruling, self._request.refusal
        if refusal is not None and not ruling.precedes(
            refusal.status, after_policy=refusal.after_policy
        ):
            # A request that can't be served at all does not also get the CORS reason.
            problem = Problem(status=refusal.status, detail=refusal.detail)
            respond(request, problem, ruling.live)
            return
        log = request.log
        if ruling.outcome is not None:
            log.outcome, log.refused = ruling.outcome, ruling.refused
        if ruling.problem is None:
            request.respond(ruling.no_content(request.channel.context.date(), log.id), b"")
        else:
            respond(request, ruling.problem, ruling.decision)

    def _admit(self, length: int | None) -> bool:
        """Limit the request's body; return whether its size is allowed or not yet known."""
        most = self._route.limits.max_body_bytes
        if most is not None:
            if length is not None and length > most:
                return False
            assert self._request.body is not None
            self._request.body.limit = most
        return True

    # Forwarding.

    def _forward(self) -> None:
        """Send the request to its first server."""
        request, route, ruling = self._request, self._route, self._ruling
        upstream = route.upstream
        balancer = upstream.balancer
        # If a client that holds many places lets its requests stall, one of them may be ended.
        if not balancer.enter() and not (upstream.agent.take_back(request) and balancer.enter()):
            raise UpstreamFull("as many requests run as max_requests allows")
        self._entered = True
        pins = None if ruling.pins_none else request.channel.pins
        self._sender = Sender(request, route, self._client, ruling, pins)
        if upstream.chooses_freely and (pins is None or not pins.idle):
            choice, prefer = FREE, None
        else:
            choice = choice_of(request, upstream, pins)
            prefer = choice.pinned_to or choice.sticks_to
        self._choice = choice
        request.on_lost = self._leave
        if route.limits.timeout_s is not None:
            self._limit_time(route.limits.timeout_s)
        # The request has just arrived, so this is the current time.
        state = balancer.pick(request.arrived_s, choice.key, prefer=prefer)
        if state is None:
            timeout_s = route.limits.connect_timeout_s
            coming = server_to_come(upstream, choice, timeout_s)
            self._pending = to_come = Deferred.fromCoroutine(coming)
            to_come.addCallback(self._found, None, None).addErrback(self._fail)
        else:
            self._attempt(state)

    def _limit_time(self, timeout_s: float) -> None:
        request = self._request
        self._late = False
        deadlines, arrived_s = request.channel.context.deadlines, request.arrived_s
        self._timeout = RouteTimeout(self, deadlines, request.body, arrived_s, timeout_s)

    def _attempt(self, state: ServerState) -> None:
        """Send the request to a server."""
        self._term = self._route.upstream.balancer.begin(state)
        self.state = self._last = state
        server = state.server
        self._request.log.server = server.origin
        self._pending = sent = self._sender.send(server)
        sent.addCallbacks(self._responded, self._not_responded)

    def _responded(self, response: UpstreamResponse) -> None:
        """Relay a server's response to the client, unless its status may be worth another try."""
        try:
            status, route = response.head.status, self._route
            if self._last.counters is not None:
                count_response(self._last, response, self._request, route, self._failover)
            cause = CAUSE_OF_STATUS.get(status)
            if cause is not None:
                self._go_on(cause, response, None)
                return
            if self._last.circuit.state is not CircuitState.CLOSED:
                upstream = route.upstream
                upstream.balancer.responded(self._last, self._term, upstream.clock.seconds())
            if self._failover is not None:
                # The body may be endless, and from now on the request can't be repeated.
                self._failover.end()
            refusals = route.refusals
            if refusals.any or status in REFUSED:
                signed = self._sender.signed
                if status == 401:
                    self._sender.rejected()
                note_response(self._request, route, self._last, response, signed=signed)
            self._relay(response)
        except Exception:
            self._drop(response, Failure())

    def _not_responded(self, failure: Failure) -> None:
        """Try another server after one gave no response."""
        error = failure.value
        if not isinstance(error, UpstreamError):
            self._fail(failure)
            return
        try:
            report(self._route, self._request.log.id, error, self._last)
            self._go_on(cause_of(error), None, error)
        except Exception:
            self._fail(Failure())

    def _go_on(
        self,
        cause: str | None,
        response: UpstreamResponse | None,
        error: UpstreamError | None,
    ) -> None:
        """After a failed attempt, send the request to another server if possible.

        Args:
            cause: The configurable cause of the failure; None for any other.
            response: The failed server's response; without another server, the client gets it.
            error: The error, if there is no response.
        """
        # Now, so that the next requests avoid a server that is known to fail.
        self._end_attempt(self._is_served(cause))
        self._pending = finding = Deferred.fromCoroutine(self._another_server(cause, error))

        def found(another: ServerState | None) -> None:
            self._found(another, response, error)

        finding.addCallbacks(found, lambda failure: self._drop(response, failure))

    def _found(
        self,
        another: ServerState | None,
        response: UpstreamResponse | None,
        error: UpstreamError | None,
    ) -> None:
        try:
            if another is not None:
                if response is not None:
                    drain(response)
                self._attempt(another)
            elif response is not None:
                self._sender.let_go()
                self._relay(response)
            else:
                assert error is not None, "either a response or an error exists"
                raise error
        except Exception:
            self._drop(response, Failure())

    async def _another_server(
        self, cause: str | None, error: UpstreamError | None
    ) -> ServerState | None:
        """Return the server to send the request to next, or None."""
        request, limits, last = self._request, self._route.limits, self._last
        if self._failover is None:
            until_s = request.arrived_s + (limits.timeout_s or limits.first_byte_timeout_s)
            self._failover = Failover(self._route.upstream, request.head.method, until_s)
            request.log.tried = self._failover.shown
        sent = error is None or not nothing_sent(error)
        if sent and (self._ruling.binds or last.server.origin == self._choice.pinned_to):
            # Another server doesn't know about the handshake or the user.
            return None
        return await self._failover.next(
            last, cause, self._choice.key, sent=sent, replayable=self._sender.replayable
        )

    def _is_served(self, cause: str | None) -> bool | None:
        """Return whether a server did its job despite a failed request; None for neither."""
        # A 500 that doesn't count as a failure is a proper response of the application.
        return None if cause is None else cause not in self._route.upstream.ejecting

    # The response.

    def _relay(self, response: UpstreamResponse) -> None:
        """Relay a response to the client: at once if it is complete, else as it arrives."""
        request, route, ruling = self._request, self._route, self._ruling
        server = self._last.server
        if self._timeout is not None:
            self._timeout.end()
        head = route.response_shape.client_head(
            response.head,
            server,
            ruling.decision,
            request.head,
            authority=self._client.authority,
            gate_origin=ruling.gate_origin,
            shared=ruling.shared,
            request_id=request.log.id,
            added=(
                self._choice.added(request, route, server, self._client, ruling.gate_origin)
                if route.adds_fields
                else ()
            ),
        )
        if response.tunnel is not None:
            tunnel = tunnelled(request, head, response.tunnel, response.head, route.limits)
            self._pending = tunnel.done
            tunnel.start()
            tunnel.done.addCallbacks(lambda _: self._end(served=True), self._fail)
            return
        whole = response.take_whole() if route.whole else None
        if whole is None:
            request.begin(head, response.body_length)
            relay = Relay(request)
            self._pending = relay.done
            response.deliverBody(relay)
            request.flush()
            relay.done.addCallbacks(self._relayed, self._fail, (response,))
            return
        length = response.body_length
        if ruling.takes_trailers:
            request.trailers = self._sender.client_trailers(response.trailers)
        if length is None:
            note_unsealed(request, response)
            request.respond(head, whole, announced=False)
        elif len(whole) == length:
            request.respond(head, whole)
        else:
            # The length in a response to HEAD is that of the response to GET.
            request.begin(head, length)
            request.finish()
        self._end(served=True)

    def _relayed(self, _: None, response: UpstreamResponse) -> None:
        """End the response."""
        try:
            if self._ruling.takes_trailers:
                self._request.trailers = self._sender.client_trailers(response.trailers)
            note_unsealed(self._request, response)
            self._request.finish()
            self._end(served=True)
        except Exception:
            self._fail(Failure())

    # Ending.

    def ran_late(self, *, to_blame: bool) -> None:
        """End the exchange, because the route's timeout has passed; see `Waiting`."""
        if to_blame and self._last.counters is not None:
            self._last.counters.failures["timeout"] += 1
        self._end_attempt(self._is_served("timeout") if to_blame else None)
        self._late = True
        self._leave()

    def _leave(self) -> None:
        """Cancel what is in progress."""
        if self._pending is not None:
            self._pending.cancel()

    def _end_attempt(self, served: bool | None) -> None:
        """Report the result of the current attempt, if there is one, to the balancer."""
        state, self.state = self.state, None
        if state is not None:
            upstream = self._route.upstream
            upstream.balancer.ended(state, self._term, served, upstream.clock.seconds())

    def _end(self, *, served: bool | None) -> None:
        """Record that the exchange has ended.

        Args:
            served: Whether the response was relayed whole. False if the server cut it short or sent
                none; None if something else ended it.
        """
        self._pending = None
        self._end_attempt(served)
        if self._entered:
            self._entered = False
            self._route.upstream.balancer.leave()
        if self._failover is not None:
            self._failover.end()
        if self._timeout is not None:
            self._timeout.end()

    def _drop(self, response: UpstreamResponse | None, failure: Failure) -> None:
        """Fail, and drop the rest of a response, which would keep its connection busy."""
        self._fail(failure)
        if response is not None:
            response.stopProducing()

    def _fail(self, failure: Failure) -> None:
        """End without a complete response; send the client an error if possible."""
        if self._timeout is not None and self._late and failure.check(CancelledError):
            failure = Failure(UpstreamTimedOut("no response came within the route's timeout"))
        try:
            self._end(served=False if failure.check(UpstreamError) else None)
        finally:
            # Even if the bookkeeping fails, the client must not wait forever.
            respond_to_failure(self._request, self._route, self._ruling.decision, failure)
