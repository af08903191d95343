"""treq, with each thing undone that it does for a browser's user."""

from __future__ import annotations

import gzip
from typing import Any

from treq.client import HTTPClient
from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer
from zope.interface.verify import verifyObject

from corsgate.config.model.values import Limits
from corsgate.message.head import RequestHead, ResponseHead
from corsgate.message.headers import HeaderList
from corsgate.upstream.body import KeptBody
from corsgate.upstream.response import UpstreamResponse
from corsgate.upstream.sending import CarriedHead
from corsgate.upstream.treq_client import MAX_URLS, ProxyClient
from tests.peers import response
from tests.support import GateTestCase

ORIGIN = "http://127.0.0.1:8000"


class Connection:
    """Takes what a response asks of its connection."""

    def pause_response(self, response: UpstreamResponse) -> None:
        """Read no more."""

    def resume_response(self, response: UpstreamResponse) -> None:
        """Read on."""

    def give_up_response(self, response: UpstreamResponse) -> None:
        """Cut it."""


@implementer(IAgent)
class FakeAgent:
    """Keeps what it is asked, and answers with fields of the test's choice."""

    def __init__(self, status: int = 200, headers: HeaderList | None = None) -> None:
        self.asked: list[tuple[bytes, CarriedHead, IBodyProducer | None]] = []
        head = ResponseHead(status=status, reason=b"", headers=headers or [])
        self.response = UpstreamResponse(Connection(), head, 0)

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        """Take a request."""
        assert isinstance(headers, CarriedHead)
        self.asked.append((uri, headers, bodyProducer))
        answer: Deferred[IResponse] = succeed(self.response)
        return answer


def head(target: bytes = b"/x", *headers: tuple[bytes, bytes]) -> RequestHead:
    """Return a request's head."""
    return RequestHead(method=b"PUT", target=target, headers=[(b"Host", b"h"), *headers])


class PassedOn(SynchronousTestCase):
    """What goes into treq comes out of it."""

    def send(
        self, agent: FakeAgent, sent: RequestHead, body: KeptBody | None = None
    ) -> UpstreamResponse:
        """Send a head by a client of this agent."""
        client = ProxyClient(agent)
        return self.successResultOf(client.send(ORIGIN, sent, body, Limits()))

    def test_interfaces(self) -> None:
        """The fake is an agent, and a kept body is what agents send."""
        verifyObject(IAgent, FakeAgent())
        verifyObject(IBodyProducer, KeptBody(b""))

    def test_head_and_body(self) -> None:
        """The head, the body and the response are the very objects."""
        agent, sent, body = FakeAgent(), head(), KeptBody(b"abc")
        self.assertIs(self.send(agent, sent, body), agent.response)
        ((uri, headers, produced),) = agent.asked
        self.assertEqual(uri, ORIGIN.encode())
        self.assertIs(headers.head, sent)
        self.assertIs(produced, body)

    def test_servers_that_come_and_go(self) -> None:
        """What is kept of servers has a bound."""
        client = ProxyClient(FakeAgent())
        for number in range(MAX_URLS + 9):
            origin = f"http://127.0.0.1:{number}"
            self.successResultOf(client.send(origin, head(), None, Limits()))
        self.assertLessEqual(len(client.urls), MAX_URLS)

    def test_no_body(self) -> None:
        """No body stays none."""
        agent = FakeAgent()
        self.send(agent, head())
        self.assertIsNone(agent.asked[0][2])

    def test_nothing_added(self) -> None:
        """Accept-Encoding and Cookie are nowhere in what the agent is given."""
        agent = FakeAgent(headers=[(b"Set-Cookie", b"sid=1")])
        client = ProxyClient(agent)
        for _ in range(2):
            self.successResultOf(client.send(ORIGIN, head(), None, Limits()))
        for _, headers, _ in agent.asked:
            self.assertEqual(list(headers.getAllRawHeaders()), [])
            self.assertEqual(headers.head.headers, [(b"Host", b"h")])

    def test_redirect(self) -> None:
        """A redirect is an answer like any other."""
        for status in (301, 302, 303, 307, 308):
            agent = FakeAgent(status, [(b"Location", b"http://elsewhere.example/")])
            self.assertEqual(self.send(agent, head()).code, status)
            self.assertEqual(len(agent.asked), 1)

    def test_odd_cookie(self) -> None:
        """A Set-Cookie beyond ASCII fails nothing."""
        agent = FakeAgent(headers=[(b"Set-Cookie", b"sid=\xe9; Expires=\xff")])
        self.assertEqual(self.send(agent, head()).code, 200)


@implementer(IAgent)
class PlainAgent:
    """Keeps what treq asks for of its own accord."""

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, bytes, Headers | None]] = []

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        """Take a request."""
        self.asked.append((method, uri, headers))
        waiting: Deferred[IResponse] = Deferred()
        return waiting


