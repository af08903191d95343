"""Sends one request to one server after another: signs it, and responds to challenges."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import inf
from typing import Final

from twisted.internet.defer import Deferred
from twisted.web.iweb import IBodyProducer

from corsgate.balance.failure_causes import CAUSE_OF_STATUS
from corsgate.balance.retry import IDEMPOTENT_METHODS, MAX_REPLAYED_BYTES
from corsgate.config.model.values import Server
from corsgate.credentials.guard import Guard
from corsgate.credentials.lockout import PROOF_S
from corsgate.credentials.spots import Spot, spot_of
from corsgate.errors import UpstreamError
from corsgate.gate.compiled_route import CompiledRoute
from corsgate.gate.relay import StreamedBody, collect
from corsgate.gate.ruling import Ruling
from corsgate.message.client import Client
from corsgate.message.framing import request_framing
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.headers import RESOURCE_FIELDS, Header, HeaderList
from corsgate.message.request_id import REQUEST_ID
from corsgate.message.signed import Signed
from corsgate.server.request import GateRequest
from corsgate.server.request_body import RequestBody
from corsgate.upstream.body import KeptBody
from corsgate.upstream.held_body import HeldBody
from corsgate.upstream.pins import Pins
from corsgate.upstream.response import UpstreamResponse
from corsgate.upstream.signed import OfHead, send_signed

_LONG_AGO: Final = -inf


class Sender:
    """Sends one request to servers.

    Args:
        request: The client's request.
        route: Its route.
        client: The client.
        ruling: The result of the request's method and fields on the route.
        pins: The upstream connections that are pinned to the client's; None if none may be.

    Attributes:
        pins: As for the class.
        signed: Whether the last server got the gate's credentials, if there are any.
        admitted: Whether the guard was consulted first, and so already knows the result.
    """

    __slots__ = (
        "_client",
        "_client_head",
        "_held",
        "_kept",
        "_pass_expect",
        "_request",
        "_route",
        "_ruling",
        "_server",
        "admitted",
        "pins",
        "signed",
    )

    def __init__(
        self,
        request: GateRequest,
        route: CompiledRoute,
        client: Client,
        ruling: Ruling,
        pins: Pins | None,
    ) -> None:
        self.pins = pins
        self.signed = True
        self._request = request
        self._route = route
        self._client = client
        self._ruling = ruling
        self._kept: KeptBody | None = None
        # Whether the client waits for 100 Continue from the upstream instead of the gate.
        self._pass_expect = False

    @property
    def replayable(self) -> bool:
        """Whether all of the client's body can be sent again."""
        body = self._request.body
        return body is None or self._kept is not None or not body.started

    def send(self, server: Server) -> Deferred[UpstreamResponse]:
        """Send the request to a server.

        Args:
            server: One of the upstream's servers.

        Returns:
            A Deferred of the response, after any challenges. It fails with an UpstreamError if
            there is no response.
        """
        body, route = self._request.body, self._route
        if not route.direct or (body is not None and self._is_to_be_kept(body)):
            return Deferred.fromCoroutine(self._send_prepared(server))
        guard = route.guard
        if guard is not None:
            now = self._request.arrived_s
            if now - guard.proven.get(server.origin, _LONG_AGO) > PROOF_S:
                return Deferred.fromCoroutine(self._send_prepared(server))
            # The server has recently accepted the credentials, so there is nothing to wait for.
            guard.proven[server.origin] = now
            self.admitted = False
        payload: KeptBody | StreamedBody | None = None
        if body is not None:
            self._pass_expect = self._awaits_continue(body)
            payload = self._body()
        return self._send(server, self._head_for(server), payload)

    async def _send_prepared(self, server: Server) -> UpstreamResponse:
        """Send the request with the steps that it needs before, or after a challenge."""
        body, guard = self._request.body, self._route.guard
        credentials = self._route.upstream.credentials
        if guard is not None:
            self.admitted = True
            guard.check(server.origin, self._spot())
        if body is not None and self._is_to_be_kept(body):
            self._kept = await self._keep(body)
        if credentials is None or credentials.fixed is not None:
            return await self._send_fixed(server, guard)
        challengeable = credentials.may_be_challenged
        if challengeable and body is not None and self._may_be_kept(body):
            self._kept = await self._keep(body)
        self._pass_expect = not challengeable and self._awaits_continue(body)
        head = self._head_for(server)
        if head.wire is not None:
            head = RequestHead(head.method, head.target, [*head.headers, *self._own_id()])
        response = await send_signed(
            credentials,
            head,
            server.origin,
            self._body,
            partial(self._send_signed, server),
            guard,
            None if self._pass_expect else self._route.upstream.expectations,
            client_waits=self._awaits_continue(body),
        )
        if response.head.status not in CAUSE_OF_STATUS:
            self.let_go()
        return response

    def let_go(self) -> None:
        """Discard a body that no server has requested: the client gets the last response."""
        body = self._request.body
        if body is not None and not body.started:
            body.discard()

    async def _send_fixed(self, server: Server, guard: Guard | None) -> UpstreamResponse:
        """Send a request that is signed like all others, when the guard allows it."""
        place = None if guard is None else await guard.admit(server.origin, self._spot())
        try:
            # Not before: while this waited, the client may have started to send its body.
            self._pass_expect = self._awaits_continue(self._request.body)
            response = await self._send(server, self._head_for(server), self._body())
            if place is not None:
                place.responded(response.head.status)
            return response
        except UpstreamError as error:
            if place is not None:
                place.failed(error)
            raise
        finally:
            if place is not None:
                place.end()

    def rejected(self) -> None:
        """Report a 401 to the guard if the guard was not consulted before the request."""
        guard = self._route.guard
        if guard is not None and not self.admitted:
            guard.rejected(self._server.origin, self._spot())

    def _spot(self) -> Spot:
        return spot_of(self._request.method, self._request.uri)

    def _head_for(self, server: Server) -> RequestHead:
        """Return the head for a server, signed if all requests are signed in the same way.

        A head that has `wire` is remembered for further requests, and lacks the request's id.
        """
        request, route = self._request, self._route
        shape = route.request_shape
        if request.body is not None or request.offers or shape.by_request:
            return self._make_head(server, None)
        memo, method, target = request.memo, request.method, request.uri
        if shape.maps_target or server.base_path:
            target = shape.upstream_target(target, server)
        # The name is part of the key, since an address may get another name and so another Host.
        key = (route.head_kind, server.origin, server.name, self._ruling.origin_mode)
        known = memo.heads.get(key)
        if known is None:
            known = self._make_head(server, request_framing(method, None))
            if not RESOURCE_FIELDS.isdisjoint(request.index):
                # These fields depend on the route and the target, and the next target may differ.
                return known
        elif known.target == target and known.method == method:
            return known
        else:
            # The fields don't depend on the target.
            lines, framing = known.lines or b"", request_framing(method, None)
            wire = b"%b %b HTTP/1.1\r\n%b%b" % (method, target, lines, framing)
            known = RequestHead(method, target, known.headers, lines, None, wire)
        memo.keep_head(key, known)
        return known

    def _make_head(self, server: Server, framing: bytes | None) -> RequestHead:
        return self._route.request_shape.upstream_head(
            self._request.head,
            server,
            self._client,
            offers=self._request.offers,
            trailers=self._ruling.takes_trailers,
            expect=self._pass_expect,
            framing=framing,
            origin_mode=self._ruling.origin_mode,
            request_id=self._request.log.id,
        )

    def _own_id(self) -> Sequence[Header]:
        """Return the field with the request's id, if servers get it."""
        if not self._route.request_shape.identifies:
            return ()
        return ((REQUEST_ID, self._request.log.id.encode("ascii")),)

    def _awaits_continue(self, body: RequestBody | None) -> bool:
        """Return whether the client waits for 100 Continue, so that the server must be asked."""
        return body is not None and self._kept is None and body.awaits_continue

    def _is_to_be_kept(self, body: RequestBody) -> bool:
        """Return whether to keep a body so that another server can also get it."""
        upstream = self._route.upstream
        return (
            len(upstream.balancer.states) > 1
            and upstream.rules.retries > 0
            and self._request.head.method in IDEMPOTENT_METHODS
            and self._may_be_kept(body)
        )

    def _may_be_kept(self, body: RequestBody) -> bool:
        """Return whether a body is small enough to be kept, and there is memory for it.

        A kept body stays in memory until its request has ended, unlike a streamed one. If memory is
        tight, it is streamed: then it can't be sent again, but it doesn't wait.
        """
        memory = self._request.channel.context.memory
        return (
            self._kept is None
            and body.length is not None
            and body.length <= MAX_REPLAYED_BYTES
            and not memory.is_tight(self._request.client_key)
        )

    async def _keep(self, body: RequestBody) -> KeptBody:
        """Return the whole body. Meanwhile the request may be ended to make room for others."""
        unconnected = self._route.upstream.agent.unconnected
        unconnected.add(self._request)
        try:
            return KeptBody(await collect(body))
        finally:
            unconnected.discard(self._request)

    def _send_signed(
        self, server: Server, signed: Signed, body: IBodyProducer | None, client_head: OfHead
    ) -> Deferred[UpstreamResponse]:
        self.signed = signed.has_credentials
        self._held = body if isinstance(body, HeldBody) else None
        self._client_head = client_head
        return self._send(server, signed.head, body, signed.pins)

    def _send(
        self,
        server: Server,
        head: RequestHead,
        body: IBodyProducer | None,
        own: Pins | None = None,
    ) -> Deferred[UpstreamResponse]:
        """Send a head and a body; use the credentials' `own` connection if they have one."""
        self._server = server
        route, ending = self._route, b"\r\n"
        if head.wire is not None and route.request_shape.identifies:
            ending = b"X-Request-Id: %b\r\n\r\n" % self._request.log.id.encode("ascii")
        return route.upstream.client.send(
            server.origin,
            head,
            body,
            route.limits,
            self._inform,
            self.pins if own is None else own,
            self._ruling.binds or own is not None,
            self._request,
            ending,
        )

    def _inform(self, head: ResponseHead) -> None:
        """Relay an interim response to the client, which has to interpret it (RFC 9110 15.2)."""
        # Not set in __init__, because most requests never use `_send_signed`.
        held: HeldBody | None = getattr(self, "_held", None)
        if held is not None:
            held.informed(head)
        hints = self._route.response_shape.interim_head(
            self._without_own(head),
            self._server,
            authority=self._client.authority,
            gate_origin=self._ruling.gate_origin,
        )
        self._request.inform(hints)

    def client_trailers(self, trailers: HeaderList) -> HeaderList:
        """Return the trailers for the client, without any that belong to the gate."""
        if trailers:
            trailers = self._without_own(ResponseHead(200, b"", trailers)).headers
        return self._route.response_shape.response_trailers(trailers)

    def _without_own(self, head: ResponseHead) -> ResponseHead:
        """Return an interim head or trailers without fields that belong to the gate."""
        # Only set if a request is signed individually, so that others don't pay for it.
        client_head: OfHead | None = getattr(self, "_client_head", None)
        return head if client_head is None else client_head(head)

    def _body(self) -> KeptBody | StreamedBody | None:
        """Return the client's body as it can be sent now."""
        if self._kept is not None:
            return self._kept
        body = self._request.body
        if body is None:
            return None
        passing = self._route.request_shape.request_trailers
        return StreamedBody(body, ask=not self._pass_expect, passing=passing)
