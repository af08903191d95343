"""One request's way through: each stage decides, this calls them in order."""

from __future__ import annotations

import attrs
from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.internet.error import ConnectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from corsgate.cors.debug import tell
from corsgate.cors.decide import Decision, Verdict, decide, ungranted
from corsgate.cors.hint import hint
from corsgate.errors import (
    BadUpstreamResponse,
    ConnectFailed,
    CorsgateError,
    NoServer,
    UpstreamError,
)
from corsgate.gate.error_page import Problem, problem_of, render, render_fallback
from corsgate.gate.forwarding import Forwarding
from corsgate.gate.relay import Relay
from corsgate.gate.runtime import RoutePlan
from corsgate.gate.sender import Sender
from corsgate.message.client import Client, gate_origin
from corsgate.message.connection_auth import credentials_bind, without_connection_challenges
from corsgate.message.forwarded import UNKNOWN, loop_of
from corsgate.message.head import ResponseHead
from corsgate.message.headers import short_list
from corsgate.message.host import is_loopback_address
from corsgate.server.request import GateRequest
from corsgate.transport.log_throttle import place_of
from corsgate.transport.tunnel import Tunnel, TunnelEnd
from corsgate.upstream.response import UpstreamResponse

COMMON_METHODS = (b"DELETE", b"GET", b"HEAD", b"OPTIONS", b"PATCH", b"POST", b"PUT")
"""What Allow names on a route that serves every method but TRACE, which would show the
credentials that the gate adds."""


@attrs.define(eq=False)
class _Asked:
    """What a request's method and fields, and who asks, decide on a route.

    Attributes:
        decision: The CORS policy's.
        gate_origin: The origin that the client's browser knows the gate by.
        takes_trailers: Whether the client takes trailers (RFC 9110 10.1.4).
        ungranted: What the policy does not grant a request that is forwarded all the same.
        binds: Whether its credentials authenticate the upstream connection that they go over.
        shared: Whether the client's connection may carry the requests of several users.
    """

    decision: Decision
    gate_origin: bytes
    takes_trailers: bool
    ungranted: str
    binds: bool
    shared: bool


def _ask(plan: RoutePlan, client: Client, method: bytes, request: GateRequest) -> _Asked:
    origin = gate_origin(client, request.head.headers)
    codings = short_list(request.index.get(b"te", ())) or ()
    decision = decide(
        plan.policy,
        method,
        request.index,
        origin,
        credentialed=plan.shape.credentialed,
        allow_framing=plan.shape.match.route.allow_framing,
    )
    return _Asked(
        decision,
        origin,
        b"trailers" in [member.lower() for member in codings],
        ungranted(plan.policy, method, request.index, decision),
        # A client's own credentials don't reach an upstream that gets the gate's.
        not plan.shape.credentialed and credentials_bind(request.index.get(b"authorization", ())),
        client.trusted or client.peer == UNKNOWN,
    )


