"""Responses that are not well-formed: what of them reaches clients, and the log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from corsgate.upstream.repairs import Repair
from tests.gate.fakes import logged
from tests.gate.test_http2 import Http2TestCase
from tests.gate.test_unasked import OverTls
from tests.peers import ABORTED, Client, Message, Upstream, request, response
from tests.support import APP, FROM_APP, POLICY, GateTestCase
from tests.upstream.parsing import CHUNKS, CL, EARLY, OK, SWITCH, TE, TEN, UPGRADE
from tests.upstream.sloppy_forms import (
    AMBIGUOUS_BODIES,
    AMBIGUOUS_HEADS,
    CHUNKED,
    FIVE,
    FORMS,
    LF_OK,
    Found,
)

STRICT = "strict_responses = true"
PUT_RIGHT = "it was accepted anyway"


def ends(found: Found) -> bool:
    """Return whether a form's body ends before its connection."""
    return FIVE in found.headers or CHUNKED in found.headers


def got(client: Client, part: bytes) -> Deferred[bool]:
    """Return a Deferred that fires once a client has got something."""
    return client.when(lambda: part in client.data)


def close_tls(transport: Any) -> None:
    """Close with close_notify."""
    transport.loseConnection()


def close_tcp(transport: Any) -> None:
    """Close TCP alone."""
    transport.transport.loseConnection()


def reset_tcp(transport: Any) -> None:
    """Reset TCP."""
    transport.transport.abortConnection()


