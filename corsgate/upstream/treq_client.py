"""treq as a proxy's client, without the features that act like a browser."""

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
"""The maximum number of URLs that are kept; discovery may keep adding new servers."""


class _ForgetfulJar(IndexableCookieJar):
    """A cookie jar that neither keeps nor adds cookies.

    treq's own jar is shared by all requests of a client, so one user's session cookie would be sent
    with the next user's request.
    """

    def __iter__(self) -> Iterator[Cookie]:
        """Return no cookies; this is fast, because treq calls it for each request."""
        return iter(())

    def add_cookie_header(self, request: Any) -> None:
        """Add no cookie."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        """Keep no cookie."""


class ProxyClient(HTTPClient):
    """treq's client, for requests that must reach an upstream's servers unchanged.

    A `CarriedHead` is passed to the agent directly: there is no URL to parse, no cookie to add, no
    redirect to follow and nothing to decode. treq handles any other request, but without cookies.

    Args:
        agent: Sends the head of a `CarriedHead`.

    Attributes:
        urls: The encoded origins of servers to which requests were sent.
    """

    def __init__(self, agent: IAgent) -> None:
        super().__init__(agent, cookiejar=_ForgetfulJar())
        self.urls: dict[str, bytes] = {}

    def request(
        self, method: str, url: Any, *, headers: Any = None, data: Any = None, **options: Any
    ) -> Deferred[Any]:
        """Send a request; see `HTTPClient.request`.

        Args:
            method: Its method; ignored for a `CarriedHead`, which has its own.
            url: Its URL; for a `CarriedHead`, the server's origin in bytes.
            headers: A `CarriedHead`, or any type that treq accepts.
            data: Its body; for a `CarriedHead`, an IBodyProducer or None.
            options: treq's other options, which are ignored for a `CarriedHead`.

        Returns:
            A Deferred of the agent's response for a `CarriedHead`, otherwise of treq's.
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
            head: The head, which is sent unchanged.
            body: The body, or None.
            limits: Bounds on the times of this request.
            inform: Called with interim responses.
            pins: The connections that are pinned to the client's; None if none may be pinned.
            binds: Whether the request authenticates its connection.
            holder: The client's request for which it is sent, or None.
            ending: If there is a `head.wire`, the rest of the head after it.

        Returns:
            A Deferred of the response, which fires when its head has arrived. The body is neither
            read nor decoded. The Deferred fails with an UpstreamError.
        """
        url = self.urls.get(origin)
        if url is None:
            if len(self.urls) >= MAX_URLS:
                self.urls.clear()
            url = self.urls[origin] = origin.encode("ascii")
        carried = CarriedHead(head, limits, inform, pins, binds, holder, ending)
        return self.request("GET", url, headers=carried, data=body)