class Exchange:
    """A request on a route, from its head to the end of its response.

    Args:
        request: What the client asked.
        plan: Its route.
        client: Who asks.
    """

    _log = Logger()

    def __init__(self, request: GateRequest, plan: RoutePlan, client: Client) -> None:
        self._request = request
        self._plan = plan
        self._client = client
        method = request.head.method
        known: _Asked | None = request.memo.asked.get((plan, method))
        if known is None:
            known = _ask(plan, client, method, request)
            request.memo.keep_asked(plan, method, known)
        self._asked = known
        self._decision = known.decision
        if known.ungranted:
            request.log.ungranted = known.ungranted
        if plan.report_only is not None:
            plan.report_only.compare(
                request,
                known.decision,
                known.gate_origin,
                credentialed=plan.shape.credentialed,
                allow_framing=plan.shape.match.route.allow_framing,
            )

    def start(self) -> None:
        """Serve the request; a client that leaves cancels it."""
        try:
            if self._answered():
                return
        except Exception:
            fail().addErrback(self._failed).addErrback(self._given_up)
            return
        task = Deferred.fromCoroutine(self._forward())
        self._request.on_lost = task.cancel
        task.addErrback(self._failed).addErrback(self._given_up)

    def _answered(self) -> bool:
        """Return what goes no further than here, if this does not."""
        problem = self._refusal()
        if problem is not None:
            self._answer(problem)
        elif self._decision.verdict is Verdict.PREFLIGHT:
            self._answer_preflight()
        else:
            return self._asked.binds and self._request.channel.require_http1()
        return True

    def _failed(self, failure: Failure) -> None:
        """Tell the client of a failure, in words or by cutting its connection."""
        request = self._request
        # A body fails with ConnectionDone where its client left, before its request knows of it.
        if request.gone or failure.check(ConnectionDone):
            return
        error = failure.value
        request.log.outcome = str(error) or type(error).__name__
        if not isinstance(error, CorsgateError | CancelledError):
            self._report("request {id} failed", failure)
        fallback = self._plan.upstream.rules.on_down
        if request.startedWriting:
            request.abort()
        elif fallback is not None and isinstance(error, NoServer | ConnectFailed):
            head, body = render_fallback(fallback)
            head.headers.extend(self._decision.exposing(head.headers).headers)
            self._request.respond(head, body)
        else:
            self._answer(problem_of(error))

    def _given_up(self, failure: Failure) -> None:
        """Cut a client that could not even be told of a failure, so that it doesn't wait."""
        self._report("request {id} was not answered", failure)
        self._request.abort()

    def _report(self, what: str, failure: Failure) -> None:
        """Log what was not foreseen: once per second for each place where it is raised."""
        now = self._plan.upstream.clock.seconds()
        more = self._plan.log_throttle.due((what, place_of(failure)), now)
        if more is not None:
            self._log.failure(what + "{more}", failure, id=self._request.log.id, more=more)

    # What is answered here.

    def _refusal(self) -> Problem | None:
        """Return why the request goes no further, or None."""
        request, plan = self._request, self._plan
        if request.refusal is not None:
            return Problem(status=request.refusal.status, detail=request.refusal.detail)
        if self._decision.verdict is Verdict.REFUSE:
            return self._refused()
        if self._decision.verdict is Verdict.PREFLIGHT:
            return None
        if b"via" in request.index:
            loop = loop_of(request.index[b"via"], plan.shape.pseudonym)
            if loop:
                request.log.outcome = f"the request goes round in a loop: {loop}"
                return Problem(status=508, detail=f"The request goes round in a loop: {loop}.")
        method = request.head.method
        if method == b"TRACE" or (plan.methods is not None and method not in plan.methods):
            allow = b", ".join(sorted(plan.methods or COMMON_METHODS))
            return Problem(
                status=405,
                detail="This route does not serve this method.",
                headers=((b"Allow", allow),),
            )
        body, most = request.body, plan.limits.max_body_bytes
        if body is not None and most is not None:
            if body.length is not None and body.length > most:
                return Problem(
                    status=413, detail="The request's body is larger than this route takes."
                )
            body.limit = most
        return None

    def _refused(self) -> Problem | None:
        """Return what the client is told that the CORS decision refused; None for a preflight."""
        request, policy = self._request, self._plan.policy
        request.log.outcome = request.log.refused = self._decision.reason
        if policy is not None and policy.debugs:
            loopback = is_loopback_address(request.log.client)
            self._decision = tell(policy, self._decision, request.index, loopback=loopback)
            if self._decision.verdict is Verdict.PREFLIGHT:
                return None
        return Problem(status=403, detail=hint(policy, request.index.get(b"origin", ())))

    def _answer(self, problem: Problem) -> None:
        request = self._request
        # Where nobody has said more, the log says what the client is told.
        request.log.conclude(problem.detail)
        headers = self._decision.exposing(problem.headers).headers
        accept = request.index.get(b"accept", ())
        head, body = render(problem, accept, request.log.id, headers)
        self._request.respond(head, body)

    def _answer_preflight(self) -> None:
        head = ResponseHead(status=204, reason=b"No Content", headers=list(self._decision.headers))
        self._request.begin(head, None)
        self._request.finish()

    # What is forwarded.

    async def _forward(self) -> None:
        """Have a server answer, and hand its answer to the client."""
        request, plan = self._request, self._plan
        asked = self._asked
        attempts = Sender(
            request,
            plan,
            self._client,
            takes_trailers=asked.takes_trailers,
            pins=None if asked.shared else request.channel.pins,
            binds=asked.binds,
        )
        forwarding = Forwarding(request, plan, attempts)
        relayed: bool | None = None
        try:
            response = await forwarding.run()
            await self._relay(response, forwarding)
            relayed = True
        except UpstreamError:
            relayed = False
            raise
        finally:
            forwarding.end(relayed)

    async def _relay(self, response: UpstreamResponse, forwarding: Forwarding) -> None:
        """Hand a response to the client as it comes."""
        request = self._request
        head = self._plan.shape.client_head(
            response.head,
            forwarding.server,
            self._decision,
            authority=self._client.authority,
            gate_origin=self._asked.gate_origin,
        )
        if self._asked.shared:
            # A proxy's next user would be taken for the one who met the challenge.
            head = attrs.evolve(head, headers=without_connection_challenges(head.headers))
        if self._plan.upstream.sticky is not None:
            cookie = forwarding.set_cookie(self._asked.gate_origin)
            if cookie is not None:
                head.headers.append((b"Set-Cookie", cookie))
        if response.tunnel is not None:
            await self._tunnel(head, response.tunnel, response.head)
            return
        request.begin(head, response.body_length)
        whole = response.take_whole()
        if whole is not None:
            request.write(whole)
        else:
            relay = Relay(request)
            response.deliverBody(relay)
            request.flush()
            await relay.done
        if self._asked.takes_trailers:
            request.trailers = self._plan.shape.response_trailers(response.trailers)
        request.finish()

    async def _tunnel(self, head: ResponseHead, upstream: TunnelEnd, came: ResponseHead) -> None:
        """Join the two connections, which speak another protocol from here on."""
        protocol = [field for field in came.headers if field[0].lower() == b"upgrade"]
        offered = {offer.lower() for offer in self._request.offers}
        if {value.lower() for _, value in protocol} - offered:
            # Where the gate offered no HTTP in another form, none may be taken up.
            upstream.abort()
            raise BadUpstreamResponse("it switched to a protocol that was not offered")
        head = attrs.evolve(head, headers=[*head.headers, *protocol])
        self._request.log.outcome = "tunnel closed"
        client = self._request.switch(head)
        limits = self._plan.limits
        deadlines = self._request.channel.site.deadlines
        tunnel = Tunnel(deadlines, limits.tunnel_idle_timeout_s, client, upstream)
        tunnel.start()
        await tunnel.done
