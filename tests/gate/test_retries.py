"""Requests that are sent to another server: which, how often, with what, and until when."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable

from tests.peers import Message, Upstream, request, response
from tests.support import DIGEST, Gate, GateTestCase


class Flapping(GateTestCase):
    """A server that fails every other request."""

    async def flapping(self) -> Upstream:
        """Return one that is well, resets, is well, answers 503, and so on."""
        server = await self.upstream()

        def answer(got: Message) -> bytes | None:
            turn = len(server.requests) % 4
            if turn == 2:
                got.connection.close()
                return None
            return response(503) if turn == 0 else response(body=b"flapping")

        server.answer = answer
        return server

    async def test_gets(self) -> None:
        """No GET fails."""
        gate = self.front(await self.flapping(), await self.upstream())
        for _ in range(20):
            self.assertEqual((await self.ask(gate)).status, 200)

    async def test_posts(self) -> None:
        """No POST is sent twice, whatever becomes of it."""
        servers = [await self.flapping(), await self.upstream()]
        gate = self.front(*servers)
        statuses: Counter[int] = Counter()
        for number in range(20):
            answer = await self.ask(gate, b"POST", b"/v1/%d" % number, body=b"pay")
            statuses[answer.status] += 1
        seen = Counter(got.target for server in servers for got in server.requests)
        self.assertEqual(set(seen.values()), {1})
        self.assertEqual(set(statuses), {200, 502, 503})

    async def test_left_out(self) -> None:
        """One that fails all is left out after five, and then costs nothing."""
        bad, good = await self.upstream(response(503)), await self.upstream()
        gate = self.front(bad, good)
        for _ in range(20):
            self.assertEqual((await self.ask(gate)).status, 200)
        self.assertEqual((len(bad.requests), len(good.requests)), (5, 20))


class Streams(GateTestCase):
    """Responses without an end."""

    async def test_hold_no_budget(self) -> None:
        """Streams that were repeated leave room for others to be."""
        endless = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nabc"
        bad, good = await self.upstream(response(503)), await self.upstream(endless)
        gate = self.front(bad, good, upstream="eject = { failures = 0 }")
        budget = gate.service.upstreams["a"].balancer.budget
        for _ in range(10):
            client = await self.connect(gate)
            client.send(request())
            await client.when(lambda client=client: client.data.endswith(b"abc"))  # type: ignore[misc]
            self.assertEqual(budget.running, 0)
        self.assertEqual(len(good.requests), 10)


class Replays(GateTestCase):
    """Bodies that are sent again."""

    async def puts(self, body: bytes, count: int = 1) -> list[list[bytes]]:
        """Return the bodies that a failing server and the other got of a PUT."""
        bad, good = await self.upstream(response(503)), await self.upstream()
        gate = self.front(bad, good)
        await self.ask(gate, b"PUT", body=body)
        return [[got.body for got in server.requests] for server in (bad, good)]

    async def test_small(self) -> None:
        """A PUT of 64 KiB is sent again, byte for byte."""
        body = bytes(range(256)) * 256
        self.assertEqual(await self.puts(body), [[body], [body]])

    async def test_large(self) -> None:
        """A larger one isn't kept, so its answer is passed on."""
        body = b"x" * (64 * 1024 + 1)
        self.assertEqual(await self.puts(body), [[body], []])

    async def test_off(self) -> None:
        """Without retries nothing is, not even past a server that refuses."""
        bad, good = await self.upstream(), await self.upstream()
        await bad.refuse()
        gate = self.front(bad, good, upstream="retries = 0")
        statuses = [(await self.ask(gate)).status for _ in range(2)]
        self.assertEqual(statuses, [502, 200])

    async def test_causes(self) -> None:
        """Only what is named leads to another server."""
        bad, good = await self.upstream(response(503)), await self.upstream()
        gate = self.front(bad, good, upstream='retry_on = ["connect", "502"]')
        self.assertEqual((await self.ask(gate)).status, 503)
        bad.script(response(502))
        await self.ask(gate)
        self.assertEqual((await self.ask(gate)).status, 200)
        self.assertEqual(json.loads(gate.lines[-1])["tried"], [f"{bad.url} 502"])

    async def test_both_fail(self) -> None:
        """Where the second fails too, its answer is the client's."""
        servers = [await self.upstream(response(status)) for status in (503, 502, 200)]
        answer = await self.ask(self.front(*servers))
        self.assertEqual(answer.status, 502)
        self.assertEqual(servers[2].requests, [])

    async def test_waits_for_continue(self) -> None:
        """A client that waits for 100 Continue gets it before its small body is kept."""
        bad, good = await self.upstream(response(503)), await self.upstream()
        gate = self.front(bad, good)
        client = await self.connect(gate)
        client.send(
            b"PUT /v1/x HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
            b"Content-Length: 4\r\n\r\n"
        )
        self.assertEqual((await client.response()).status, 100)
        client.send(b"body")
        self.assertEqual((await client.response()).status, 200)
        self.assertEqual([got.body for got in good.requests], [b"body"])


