"""treq as a proxy's client: none of what it does for a browser's user."""

from __future__ import annotations

from collections.abc import Iterator
from http.cookiejar import Cookie
from typing import Any

from treq.client import HTTPClient
from treq.cookies import IndexableCookieJar
from twisted.internet.defer import Deferred
from twisted.web.iweb import IAgent, IBodyProducer

from corsgate.config.model.values import Limits
from corsgate.message.head import RequestHead
from corsgate.upstream.pins import Pins
from corsgate.upstream.response import Inform, UpstreamResponse
from corsgate.upstream.revocation import Holder
from corsgate.upstream.sending import CarriedHead

MAX_URLS = 1000
"""So many servers' URLs are kept; discovery may bring ever new ones."""


class _ForgetfulJar(IndexableCookieJar):
    """A cookie jar that neither keeps nor adds a cookie.

    treq's own is shared by all requests of a client, so that one user's session would go out
    with the next user's request.
    """

    def __iter__(self) -> Iterator[Cookie]:
        """Return no cookies, at once: treq asks with each request."""
        return iter(())

    def add_cookie_header(self, request: Any) -> None:
        """Add none."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        """Keep none."""


class ProxyClient(HTTPClient):
    """treq's client, for requests that are to reach an upstream's servers as they are.

    A `CarriedHead` goes to the agent at once: there is no URL to parse, no cookie to add, no
    redirect to follow and nothing to decode. Any other request is treq's own, without its cookies.

    Args:
        agent: Sends a `CarriedHead`'s head.

    Attributes:
        urls: Those of the servers that were sent to, made once for each.
    """

    def __init__(self, agent: IAgent) -> None:
        super().__init__(agent, cookiejar=_ForgetfulJar())
        self.urls: dict[str, bytes] = {}

    def request(
        self, method: str, url: Any, *, headers: Any = None, data: Any = None, **options: Any
    ) -> Deferred[Any]:
        """Send a request; see `HTTPClient.request`.

        Args:
            method: Its method; a `CarriedHead`'s own counts.
            url: Its URL; of a `CarriedHead`, the server's origin in bytes.
            headers: A `CarriedHead`, or what treq takes.
            data: Its body; of a `CarriedHead`, an IBodyProducer or None.
            options: treq's others, which mean nothing to a `CarriedHead`.

        Returns:
            A Deferred of the agent's own response to a `CarriedHead`; else of treq's.
        """
        if isinstance(headers, CarriedHead):
            return self._agent.request(b"GET", url, headers, data)
        return super().request(method, url, headers=headers, data=data, **options)

    def send(
        self,
        origin: str,
        head: RequestHead,
        body: IBodyProducer | None,
        limits: Limits,
        inform: Inform | None = None,
        pins: Pins | None = None,
        binds: bool = False,
        holder: Holder | None = None,
        ending: bytes = b"\r\n",
    ) -> Deferred[UpstreamResponse]:
        """Send a request to one server.

        Args:
            origin: The server's origin, such as ``http://10.0.0.11:8000``.
            head: The head, which goes on the wire as it is.
            body: The body, or None.
            limits: Bounds on the times of this request.
            inform: Called with interim responses.
            pins: The connections that are pinned to the client's; None if none may be.
            binds: Whether the request authenticates its connection.
            holder: The client's request that it is sent for, if it is one's.
            ending: What follows `head.wire`, if there is that: the rest of the head.

        Returns:
            A Deferred of the response when its head has come, its body neither read nor
            decoded; it fails with an UpstreamError.
        """
        url = self.urls.get(origin)
        if url is None:
            if len(self.urls) >= MAX_URLS:
                self.urls.clear()
            url = self.urls[origin] = origin.encode("ascii")
        carried = CarriedHead(head, limits, inform, pins, binds, holder, ending)
        return self.request("GET", url, headers=carried, data=body)
