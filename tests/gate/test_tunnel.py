"""WebSockets, and any other protocol that a client and an upstream agree to switch to."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred, gatherResults

from corsgate.transport.websocket import CLOSED
from tests.gate.test_tls import TlsTestCase
from tests.gate.websocket import Caller, EchoServer, call, hang_up
from tests.peers import ABORTED, Client, Message, Upstream, request, response
from tests.support import APP, DIGEST, FOREIGN, FROM_APP, FROM_FOREIGN, Gate, GateTestCase

MEGABYTE = bytes(range(256)) * 4096
OFFER = [(b"Connection", b"Upgrade"), (b"Upgrade", b"websocket")]
SWITCH = b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


class WebSockets(GateTestCase):
    """A client and a server that know nothing of the gate between them."""

    async def begin(self, **more: Any) -> Gate:
        """Return a gate before a new server of WebSockets."""
        self.server = await EchoServer().start()
        self.addCleanup(lambda: Deferred.fromCoroutine(self.server.stop()))
        server: Any = self.server
        return self.front(server, **more)

    async def call(self, gate: Gate, origin: bytes | None = APP, target: str = "/v1/x") -> Caller:
        """Return a client whose handshake was answered."""
        caller = await call(gate.port, origin, target)
        self.addCleanup(hang_up, caller)
        await caller.when(lambda: caller.handshake or caller.lost)
        return caller

    async def test_echo(self) -> None:
        """Messages pass both ways, and its end is in the access log."""
        gate = await self.begin()
        caller = await self.call(gate)
        messages: tuple[bytes | str, ...] = (b"bytes", "text", b"")
        for number, message in enumerate(messages, 1):
            caller.say(message)
            await caller.when(lambda number=number: len(caller.messages) == number)  # type: ignore[misc]  # a default
        self.assertEqual(caller.messages, [b"bytes", b"text", b""])
        (speaker,) = self.server.speakers
        speaker.say(b"unasked")
        await caller.when(lambda: caller.messages[-1] == b"unasked")
        caller.close()
        await gatherResults([each.when(lambda each=each: each.lost) for each in (caller, speaker)])  # type: ignore[misc]  # a default
        self.assertEqual((caller.speaks.close_code, speaker.speaks.close_code), (1000, 1000))
        event = json.loads(await gate.logged())
        self.assertEqual((event["status"], event["outcome"]), (101, "tunnel closed"))
        self.assertEqual(len(gate.lines), 1)

    async def test_handshake(self) -> None:
        """Each side sees the other's handshake, and the server who asks, as from its own page."""
        gate = await self.begin()
        caller = await self.call(gate, target="/v1/chat?room=1%2F2")
        told: Any = self.server.speakers[0].handshake
        self.assertEqual(told.path, "/v1/chat?room=1%2F2")
        fields = self.server.speakers[0].fields
        self.assertEqual(fields["Origin"], self.server.url)
        self.assertEqual(fields["X-Forwarded-For"], "127.0.0.1")
        self.assertEqual(fields["Host"], self.server.url.removeprefix("http://"))
        self.assertEqual(caller.fields["Sec-WebSocket-Protocol"], "chat")
        self.assertEqual(caller.fields["Connection"], "Upgrade")
        self.assertNotIn("Content-Length", caller.fields)

    async def test_large(self) -> None:
        """Messages of a megabyte pass whole, several at once."""
        caller = await self.call(await self.begin())
        for _ in range(4):
            caller.say(MEGABYTE)
        await caller.when(lambda: len(caller.messages) == 4)
        self.assertTrue(all(message == MEGABYTE for message in caller.messages))

    async def test_no_origin(self) -> None:
        """A client that is no browser may speak too."""
        caller = await self.call(await self.begin(), None)
        caller.say(b"x")
        await caller.when(lambda: caller.messages)

    async def test_foreign(self) -> None:
        """A page of an origin that isn't allowed gets 403, and the server sees nothing of it."""
        gate = await self.begin()
        caller = await self.call(gate, FOREIGN)
        self.assertEqual(getattr(caller.handshake, "status_code", None), 403)
        self.assertEqual(self.server.speakers, [])

    async def test_client_dies(self) -> None:
        """When one side is cut, the other is let go."""
        gate = await self.begin()
        for side in (0, 1):
            caller = await self.call(gate)
            sides = [caller, self.server.speakers[-1]]
            await hang_up(sides[side])
            await sides[1 - side].when(lambda side=side, sides=sides: sides[1 - side].lost)  # type: ignore[misc]  # defaults
            await gate.logged(side + 1)
        self.assertEqual(self.flushLoggedErrors(), [])

    async def test_stop(self) -> None:
        """A gate that is told to end tells both sides 1001, and is done when they have closed."""
        gate = await self.begin(rest='[limits]\ntunnel_grace = "0s"')
        caller = await self.call(gate)
        (speaker,) = self.server.speakers
        await gate.stop()
        await gatherResults([each.when(lambda each=each: each.lost) for each in (caller, speaker)])  # type: ignore[misc]  # a default
        self.assertEqual((caller.speaks.close_code, speaker.speaks.close_code), (1001, 1001))
        self.assertEqual(json.loads(gate.lines[0])["outcome"], CLOSED)

    async def test_stop_in_time(self) -> None:
        """Until then it goes on; when it closes, the gate ends."""
        gate = await self.begin()
        caller = await self.call(gate)
        stopped = gate.stop()
        caller.say(b"still here")
        await caller.when(lambda: caller.messages)
        self.assertFalse(stopped.called)
        caller.close()
        await stopped

    async def test_idle(self) -> None:
        """A tunnel on which nothing moves is cut."""
        gate = await self.begin(rest='[limits]\ntunnel_idle_timeout = "1ms"')
        caller = await self.call(gate)
        await caller.when(lambda: caller.lost)
        (speaker,) = self.server.speakers
        await speaker.when(lambda: speaker.lost)


