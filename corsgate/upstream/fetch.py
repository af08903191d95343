"""The gate's own requests to servers outside its upstreams, such as token servers."""

from __future__ import annotations

from typing import Any, NoReturn

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone

from corsgate.config.model.values import Limits, PoolLimits, Upstream
from corsgate.credentials.outside import Outside
from corsgate.errors import BadUpstreamResponse, BadValue, ConnectFailed, UpstreamTimedOut
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.transport.deadlines import Deadlines
from corsgate.upstream.agent import UpstreamAgent
from corsgate.upstream.body import KeptBody
from corsgate.upstream.hosts import Hosts
from corsgate.upstream.treq_client import ProxyClient

TIMEOUT_S = 10.0
"""The maximum time of a whole request, in seconds."""

MAX_BODY_BYTES = 256 * 1024
"""The maximum size of a response's body."""

_LIMITS = Limits(
    connect_timeout_s=TIMEOUT_S, first_byte_timeout_s=TIMEOUT_S, response_idle_timeout_s=TIMEOUT_S
)


def as_upstream(outside: Outside) -> Upstream:
    """Return an upstream of one server, in which each request gets a new connection."""
    return Upstream(
        name="outside",
        servers=(outside.server,),
        ca_pem=outside.ca_pem,
        client_certificate=outside.client_certificate,
        pool=PoolLimits(max_connections=1, keep_alive=False),
    )


class Fetcher:
    """Sends single requests, each over its own connection to a verified server.

    Args:
        reactor: Connects and has the clock.
        deadlines: Calls back when a deadline passes.
        hosts: Resolves names before DNS does.
    """

    def __init__(self, reactor: Any, deadlines: Deadlines, hosts: Hosts) -> None:
        self._reactor = reactor
        self._deadlines = deadlines
        self._hosts = hosts
        self._running: set[Deferred[Any]] = set()

    def fetch(
        self, outside: Outside, head: RequestHead, body: bytes
    ) -> Deferred[tuple[ResponseHead, bytes]]:
        """Send a request; return a Deferred of the head and the whole body of its response.

        Redirects are not followed. The Deferred fails with an UpstreamError if there is no response
        within `TIMEOUT_S`, or if its body has more than `MAX_BODY_BYTES`.

        Args:
            outside: The server.
            head: The head, which is sent unchanged.
            body: The body.
        """
        fetching = Deferred.fromCoroutine(self._fetch(outside, head, body))
        self._running.add(fetching)
        fetching.addTimeout(TIMEOUT_S, self._reactor, _late)

        def ended(result: Any) -> Any:
            self._running.discard(fetching)
            return result

        return fetching.addBoth(ended)

    def stop(self) -> None:
        """Cancel all running requests."""
        for each in list(self._running):
            each.cancel()

    async def _fetch(
        self, outside: Outside, head: RequestHead, body: bytes
    ) -> tuple[ResponseHead, bytes]:
        upstream, hosts = as_upstream(outside), self._hosts
        try:
            agent = UpstreamAgent(self._reactor, self._deadlines, upstream, hosts=hosts)
        except BadValue as error:
            raise ConnectFailed(str(error)) from None
        try:
            origin = outside.server.origin
            response = await ProxyClient(agent).send(origin, head, KeptBody(body), _LIMITS)
            whole = _Whole()
            response.deliverBody(whole)
            return response.head, await whole.read
        finally:
            agent.close()


def _late(_: object, timeout_s: float) -> NoReturn:
    """Raise a time-out error in place of the cancelled exchange's error."""
    raise UpstreamTimedOut(f"it takes longer than {timeout_s:.0f} s")


class _Whole(Protocol):
    """Reads a body of at most `MAX_BODY_BYTES`.

    Attributes:
        read: Fires with the body.
    """

    def __init__(self) -> None:
        self.read: Deferred[bytes] = Deferred(lambda _: self._stop())
        self._pieces: list[bytes] = []
        self._left = MAX_BODY_BYTES

    def dataReceived(self, data: bytes) -> None:
        """Keep a piece, unless the body gets too large."""
        self._left -= len(data)
        self._pieces.append(data)
        if self._left < 0 and not self.read.called:
            self._pieces.clear()
            self.read.errback(
                BadUpstreamResponse(f"its response has more than {MAX_BODY_BYTES // 1024} KiB")
            )
            self._stop()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Fire `read`."""
        if self.read.called:
            return
        if reason.check(ResponseDone):
            self.read.callback(b"".join(self._pieces))
        else:
            self.read.errback(BadUpstreamResponse("its response was cut short"))

    def _stop(self) -> None:
        tcp: Any = self.transport
        if tcp is not None:
            tcp.stopProducing()
