"""What comes before a response and in the midst of it: 1xx, 100 Continue, and events."""

from __future__ import annotations

from tests.peers import Client, request, response
from tests.support import APP, BASIC, FROM_APP, FROM_FOREIGN, Gate, GateTestCase

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
EXPECT = (b"Expect", b"100-continue")


class Interim(GateTestCase):
    """Responses before the response."""

    async def test_passed(self) -> None:
        """Each reaches the client as it comes, before the final one is there."""
        upstream = await self.upstream(None)
        client = await self.connect(self.front(upstream))
        client.send(request(headers=[FROM_APP]))
        connection = (await upstream.arrived()).connection
        for interim in (
            b"HTTP/1.1 102 Processing\r\n\r\n",
            b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nLink: x\r\n\r\n",
            b"HTTP/1.1 103 Early Hints\r\nLink: y\r\n\r\n",
        ):
            connection.send(interim)
            await client.when(lambda interim=interim: client.data == interim)  # type: ignore[misc]  # a default
            client.data = b""
        connection.send(response(body=b"fine"))
        answer = await client.response()
        self.assertEqual((answer.status, answer.body), (200, b"fine"))
        self.assertEqual(answer.one(b"Access-Control-Allow-Origin"), APP)
        self.assertNotIn(b"link", answer.fields)

    async def test_in_one_piece(self) -> None:
        """The same where all of it comes at once."""
        early = b"HTTP/1.1 103 E\r\nLink: x\r\n\r\n"
        client = await self.connect(self.front(await self.upstream(early + response(body=b"fine"))))
        client.send(request())
        await client.when(lambda: client.data.endswith(b"fine"))
        self.assertTrue(client.data.startswith(early + b"HTTP/1.1 200 "))

    async def test_links(self) -> None:
        """The links of early hints lead to the gate, as those of a response do (RFC 8297)."""
        early = b"HTTP/1.1 103 Early Hints\r\nLink: %b; rel=preload\r\n\r\n"
        upstream = await self.upstream(early % b"</a.css>" + response())
        client = await self.connect(self.front(upstream, route="strip_prefix = true"))
        client.send(request())
        await client.when(lambda: b"200 Fine" in client.data)
        self.assertTrue(client.data.startswith(early % b"</v1/a.css>"))

    async def test_fields(self) -> None:
        """What a final response may not say to this client, an interim one may not either."""
        bad = (
            b"Content-Length: 5\r\nConnection: X-Mine\r\nX-Mine: 1\r\nWWW-Authenticate: Basic\r\n"
            b"Access-Control-Allow-Origin: *\r\n"
        )
        upstream = await self.upstream(
            b"HTTP/1.1 103 E\r\n" + bad + b"Link: x\r\n\r\n" + response()
        )
        client = await self.connect(self.front(upstream, upstream=BASIC))
        client.send(request(headers=[FROM_APP]))
        await client.when(lambda: b"200 Fine" in client.data)
        self.assertTrue(client.data.startswith(b"HTTP/1.1 103 E\r\nLink: x\r\n\r\nHTTP/1.1 200 "))

    async def test_old_client(self) -> None:
        """An HTTP/1.0 client, which knows no such thing, gets none."""
        early = CONTINUE + b"HTTP/1.1 103 E\r\n\r\n"
        client = await self.connect(self.front(await self.upstream(early + response())))
        client.send(b"GET /v1/x HTTP/1.0\r\nHost: localhost\r\n\r\n")
        self.assertEqual((await client.response()).status, 200)

    async def test_continue_unasked(self) -> None:
        """A 100 that the client doesn't wait for isn't passed on."""
        upstream = await self.upstream(CONTINUE * 2 + response())
        gate = self.front(upstream)
        for method, body in ((b"GET", None), (b"PUT", b"abc")):
            self.assertEqual((await self.ask(gate, method, body=body)).status, 200)


