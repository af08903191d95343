"""Exchanges side by side, one behind the other, and with peers of other habits."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.protocol import Factory

from corsgate.gate.exchange import Exchange
from corsgate.gate.runtime import make_runtime
from corsgate.message.client import Client as Asking
from corsgate.message.head import RequestHead
from corsgate.server.fields_memo import FieldsMemo
from corsgate.server.parsed_request import Refusal
from corsgate.server.request_log import RequestLog
from corsgate.transport.deadlines import Deadlines
from tests.peers import ABORTED, Client, Message, reactor, request, response
from tests.support import DIGEST, FROM_APP, FROM_FOREIGN, LISTEN, GateTestCase, parse

MANY = 60


class SideBySide(GateTestCase):
    """Each client gets the answer to what it asked."""

    async def test_answers_out_of_order(self) -> None:
        """Many at once, answered in another order than they were asked."""
        upstream = await self.upstream(None)
        gate = self.front(upstream)

        async def one(number: int) -> None:
            target = b"/v1/%d" % number
            answer = await self.ask(gate, b"POST", target, body=target)
            self.assertEqual(answer.body, target)

        for _ in range(3):
            upstream.requests.clear()
            asked = [Deferred.fromCoroutine(one(number)) for number in range(MANY)]
            await upstream.arrived(MANY)
            Random(1).shuffle(upstream.requests)  # any order but theirs
            for got in upstream.requests:
                self.assertEqual(got.target, got.body)
                got.connection.send(response(body=got.target))
            await gatherResults(asked)

    async def test_challenged_at_once(self) -> None:
        """Many at once on a server that asks for Digest: each is sent twice at most."""
        upstream = await self.upstream()

        def answer(got: Message) -> bytes:
            if b"authorization" in got.fields:
                return response(body=got.body)
            asking = b'Digest realm="r", nonce="n", qop="auth"'
            return response(401, [(b"WWW-Authenticate", asking)], b"who")

        upstream.answer = answer
        gate = self.front(upstream, upstream=DIGEST)
        bodies = [b"%d" % number for number in range(MANY)]
        answers = await gatherResults(
            [Deferred.fromCoroutine(self.ask(gate, b"PUT", body=body)) for body in bodies]
        )
        self.assertEqual([each.body for each in answers], bodies)
        self.assertLessEqual(len(upstream.requests), 2 * MANY)
        signed = [each for each in upstream.requests if b"authorization" in each.fields]
        counts = {each.one(b"Authorization").partition(b"nc=")[2][:8] for each in signed}
        self.assertEqual(len(counts), MANY)


class OneBehindTheOther(GateTestCase):
    """A connection goes on after whatever happened on it."""

    async def test_flood(self) -> None:
        """Hundreds of requests in one piece are all answered, in order."""
        upstream = await self.upstream()
        upstream.answer = lambda got: response(body=got.target)
        gate = self.front(upstream)
        client = await self.connect(gate)
        targets = [b"/v1/%d" % number if number % 3 else b"/none" for number in range(300)]
        client.send(b"".join(request(target=target) for target in targets))
        for target in targets:
            answer = await client.response()
            if target == b"/none":
                self.assertEqual(answer.status, 404)
            else:
                self.assertEqual(answer.body, target)

    async def test_refused_upload(self) -> None:
        """An upload that is refused is read over, and the next request is served."""
        upstream = await self.upstream()
        gate = self.front(upstream)
        client = await self.connect(gate)
        for headers, status in (([FROM_FOREIGN], 403), ([FROM_APP], 200)):
            client.send(request(b"PUT", headers=headers, body=b"x" * 300_000))
            self.assertEqual((await client.response()).status, status)
        self.assertEqual(len(upstream.requests), 1)

    async def test_refused_without_asking(self) -> None:
        """A refused client that waits for 100 Continue isn't asked for its body."""
        client = await self.connect(self.front(await self.upstream()))
        headers = [FROM_FOREIGN, (b"Expect", b"100-continue"), (b"Content-Length", b"9")]
        client.send(request(b"PUT", headers=headers))
        answer = await client.response()
        self.assertEqual((answer.status, answer.one(b"Connection")), (403, b"close"))

    async def test_empty_bodies(self) -> None:
        """No body, an empty one and an empty chunked one are what they were."""
        for credentials in ("", DIGEST):
            upstream = await self.upstream()
            gate = self.front(upstream, upstream=credentials)
            await self.ask(gate, b"GET")
            await self.ask(gate, b"DELETE", body=b"")
            await self.ask(gate, b"POST")
            chunked = b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            await self.send(gate, b"PUT /v1/x HTTP/1.1\r\nHost: localhost\r\n" + chunked)
            found = [each.fields.get(b"content-length") for each in upstream.requests]
            self.assertEqual(found[:3], [None, [b"0"], [b"0"]])
            self.assertEqual(upstream.requests[-1].one(b"Transfer-Encoding"), b"chunked")


