"""Tests of `corsgate.upstream.own_requests`, over real sockets."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from corsgate.credentials.means import OwnResponse
from corsgate.errors import ConnectFailed, UpstreamError, UpstreamTimedOut
from corsgate.gate.upstream_runtime import Common, UpstreamRuntime, make_upstream
from corsgate.message.head import RequestHead
from corsgate.transport.deadlines import Deadlines
from corsgate.upstream.own_requests import MAX_BODY_BYTES, TIMEOUT_S, OwnRequests
from corsgate.upstream.treq_client import ProxyClient
from tests.peers import Upstream, reactor, response
from tests.support import LISTEN, GateTestCase, parse

HEAD = RequestHead(b"POST", b"/login", [(b"Content-Type", b"text/plain"), (b"Accept", b"a/b")])


class Advancing:
    """The reactor's clock, whose calls a test makes at once."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def callLater(self, delay_s: float, call: Any, *args: Any) -> Any:
        """Keep a call that ends a request."""
        made = reactor.callLater(delay_s, call, *args)
        self.calls.append((delay_s, made))
        return made


class Reporting:
    """A client that reports when a response's body is being read.

    Attributes:
        responded: Fires then.
    """

    def __init__(self, client: ProxyClient) -> None:
        self.client = client
        self.responded: Deferred[None] = Deferred()

    def send(self, *args: Any) -> Deferred[Any]:
        """Send."""

        def soon(response: Any) -> Any:
            reactor.callLater(0, self.responded.callback, None)
            return response

        return self.client.send(*args).addCallback(soon)


class OwnRequestTests(GateTestCase):
    """`OwnRequests`."""

    def made(self, box: Upstream, base: str = "", more: str = "") -> UpstreamRuntime:
        """Return an upstream of one server."""
        text = (
            f'{LISTEN}[upstreams.a]\nservers = ["{box.url}{base}"]\n{more}\n'
            '[routes."/"]\nupstream = "a"\n'
        )
        deadlines = Deadlines(reactor)
        common = Common(reactor=reactor, deadlines=deadlines, rng=bytes)
        upstream = make_upstream(parse(text).upstreams["a"], common)
        self.addCleanup(upstream.stop)
        return upstream

    def ask_own(
        self, upstream: UpstreamRuntime, origin: str, head: RequestHead = HEAD, body: bytes = b"b"
    ) -> Deferred[OwnResponse]:
        """Ask a server."""
        return Deferred.fromCoroutine(upstream.own_requests.ask(origin, head, body))

    async def test_request(self) -> None:
        """It has Host, the usual fields, those that the server wants of each request, and more."""
        box = await self.upstream(response(404, [(b"A", b"b")], b"body"))
        upstream = self.made(box, more='request_headers = { set = { X-Tenant = "7" } }')
        found = await self.ask_own(upstream, box.url)
        self.assertEqual((found.head.status, found.body, found.target), (404, b"body", b"/login"))
        sent = box.requests[0]
        self.assertEqual((sent.start, sent.body), (b"POST /login HTTP/1.1", b"b"))
        self.assertEqual(sent.one(b"host"), box.authority)
        self.assertEqual(sent.one(b"accept"), b"a/b")
        self.assertEqual(sent.one(b"user-agent"), b"corsgate")
        self.assertEqual(sent.one(b"x-tenant"), b"7")
        self.assertEqual(sent.one(b"content-length"), b"1")

    async def test_origin(self) -> None:
        """A change comes from the page of the server itself, or from what `origin` says."""
        box = await self.upstream()
        own = box.url.encode()
        for more, origin in (
            ("", own),
            ('origin = "server"', own),
            ('origin = "https://page.example"', b"https://page.example"),
            ('origin = "drop"', None),
            ('origin = "keep"', None),
        ):
            upstream = self.made(box, more=more)
            await self.ask_own(upstream, box.url, RequestHead(b"POST", b"/login?a=b", []))
            found = box.requests[-1].fields
            self.assertEqual(found.get(b"origin"), origin and [origin], more)
            self.assertEqual(found.get(b"referer"), origin and [origin + b"/login"], more)
        await self.ask_own(upstream, box.url, RequestHead(b"GET", b"/", []), b"")
        self.assertNotIn(b"origin", box.requests[-1].fields)

    async def test_without_a_body(self) -> None:
        """A POST without a body says so."""
        box = await self.upstream()
        await self.ask_own(self.made(box), box.url, body=b"")
        self.assertEqual(box.requests[0].one(b"content-length"), b"0")

    async def test_base_path(self) -> None:
        """The server's own path comes first, unless it is written already."""
        box = await self.upstream()
        upstream = self.made(box, base="/app")
        for target, wanted in (
            (b"/x", b"/app/x"),
            (b"/app/x", b"/app/x"),
            (b"/apps", b"/app/apps"),
        ):
            found = await self.ask_own(upstream, box.url, RequestHead(b"GET", target, []), b"")
            self.assertEqual((found.target, box.requests[-1].target), (wanted, wanted))

    async def test_no_redirect(self) -> None:
        """A redirect is a response like others."""
        box = await self.upstream(response(307, [(b"Location", b"/other")]))
        found = await self.ask_own(self.made(box), box.url)
        self.assertEqual((found.head.status, len(box.requests)), (307, 1))

    async def test_no_other_server(self) -> None:
        """Nothing goes to a place that is not a server of the upstream."""
        box, other = await self.upstream(), await self.upstream()
        await self.assertFailure(self.ask_own(self.made(box), other.url), ConnectFailed)
        self.assertEqual(other.connections, [])
        bare: Any = OwnRequests(reactor).ask(box.url, HEAD, b"")
        await self.assertFailure(Deferred.fromCoroutine(bare), ConnectFailed)

    async def test_long_body(self) -> None:
        """No more than a bound is kept of a body."""
        box = await self.upstream(response(body=b"x" * (MAX_BODY_BYTES + 100_000)))
        found = await self.ask_own(self.made(box), box.url)
        self.assertEqual(len(found.body), MAX_BODY_BYTES)

    async def test_broken_off(self) -> None:
        """A body that is cut short is no response."""
        box = await self.upstream()
        box.answer = lambda m: (
            m.connection.send(response(body=b"x", length=9)) or m.connection.finish()
        )
        await self.assertFailure(self.ask_own(self.made(box), box.url), UpstreamError)

    async def test_too_slow(self) -> None:
        """A response that takes too long is given up."""
        box = await self.upstream(None)
        clock: Any = Advancing()
        upstream = self.made(box)
        own = OwnRequests(clock)
        own.use(upstream.config, upstream.client, upstream.balancer)
        asking = Deferred.fromCoroutine(own.ask(box.url, HEAD, b""))
        await box.arrived()
        ((delay_s, call),) = clock.calls
        self.assertEqual(delay_s, TIMEOUT_S)
        call.reset(0)
        await self.assertFailure(asking, UpstreamTimedOut)
        await box.connections[0].gone()

    async def test_body_without_an_end(self) -> None:
        """So is one whose body does not end."""
        box = await self.upstream(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx")
        clock: Any = Advancing()
        upstream = self.made(box)
        client: Any = Reporting(upstream.client)
        own = OwnRequests(clock)
        own.use(upstream.config, client, upstream.balancer)
        asking = Deferred.fromCoroutine(own.ask(box.url, HEAD, b""))
        await client.responded
        clock.calls[0][1].reset(0)
        error = await self.assertFailure(asking, UpstreamTimedOut)
        self.assertEqual(str(error), f"{box.url}: it did not respond within 15 s")
        await box.connections[0].gone()
