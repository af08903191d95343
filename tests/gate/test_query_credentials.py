"""A key in the query, through the whole gate: the box gets it, and nobody else does."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import quote

from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs, formatEvent

from tests.gate.websocket import EchoServer, call, hang_up
from tests.peers import Client, Message, response
from tests.support import APP, FROM_APP, LISTEN, PASSWORD, POLICY, GateTestCase

QUERY = 'credentials = { type = "query", name = "api_key", value = { env = "PASSWORD" } }'
KEY = f"api_key={PASSWORD}".encode()


def _ends_with(data: bytes, message: Message) -> None:
    """Send a response, and close the connection."""
    message.connection.send(data)
    message.connection.finish()


def _has(client: Client, data: bytes) -> bool:
    """Return whether a client has got some data."""
    return data in client.data


class QueryTests(GateTestCase):
    """``type = "query"``."""

    async def test_sent(self) -> None:
        """The box gets the key behind the client's query, and only once."""
        upstream = await self.upstream()
        gate = self.front(upstream, upstream=QUERY)
        for target, expected in (
            (b"/v1/x", b"/v1/x?" + KEY),
            (b"/v1/x?", b"/v1/x?" + KEY),
            (b"/v1/x?a=%2F&b", b"/v1/x?a=%2F&b&" + KEY),
            (b"/v1/x?api_key=mine&API%5fkey=mine;api.key", b"/v1/x?" + KEY),
        ):
            for method, body in ((b"GET", None), (b"POST", b"abc")):
                answer = await self.ask(gate, method, target, [FROM_APP], body)
                self.assertEqual(answer.status, 200)
                got = upstream.requests[-1]
                self.assertEqual(
                    (got.method, got.target, got.body), (method, expected, body or b"")
                )

    async def test_nobody_else(self) -> None:
        """The key is in no line of the log, and in no field of a response or of a later request."""
        upstream = await self.upstream()
        moved = [
            (b"Location", b"/v1/y/?a=1&" + KEY),
            (b"Content-Location", b"/v1/y?" + KEY),
            (b"Link", b"</v1/y?p=2&" + KEY + b'>; rel="next"'),
            (b"Refresh", b"0; url=/v1/y?" + KEY),
            (b"X-Next", b"/login?next=" + quote(b"/v1/y?" + KEY, safe="").encode()),
        ]
        upstream.answer = lambda _: response(302, moved)
        gate = self.front(upstream, upstream=QUERY)
        answer = await self.ask(gate, target=b"/v1/y?a=1", headers=[FROM_APP])
        self.assertEqual(answer.one(b"location"), b"/v1/y/?a=1")
        self.assertEqual(answer.one(b"content-location"), b"/v1/y")
        self.assertEqual(answer.one(b"link"), b'</v1/y?p=2>; rel="next"')
        self.assertEqual(answer.one(b"refresh"), b"0; url=/v1/y")
        self.assertEqual(answer.one(b"x-next"), b"/login?next=%2Fv1%2Fy")
        self.assertNotIn(PASSWORD.encode(), answer.raw)
        self.assertNotIn(PASSWORD, await gate.logged())
        referer = (b"Referer", APP + b"/page")
        await self.ask(gate, target=b"/v1/z", headers=[FROM_APP, referer])
        self.assertEqual(upstream.requests[-1].raw.count(PASSWORD.encode()), 1)

    async def test_own_errors(self) -> None:
        """What the gate says and logs of a box that fails has no key, whatever the box repeats."""
        upstream = await self.upstream()
        gate = self.front(upstream, upstream=QUERY)
        told: list[str] = []
        with capturedLogs() as captured:
            for rubbish in (
                b"HTTP/1.1 rubbish " + KEY + b"\r\n\r\n",
                b"GET /v1?" + KEY + b" HTTP/1.1\r\n\r\n",
                b"HTTP/1.1 200 " + KEY + b"\r\n/v1?" + KEY + b"\r\n\r\n",
                b"HTTP/1.1 200 OK\r\nContent-Length: " + KEY + b"\r\n\r\n",
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + KEY + b"\r\n",
                b"HTTP/1.1 302 OK\r\nLocation: http://[/v1?" + KEY + b"\r\n\r\n",
                response(401, [(b"WWW-Authenticate", b'Basic realm="/v1?' + KEY + b'"')]),
            ):
                upstream.answer = partial(_ends_with, rubbish)
                client = await self.connect(gate)
                client.send(b"GET /v1/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                await client.gone()
                told.append(client.data.decode())
            await upstream.refuse()
            told.append((await self.ask(gate, headers=[FROM_APP])).raw.decode())
        told += [formatEvent(event) for event in captured]
        self.assertGreater(len(captured), 3)
        for text in (*told, *gate.lines):
            self.assertNotIn(PASSWORD, text)

    async def test_early_hints(self) -> None:
        """An interim response that repeats the key doesn't show it either."""
        upstream = await self.upstream()
        hint = b"HTTP/1.1 103 Early Hints\r\nLink: </v1/s.css?" + KEY + b">; rel=preload\r\n\r\n"
        upstream.answer = lambda _: hint + response(body=b"ok")
        gate = self.front(upstream, upstream=QUERY)
        client = await self.connect(gate)
        client.send(b"GET /v1/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await client.when(lambda: client.data.endswith(b"ok"))
        self.assertNotIn(PASSWORD.encode(), client.data)

    async def test_trailers(self) -> None:
        """Nor do trailers, behind a body that has come whole or one that is relayed."""
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        ending = b"0\r\nX-Next: /v1/z?p=2&" + KEY + b"\r\nX-Sum: 1\r\n\r\n"
        ask = b"GET /v1/x HTTP/1.1\r\nHost: localhost\r\nTE: trailers\r\nConnection: TE\r\n\r\n"
        for body in (b"ok", b"x" * 0xFFFF):
            upstream = await self.upstream(head + b"%x\r\n%b\r\n" % (len(body), body) + ending)
            client = await self.connect(self.front(upstream, upstream=QUERY))
            client.send(ask)
            await client.when(partial(_has, client, b"X-Sum: 1"))
            self.assertIn(b"X-Next: /v1/z?p=2\r\n", client.data)
            self.assertNotIn(PASSWORD.encode(), client.data)

    async def test_stripped_prefix(self) -> None:
        """The key follows what the box gets for a target."""
        upstream = await self.upstream()
        gate = self.front(upstream, upstream=QUERY, route="strip_prefix = true", base="/base")
        await self.ask(gate, target=b"/v1/x?a", headers=[FROM_APP])
        self.assertEqual(upstream.requests[-1].target, b"/base/x?a&" + KEY)

    async def test_by_url(self) -> None:
        """Each box gets its own key, in the URL that is asked for, and no other box does."""
        keyed, other = await self.upstream(), await self.upstream()
        gate = self.serve(
            f'[upstreams.a]\nservers = ["{keyed.url}"]\n{QUERY}\n'
            f'[upstreams.b]\nservers = ["{other.url}"]\n{POLICY}\n'
            '[routes."/proxy"]\nby_url = ["a", "b"]\ncors = "app"\n'
        )
        for server in (keyed, other):
            target = f"/proxy?url={quote(server.url + '/map?x=1', safe='')}".encode()
            answer = await self.ask(gate, target=target, headers=[FROM_APP])
            self.assertEqual(answer.status, 200)
        self.assertEqual(keyed.requests[-1].target, b"/map?x=1&" + KEY)
        self.assertEqual(other.requests[-1].target, b"/map?x=1")

    async def test_probes(self) -> None:
        """A probe has the key too."""
        upstream = await self.upstream()
        health = 'health = { path = "/well?deep", interval = "10ms", timeout = "1s" }'
        self.front(upstream, upstream=f"{QUERY}\n{health}")
        probe = await upstream.arrived()
        self.assertEqual(probe.target, b"/well?deep&" + KEY)

    async def test_websocket(self) -> None:
        """A handshake has the key, and the client sees nothing of it."""
        server: Any = await EchoServer().start()
        self.addCleanup(lambda: Deferred.fromCoroutine(server.stop()))
        gate = self.serve(
            f'{LISTEN}[upstreams.a]\nservers = ["{server.url}"]\n{QUERY}\n{POLICY}\n'
            '[routes."/v1"]\nupstream = "a"\ncors = "app"\n'
        )
        caller = await call(gate.port, APP, "/v1/chat?room=1&api_key=mine")
        self.addCleanup(hang_up, caller)
        await caller.when(lambda: caller.handshake or caller.lost)
        caller.say("hello")
        await caller.when(lambda: caller.messages)
        self.assertEqual(caller.messages, [b"hello"])
        (speaker,) = server.speakers
        self.assertEqual(speaker.handshake.path, f"/v1/chat?room=1&{KEY.decode()}")
        self.assertNotIn(PASSWORD, str(caller.handshake))


class SeveralTests(GateTestCase):
    """``credentials = [...]`` and ``headers``."""

    async def test_headers(self) -> None:
        """Each header is sent, once; the client's own of these names don't pass."""
        upstream = await self.upstream()
        headers = '{ "X-Api-Key" = { env = "PASSWORD" }, "X-Tenant" = "7" }'
        credentials = f'credentials = {{ type = "header", headers = {headers} }}'
        gate = self.front(upstream, upstream=credentials)
        own = [(b"X-Tenant", b"8"), (b"x_api_key", b"mine"), (b"Authorization", b"Basic eDp5")]
        await self.ask(gate, headers=[FROM_APP, *own])
        fields = upstream.requests[-1].fields
        self.assertEqual(fields[b"x-api-key"], [PASSWORD.encode()])
        self.assertEqual(fields[b"x-tenant"], [b"7"])
        self.assertFalse({b"authorization", b"x_api_key"} & fields.keys())

    async def test_with_digest(self) -> None:
        """A key, a parameter and a challenge in one request."""
        upstream = await self.upstream()
        challenge = (b"WWW-Authenticate", b'Digest realm="r", nonce="n", qop="auth"')
        upstream.answer = lambda got: (
            response(body=b"in") if b"authorization" in got.fields else response(401, [challenge])
        )
        gate = self.serve(
            f'{LISTEN}[upstreams.a]\nservers = ["{upstream.url}"]\n'
            'credentials = ["dev", "key", "q"]\n'
            '[credentials.key]\ntype = "header"\nname = "X-Key"\nvalue = { env = "PASSWORD" }\n'
            '[credentials.q]\ntype = "query"\nname = "k"\nvalue = { env = "PASSWORD" }\n'
            '[credentials.dev]\ntype = "digest"\nusername = "a"\npassword = { env = "PASSWORD" }\n'
            f'{POLICY}[routes."/v1"]\nupstream = "a"\ncors = "app"\n'
        )
        answer = await self.ask(gate, b"POST", b"/v1/x", [FROM_APP], b"abc")
        self.assertEqual((answer.status, answer.body), (200, b"in"))
        for got in upstream.requests:
            self.assertEqual(got.target, b"/v1/x?k=" + PASSWORD.encode())
            self.assertEqual(got.fields[b"x-key"], [PASSWORD.encode()])
        self.assertIn(b'uri="/v1/x?k=' + PASSWORD.encode(), got.one(b"authorization"))
