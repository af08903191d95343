"""How requests are shared out, as clients and servers see it."""

from __future__ import annotations

import json

from tests.peers import Message, Upstream, request, response
from tests.support import FROM_APP, FROM_FOREIGN, Gate, GateTestCase


def named(count: int) -> list[bytes]:
    """Return bodies by which servers are told apart."""
    return [b"%d" % number for number in range(count)]


class BalancingTestCase(GateTestCase):
    """A gate in front of servers that say who they are."""

    async def servers(self, count: int) -> list[Upstream]:
        """Return servers that answer with their number."""
        return [await self.upstream(response(body=name)) for name in named(count)]

    async def bodies(self, gate: Gate, count: int, *headers: tuple[bytes, bytes]) -> list[bytes]:
        """Return what so many requests with the same fields brought."""
        return [(await self.ask(gate, headers=headers)).body for _ in range(count)]


class Policies(BalancingTestCase):
    """Each way to balance is asked what it needs to know."""

    async def test_least_requests(self) -> None:
        """A server that is busy gets no more while another isn't."""
        busy, other = await self.servers(2)
        gate = self.front(busy, other, upstream='balance = "least_requests"')
        busy.script(None)
        client = await self.connect(gate)
        client.send(request())
        await busy.arrived()
        self.assertEqual(await self.bodies(gate, 3), [b"1"] * 3)

    async def test_hash(self) -> None:
        """Requests with the same key go to the same server, and not all keys to one."""
        servers = await self.servers(3)
        gate = self.front(*servers, upstream='balance = "hash"\nhash_on = "header:X-Tenant"')
        seen = set()
        for tenant in range(20):
            got = set(await self.bodies(gate, 3, (b"X-Tenant", b"%d" % tenant)))
            self.assertEqual(len(got), 1)
            seen |= got
        self.assertEqual(seen, set(named(3)))

    async def test_hash_of_the_client(self) -> None:
        """By default it is the client's address, of which there is one here."""
        gate = self.front(*await self.servers(3), upstream='balance = "hash"')
        self.assertEqual(len(set(await self.bodies(gate, 5))), 1)

    async def test_max_requests(self) -> None:
        """Past so many requests there is 503 at once, and after them service again."""
        server = await self.upstream(None)
        gate = self.front(server, upstream="max_requests = 2")
        clients = [await self.connect(gate) for _ in range(2)]
        for client in clients:
            client.send(request())
        await server.arrived(2)
        answer = await self.ask(gate, headers=[FROM_APP])
        self.assertEqual(answer.status, 503)
        self.assertGreater(int(answer.one(b"Retry-After")), 0)
        self.assertIn(b"access-control-allow-origin", answer.fields)
        self.assertEqual(len(server.requests), 2)
        server.requests[0].connection.send(response())
        await clients[0].response()
        server.script(response())
        await self.assert_serves(gate)

    async def test_counted_once(self) -> None:
        """Whatever becomes of a request, it is counted no longer than it runs."""
        server = await self.upstream()
        gate = self.front(
            server,
            upstream="max_requests = 1",
            rest='[limits]\nfirst_byte_timeout = "50ms"\nresponse_idle_timeout = "50ms"',
        )

        def leave(got: Message) -> None:
            got.connection.close()

        for answer in (
            lambda _: response(503),
            lambda _: b"nonsense\r\n\r\n",
            leave,
            lambda _: None,
        ):
            server.answer = answer
            await self.ask(gate)
        server.script(response(body=b"abc", length=9))
        client = await self.connect(gate)
        client.send(request())
        await client.gone()
        server.script(None)
        client = await self.connect(gate)
        client.send(request(b"POST", body=b"x"))
        await server.arrived(len(server.requests) + 1)
        await client.close()
        await server.requests[-1].connection.gone()
        server.script(response())
        await self.assert_serves(gate)


class Blame(BalancingTestCase):
    """What clients do says nothing of the servers."""

    async def test_clients_that_leave(self) -> None:
        """Clients that leave in the midst of a response can't have a server left out."""
        servers = [await self.upstream(response(body=b"abc", length=9)) for _ in range(2)]
        gate = self.front(*servers)
        for number in range(12):
            client = await self.connect(gate)
            client.send(request())
            await client.when(lambda client=client: b"abc" in client.data)  # type: ignore[misc]
            await client.close()
            await gate.logged(number + 1)
        self.assertEqual([len(server.requests) for server in servers], [6, 6])
        states = gate.service.upstreams["a"].balancer.states.values()
        self.assertEqual([state.circuit.failures for state in states], [0, 0])