class MaxTries(GateTestCase):
    """How many servers one request may cost, whatever they do with it."""

    async def refusing(self, count: int) -> list[Upstream]:
        """Return servers that nobody can connect to."""
        servers = [await self.upstream() for _ in range(count)]
        for server in servers:
            await server.refuse()
        return servers

    async def test_refusing_pool(self) -> None:
        """Of many servers that refuse, five are tried, each once."""
        gate = self.front(*await self.refusing(30))
        self.assertEqual((await self.ask(gate)).status, 502)
        line = json.loads(gate.lines[-1])
        tried = [*(entry.partition(" ")[0] for entry in line["tried"]), line["server"]]
        self.assertEqual((len(tried), len(set(tried))), (5, 5))

    async def test_set(self) -> None:
        """The key says how many; 1 is the first alone."""
        for most in (1, 2, 7):
            gate = self.front(*await self.refusing(10), upstream=f"max_tries = {most}")
            self.assertEqual((await self.ask(gate)).status, 502)
            self.assertEqual(len(json.loads(gate.lines[-1]).get("tried", ())), most - 1)

    async def test_one_is_well(self) -> None:
        """A server that is well is found behind as many as that."""
        servers = [*await self.refusing(4), await self.upstream()]
        gate = self.front(*servers)
        for _ in range(5):
            self.assertEqual((await self.ask(gate)).status, 200)

    async def test_answers_count(self) -> None:
        """Servers that answered with a failure are counted like those that refused."""
        servers = [await self.upstream(response(503)) for _ in range(8)]
        gate = self.front(*servers, upstream="retries = 10\nmax_tries = 3")
        self.assertEqual((await self.ask(gate)).status, 503)
        self.assertEqual(sum(len(server.requests) for server in servers), 3)


class Timeout(GateTestCase):
    """The route's time for a response, whatever is tried."""

    async def test_over(self) -> None:
        """Once it is over the client gets 504, and what runs is cut."""
        server = await self.upstream(None)
        gate = self.front(server, route='limits = { timeout = "50ms" }')
        answer = await self.ask(gate, b"POST", body=b"x")
        self.assertEqual(answer.status, 504)
        await server.connections[0].gone()
        server.script(response())
        await self.assert_serves(gate)

    async def test_ends_at_the_head(self) -> None:
        """A response that has begun may take longer."""
        server = await self.upstream(response(body=b"half", length=8))
        gate = self.front(server, route='limits = { timeout = "50ms" }')
        client = await self.connect(gate)
        client.send(request())
        await client.when(lambda: b"half" in client.data)
        probe = await self.upstream(None)
        await self.over(probe)
        server.requests[0].connection.send(b"half")
        self.assertEqual((await client.response()).body, b"halfhalf")

    async def over(self, silent: Upstream) -> None:
        """Wait until another request's time was over, in a gate of its own."""
        gate = self.front(silent, route='limits = { timeout = "50ms" }')
        self.assertEqual((await self.ask(gate)).status, 504)


class Signed(GateTestCase):
    """Credentials on every server that is tried."""

    def box(self, nonce: bytes, status: int) -> Callable[[Message], bytes]:
        """Return the answers of a box that asks who it is, by a nonce of its own."""
        challenge = (b"WWW-Authenticate", b'Digest realm="box", nonce="%b", qop="auth"' % nonce)

        def answer(got: Message) -> bytes:
            signed = b"".join(got.fields.get(b"authorization", []))
            known = b'nonce="%b"' % nonce in signed
            return response(status) if known else response(401, [challenge])

        return answer

    async def gate_of_two(self) -> tuple[Gate, Upstream, Upstream]:
        """Return a gate, a box that fails whoever has signed, and one that is well."""
        bad, good = await self.upstream(), await self.upstream()
        bad.answer, good.answer = self.box(b"of-bad", 503), self.box(b"of-good", 200)
        return self.front(bad, good, upstream=DIGEST), bad, good

    async def test_nonces(self) -> None:
        """Each box is answered its own challenge, and never sees the other's nonce."""
        gate, bad, good = await self.gate_of_two()
        for _ in range(4):
            self.assertEqual((await self.ask(gate)).status, 200)
        self.assertIn(b"of-bad", bad.data)
        self.assertIn(b"of-good", good.data)
        self.assertNotIn(b"of-good", bad.data)
        self.assertNotIn(b"of-bad", good.data)

    async def test_body(self) -> None:
        """A PUT is whole on each of them; a POST is sent to one."""
        gate, bad, good = await self.gate_of_two()
        self.assertEqual((await self.ask(gate, b"PUT", body=b"data")).status, 200)
        self.assertEqual({got.body for got in (*bad.requests, *good.requests)}, {b"data"})
        before = len(good.requests)
        await self.ask(gate)
        statuses = [(await self.ask(gate, b"POST", body=b"data")).status for _ in range(2)]
        self.assertCountEqual(statuses, [200, 503])
        posts = [got for got in good.requests[before:] if got.method == b"POST"]
        self.assertEqual(len(posts), 1)

    async def test_refused(self) -> None:
        """A box that can't be reached costs the other's credentials nothing."""
        gate, bad, _ = await self.gate_of_two()
        await bad.stop()
        for _ in range(3):
            self.assertEqual((await self.ask(gate, b"POST", body=b"x")).status, 200)
