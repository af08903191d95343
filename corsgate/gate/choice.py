"""What a request itself adds to the choice of a server: a key, a cookie, a pinned connection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from corsgate.balance.state import ServerState
from corsgate.config.model.values import Server
from corsgate.errors import NoServer
from corsgate.gate.compiled_route import CompiledRoute
from corsgate.gate.upstream_runtime import UpstreamRuntime
from corsgate.message.client import Client
from corsgate.message.headers import Header
from corsgate.server.request import GateRequest
from corsgate.upstream.pins import Pins


class Choice(NamedTuple):
    """The criteria for the choice of a request's server.

    Attributes:
        key: Requests with the same key go to the same server, if the upstream hashes; else empty.
        sticks_to: The origin of the server that the client's cookie names, or None.
        pinned_to: The origin of the server to which the client's connection is pinned, or None.
    """

    key: bytes = b""
    sticks_to: str | None = None
    pinned_to: str | None = None

    def added(
        self,
        request: GateRequest,
        route: CompiledRoute,
        server: Server,
        client: Client,
        gate_origin: bytes,
    ) -> Sequence[Header]:
        """Return the fields of a response that come neither from its server nor from a policy.

        Args:
            request: The client's request.
            route: The request's route.
            server: The server that has responded.
            client: The client.
            gate_origin: The gate's origin, as the client's browser sees it.
        """
        fields = route.response_fields.fields(client, request.head, request.log.id)
        cookie = self.cookie(route, server, gate_origin)
        return fields if cookie is None else [*fields, (b"Set-Cookie", cookie)]

    def cookie(self, route: CompiledRoute, server: Server, gate_origin: bytes) -> bytes | None:
        """Return the Set-Cookie value that binds the client to a server; None if not needed.

        Args:
            route: The request's route.
            server: The server that has responded.
            gate_origin: The gate's origin, as the client's browser sees it.
        """
        sticky = route.upstream.sticky
        if sticky is None or server.origin == self.sticks_to:
            return None
        is_secure = gate_origin.startswith(b"https:")
        return sticky.set_cookie(server.origin, route.prefix or b"/", secure=is_secure)


async def server_to_come(
    upstream: UpstreamRuntime, choice: Choice, timeout_s: float
) -> ServerState:
    """Wait for DNS, and return a server. Right after a start there may be none yet.

    Args:
        upstream: The upstream.
        choice: The criteria of the choice.
        timeout_s: How long DNS may take, in seconds.

    Raises:
        NoServer: No server is available.
    """
    if upstream.watchers:
        await upstream.found(timeout_s)
    state = upstream.balancer.pick(upstream.clock.seconds(), choice.key, prefer=choice.sticks_to)
    if state is None:
        raise NoServer("every server of the upstream is down or drained, or none is known")
    return state


FREE: Final = Choice()
"""Any server will do."""


def choice_of(request: GateRequest, upstream: UpstreamRuntime, pins: Pins | None) -> Choice:
    """Return the criteria for the choice of a request's server.

    Args:
        request: The client's request.
        upstream: The upstream of its route.
        pins: The upstream connections that are pinned to the client's; None if none may be.
    """
    key, sticky = upstream.key, upstream.sticky
    return Choice(
        b"" if key is None else key(request.index, request.uri, request.log.client),
        None if sticky is None else sticky.origin(request.index.get(b"cookie", ())),
        None if pins is None or not pins.idle else upstream.agent.pinned_to(pins),
    )
