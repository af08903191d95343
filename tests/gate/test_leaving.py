"""Clients that leave, upstreams that die, and what the gate makes of either."""

from __future__ import annotations

import json
from typing import Any

from tests.gate.test_tls import TlsTestCase
from tests.peers import ABORTED, Client, request, response
from tests.support import DIGEST, FROM_APP, Gate, GateTestCase

CHALLENGE = response(401, [(b"WWW-Authenticate", b'Digest realm="r", nonce="n", qop="auth"')])


class ClientsThatLeave(GateTestCase):
    """The upstream is let go, the line is logged, and nothing is left behind."""

    async def assert_quiet(self, gate: Gate, lines: int = 1) -> None:
        """Assert that the request is in the access log as one that was left, and no error is."""
        event = json.loads(await gate.logged(lines))
        self.assertEqual(event["outcome"], "the client closed the connection")
        self.assertEqual(self.flushLoggedErrors(), [])
        await self.assert_serves(gate)
        self.assertEqual(len(gate.lines), lines + 1)

    async def test_before_the_response(self) -> None:
        """A client that leaves before there is a response cancels the upstream's request."""
        upstream = await self.upstream(None, response())
        gate = self.front(upstream)
        client = await self.connect(gate)
        client.send(request())
        await upstream.arrived()
        await client.close()
        self.assertEqual(await upstream.connections[0].gone(), ABORTED)
        self.assertEqual(json.loads(await gate.logged())["status"], 499)
        await self.assert_quiet(gate)

    async def test_during_the_response(self) -> None:
        """A client that leaves in the midst of a response cancels it."""
        upstream = await self.upstream(response(body=b"abc", length=9), response())
        gate = self.front(upstream)
        client = await self.connect(gate)
        client.send(request())
        await client.when(lambda: b"abc" in client.data)
        await client.close()
        self.assertEqual(await upstream.connections[0].gone(), ABORTED)
        self.assertEqual(json.loads(await gate.logged())["status"], 200)
        await self.assert_quiet(gate)

    async def test_during_the_upload(self) -> None:
        """A client that leaves in the midst of its upload: the upstream's never looks whole."""
        for framing in (
            b"Content-Length: 9\r\n\r\nabc",
            b"Transfer-Encoding: chunked\r\n\r\n9\r\nabc",
        ):
            upstream = await self.upstream(response())
            gate = self.front(upstream)
            client = await self.connect(gate)
            client.send(b"PUT /v1/x HTTP/1.1\r\nHost: localhost\r\n" + framing)
            await upstream.when(lambda upstream=upstream: b"abc" in upstream.data)  # type: ignore[misc]
            await client.close()
            self.assertEqual(await upstream.connections[0].gone(), ABORTED)
            self.assertEqual(upstream.requests, [])
            self.assertEqual(json.loads(await gate.logged())["status"], 499)
            await self.assert_quiet(gate)

    async def test_while_its_body_is_kept(self) -> None:
        """A client that leaves while its body is kept for a challenge costs no request."""
        upstream = await self.upstream(response())
        gate = self.front(upstream, upstream=DIGEST)
        client = await self.connect(gate)
        client.send(request(b"PUT", body=b"abcdef")[:-3])
        other = await self.connect(gate)
        other.send(request())
        await other.response()
        await client.close()
        await self.assert_quiet(gate, 2)
        self.assertEqual([each.method for each in upstream.requests], [b"GET", b"GET"])

    async def test_while_nothing_is_read(self) -> None:
        """A client is missed also while the gate reads nothing from it, however it leaves."""
        upgrade = [(b"Connection", b"Upgrade"), (b"Upgrade", b"x")]
        for sent in (request() + request(), request(headers=upgrade) + b"more"):
            for leave in (Client.finish, Client.close):
                upstream = await self.upstream(None, response())
                gate = self.front(upstream)
                client = await self.connect(gate)
                client.send(sent)
                await upstream.arrived()
                leave(client)
                self.assertEqual(await upstream.connections[0].gone(), ABORTED)
                self.assertEqual(json.loads(await gate.logged())["status"], 499)
                await self.assert_quiet(gate)

    async def test_pipelined(self) -> None:
        """Requests that were sent at once are answered in their order, one at a time."""
        upstream = await self.upstream(None)
        gate = self.front(upstream)
        client = await self.connect(gate)
        client.send(request(target=b"/v1/1") + request(target=b"/v1/2"))
        for number in (1, 2):
            arrived = await upstream.arrived(number)
            self.assertEqual((arrived.target, len(upstream.requests)), (b"/v1/%d" % number, number))
            arrived.connection.send(response(body=b"%d" % number))
            self.assertEqual((await client.response()).body, b"%d" % number)


