"""A gate at its bounds: upstreams that take no more, clients that want too much."""

from __future__ import annotations

from typing import Any

from tests.peers import ABORTED, Client, request, response
from tests.support import APP, DIGEST, FROM_APP, Gate, GateTestCase

ONE = "max_connections = 1\n"


class BusyUpstreams(GateTestCase):
    """Requests wait their turn, and those that can't are told when to come back."""

    async def asking(self, gate: Gate, count: int) -> list[Client]:
        """Return clients that have asked for /v1/0, /v1/1..., in this order."""
        clients = []
        for number in range(count):
            client = await self.connect(gate)
            client.send(request(target=b"/v1/%d" % number, headers=[FROM_APP]))
            clients.append(client)
            # What the gate answers itself tells that it has read all that came before.
            self.assertEqual((await self.ask(gate, target=b"/none")).status, 404)
        return clients

    async def test_turns(self) -> None:
        """First come, first served, over one connection."""
        upstream = await self.upstream(None)
        gate = self.front(upstream, upstream=ONE)
        clients = await self.asking(gate, 4)
        for number, client in enumerate(clients):
            arrived = await upstream.arrived(number + 1)
            self.assertEqual(arrived.target, b"/v1/%d" % number)
            self.assertEqual(len(upstream.requests), number + 1)
            arrived.connection.send(response(body=b"%d" % number))
            self.assertEqual((await client.response()).body, b"%d" % number)
        self.assertEqual(len(upstream.connections), 1)

    async def test_full(self) -> None:
        """Where the queue is full: 503 at once, with Retry-After and the route's CORS fields."""
        upstream = await self.upstream(None)
        gate = self.front(upstream, upstream=ONE + "max_queue = 1")
        await self.asking(gate, 2)
        answer = await self.ask(gate, headers=[FROM_APP])
        self.assertEqual((answer.status, answer.one(b"Retry-After")), (503, b"5"))
        self.assertEqual(answer.one(b"Access-Control-Allow-Origin"), APP)
        self.assertNotIn(b"127.0.0.1", answer.raw)
        self.assertEqual(len(upstream.requests), 1)

    async def test_too_slow(self) -> None:
        """Who waits for too long gets the same, and never comes to the upstream."""
        upstream = await self.upstream(None)
        gate = self.front(upstream, upstream=ONE + 'queue_timeout = "10ms"')
        first, second = await self.asking(gate, 2)
        answer = await second.response()
        self.assertEqual((answer.status, answer.one(b"Retry-After")), (503, b"5"))
        self.assertEqual(answer.one(b"Access-Control-Allow-Origin"), APP)
        upstream.connections[0].send(response())
        self.assertEqual((await first.response()).status, 200)
        upstream.script(response())
        await self.assert_serves(gate)
        self.assertEqual([each.target for each in upstream.requests], [b"/v1/0", b"/v1/fine"])

    async def test_another_server(self) -> None:
        """Where one server's queue is full, another server is asked."""
        busy, free = await self.upstream(None), await self.upstream(response(body=b"free"))
        gate = self.front(busy, free, upstream=ONE + "max_queue = 0")
        client = await self.connect(gate)
        client.send(request())
        await busy.arrived()
        for _ in range(4):
            self.assertEqual((await self.ask(gate, b"POST", body=b"x")).body, b"free")
        self.assertEqual(len(busy.requests), 1)

    async def test_left(self) -> None:
        """A client that leaves the queue costs the upstream nothing."""
        upstream = await self.upstream(None)
        gate = self.front(upstream, upstream=ONE)
        first, second, third = await self.asking(gate, 3)
        await second.close()
        await gate.when(lambda: any('"status": 499' in line for line in gate.lines))
        upstream.connections[0].send(response())
        await first.response()
        self.assertEqual((await upstream.arrived(2)).target, b"/v1/2")
        upstream.connections[0].send(response())
        self.assertEqual((await third.response()).status, 200)
        self.assertEqual(len(upstream.connections), 1)

    async def test_challenges(self) -> None:
        """One connection is enough for credentials that are challenged, with others waiting."""
        challenge = response(
            401, [(b"WWW-Authenticate", b'Digest realm="r", nonce="n", qop="auth"')]
        )
        upstream = await self.upstream()
        upstream.answer = lambda got: response() if b"authorization" in got.fields else challenge
        gate = self.front(upstream, upstream=ONE + DIGEST)
        clients = [await self.connect(gate) for _ in range(5)]
        for client in clients:
            client.send(request(b"PUT", body=b"data"))
        for client in clients:
            self.assertEqual((await client.response()).status, 200)
        self.assertEqual(len(upstream.connections), 1)


