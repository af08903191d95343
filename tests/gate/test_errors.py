"""Errors made at the gate: their pages, and the bounds that they guard."""

from __future__ import annotations

import json

from tests.peers import request, response
from tests.support import APP, FROM_APP, GateTestCase

BOUNDED = "[limits]\nmax_body_bytes = 10\n"
CHUNKED = (
    b"PUT /v1/x HTTP/1.1\r\nHost: localhost\r\nOrigin: " + APP + b"\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


class Pages(GateTestCase):
    """A short page in the form that the client likes, with the request's id."""

    async def test_forms(self) -> None:
        """JSON unless the client likes HTML or plain text better; the log has the same id."""
        gate = self.front(await self.upstream())
        cases = (
            (b"*/*", b"application/problem+json"),
            (b"text/html,application/xhtml+xml,*/*;q=0.8", b"text/html; charset=utf-8"),
            (b"text/plain", b"text/plain; charset=utf-8"),
        )
        for number, (accept, kind) in enumerate(cases):
            answer = await self.ask(gate, target=b"/none", headers=[(b"Accept", accept)])
            self.assertEqual((answer.status, answer.one(b"Content-Type")), (404, kind))
            self.assertIn(json.loads(gate.lines[number])["id"].encode(), answer.body)
            self.assertEqual(answer.one(b"X-Content-Type-Options"), b"nosniff")

    async def test_problem_details(self) -> None:
        """The JSON is that of RFC 9457."""
        gate = self.front(await self.upstream())
        answer = await self.ask(gate, target=b"/none")
        told = json.loads(answer.body)
        self.assertEqual((told["status"], told["title"]), (404, "Not Found"))
        self.assertEqual(told["request_id"], json.loads(gate.lines[0])["id"])

    async def test_head(self) -> None:
        """HEAD gets the head of the page, and the connection goes on."""
        gate = self.front(await self.upstream())
        client = await self.connect(gate)
        client.send(request(b"HEAD", b"/none"))
        self.assertEqual((await client.response(bodiless=True)).status, 404)
        client.send(request())
        self.assertEqual((await client.response()).status, 200)

    async def test_nothing_reflected(self) -> None:
        """Nothing that the client sent is in the page."""
        gate = self.front(await self.upstream())
        sent = [(b"Accept", b"text/html"), (b"X", b"<script>")]
        for target in (b"/<script>", b"/v1/%2e%2e/<script>"):
            answer = await self.ask(gate, target=target, headers=sent, host=b"localhost")
            self.assertNotIn(b"script", answer.body)


class Bounds(GateTestCase):
    """What is too large is refused, and the gate goes on."""

    async def test_announced_body(self) -> None:
        """A body that says it is too large: 413, and the upstream sees nothing."""
        upstream = await self.upstream()
        gate = self.front(upstream, rest=BOUNDED)
        answer = await self.ask(gate, b"PUT", headers=[FROM_APP], body=b"x" * 11)
        self.assertEqual(answer.status, 413)
        self.assertEqual(upstream.connections, [])
        answer = await self.ask(gate, b"PUT", headers=[FROM_APP], body=b"x" * 10)
        self.assertEqual(answer.status, 200)

    async def test_growing_body(self) -> None:
        """A chunked body that grows past the bound: 413; the upstream never gets it whole."""
        upstream = await self.upstream()
        gate = self.front(upstream, rest=BOUNDED)
        client = await self.connect(gate)
        client.send(CHUNKED + b"3\r\nabc\r\n")
        await upstream.when(lambda: b"abc" in upstream.data)
        client.send(b"9\r\nabcdefghi\r\n")
        answer = await client.response()
        self.assertEqual((answer.status, answer.one(b"Access-Control-Allow-Origin")), (413, APP))
        await upstream.connections[0].gone()
        self.assertEqual(upstream.requests, [])
        await self.assert_serves(gate)
        self.assertEqual(len(upstream.requests), 1)

    async def test_body_in_one_piece(self) -> None:
        """The same where head and body come in one read."""
        upstream = await self.upstream()
        gate = self.front(upstream, rest=BOUNDED)
        data = CHUNKED + b"20\r\n" + b"x" * 32 + b"\r\n0\r\n\r\n"
        self.assertEqual((await self.send(gate, data)).status, 413)
        self.assertEqual(upstream.requests, [])
        await self.assert_serves(gate)

    async def test_route_has_its_own(self) -> None:
        """A route may set a bound of its own."""
        upstream = await self.upstream()
        gate = self.front(upstream, route="limits = { max_body_bytes = 20 }", rest=BOUNDED)
        self.assertEqual((await self.ask(gate, b"PUT", body=b"x" * 20)).status, 200)
        self.assertEqual((await self.ask(gate, b"PUT", body=b"x" * 21)).status, 413)

    async def test_heads(self) -> None:
        """A long target, many fields, a large head: 414 and 431."""
        upstream = await self.upstream()
        limits = "[limits]\nmax_target_bytes = 100\nmax_headers = 9\nmax_head_bytes = 1000"
        gate = self.front(upstream, rest=limits)
        many = [(b"X-%d" % number, b"") for number in range(10)]
        self.assertEqual((await self.ask(gate, target=b"/v1/" + b"x" * 100)).status, 414)
        self.assertEqual((await self.ask(gate, headers=many)).status, 431)
        self.assertEqual((await self.ask(gate, headers=[(b"X", b"x" * 2000)])).status, 431)
        self.assertEqual(upstream.connections, [])
        await self.assert_serves(gate)

    async def test_smuggling(self) -> None:
        """What two servers could read in two ways is read by none."""
        upstream = await self.upstream()
        gate = self.front(upstream)
        start = b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\n"
        hidden = b"GET /v1/hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"
        for framing in (
            b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"Content-Length: 4\r\nContent-Length: 5\r\n\r\n",
            b"Content-Length: +4\r\n\r\n",
            b"Transfer-Encoding: identity\r\n\r\n",
            b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
            b"X: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ):
            answer = await self.send(gate, start + framing + hidden)
            self.assertEqual(answer.status, 501 if b"gzip" in framing else 400, framing)
        self.assertNotIn(b"hidden", upstream.data)
        self.assertEqual(upstream.requests, [])
        await self.assert_serves(gate)

    async def test_framing_is_ours(self) -> None:
        """A client can't take the gate's own fields away by naming them in Connection."""
        upstream = await self.upstream(response())
        gate = self.front(upstream, upstream='credentials = { type = "bearer", token = "t" }')
        named = b"Host, Authorization, X-Forwarded-For, Content-Length, close"
        answer = await self.ask(gate, b"PUT", headers=[(b"Connection", named)], body=b"abc")
        self.assertEqual(answer.status, 200)
        got = upstream.requests[0]
        self.assertEqual(got.body, b"abc")
        for name in (b"host", b"authorization", b"x-forwarded-for", b"content-length"):
            self.assertEqual(len(got.fields[name]), 1, name)