class Switching(GateTestCase):
    """The moment at which HTTP ends, or doesn't."""

    async def switched(self, gate: Gate, *, first: bytes = b"") -> Client:
        """Return a client that has been switched; `first` went with its handshake."""
        client = await self.connect(gate)
        client.send(request(headers=[*OFFER, FROM_APP]) + first)
        await client.when(lambda: b"\r\n\r\n" in client.data)
        self.assertTrue(client.data.startswith(b"HTTP/1.1 101 "), client.data)
        return client

    async def test_first_bytes(self) -> None:
        """What comes with either side's head, HTTP or not, is the first of the other protocol."""
        first = b"\x00" + request(target=b"/v1/smuggled")
        upstream = await self.upstream(SWITCH + b"welcome")
        client = await self.switched(self.front(upstream), first=first)
        await client.when(lambda: client.data.endswith(b"\r\n\r\nwelcome"))
        await upstream.when(lambda: upstream.data.endswith(first))
        client.send(b"more")
        await upstream.when(lambda: upstream.data.endswith(first + b"more"))

    async def test_without_a_body(self) -> None:
        """An offer that says it has no body is one, as Java's client makes it; no other is."""
        for length in (b"0", b"00"):
            upstream = await self.upstream(SWITCH)
            client = await self.connect(self.front(upstream))
            offer = request(headers=[*OFFER, (b"Content-Length", length), FROM_APP])
            client.send(offer + b"first")
            await client.when(lambda client=client: client.data.endswith(b"\r\n\r\n"))  # type: ignore[misc]  # a default
            self.assertTrue(client.data.startswith(b"HTTP/1.1 101 "), client.data)
            await upstream.when(lambda upstream=upstream: upstream.data.endswith(b"\r\n\r\nfirst"))  # type: ignore[misc]  # a default
            self.assertEqual(upstream.requests[0].one(b"Upgrade"), b"websocket")
            self.assertNotIn(b"content-length", upstream.requests[0].fields)
        for framing, body in (
            ((b"Content-Length", b"2"), b"hi"),
            ((b"Transfer-Encoding", b"chunked"), b"2\r\nhi\r\n0\r\n\r\n"),
            ((b"Transfer-Encoding", b"chunked"), b"0\r\n\r\n"),
        ):
            upstream = await self.upstream()
            client = await self.connect(self.front(upstream))
            client.send(request(headers=[*OFFER, framing, FROM_APP]) + body + request())
            for _ in range(2):
                self.assertEqual((await client.response()).status, 200)
            self.assertNotIn(b"upgrade", upstream.requests[0].fields)
            self.assertEqual(upstream.requests[0].body, b"hi" if b"hi" in body else b"")

    async def test_declined_without_a_body(self) -> None:
        """Where it is not taken up, what follows is HTTP as before."""
        upstream = await self.upstream()
        client = await self.connect(self.front(upstream))
        client.send(request(headers=[*OFFER, (b"Content-Length", b"0")]) + request(target=b"/v1/2"))
        for _ in range(2):
            self.assertEqual((await client.response()).status, 200)
        self.assertEqual([got.target for got in upstream.requests], [b"/v1/x", b"/v1/2"])

    async def test_last_bytes(self) -> None:
        """What one side sends before it closes reaches the other, however much it is."""
        upstream = await self.upstream(None)
        gate = self.front(upstream)
        client = await self.connect(gate)
        client.send(request(headers=OFFER))
        connection = (await upstream.arrived()).connection
        connection.send(SWITCH + MEGABYTE)
        connection.finish()
        self.assertEqual(await client.gone(), "closed")
        self.assertTrue(client.data.endswith(b"\r\n\r\n" + MEGABYTE))

    async def test_last_bytes_of_the_client(self) -> None:
        """The same the other way."""
        upstream = await self.upstream(SWITCH)
        client = await self.switched(self.front(upstream))
        client.send(MEGABYTE + b"end")
        client.finish()
        self.assertEqual(await upstream.connections[0].gone(), "closed")
        self.assertTrue(upstream.data.endswith(MEGABYTE + b"end"))

    async def test_credentials(self) -> None:
        """The handshake is signed; a challenge is met before anything is switched."""
        upstream = await self.upstream()

        def answer(got: Message) -> bytes:
            if b"authorization" in got.fields:
                return SWITCH
            return response(401, [(b"WWW-Authenticate", b'Digest realm="r", nonce="n"')])

        upstream.answer = answer
        client = await self.switched(self.front(upstream, upstream=DIGEST))
        self.assertEqual([got.one(b"Upgrade") for got in upstream.requests], [b"websocket"] * 2)
        self.assertIn(b'username="admin"', upstream.requests[1].one(b"Authorization"))
        self.assertNotIn(b"uthori", client.data)
        client.send(b"hello")
        await upstream.when(lambda: upstream.data.endswith(b"hello"))

    async def test_refused(self) -> None:
        """An upstream that won't switch answers, and what follows is HTTP as before."""
        for status in (200, 403, 426):
            upstream = await self.upstream(response(status, body=b"no"), response(body=b"fine"))
            client = await self.connect(self.front(upstream))
            client.send(request(headers=[*OFFER, FROM_APP]) + request(target=b"/v1/2")[:20])
            answer = await client.response()
            self.assertEqual((answer.status, answer.body), (status, b"no"))
            self.assertEqual(answer.one(b"Access-Control-Allow-Origin"), APP)
            client.send(request(target=b"/v1/2")[20:])
            self.assertEqual((await client.response()).body, b"fine")
            self.assertEqual(upstream.requests[1].target, b"/v1/2")

    async def test_required(self) -> None:
        """A 426 says what it requires (RFC 9110 15.5.22), and the connection goes on."""
        fields = [(b"Upgrade", b"websocket"), (b"Connection", b"Upgrade")]
        upstream = await self.upstream(response(426, fields, b"no"), response(426, fields, b"no"))
        client = await self.connect(self.front(upstream))
        for more in ([], [(b"Connection", b"close")]):
            client.send(request(headers=[*more, FROM_APP]))
            answer = await client.response()
            self.assertEqual((answer.status, answer.one(b"Upgrade")), (426, b"websocket"))
            options = [b"Upgrade", b"close"] if more else [b"Upgrade"]
            self.assertEqual(answer.fields[b"connection"], options)
        self.assertEqual(await client.gone(), "closed")

    async def test_refused_here(self) -> None:
        """The same where the gate itself answers; nothing behind a 403 passes for trusted."""
        upstream = await self.upstream()
        client = await self.connect(self.front(upstream))
        client.send(request(headers=[*OFFER, FROM_FOREIGN]) + request(target=b"/v1/2"))
        self.assertEqual((await client.response()).status, 403)
        self.assertEqual((await client.response()).status, 200)
        self.assertEqual([got.target for got in upstream.requests], [b"/v1/2"])

    async def test_many_refused(self) -> None:
        """A flood of offers in one piece is answered one by one."""
        upstream = await self.upstream()
        client = await self.connect(self.front(upstream))
        client.send(request(headers=OFFER) * 100)
        for _ in range(100):
            self.assertEqual((await client.response()).status, 200)

    async def test_not_offered(self) -> None:
        """An upstream that switches to another protocol than was offered gets no tunnel."""
        upstream = await self.upstream(SWITCH.replace(b"websocket", b"h2c"))
        gate = self.front(upstream)
        answer = await self.ask(gate, headers=[*OFFER, FROM_APP])
        self.assertEqual(answer.status, 502)
        self.assertEqual(await upstream.connections[-1].gone(), ABORTED)

    async def test_never_unasked(self) -> None:
        """An upstream that switches though nothing was offered to it is no use: 502."""
        upstream: Upstream = await self.upstream(SWITCH + b"x")
        gate = self.front(upstream)
        h2c = [(b"Connection", b"Upgrade"), (b"Upgrade", b"h2c")]
        for method, headers, body in (
            (b"GET", [], None),
            (b"GET", h2c, None),
            (b"PUT", OFFER, b"x"),
        ):
            answer = await self.ask(gate, method, headers=[*headers, FROM_APP], body=body)
            self.assertEqual(answer.status, 502)
            self.assertNotIn(b"upgrade", upstream.requests[-1].fields)
            self.assertEqual(await upstream.connections[-1].gone(), ABORTED)


class OverTls(TlsTestCase):
    """The same where the client speaks TLS, which has a close_notify of its own."""

    async def test_ends(self) -> None:
        """Whichever side ends it, all that was sent before arrives, and both are let go."""
        for side in (0, 1):
            upstream = await self.upstream(SWITCH)
            client = await self.secured(self.secure(upstream))
            client.send(request(headers=[*OFFER, FROM_APP], host=b"gate.test") + b"first")
            await client.when(lambda client=client: b"\r\n\r\n" in client.data)  # type: ignore[misc]  # a default
            client.data = b""
            peer = upstream.connections[0]
            ending, other = ((client, peer), (peer, client))[side]
            ending.send(MEGABYTE)
            ending.finish()
            self.assertEqual(await other.gone(), "closed")
            self.assertEqual(await ending.gone(), "closed")
            self.assertTrue(other.data.endswith(MEGABYTE))
            self.assertIn(b"\r\n\r\nfirst", upstream.data)