class Sticking(BalancingTestCase):
    """Clients come back to their server by a cookie."""

    STICKY = 'sticky = { cookie = "gate", secret = "0123456789abcdef" }'

    async def first(self, gate: Gate) -> tuple[bytes, tuple[bytes, bytes]]:
        """Return what a new client gets, and the field with the cookie that came with it."""
        answer = await self.ask(gate, headers=[FROM_APP])
        pair = answer.one(b"Set-Cookie").partition(b";")[0]
        return answer.body, (b"Cookie", b"x=1; " + pair)

    async def test_sticks(self) -> None:
        """A client that sends the cookie gets its server; it isn't told again."""
        gate = self.front(*await self.servers(3), upstream=self.STICKY)
        for _ in range(3):
            server, cookie = await self.first(gate)
            for _ in range(3):
                answer = await self.ask(gate, headers=[cookie])
                self.assertEqual(answer.body, server)
                self.assertNotIn(b"set-cookie", answer.fields)

    async def test_attributes(self) -> None:
        """It is for the route, and for no script."""
        gate = self.front(*await self.servers(1), upstream=self.STICKY)
        cookie = (await self.ask(gate)).one(b"Set-Cookie")
        self.assertEqual(cookie.split(b"; ")[1:], [b"Path=/v1", b"HttpOnly", b"SameSite=Lax"])

    async def test_forged(self) -> None:
        """A cookie that isn't the gate's counts for nothing."""
        gate = self.front(*await self.servers(2), upstream=self.STICKY)
        got = await self.bodies(gate, 4, (b"Cookie", b"gate=" + b"0" * 32))
        self.assertEqual(got, [b"0", b"1", b"0", b"1"])

    async def test_moves_on(self) -> None:
        """Where its server is gone, a client gets another, and that one's cookie."""
        servers = await self.servers(2)
        gate = self.front(*servers, upstream=self.STICKY)
        server, cookie = await self.first(gate)
        await servers[int(server)].stop()
        answer = await self.ask(gate, headers=[cookie])
        self.assertNotEqual(answer.body, server)
        moved = (b"Cookie", answer.one(b"Set-Cookie").partition(b";")[0])
        again = await self.ask(gate, headers=[moved])
        self.assertEqual(again.body, answer.body)
        self.assertNotIn(b"set-cookie", again.fields)

    async def test_drains(self) -> None:
        """A server that drains keeps its own clients, and gets no others."""
        servers = await self.servers(2)
        before = self.front(*servers, upstream=self.STICKY)
        cookies = dict([await self.first(before) for _ in range(2)])
        urls = f'"{servers[0].url}", {{ url = "{servers[1].url}", drain = true }}'
        gate = self.serve(
            f'[upstreams.a]\nservers = [{urls}]\n{self.STICKY}\n[routes."/v1"]\nupstream = "a"\n'
        )
        self.assertEqual(await self.bodies(gate, 3), [b"0"] * 3)
        self.assertEqual(await self.bodies(gate, 3, cookies[b"1"]), [b"1"] * 3)

    async def test_not_for_foreigners(self) -> None:
        """Whoever is refused gets no cookie."""
        gate = self.front(*await self.servers(1), upstream=self.STICKY)
        answer = await self.ask(gate, headers=[FROM_FOREIGN])
        self.assertEqual(answer.status, 403)
        self.assertNotIn(b"set-cookie", answer.fields)


class Down(BalancingTestCase):
    """What is answered where no server can be reached."""

    async def test_fallback(self) -> None:
        """The static answer, where there is one, to a HEAD without its body."""
        server = await self.upstream()
        await server.refuse()
        down = 'on_down = { body = "Back soon." }'
        gate = self.front(server, upstream=down)
        answer = await self.ask(gate, headers=[FROM_APP])
        self.assertEqual((answer.status, answer.body), (503, b"Back soon."))
        self.assertEqual(answer.one(b"Content-Type"), b"text/plain; charset=utf-8")
        self.assertGreater(int(answer.one(b"Retry-After")), 0)
        self.assertIn(b"access-control-allow-origin", answer.fields)
        head = await self.ask(gate, b"HEAD")
        self.assertEqual((head.status, head.body), (503, b""))

    async def test_not_for_other_failures(self) -> None:
        """A server that was reached and failed is no reason for it."""
        server = await self.upstream(b"nonsense\r\n\r\n")
        answer = await self.ask(self.front(server, upstream="on_down = {}"))
        self.assertEqual(answer.status, 502)
        self.assertIn(b"usable", answer.body)

    async def test_backup(self) -> None:
        """A backup gets what no other server can be reached for."""
        first, backup = await self.servers(2)
        gate = self.serve(
            f'[upstreams.a]\nservers = ["{first.url}", {{ url = "{backup.url}", backup = true }}]\n'
            '[routes."/v1"]\nupstream = "a"\n'
        )
        self.assertEqual(await self.bodies(gate, 2), [b"0"] * 2)
        await first.stop()
        self.assertEqual(await self.bodies(gate, 2), [b"1"] * 2)


class Log(BalancingTestCase):
    """What the access log says of servers."""

    async def test_tried(self) -> None:
        """What was tried before, and how it failed."""
        servers = await self.servers(3)
        await servers[0].refuse()
        servers[1].script(response(503))
        gate = self.front(*servers)
        await self.ask(gate)
        await self.ask(gate)
        first, second = (json.loads(line) for line in gate.lines)
        self.assertEqual(first["tried"], [f"{servers[0].url} connect", f"{servers[1].url} 503"])
        self.assertEqual(first["server"], servers[2].url)
        self.assertEqual((first["status"], second["status"]), (200, 200))

    async def test_nothing_tried(self) -> None:
        """A request that its first server served says nothing of it."""
        gate = self.front(*await self.servers(1))
        await self.ask(gate)
        self.assertNotIn("tried", json.loads(gate.lines[0]))
