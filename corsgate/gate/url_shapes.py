"""Makes heads for routes with ``by_url``, once a request's URL is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import copy
from typing import Any

from corsgate.config.model.by_url import authenticates
from corsgate.config.model.values import Route, Server
from corsgate.cors.decide import Decision
from corsgate.gate.request_shape import RequestShape
from corsgate.gate.response_shape import ResponseShape
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.headers import Header, end_to_end
from corsgate.message.proxied_url import ProxiedUrl, proxied_location
from corsgate.message.uri_mapping import Mount

_SANDBOX = (b"Content-Security-Policy", b"sandbox")
# A browser would apply these to all routes of the gate.
_OF_ORIGIN = frozenset(
    (b"clear-site-data", b"nel", b"report-to", b"set-cookie", b"strict-transport-security")
)


def withheld_fields(route: Route) -> frozenset[bytes]:
    """Return the fields of clients that no server of a route gets, in lower case.

    A browser has one set of cookies for the gate, and one server's cookies must not reach another.
    If the gate adds credentials on the route, a client's own Authorization is also withheld: it
    could authenticate connections (NTLM) that the gate would then use as its own.
    """
    if not route.by_url:
        return frozenset()
    return frozenset((b"cookie", *((b"authorization",) if authenticates(route) else ())))


class UrlRequestShape(RequestShape):
    """Sends each request to the URL in its target."""

    __slots__ = ("_rest",)

    _rest: bytes

    def toward(self, rest: bytes) -> UrlRequestShape:
        """Return the shape for requests to one URL.

        Args:
            rest: The URL's path after the server's own path, and its query.
        """
        made = copy(self)
        made.maps_target = True
        made._rest = rest
        return made

    def upstream_target(self, _target: bytes, server: Server) -> bytes:
        """Return the URL's path and query at a server."""
        base, rest = server.base_path.encode("ascii"), self._rest
        # The URL may be that of a server's base path, and another server may have none.
        return base + rest if base or rest.startswith(b"/") else b"/" + rest


class UrlResponseShape(ResponseShape):
    """Maps redirects to the route, and keeps pages of servers out of the gate's origin."""

    __slots__ = ("_asked", "_prefix", "_reaches")

    _asked: ProxiedUrl
    _prefix: bytes
    _reaches: Callable[[ProxiedUrl], bool]

    def __init__(self, route: Route, mount: Mount, **known: Any) -> None:
        super().__init__(route, mount, **known)
        self._dropped |= _OF_ORIGIN
        self._dropped_beside |= _OF_ORIGIN

    def of(
        self, asked: ProxiedUrl, reaches: Callable[[ProxiedUrl], bool], prefix: bytes
    ) -> UrlResponseShape:
        """Return the shape for responses to requests for one URL.

        Args:
            asked: The URL.
            reaches: Returns whether a redirect may lead to a URL via the route.
            prefix: The route's prefix.
        """
        made = copy(self)
        made._asked, made._reaches, made._prefix = asked, reaches, prefix
        return made

    def client_head(
        self,
        response: ResponseHead,
        server: Server,
        decision: Decision,
        asked: RequestHead,
        *,
        added: Iterable[Header] = (),
        **known: Any,
    ) -> ResponseHead:
        """Return the head for the client.

        Location leads back to the route, since a browser follows it on its own. URLs in other
        fields and in bodies are unchanged; the client can call them as it called this one. A page
        from a URL gets a sandbox, or its scripts could call all routes with the gate's origin
        (CSP 3 ``#directive-sandbox``). That field is added last, so that neither the server, with
        Connection, nor the route's `response_headers` can remove it.
        """
        headers = [*map(self._mapped, response.headers)]
        response = ResponseHead(response.status, response.reason, headers)
        added = (_SANDBOX, *added)
        return super().client_head(response, server, decision, asked, added=added, **known)

    def interim_head(self, response: ResponseHead, *_: object, **_known: object) -> ResponseHead:
        """Return the head of an interim response for the client; its links are unchanged."""
        headers = end_to_end(response.headers, self._dropped_beside)
        return ResponseHead(status=response.status, reason=response.reason, headers=headers)

    def _mapped(self, field: Header) -> Header:
        name, value = field
        if name.lower() != b"location":
            return field
        return name, proxied_location(value, self._asked, self._reaches, self._prefix)

    def _plan_for(self, names: Any) -> Any:
        plan = super()._plan_for(names)
        plan.rewrites = False  # A path of the gate is not a path of the server.
        return plan