class ClientsThatLeaveOverTls(TlsTestCase):
    """A client is missed over TLS as well."""

    async def test_while_nothing_is_read(self) -> None:
        """It is also while the gate reads nothing from it, if its connection is closed."""
        upstream = await self.upstream(None)
        gate = self.secure(upstream)
        for number, is_reset in enumerate((True, False)):
            client = await self.secured(gate)
            client.send(request(host=b"gate.test") * 2)
            await upstream.arrived(number + 1)
            tcp: Any = client.transport
            if is_reset:
                tcp.abortConnection()
            else:
                # The connection below, without TLS's own close_notify.
                tcp.transport.loseConnection()
            self.assertEqual(await upstream.connections[number].gone(), ABORTED)
            self.assertEqual(json.loads(await gate.logged(number + 1))["status"], 499)


class UpstreamsThatDie(GateTestCase):
    """The client learns of it, in words or by a cut connection."""

    async def test_before_the_head(self) -> None:
        """Before its head is whole: 502."""
        for start in (b"", b"HTTP/1.1 200 OK\r\nX-", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n"):
            upstream = await self.upstream(None)
            gate = self.front(upstream)
            client = await self.connect(gate)
            client.send(request(b"POST", body=b""))
            arrived = await upstream.arrived()
            arrived.connection.send(start)
            arrived.connection.finish()
            self.assertEqual((await client.response()).status, 502)
            upstream.script(response())
            client.send(request())
            self.assertEqual((await client.response()).status, 200)

    async def test_nonsense(self) -> None:
        """What is no HTTP, or none that may be passed on, is 502."""
        answers = (
            b"\x16\x03\x01\x00\r\n\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
            b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nA: b\0c\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length:\r\n 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000,
        )
        upstream = await self.upstream(*answers, response())
        gate = self.front(upstream)
        for answer in answers:
            got = await self.ask(gate, headers=[FROM_APP])
            self.assertEqual(got.status, 502, answer[:80])
        await self.assert_serves(gate)
        self.assertEqual(self.flushLoggedErrors(), [])

    async def test_broken_chunk(self) -> None:
        """A body that turns to nonsense ends in a cut connection."""
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        upstream = await self.upstream(head + b"3\r\nabc\r\n", response())
        gate = self.front(upstream)
        client = await self.connect(gate)
        client.send(request())
        await client.when(lambda: b"abc" in client.data)
        upstream.connections[0].send(b"zzz\r\n")
        self.assertEqual(await client.gone(), ABORTED)
        self.assertNotIn(b"\r\n0\r\n", client.data)
        await self.assert_serves(gate)

    async def test_until_close(self) -> None:
        """A body that ends with its connection is passed on whole."""
        upstream = await self.upstream(None, response())
        gate = self.front(upstream)
        client = await self.connect(gate)
        client.send(request())
        arrived = await upstream.arrived()
        arrived.connection.send(b"HTTP/1.1 200 OK\r\n\r\nabc")
        arrived.connection.finish()
        answer = await client.response()
        self.assertEqual((answer.status, answer.body), (200, b"abc"))
        client.send(request())
        self.assertEqual((await client.response()).status, 200)

    async def test_early_answer(self) -> None:
        """An upstream that answers before the upload's end: the answer passes, both let go."""
        upstream = await self.upstream(None)
        gate = self.front(upstream)
        client = await self.connect(gate)
        client.send(request(b"PUT", headers=[(b"Content-Length", b"100000")]) + b"x" * 10)
        await upstream.when(lambda: upstream.data.endswith(b"x" * 10))
        upstream.connections[0].send(response(413, body=b"too much"))
        answer = await client.response()
        self.assertEqual((answer.status, answer.body), (413, b"too much"))
        upstream.script(response())
        await self.assert_serves(gate)

    async def test_bodiless(self) -> None:
        """Answers to HEAD, 204 and 304 keep their fields and end at their head."""
        tagged = [(b"ETag", b'"1"')]
        upstream = await self.upstream(
            response(200, tagged, length=5),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"HTTP/1.1 204 No Content\r\n\r\n",
            b'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\n\r\n',
            response(304, tagged, length=5),
            response(),
        )
        gate = self.front(upstream)
        client = await self.connect(gate)
        lengths = []
        for method in (b"HEAD", b"HEAD", b"GET", b"GET", b"GET"):
            client.send(request(method))
            answer = await client.response(bodiless=True)
            lengths.append((answer.status, answer.fields.get(b"content-length")))
        self.assertEqual(
            lengths, [(200, [b"5"]), (200, None), (204, None), (304, None), (304, [b"5"])]
        )
        client.send(request())
        self.assertEqual((await client.response()).status, 200)
