"""The gate's own requests to the servers of an upstream, such as a login."""

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
"""The maximum number of bytes of a response's body that are kept."""

TIMEOUT_S = 15.0
"""The maximum time of a whole request in seconds; clients may have to wait for a login."""

_LIMITS = Limits(first_byte_timeout_s=TIMEOUT_S, response_idle_timeout_s=TIMEOUT_S)
_USUAL = ((b"User-Agent", b"corsgate"), (b"Accept", b"*/*"))
_SAFE = frozenset((b"GET", b"HEAD"))
_NEEDS_LENGTH = frozenset((b"POST", b"PUT", b"PATCH"))


class OwnRequests:
    """Sends the gate's own requests over the connections of an upstream.

    A reload may replace the upstream's connections but keep its credentials; `use` sets the current
    connections. Requests are sent only to servers of the upstream, and redirects are not followed.

    Args:
        clock: The clock.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._upstream: Upstream | None = None

    def use(self, upstream: Upstream, client: ProxyClient, balancer: Balancer) -> None:
        """Replace the upstream's connections.

        Args:
            upstream: The upstream's configuration.
            client: Sends to its servers.
            balancer: Has the current servers.
        """
        self._upstream, self._client, self._balancer = upstream, client, balancer
        rules = upstream.request_rules.request_headers
        # The fields that the server expects in each request, as for probes.
        self._fields = [
            *((name, value) for name, value in _USUAL if name.lower() not in rules.dropped),
            *rules.constant(),
        ]

    def has_server(self, origin: str) -> bool:
        """Return whether a server belongs to the upstream now.

        Args:
            origin: The server's origin.
        """
        return self._upstream is not None and origin in self._balancer.states

    async def ask(self, origin: str, head: RequestHead, body: bytes) -> OwnResponse:
        """Send a request; see `corsgate.credentials.means.Ask`.

        Raises:
            ConnectFailed: The origin is not a server of the upstream, or can't be reached.
            UpstreamTimedOut: The exchange took longer than `TIMEOUT_S`.
            UpstreamError: There is no complete response.
        """
        server = self._server(origin)
        own = {name.lower() for name, _ in head.headers}
        fields = [field for field in self._fields if field[0].lower() not in own]
        target = head.target
        base = server.base_path.encode("ascii")
        if not target.startswith(base + b"/"):
            # Otherwise the target already begins with the server's base path.
            target = join_base(base, target)
        fields.insert(0, (b"Host", server.host_value))
        if head.method not in _SAFE and (origin_seen := self._origin(server)):
            # Servers that check where a form comes from get the same fields as from their pages.
            path = target.partition(b"?")[0]
            fields += [(b"Origin", origin_seen), (b"Referer", origin_seen + path)]
        sent = RequestHead(head.method, target, [*fields, *head.headers])
        task = Deferred.fromCoroutine(self._exchange(server, sent, body))

        def late(_: object, timeout_s: float) -> NoReturn:
            # This replaces the cancelled exchange's error.
            raise UpstreamTimedOut(f"{origin}: it did not respond within {timeout_s:g} s")

        return await task.addTimeout(TIMEOUT_S, self._clock, late)

    async def _exchange(self, server: Server, head: RequestHead, body: bytes) -> OwnResponse:
        """Send a request as it is; return its response."""
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
        """Return the value of Origin for the server; None to send no Origin."""
        assert self._upstream is not None, "there is a server"
        origin = self._upstream.request_rules.origin
        if origin in (None, "server"):
            return b"%b://%b" % (server.scheme.encode("ascii"), server.host_value)
        return None if origin in ORIGIN_MODES else str(origin).encode("ascii")

    def _server(self, origin: str) -> Server:
        """Return the upstream's server with an origin."""
        if self._upstream is not None:
            state = self._balancer.states.get(origin)
            if state is not None:
                return state.server
        raise ConnectFailed(f"{origin}: it is not a server of the upstream")