class SloppyTests(GateTestCase):
    def send_then_fine(self, server: Upstream, *pieces: bytes, close: bool = False) -> None:
        """Have a server send pieces for its first request, and short responses for the others."""

        def answer(message: Message) -> bytes | None:
            if len(server.requests) > 1:
                return response(body=b"next")
            for piece in pieces:
                message.connection.send(piece)
            if close:
                message.connection.finish()
            return None

        server.answer = answer

    async def test_forms(self) -> None:
        """Each reaches the client as it is meant; the next request goes over a new connection."""
        lines = logged(self)
        for raw, found in FORMS:
            server = await self.upstream()
            self.send_then_fine(server, raw, close=not ends(found))
            gate = self.front(server)
            before = len(lines())
            client = await self.connect(gate)
            client.send(request(headers=[FROM_APP]))
            answer = await client.response()
            self.assertEqual((answer.status, answer.body), (found.status, b"hello"), raw)
            self.assertEqual(answer.one(b"Access-Control-Allow-Origin"), APP)
            client.send(request(headers=[FROM_APP]))
            self.assertEqual((await client.response()).body, b"next", raw)
            self.assertEqual(len(server.connections), 2, raw)
            said = [line for line in lines()[before:] if PUT_RIGHT in line]
            self.assertEqual(len(said), len(found.repairs), (raw, said))
            for repair in found.repairs:
                self.assertTrue(any(f"{server.url} sent {repair.value}" in line for line in said))
            await gate.stop()

    async def test_logged_once(self) -> None:
        """The log has one line for each server and kind, however often it comes."""
        lines = logged(self)
        server = await self.upstream(LF_OK + b"Content-Length: 5\n\nhello")
        gate = self.front(server)
        for _ in range(3):
            self.assertEqual((await self.ask(gate)).body, b"hello")
        server.script(OK + b"X : 1\r\n" + CL + b"\r\nhello")
        self.assertEqual((await self.ask(gate)).body, b"hello")
        said = [line for line in lines() if PUT_RIGHT in line]
        self.assertEqual(len(said), 2, said)
        self.assertEqual(len(server.connections), 4)

    async def test_strict(self) -> None:
        """With strict_responses they are 502, but for the few that llhttp takes."""
        lines = logged(self)
        for raw, found in FORMS:
            if raw.startswith((b"\r\nHTTP/1.1", b"\n\r\n", b"HTTP/1.1 200  OK")):
                continue
            server = await self.upstream()
            self.send_then_fine(server, raw, close=not ends(found))
            gate = self.front(server, upstream=STRICT)
            answer = await self.ask(gate, headers=[FROM_APP])
            self.assertEqual(answer.status, 502, raw)
            self.assertEqual(answer.one(b"Access-Control-Allow-Origin"), APP)
            await gate.stop()
        self.assertEqual([line for line in lines() if PUT_RIGHT in line], [])

    async def test_ambiguous_heads(self) -> None:
        """What has two meanings is 502, with CORS headers; nothing of it reaches the client."""
        for raw in AMBIGUOUS_HEADS:
            server = await self.upstream()
            self.send_then_fine(server, raw, close=True)
            gate = self.front(server, upstream="retries = 0")
            answer = await self.ask(gate, headers=[FROM_APP])
            self.assertEqual(answer.status, 502, raw)
            self.assertEqual(answer.one(b"Access-Control-Allow-Origin"), APP)
            self.assertEqual((await self.ask(gate)).body, b"next", raw)
            self.assertEqual(len(server.connections), 2, raw)
            await gate.stop()

    async def test_ambiguous_bodies(self) -> None:
        """Where the head has left, a body whose end is uncertain is cut short, and looks so."""
        for rest, body in AMBIGUOUS_BODIES:
            server = await self.upstream(OK + TE + b"\r\n")
            gate = self.front(server)
            client = await self.connect(gate)
            client.send(request())
            await got(client, b"\r\n\r\n")
            (peer,) = server.connections
            peer.send(rest.removeprefix(b"\r\n"))
            peer.finish()
            self.assertEqual(await client.gone(), ABORTED, rest)
            came = client.data.partition(b"\r\n\r\n")[2]
            self.assertNotIn(b"0\r\n\r\n", came)
            self.assertEqual(body in came, True, rest)
            await gate.stop()

    async def test_streamed(self) -> None:
        """A body in sloppy chunks streams, with its trailer, and its connection is not kept."""
        server = await self.upstream(OK + TE + b"Trailer: X\r\n\r\n5 \r\nhel")
        gate = self.front(server)
        client = await self.connect(gate)
        client.send(request(headers=[(b"TE", b"trailers"), (b"Connection", b"TE")]))
        await got(client, b"hel")
        (peer,) = server.connections
        peer.send(b"lo\n4;a=b\r\n you\r\n0\nX : 1\n\n")
        await got(client, b"0\r\nX: 1\r\n\r\n")
        await peer.gone()

    async def test_switch(self) -> None:
        """A tunnel is opened by a 101 as HTTP/1.0, or with bare LF; not if it is to be strict."""
        asked = request(headers=[(b"Upgrade", b"websocket"), (b"Connection", b"Upgrade")])
        lf = b"HTTP/1.1 101 S\nUpgrade: websocket\nConnection: Upgrade\n\n"
        for raw in (b"HTTP/1.0 101 S\r\n" + UPGRADE + b"\r\n", lf, EARLY + SWITCH + b"\r\n"):
            server = await self.upstream(raw + b"first")
            for strict in (False, True):
                gate = self.front(server, upstream=STRICT if strict else "")
                client = await self.connect(gate)
                client.send(asked)
                if strict and not raw.startswith(EARLY):
                    self.assertEqual((await client.response()).status, 502, raw)
                else:
                    await got(client, b"\r\n\r\nfirst")
                    self.assertIn(b"HTTP/1.1 101 ", client.data)
                    server.connections[-1].send(b"second")
                    await got(client, b"firstsecond")
                await client.close()
                await gate.stop()

    async def test_head(self) -> None:
        """A response to HEAD in odd form announces what it says, and its body is nobody's."""
        server = await self.upstream(b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", response())
        gate = self.front(server)
        answer = await self.ask(gate, b"HEAD")
        self.assertEqual((answer.status, answer.one(b"Content-Length")), (200, b"5"))
        await self.ask(gate)
        self.assertEqual(len(server.connections), 2)


class Http2Tests(Http2TestCase):
    async def test_forms(self) -> None:
        """To a client of HTTP/2, a head and a trailer in odd form are well-formed."""
        server = await self.upstream(
            b"HTTP/2 999 Denied\nX-A : \x01a\x02b\x03\nbad line\n"
            b"Trailer: X-B\nTransfer-Encoding: chunked\n\n"
            b"5 \nhello\n0\nX-B :\n \x01c\n\n"
        )
        peer = await self.peer(self.over_tls(server))
        got = await peer.whole(peer.ask(headers=[(b"te", b"trailers")]))
        self.assertEqual((got.status, bytes(got.body)), (999, b"hello"))
        self.assertEqual((got.one(b"x-a"), got.trailers), (b"a b", [(b"x-b", b"c")]))


class CloseNotifyTests(GateTestCase):
    """A server closes its TLS connection without a farewell, or resets it."""

    async def outcome(
        self, raw: bytes, end: Callable[[Any], None], more: str
    ) -> tuple[bool, str, str]:
        """Return what comes of a response behind which the server's connection ends.

        Args:
            raw: The response.
            end: How the connection is ended, once the client has got what there is of the body.
            more: Further lines of the upstream.

        Returns:
            Whether the response reached the client whole, the access log's line, and all that the
            daemon's log was told.
        """
        server = Upstream()
        await server.start_on(OverTls())
        self.addCleanup(server.stop)
        server.script(raw)
        lines = logged(self)
        gate = self.serve(
            f'[upstreams.a]\nservers = ["https://127.0.0.1:{server.port}"]\n{more}\n'
            f'verify = "dangerously-off"\n{POLICY}\n[routes."/v1"]\nupstream = "a"\ncors = "app"\n'
        )
        client = await self.connect(gate)
        client.send(request())
        await got(client, b"llo")
        end(server.connections[0].transport)
        try:
            self.assertEqual((await client.response()).body, b"hello")
            whole = True
        except EOFError:
            whole = False
        line = await gate.logged()
        await gate.stop()
        return whole, line, "".join(lines())

    async def test_close_notify(self) -> None:
        """A body that HTTP/1.0 or Connection: close ends passes without it, and is logged so."""
        close = OK + b"Connection: close\r\n\r\nhello"
        for raw, end, more, whole, unsealed in (
            (TEN + b"\r\nhello", close_tcp, "", True, True),
            (close, close_tcp, "", True, True),
            (close, close_tls, "", True, False),
            (close, close_tls, STRICT, True, False),
            (TEN + b"\r\nhello", close_tcp, STRICT, False, False),
            (close, close_tcp, STRICT, False, False),
            (TEN + b"\r\nhello", reset_tcp, "", False, False),
            (close, reset_tcp, "", False, False),
            (OK + b"\r\nhello", close_tcp, "", False, False),
            (TEN + b"Content-Length: 6\r\n\r\nhello", close_tcp, "", False, False),
            (OK + TE + b"\r\n" + CHUNKS, close_tcp, "", False, False),
        ):
            got_whole, line, told = await self.outcome(raw, end, more)
            self.assertEqual(got_whole, whole, (raw, end, more))
            said = '"outcome": "the body ended without TLS close_notify"'
            self.assertEqual(said in line, unsealed, line)
            self.assertEqual(told.count(Repair.UNSEALED.value), int(unsealed))