class Continue(GateTestCase):
    """A client that sends its body only when it is asked for."""

    async def begin(self, gate: Gate, *headers: tuple[bytes, bytes]) -> Client:
        """Return a client that has sent the head of an upload of three bytes."""
        client = await self.connect(gate)
        client.send(request(b"PUT", headers=[EXPECT, *headers], body=b"abc")[:-3])
        return client

    async def test_passed(self) -> None:
        """The upstream asks, and is passed on once; the gate asks for nothing itself."""
        upstream = await self.upstream(response(201))
        gate = self.front(upstream, upstream=BASIC)
        client = await self.begin(gate)
        await upstream.when(lambda: upstream.data.endswith(b"\r\n\r\n"))
        self.assertEqual(upstream.data.count(b"Expect: 100-continue\r\n"), 1)
        self.assertEqual(client.data, b"")
        upstream.connections[0].send(CONTINUE * 2)
        self.assertEqual((await client.response()).raw, CONTINUE)
        client.send(b"abc")
        self.assertEqual((await client.response()).status, 201)
        self.assertEqual(upstream.requests[0].body, b"abc")

    async def test_refused_early(self) -> None:
        """An upstream that refuses before the body is sent spares the client sending it."""
        for status in (401, 403, 413, 417):
            upstream = await self.upstream()
            client = await self.begin(self.front(upstream), FROM_APP)
            await upstream.when(lambda upstream=upstream: upstream.data.endswith(b"\r\n\r\n"))  # type: ignore[misc]  # a default
            upstream.connections[0].send(response(status, body=b"no"))
            answer = await client.response()
            self.assertEqual((answer.status, answer.body), (status, b"no"))
            self.assertEqual(answer.one(b"Access-Control-Allow-Origin"), APP)
            # Whether a body still follows can't be told: neither connection is used again.
            self.assertEqual(answer.one(b"Connection"), b"close")
            await upstream.connections[0].gone()
            self.assertEqual(upstream.requests, [])

    async def test_refused_here(self) -> None:
        """A client that is refused by the gate isn't asked, and no upstream hears of it."""
        upstream = await self.upstream()
        client = await self.begin(self.front(upstream), FROM_FOREIGN)
        self.assertEqual((await client.response()).status, 403)
        self.assertEqual(upstream.data, b"")

    async def test_impatient(self) -> None:
        """One that sends its body without being asked is served, and asked no more."""
        upstream = await self.upstream(None)
        client = await self.begin(self.front(upstream))
        client.send(b"abc")
        connection = (await upstream.arrived()).connection
        connection.send(CONTINUE + response(201))
        self.assertEqual((await client.response()).status, 201)

    async def test_answer_instead(self) -> None:
        """An upstream that asks for nothing but answers once it has the body is fine as well."""
        upstream = await self.upstream(response(201))
        client = await self.begin(self.front(upstream))
        await upstream.when(lambda: upstream.data.endswith(b"\r\n\r\n"))
        client.send(b"abc")
        self.assertEqual((await client.response()).status, 201)

    async def test_never_asked(self) -> None:
        """An upstream that neither asks nor answers is given up in time."""
        upstream = await self.upstream()
        limits = '[limits]\nfirst_byte_timeout = "10ms"'
        client = await self.begin(self.front(upstream, rest=limits))
        self.assertEqual((await client.response()).status, 504)

    async def test_other_expectations(self) -> None:
        """What else a client may expect isn't passed on."""
        upstream = await self.upstream()
        await self.ask(self.front(upstream), b"PUT", headers=[(b"Expect", b"x")], body=b"abc")
        self.assertNotIn(b"expect", upstream.requests[0].fields)


class Events(GateTestCase):
    """Server-sent events, which are of no use when they come late."""

    async def test_at_once(self) -> None:
        """Each arrives before the next is sent, whatever the framing."""
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
        for chunked in (False, True):
            upstream = await self.upstream(None)
            client = await self.connect(self.front(upstream))
            client.send(request(headers=[FROM_APP]))
            connection = (await upstream.arrived()).connection
            connection.send(
                head + (b"Transfer-Encoding: chunked\r\n" if chunked else b"") + b"\r\n"
            )
            await client.when(lambda client=client: b"\r\n\r\n" in client.data)  # type: ignore[misc]  # a default
            for number in range(5):
                event = b"data: %d\n\n" % number
                connection.send(b"%x\r\n%b\r\n" % (len(event), event) if chunked else event)
                await client.when(lambda client=client, event=event: event in client.data)  # type: ignore[misc]  # defaults
            connection.send(b"0\r\n\r\n" if chunked else b"")
            connection.finish()
            answer = await client.response()
            self.assertEqual(answer.body, b"".join(b"data: %d\n\n" % number for number in range(5)))