class OtherHabits(GateTestCase):
    """Peers that speak HTTP differently."""

    async def test_old_client(self) -> None:
        """An HTTP/1.0 client gets a body without chunks, ended by the connection's end."""
        chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        gate = self.front(await self.upstream(chunked))
        client = await self.connect(gate)
        client.send(b"GET /v1/x HTTP/1.0\r\nHost: localhost\r\n\r\n")
        answer = await client.response()
        self.assertEqual((answer.status, answer.body), (200, b"abc"))
        self.assertNotIn(b"transfer-encoding", answer.fields)

    async def test_old_upstream(self) -> None:
        """An HTTP/1.0 upstream's body passes whole, and its connection isn't kept."""
        upstream = await self.upstream(None)
        gate = self.front(upstream)
        for number in (1, 2):
            client = await self.connect(gate)
            client.send(request())
            connection = (await upstream.arrived(number)).connection
            connection.send(b"HTTP/1.0 200 OK\r\n\r\nabc")
            connection.finish()
            self.assertEqual((await client.response()).body, b"abc")
        self.assertEqual(len(upstream.connections), 2)

    async def test_trailers(self) -> None:
        """Trailers pass, back only to a client that takes them, and smuggle nothing in."""
        bad = b"Access-Control-Allow-Origin: *\r\nX_Real_IP: 1.2.3.4\r\nSet-Cookie: a=b\r\n"
        chunks = b"3\r\nabc\r\n0\r\nX-Trailer: 1\r\n" + bad + b"\r\n"
        coded = b"Transfer-Encoding: chunked\r\n\r\n" + chunks
        upstream = await self.upstream(b"HTTP/1.1 200 OK\r\n" + coded)
        gate = self.front(upstream)
        for takes in (False, True):
            client = await self.connect(gate)
            field = b"Connection: TE\r\nTE: trailers\r\n" if takes else b""
            client.send(b"PUT /v1/x HTTP/1.1\r\nHost: localhost\r\n" + field + coded)
            if takes:
                await client.when(lambda client=client: b"\r\n0\r\n" in client.data)  # type: ignore[misc]  # a default
                tail = client.data.partition(b"\r\n0\r\n")[2]
                # An upstream may send what a head must not have: X-Real-IP means nothing here.
                self.assertEqual(tail, b"X-Trailer: 1\r\nX_Real_IP: 1.2.3.4\r\n\r\n")
            else:
                answer = await client.response()
                self.assertEqual((answer.body, client.data), (b"abc", b""))
                self.assertNotIn(b"railer", answer.raw)
            self.assertEqual(upstream.data.count(b"\r\n0\r\nX-Trailer: 1\r\n\r\n"), takes + 1)
        self.assertNotIn(b"1.2.3.4", upstream.data)
        self.assertNotIn(b"Set-Cookie", upstream.data)

    async def test_trailers_of_credentials(self) -> None:
        """What the gate's own credentials use, or withhold, passes behind a body no more than
        before it."""
        own = 'credentials = { type = "header", name = "X-Key", value = "k" }'
        ends = b"0\r\nX-Key: theirs\r\nX-Sum: 1\r\nWWW-Authenticate: Basic\r\n\r\n"
        coded = b"Transfer-Encoding: chunked\r\n\r\n" + ends
        upstream = await self.upstream(b"HTTP/1.1 200 OK\r\n" + coded)
        client = await self.connect(self.front(upstream, upstream=own))
        head = b"PUT /v1/x HTTP/1.1\r\nHost: localhost\r\nTE: trailers\r\nConnection: TE\r\n"
        client.send(head + coded)
        await client.when(lambda: client.data.endswith(b"X-Sum: 1\r\n\r\n"))
        self.assertNotIn(b"WWW-", client.data)
        self.assertNotIn(b"theirs", upstream.data)
        self.assertEqual(upstream.data.count(b"X-Key: k\r\n"), 1)

    async def test_client_that_does_not_read(self) -> None:
        """One that takes nothing and leaves lets its upstream go."""
        upstream = await self.upstream(None, response())
        gate = self.front(upstream)
        client = await self.connect(gate)
        tcp: Any = client.transport
        tcp.pauseProducing()
        client.send(request())
        connection = (await upstream.arrived()).connection
        connection.send(response(length=10**9) + b"x" * 30_000_000)
        await self.assert_serves(gate)
        await client.close()
        self.assertEqual(await connection.gone(), ABORTED)
        await gate.logged(2)
        await self.assert_serves(gate)

    async def test_unix_socket(self) -> None:
        """A Unix socket serves any host, and its clients have no address."""
        upstream = await self.upstream()
        path = Path(self.mktemp()).absolute()
        config = parse(
            f'listen = ["unix:{path}"]\n[upstreams.a]\nservers = ["{upstream.url}"]\n'
            '[routes."/"]\nupstream = "a"\n'
        )
        gate = self.serve_config(config)
        endpoint = UNIXClientEndpoint(reactor, str(path))
        client: Any = await endpoint.connect(Factory.forProtocol(Client))
        self.addCleanup(client.close)
        client.send(request(host=b"api.example"))
        self.assertEqual((await client.response()).status, 200)
        self.assertEqual(upstream.requests[0].one(b"X-Forwarded-For"), b"unknown")
        self.assertEqual(json.loads(gate.lines[0])["client"], "unknown")