class TreqTests(SynchronousTestCase):
    """A request without a prepared head is treq's own."""

    def test_is_treq(self) -> None:
        """The client is treq's, and a usual request goes its usual way, without cookies."""
        agent = PlainAgent()
        client = ProxyClient(agent)
        self.assertIsInstance(client, HTTPClient)
        reactor: Any = object()
        headers = Headers({b"X": [b"1"]})
        client.get(f"{ORIGIN}/a?b=c", headers=headers, params={"d": "e"}, reactor=reactor)
        ((method, uri, sent),) = agent.asked
        self.assertEqual((method, uri), (b"GET", f"{ORIGIN}/a?b=c&d=e".encode()))
        assert sent is not None
        self.assertEqual(sent.getRawHeaders(b"x"), [b"1"])
        self.assertEqual(sent.getRawHeaders(b"accept-encoding"), [b"gzip"])
        self.assertFalse(sent.hasHeader(b"cookie"))


class OnTheWire(GateTestCase):
    """The same through the whole gate."""

    async def test_cookies(self) -> None:
        """There is no jar: not even for one client on one connection."""
        upstream = await self.upstream(response(200, [(b"Set-Cookie", b"sid=1; Path=/")]))
        gate = self.front(upstream)
        for _ in range(3):
            await self.ask(gate)
        self.assertNotIn(b"cookie", upstream.data.lower())

    async def test_gzip(self) -> None:
        """A gzip body stays one, and a body that only says so passes too."""
        for body in (gzip.compress(b"x" * 10_000), b"not gzip at all"):
            coded = response(200, [(b"Content-Encoding", b"gzip")], body)
            answer = await self.ask(self.front(await self.upstream(coded)))
            self.assertEqual(answer.body, body)
            self.assertEqual(answer.one(b"Content-Encoding"), b"gzip")
            self.assertEqual(answer.one(b"Content-Length"), b"%d" % len(body))

    async def test_accept_encoding(self) -> None:
        """Accept-Encoding is the client's, or isn't there."""
        upstream = await self.upstream()
        gate = self.front(upstream)
        await self.ask(gate)
        await self.ask(gate, headers=[(b"Accept-Encoding", b"br;q=1, zstd")])
        found = [each.fields.get(b"accept-encoding") for each in upstream.requests]
        self.assertEqual(found, [None, [b"br;q=1, zstd"]])

    async def test_no_user_agent(self) -> None:
        """Nothing else is made up: User-Agent, Accept, Connection."""
        upstream = await self.upstream()
        await self.ask(self.front(upstream))
        names = {name.lower() for name in upstream.requests[0].fields}
        self.assertEqual(
            names,
            {
                b"host",
                b"forwarded",
                b"x-forwarded-for",
                b"x-forwarded-proto",
                b"x-forwarded-host",
                b"via",
                b"x-request-id",
            },
        )

    async def test_redirects(self) -> None:
        """A redirect reaches the client, also one to the upstream itself."""
        upstream = await self.upstream(response(307, [(b"Location", b"/v1/next")]))
        answer = await self.ask(self.front(upstream), b"POST", body=b"x")
        self.assertEqual((answer.status, answer.one(b"Location")), (307, b"/v1/next"))
        self.assertEqual(len(upstream.requests), 1)

    async def test_odd_methods(self) -> None:
        """A method is passed on as it is, known to treq or not."""
        upstream = await self.upstream(response(207))
        gate = self.front(upstream)
        for method in (b"PROPFIND", b"PATCH", b"QUERY", b"PURGE"):
            self.assertEqual((await self.ask(gate, method, body=b"x")).status, 207)
            self.assertEqual(upstream.requests[-1].method, method)

    async def test_not_buffered(self) -> None:
        """The first piece reaches the client before the last has left the upstream."""
        upstream = await self.upstream(None)
        client = await self.connect(gate := self.front(upstream))
        client.send(b"GET /v1/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
        connection = (await upstream.arrived()).connection
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        await client.when(lambda: b"\r\n\r\n" in client.data)
        connection.send(b"3\r\nabc\r\n")
        await client.when(lambda: b"abc" in client.data)
        connection.send(b"0\r\n\r\n")
        self.assertEqual((await client.response()).body, b"abc")
        self.assertEqual(len(gate.lines), 1)

    async def test_upload_not_buffered(self) -> None:
        """The same for an upload."""
        upstream = await self.upstream()
        client = await self.connect(self.front(upstream))
        client.send(b"PUT /v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\n")
        await upstream.when(lambda: b"\r\n\r\n" in upstream.data)
        for piece in (b"abc", b"def"):
            client.send(piece)
            await upstream.when(lambda piece=piece: piece in upstream.data)  # type: ignore[misc]
        self.assertEqual((await client.response()).status, 200)
        self.assertEqual(upstream.requests[0].body, b"abcdef")
