"""Requests of the gate's own to the servers of an upstream, such as a login."""

from __future__ import annotations

from typing import NoReturn

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime

from corsgate.balance.balancer import Balancer
from corsgate.config.model.request_rules import ORIGIN_MODES
from corsgate.config.model.values import Limits, Server, Upstream
from corsgate.credentials.means import OwnResponse
from corsgate.errors import BadUpstreamResponse, ConnectFailed, UpstreamError, UpstreamTimedOut
from corsgate.message.head import RequestHead
from corsgate.message.target import join_base
from corsgate.upstream.body import KeptBody, read_beginning
from corsgate.upstream.treq_client import ProxyClient

MAX_BODY_BYTES = 1024 * 1024
"""How much of a response's body is kept."""

TIMEOUT_S = 15.0
"""How long a request may take as a whole, so that a login does not keep clients waiting."""

_LIMITS = Limits(first_byte_timeout_s=TIMEOUT_S, response_idle_timeout_s=TIMEOUT_S)
_USUAL = ((b"User-Agent", b"corsgate"), (b"Accept", b"*/*"))
_SAFE = frozenset((b"GET", b"HEAD"))
_NEEDS_LENGTH = frozenset((b"POST", b"PUT", b"PATCH"))


class OwnRequests:
    """Sends them over the connections of the upstream in force.

    A reload may replace the upstream's connections while its credentials stay: `use` tells which
    ones there are now. Nothing goes to a place that is not a server of the upstream, and
    redirects are not followed.

    Args:
        clock: Tells the time.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._upstream: Upstream | None = None

    def use(self, upstream: Upstream, client: ProxyClient, balancer: Balancer) -> None:
        """Send over other connections from now on.

        Args:
            upstream: The upstream's configuration.
            client: Sends to its servers.
            balancer: Knows which servers there are.
        """
        self._upstream, self._client, self._balancer = upstream, client, balancer
        rules = upstream.request_rules.request_headers
        # What the server wants of each request, as for probes.
        self._fields = [
            *((name, value) for name, value in _USUAL if name.lower() not in rules.dropped),
            *rules.constant(),
        ]

    async def ask(self, origin: str, head: RequestHead, body: bytes) -> OwnResponse:
        """Send a request; see `corsgate.credentials.means.Ask`.

        Raises:
            ConnectFailed: The origin is not a server of the upstream, or is out of reach.
            UpstreamTimedOut: It took longer than `TIMEOUT_S`.
            UpstreamError: There is no whole response.
        """
        server = self._server(origin)
        own = {name.lower() for name, _ in head.headers}
        fields = [field for field in self._fields if field[0].lower() not in own]
        target = head.target
        base = server.base_path.encode("ascii")
        if not target.startswith(base + b"/"):
            # Otherwise the URL was written with the server's own path.
            target = join_base(base, target)
        fields.insert(0, (b"Host", server.host_value))
        if head.method not in _SAFE and (origin_seen := self._origin(server)):
            # Boxes that check where a form comes from see the same as of pages.
            path = target.partition(b"?")[0]
            fields += [(b"Origin", origin_seen), (b"Referer", origin_seen + path)]
        sent = RequestHead(head.method, target, [*fields, *head.headers])
        task = Deferred.fromCoroutine(self._exchange(server, sent, body))

        def late(_: object, timeout_s: float) -> NoReturn:
            # Whatever the cancelled exchange has failed with.
            raise UpstreamTimedOut(f"{origin}: it did not respond within {timeout_s:g} s")

        return await task.addTimeout(TIMEOUT_S, self._clock, late)

    async def _exchange(self, server: Server, head: RequestHead, body: bytes) -> OwnResponse:
        """Return the response to a request that is ready to be sent."""
        payload = KeptBody(body) if body or head.method in _NEEDS_LENGTH else None
        response = await self._client.send(server.origin, head, payload, _LIMITS)
        try:
            data = await read_beginning(response, MAX_BODY_BYTES)
        except (UpstreamError, CancelledError):
            raise
        except Exception as error:
            raise BadUpstreamResponse(f"{server.origin}: its response broke off") from error
        return OwnResponse(head=response.head, body=data, target=head.target)

    def _origin(self, server: Server) -> bytes | None:
        """Return what the server sees as Origin; None for nothing."""
        assert self._upstream is not None, "there is a server"
        origin = self._upstream.request_rules.origin
        if origin in (None, "server"):
            return b"%b://%b" % (server.scheme.encode("ascii"), server.host_value)
        return None if origin in ORIGIN_MODES else str(origin).encode("ascii")

    def _server(self, origin: str) -> Server:
        """Return the server of the upstream that has this origin."""
        if self._upstream is not None:
            state = self._balancer.states.get(origin)
            if state is not None:
                return state.server
        raise ConnectFailed(f"{origin}: it is not a server of the upstream")