class BrokenRequest:
    """A request that can't be answered, for a fault in the gate itself."""

    head = RequestHead(method=b"GET", target=b"/v1", headers=[])
    index: dict[bytes, list[bytes]] = {}  # noqa: RUF012  # it is never changed
    refusal = Refusal(status=400, detail="x")
    on_lost = None
    gone = False
    startedWriting = 0

    def __init__(self) -> None:
        self.log = RequestLog()
        self.memo = FieldsMemo()
        self.aborted = False

    def respond(self, head: object, body: object) -> None:
        """Fail."""
        raise RuntimeError("broken")

    def abort(self) -> None:
        """Note it."""
        self.aborted = True


class Broken(GateTestCase):
    """What nobody has thought of."""

    async def test_cut(self) -> None:
        """A request that can't even be answered with an error is cut, and logged."""
        upstream = await self.upstream()
        config = parse(
            f'{LISTEN}[upstreams.a]\nservers = ["{upstream.url}"]\n[routes."/"]\nupstream = "a"\n'
        )
        deadlines = Deadlines(reactor)
        plan = make_runtime(
            config,
            reactor=reactor,
            deadlines=deadlines,
            rng=bytes,
            file="gate.toml",
            pseudonym=b"corsgate-0",
        )
        broken: Any = BrokenRequest()
        asking = Asking(peer="::1", trusted=False, scheme=b"http", authority=b"localhost")
        Exchange(broken, plan.table.routes[0], asking).start()
        self.assertTrue(broken.aborted)
        self.assertTrue(self.flushLoggedErrors(RuntimeError))
