"""One request, sent to one server after the other as it is told: signed, its challenges met."""

from __future__ import annotations

from functools import partial

from twisted.internet.defer import Deferred
from twisted.web.iweb import IBodyProducer

from corsgate.balance.retry import IDEMPOTENT_METHODS, MAX_REPLAYED_BYTES
from corsgate.config.model.values import Server
from corsgate.gate.relay import StreamedBody, collect
from corsgate.gate.runtime import RoutePlan
from corsgate.message.client import Client
from corsgate.message.head import RequestHead, ResponseHead, field_lines
from corsgate.server.request import GateRequest
from corsgate.server.request_body import RequestBody
from corsgate.upstream.body import KeptBody, drain
from corsgate.upstream.pins import Pins
from corsgate.upstream.response import UpstreamResponse
from corsgate.upstream.signed import send_signed


class Sender:
    """What is sent to servers for one request.

    Args:
        request: What the client asked.
        plan: Its route.
        client: Who asks.
        takes_trailers: Whether the client takes trailers (RFC 9110 10.1.4).
        pins: The upstream connections that are pinned to the client's; None if none may be.
        binds: Whether the request authenticates the connection that it is sent on.

    Attributes:
        pins: As above.
        binds: As above.
    """

    __slots__ = (
        "_client",
        "_kept",
        "_pass_expect",
        "_plan",
        "_request",
        "_takes_trailers",
        "binds",
        "pins",
    )

    def __init__(
        self,
        request: GateRequest,
        plan: RoutePlan,
        client: Client,
        *,
        takes_trailers: bool,
        pins: Pins | None,
        binds: bool,
    ) -> None:
        self.pins = pins
        self.binds = binds
        self._request = request
        self._plan = plan
        self._client = client
        self._takes_trailers = takes_trailers
        self._kept: KeptBody | None = None
        # Whether the client waits for the upstream's 100 Continue rather than the gate's.
        self._pass_expect = False

    @property
    def replayable(self) -> bool:
        """Whether all of the client's body can be sent again."""
        body = self._request.body
        return body is None or self._kept is not None or not body.started

    async def send(self, server: Server) -> UpstreamResponse:
        """Return one server's response, its challenges met.

        Raises:
            UpstreamError: It gave none.
        """
        body = self._request.body
        credentials = self._plan.upstream.credentials
        if body is not None and self._kept is None and self._may_be_repeated(body):
            self._kept = await self._keep(body)
        if credentials is None or credentials.fixed is not None:
            self._pass_expect = self._awaits_continue(body)
            return await self._send(server, self._head_for(server), self._body())
        challengeable = credentials.may_be_challenged
        self._pass_expect = not challengeable and self._awaits_continue(body)
        head = self._head_for(server)
        if challengeable:
            await self._prepare_for_challenge(server, head)
        send = partial(self._send, server)
        return await send_signed(credentials, head, server.origin, self._body, send)

    def _head_for(self, server: Server) -> RequestHead:
        """Return the head that a server gets; signed, where all requests are signed alike."""
        request, shape = self._request, self._plan.shape
        head = request.head
        varies = request.body is not None or request.offers
        # An address may get another name, and with it another Host.
        key = (self._plan, server.origin, server.name)
        ready = None if varies else request.memo.heads.get(key)
        if ready is not None:
            target = shape.upstream_target(head.target, server)
            return RequestHead(
                method=head.method, target=target, headers=ready.headers, lines=ready.lines
            )
        made = shape.upstream_head(
            head,
            server,
            self._client,
            offers=request.offers,
            trailers=self._takes_trailers,
            expect=self._pass_expect,
        )
        credentials = self._plan.upstream.credentials
        if credentials is not None and credentials.fixed is not None:
            made.headers.extend(credentials.fixed)
        if not varies:
            lines = field_lines(made.headers)
            made = RequestHead(
                method=made.method, target=made.target, headers=made.headers, lines=lines
            )
            request.memo.keep_head(key, made)
        return made

    def _awaits_continue(self, body: RequestBody | None) -> bool:
        """Return whether the client waits for 100 Continue, of which the server is to be asked."""
        return body is not None and self._kept is None and body.awaits_continue

    def _may_be_repeated(self, body: RequestBody) -> bool:
        """Return whether a body is worth keeping, for another server to get it too."""
        upstream = self._plan.upstream
        return (
            self._may_be_kept(body)
            and self._request.head.method in IDEMPOTENT_METHODS
            and upstream.rules.retries > 0
            and len(upstream.balancer.states) > 1
        )

    def _may_be_kept(self, body: RequestBody) -> bool:
        """Return whether a body is small enough to be kept, and there is memory for it.

        What is kept waits, unlike what is streamed, until its request has ended. Where much waits
        already it is streamed: it then can't be sent again, but proceeds as fast as it comes.
        """
        memory = self._request.channel.site.memory
        return (
            body.length is not None
            and body.length <= MAX_REPLAYED_BYTES
            and not memory.is_tight(self._request.client_key)
        )

    async def _keep(self, body: RequestBody) -> KeptBody:
        """Return the whole body; meanwhile the request can lose its place, as others can."""
        unconnected = self._plan.upstream.agent.unconnected
        unconnected.add(self._request)
        try:
            return KeptBody(await collect(body))
        finally:
            unconnected.discard(self._request)

    async def _prepare_for_challenge(self, server: Server, head: RequestHead) -> None:
        """See to it that a challenge costs no second upload of a large body.

        A small body is kept, to be sent again. For any other a request without a body goes
        first: it is HEAD, so that it can't act, and it brings a nonce that is fresh.
        """
        body = self._request.body
        if body is None or self._kept is not None:
            return
        if self._may_be_kept(body):
            self._kept = await self._keep(body)
            return
        credentials = self._plan.upstream.credentials
        assert credentials is not None
        host = (b"Host", self._plan.shape.host_for(server, self._client.authority))
        probe = RequestHead(method=b"HEAD", target=head.target, headers=[host])
        signed = await credentials.authorize(probe, server.origin)
        response = await self._send(server, signed, None)
        drain(response)  # First, since a challenge that is too weak raises.
        credentials.challenged(signed, response.head, server.origin)

    def _send(
        self, server: Server, head: RequestHead, body: IBodyProducer | None
    ) -> Deferred[UpstreamResponse]:
        client, limits = self._plan.upstream.client, self._plan.limits
        return client.send(
            server.origin,
            head,
            body,
            limits,
            self._inform,
            self.pins,
            self.binds,
            self._request,
        )

    def _inform(self, head: ResponseHead) -> None:
        """Pass an interim response on; it is the client's to make sense of (RFC 9110 15.2)."""
        self._request.inform(self._plan.shape.interim_head(head))

    def _body(self) -> KeptBody | StreamedBody | None:
        """Return what is to be sent of the client's body now."""
        if self._kept is not None:
            return self._kept
        body = self._request.body
        if body is None:
            return None
        passing = self._plan.shape.request_trailers
        return StreamedBody(body, ask=not self._pass_expect, passing=passing)