class TooManyClients(GateTestCase):
    """Connections past a bound are closed at once, and come again once there is room."""

    async def refused(self, gate: Gate) -> None:
        """Assert that a connection is refused."""
        client = await self.connect(gate)
        client.send(request())
        self.assertEqual((await client.gone(), client.data), (ABORTED, b""))

    async def test_in_all(self) -> None:
        """A gate with all its connections taken serves those, and takes another for each lost."""
        upstream = await self.upstream(None)
        gate = self.front(upstream, rest="[limits]\nmax_connections = 2")
        first, second = await self.connect(gate), await self.connect(gate)
        for client in (first, second):
            client.send(request())
        await upstream.when(lambda: len(upstream.requests) == 2)
        await self.refused(gate)
        upstream.script(response())
        for connection in upstream.connections:
            connection.send(response())
        for client in (first, second):
            self.assertEqual((await client.response()).status, 200)
        await first.close()
        second.send(request())
        await second.response()
        await self.assert_serves(gate)

    async def test_idle_give_way(self) -> None:
        """Of connections that idle, the idlest is closed for one that comes."""
        gate = self.front(await self.upstream(), rest="[limits]\nmax_connections = 2")
        first, second = await self.connect(gate), await self.connect(gate)
        for client in (second, first):
            client.send(request())
            self.assertEqual((await client.response()).status, 200)
        third = await self.connect(gate)
        self.assertEqual(await second.gone(), "closed")
        for client in (first, third):
            client.send(request())
            self.assertEqual((await client.response()).status, 200)

    async def test_come_and_go(self) -> None:
        """Hundreds that come and leave in every state take up no room when they are gone."""
        upstream = await self.upstream(None)
        gate = self.front(upstream, rest="[limits]\nmax_connections = 10")
        data = request(b"PUT", body=b"data")
        for _ in range(40):
            clients = [await self.connect(gate) for _ in range(9)]
            for number, client in enumerate(clients):
                client.send(data[: number * len(data) // 8])
            for number, client in enumerate(clients):
                if number % 2:
                    await client.close()
                else:
                    client.finish()
            for client in clients:
                await client.gone()
            # The tenth place is for one that is answered once the others have been seen to leave.
            self.assertEqual((await self.ask(gate, target=b"/none")).status, 404)
        clients = [await self.connect(gate) for _ in range(10)]
        upstream.script(response())
        for client in clients:
            client.send(request())
        for client in clients:
            self.assertEqual((await client.response()).status, 200)

    async def test_all_listeners(self) -> None:
        """The bound is one for all listeners; a trusted proxy has only the one in all."""
        upstream = await self.upstream(None)
        gate = self.serve(
            'listen = ["tcp:0:interface=127.0.0.1"]\n'
            '[[listener]]\nendpoint = "tcp:0:interface=127.0.0.1"\n'
            'trusted_proxies = ["127.0.0.0/8"]\n'
            f'[upstreams.a]\nservers = ["{upstream.url}"]\n[routes."/"]\nupstream = "a"\n'
            "[limits]\nmax_connections = 4\nmax_connections_per_client = 1\n"
        )
        addresses: list[Any] = [port.getHost() for port in gate.service.ports]
        plain, trusting = [address.port for address in addresses]
        taken = 0
        for port, is_taken in ((plain, True), (plain, False), *[(trusting, True)] * 3):
            client = await self.connect_to(port)
            client.send(request())
            if is_taken:
                taken += 1
                await upstream.when(lambda: len(upstream.requests) == taken)  # noqa: B023
            else:
                self.assertEqual(await client.gone(), ABORTED)
        client = await self.connect_to(trusting)
        self.assertEqual(await client.gone(), ABORTED)
