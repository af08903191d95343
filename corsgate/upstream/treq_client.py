"""treq as a proxy's client: none of what it does for a browser's user."""

from __future__ import annotations

from collections.abc import Iterator
from http.cookiejar import Cookie, CookieJar
from typing import Any, cast

from hyperlink import EncodedURL
from treq.client import HTTPClient
from treq.cookies import IndexableCookieJar
from twisted.internet.defer import Deferred
from twisted.web.iweb import IAgent, IBodyProducer

from corsgate.config.model.values import Limits
from corsgate.message.head import RequestHead
from corsgate.upstream.agent import CarriedHead
from corsgate.upstream.connection import Inform
from corsgate.upstream.pins import Pins
from corsgate.upstream.response import UpstreamResponse
from corsgate.upstream.revocation import Holder

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


class _ServerURL(EncodedURL):
    """An upstream server's origin, which treq passes on as it is.

    treq normalises a URL that it parses: it drops a trailing ``;`` and an empty query, and
    encodes what should stay as it came. The target travels in the head instead.
    """

    def __init__(self, origin: str) -> None:
        super().__init__()
        self._origin = origin

    def to_uri(self) -> _ServerURL:
        """Return itself."""
        return self

    def to_text(self, with_password: bool = False) -> str:
        """Return the origin."""
        return self._origin


class ProxyClient:
    """Sends requests as they are to an upstream's servers, by treq's HTTPClient.

    Args:
        agent: Sends a `CarriedHead`'s head.

    Attributes:
        urls: Those of the servers that were sent to, made once for each.
    """

    def __init__(self, agent: IAgent) -> None:
        self._jar: CookieJar = _ForgetfulJar()
        self._client = HTTPClient(
            agent,
            cookiejar=cast(IndexableCookieJar, self._jar),
            # Ours are IBodyProducers already: no adapter has to be looked for.
            data_to_body_producer=lambda body: cast(IBodyProducer, body),
        )
        self.urls: dict[str, _ServerURL] = {}

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
    ) -> Deferred[UpstreamResponse]:
        """Send a request to one server.

        Args:
            origin: The server's origin, such as ``http://10.0.0.11:8000``.
            head: The head, which goes on the wire as it is.
            body: The body, or None.
            limits: Bounds on the times of this request.
            inform: Told of interim responses.
            pins: The connections that are pinned to the client's; None if none may be.
            binds: Whether the request authenticates its connection.
            holder: The client's request that it is sent for, if it is one's.

        Returns:
            A Deferred of the response when its head has come, its body neither read nor
            decoded; it fails with an UpstreamError.
        """
        url = self.urls.get(origin)
        if url is None:
            if len(self.urls) >= MAX_URLS:
                self.urls.clear()
            url = self.urls[origin] = _ServerURL(origin)
        answered: Deferred[Any] = self._client.request(
            "GET",  # the method that counts is the head's
            url,
            headers=CarriedHead(head, limits, inform, pins, binds, holder),
            data=cast(Any, body),
            cookies=self._jar,
            allow_redirects=False,
            unbuffered=True,
            reactor=_NO_REACTOR,
        )
        return answered.addCallback(_unwrap)


# treq needs a reactor for its own time-outs only, which are not used here, and would import the
# global one.
_NO_REACTOR = cast(Any, object())


def _unwrap(response: Any) -> UpstreamResponse:
    """Return the agent's own response from inside treq's wrapper."""
    inner = response.original
    assert isinstance(inner, UpstreamResponse)
    return inner
