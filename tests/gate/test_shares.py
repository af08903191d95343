"""One address that holds all upstream connections, and another one that wants one."""

from __future__ import annotations

import json
import socket
from typing import Any

from h2.settings import SettingCodes
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.task import LoopingCall

from corsgate.transport.fast_write import UNSENT_BYTES
from tests.gate.test_http2 import Http2TestCase
from tests.gate.test_tunnel import OFFER, SWITCH
from tests.http2 import Answer, Http2Peer
from tests.peers import ABORTED, Client, Message, Upstream, reactor, request, response
from tests.support import APP, FROM_APP, Gate, GateTestCase

MANY = 4
FOUR = f"max_connections = {MANY}\n"
SLOWLY = '[limits]\nmin_upload_rate = "0B"\nmin_download_rate = "0B"\n'
"""Without least rates, so that it is the share alone that counts."""

CHUNKED = b"POST /v1/held HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
LARGE = bytes(12 * 1024 * 1024)
"""More than the buffers of all sockets on its way take."""


class Victim(GateTestCase):
    """A client from another address."""

    async def visit(self, gate: Gate) -> Message:
        """Send its GET; return the response."""
        client = await self.connect_as(gate)
        client.send(request(target=b"/v1/victim", headers=[FROM_APP]))
        return await client.response()

    async def connect_as(self, gate: Gate, address: str = "127.0.0.2") -> Client:
        """Return a connection from an address."""
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", gate.port, bindAddress=(address, 0))
        client: Any = await endpoint.connect(Factory.forProtocol(Client))
        self.addCleanup(client.close)
        assert isinstance(client, Client)
        return client

    def answer(self, got: Message) -> bytes | None:
        """Return the server's answer: none but to the victim."""
        return response(body=b"served") if got.target == b"/v1/victim" else None

    async def holding(self, upstream: Upstream) -> None:
        """Wait until the server has all the connections that it may have."""
        await upstream.when(lambda: len(upstream.connections) == MANY)


class OverHttp1(Victim):
    """Each of the attackers' requests has a connection of its own."""

    async def hold(self, *sent: bytes) -> tuple[Gate, list[Client]]:
        """Return a gate whose upstream connections are all held by requests of one address.

        Args:
            sent: What each of them sends; the last one as all the others.
        """
        self.server = await self.upstream()
        self.server.answer = self.answer
        gate = self.front(self.server, upstream=FOUR, rest=SLOWLY)
        clients = []
        for number in range(MANY):
            client = await self.connect(gate)
            client.send(sent[min(number, len(sent) - 1)])
            clients.append(client)
        await self.holding(self.server)
        return gate, clients

    async def assert_cut_for_victim(self, gate: Gate, clients: list[Client]) -> None:
        """Assert that the victim is served, for which one client, the first, is told with 408."""
        served = await self.visit(gate)
        self.assertEqual((served.status, served.body), (200, b"served"))
        cut = await clients[0].response()
        self.assertEqual((cut.status, cut.one(b"Connection")), (408, b"close"))
        self.assertEqual([client.data for client in clients[1:]], [b""] * (MANY - 1))
        self.assertEqual([client.outcome for client in clients[1:]], [""] * (MANY - 1))
        line = json.loads(next(line for line in gate.lines if '"status": 408' in line))
        self.assertIn("others waited", line["outcome"])

    async def test_bodies(self) -> None:
        """Uploads of which a byte has come."""
        await self.assert_cut_for_victim(*await self.hold(CHUNKED + b"1\r\nx\r\n"))

    async def test_lengths(self) -> None:
        """Uploads whose length is known, and of which nothing has come."""
        head = request(b"POST", b"/v1/held", [(b"Content-Length", b"9")])
        await self.assert_cut_for_victim(*await self.hold(head))

    async def test_drips(self) -> None:
        """Uploads in which chunk extensions or trailers come all the time."""
        for begun in (b"1\r\nx\r\n1;", b"1\r\nx\r\n0\r\nX-T: "):
            gate, clients = await self.hold(CHUNKED + begun)

            def drip(clients: list[Client] = clients) -> None:
                for client in clients:
                    if not client.outcome:
                        client.send(b"x")

            dripping = LoopingCall(drip)
            dripping.start(0.05).addErrback(self.fail)
            try:
                await self.assert_cut_for_victim(gate, clients)
            finally:
                dripping.stop()

    async def test_again_and_again(self) -> None:
        """However often what is cut comes again, the next one of another address goes first."""
        gate, clients = await self.hold(CHUNKED)
        for _ in range(3):
            for _ in range(MANY):
                clients.append(await self.connect(gate))
                clients[-1].send(CHUNKED)
            self.assertEqual((await self.visit(gate)).status, 200)

    async def test_downloads(self) -> None:
        """Responses of which the client takes nothing are cut."""
        self.server = await self.upstream()
        self.server.answer = lambda got: self.answer(got) or response(body=LARGE)
        gate = self.front(self.server, upstream=FOUR, rest=SLOWLY)
        clients = []
        for _ in range(MANY):
            client = await self.connect(gate)
            tcp: Any = client.transport
            tcp.pauseProducing()
            client.send(request(target=b"/v1/held"))
            clients.append(client)
        await self.holding(self.server)
        for channel in gate.service.listeners[0].site.connections.channels:
            tcp = channel.transport  # type: ignore[attr-defined]  # it is a protocol
            bound = tcp.getHandle().getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT)
            self.assertEqual(bound, UNSENT_BYTES)
        served = await self.visit(gate)
        self.assertEqual(served.body, b"served")
        for client in clients:
            cut: Any = client.transport
            cut.resumeProducing()
        await clients[0].when(lambda: any(client.outcome == ABORTED for client in clients))
        self.assertEqual([client.outcome for client in clients].count(ABORTED), 1)

    async def test_the_upstream_is_slow(self) -> None:
        """A long poll, an event stream and a complete upload aren't the client's to move."""
        self.server = await self.upstream()

        def answer(got: Message) -> bytes | None:
            if got.target == b"/v1/events":
                return b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n"
            return None

        self.server.answer = answer
        rest = SLOWLY
        gate = self.front(self.server, upstream=FOUR + 'queue_timeout = "1500ms"', rest=rest)
        clients = [await self.connect(gate) for _ in range(MANY)]
        clients[0].send(request(target=b"/v1/poll"))
        clients[1].send(request(target=b"/v1/events"))
        clients[2].send(request(b"POST", b"/v1/job", body=b"all of it"))
        clients[3].send(CHUNKED + b"1\r\nx\r\n0\r\n\r\n")
        await self.server.arrived(MANY)
        await clients[1].when(lambda: b"data: 1" in clients[1].data)
        victim = await self.visit(gate)
        self.assertEqual((victim.status, victim.one(b"Retry-After")), (503, b"5"))
        self.assertEqual(victim.one(b"Access-Control-Allow-Origin"), APP)
        self.assertEqual([client.outcome for client in clients], [""] * MANY)
        for got in self.server.requests:
            if got.target != b"/v1/events":
                got.connection.send(response(body=b"at last"))
        for number in (0, 2, 3):
            self.assertEqual((await clients[number].response()).body, b"at last")

    async def test_max_requests(self) -> None:
        """Nor does one address take up all that may run, by what it lets stall."""
        self.server = await self.upstream()
        self.server.answer = self.answer
        gate = self.front(self.server, upstream=f"max_requests = {MANY}", rest=SLOWLY)
        clients = [await self.connect(gate) for _ in range(MANY)]
        for client in clients:
            client.send(CHUNKED)
        await self.holding(self.server)
        # Until they have stalled for long enough, there is none.
        while (status := (await self.visit(gate)).status) == 503:
            pass
        self.assertEqual(status, 200)
        self.assertEqual(len([client for client in clients if client.data]), 1)
        # The attackers' own get none that way.
        more = await self.connect(gate)
        more.send(CHUNKED)
        again = await self.connect(gate)
        again.send(request(target=b"/v1/held"))
        self.assertEqual((await again.response()).status, 503)

    async def test_max_requests_downloads(self) -> None:
        """A response that is cut gives its place to the very request that it is cut for."""
        self.server = await self.upstream()
        self.server.answer = lambda got: self.answer(got) or response(body=LARGE)
        gate = self.front(self.server, upstream=f"max_requests = {MANY}", rest=SLOWLY)
        for _ in range(MANY):
            client = await self.connect(gate)
            tcp: Any = client.transport
            tcp.pauseProducing()
            client.send(request(target=b"/v1/held"))
        await self.holding(self.server)

        def cut() -> list[str]:
            return [line for line in gate.lines if "others waited" in line]

        while (status := (await self.visit(gate)).status) == 503:
            self.assertEqual(cut(), [])
        self.assertEqual(status, 200)
        self.assertEqual(len(cut()), 1)

    async def test_max_requests_kept_bodies(self) -> None:
        """A body that is kept for a second server, and of which no more comes, gives it up too."""
        servers = [await self.upstream(), await self.upstream()]
        for server in servers:
            server.answer = self.answer
        gate = self.front(*servers, upstream=f"max_requests = {MANY}", rest=SLOWLY)
        head = request(b"PUT", b"/v1/held", [(b"Content-Length", b"9")])
        clients = [await self.connect(gate) for _ in range(MANY)]
        for client in clients:
            client.send(head + b"x")
        balancer = gate.service.upstreams["a"].balancer
        while balancer.running < MANY:
            self.assertEqual((await self.ask(gate, target=b"/none")).status, 404)
        while (status := (await self.visit(gate)).status) == 503:
            self.assertEqual([client.data for client in clients], [b""] * MANY)
        self.assertEqual(status, 200)
        cut = [client for client in clients if client.data]
        self.assertEqual([(await client.response()).status for client in cut], [408])
        # All others keep their places, as long as nobody else wants one.
        self.assertEqual(balancer.running, MANY - 1)
        self.assertEqual([server.requests for server in servers].count([]), 1)

    async def test_own_requests(self) -> None:
        """An address that holds them all and wants more only waits for its own."""
        gate, clients = await self.hold(CHUNKED)
        more = await self.connect(gate)
        more.send(request(target=b"/v1/victim"))
        # Behind it in the queue, and served before it, by one that is cut.
        self.assertEqual((await self.visit(gate)).status, 200)
        cut = [client for client in clients if client.data]
        self.assertEqual(len(cut), 1)
        # The connection that came free is the other one's now.
        self.assertEqual((await more.response()).status, 200)

    async def test_takes_turns(self) -> None:
        """A connection that comes free is the other address's, whoever waited before."""
        gate, _ = await self.hold(request(target=b"/v1/held"))
        more = [await self.connect(gate) for _ in range(3)]
        for client in more:
            client.send(request(target=b"/v1/held"))
        self.assertEqual((await self.ask(gate, target=b"/none")).status, 404)
        client = await self.connect_as(gate)
        client.send(request(target=b"/v1/victim"))
        self.assertEqual((await self.ask(gate, target=b"/none")).status, 404)
        self.server.requests[0].connection.send(response())
        self.assertEqual((await client.response()).body, b"served")


class OverHttp2(Http2TestCase, Victim):
    """All of them are streams of one connection."""

    async def hold(self, method: bytes) -> tuple[Gate, Http2Peer, list[int]]:
        """Return a gate whose upstream connections are all held, by whom, and by which streams."""
        self.server = await self.upstream()
        self.server.answer = lambda got: self.answer(got) or response(body=LARGE)
        gate = self.over_tls(self.server, upstream=FOUR, rest=SLOWLY)
        peer = await self.peer(gate)
        if method == b"GET":
            peer.connection.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 0})
        numbers = [self.open(peer, method) for _ in range(MANY)]
        await self.holding(self.server)
        return gate, peer, numbers

    def open(self, peer: Http2Peer, method: bytes) -> int:
        """Open a stream that stalls; return it."""
        number: int = peer.connection.get_next_available_stream_id()
        peer.answers[number] = Answer()
        pseudo = [(b":method", method), (b":scheme", b"https"), (b":authority", b"gate.test")]
        fields = [*pseudo, (b":path", b"/v1/held")]
        peer.connection.send_headers(number, fields, end_stream=method == b"GET")
        if method == b"POST":
            peer.connection.send_data(number, b"x")
        tcp: Any = peer.transport
        tcp.write(peer.connection.data_to_send())
        return number

    async def assert_served(self, gate: Gate) -> None:
        """Assert that a client from another address gets its response."""
        victim = await self.peer(gate, "127.0.0.2")
        got = await victim.whole(victim.ask(b"/v1/victim"))
        self.assertEqual((got.status, bytes(got.body)), (200, b"served"))

    async def test_uploads(self) -> None:
        """Of uploads one gets 408, and no other stream of the connection suffers."""
        gate, peer, numbers = await self.hold(b"POST")
        await self.assert_served(gate)
        cut = await peer.whole(numbers[0])
        self.assertEqual((cut.status, cut.ended), (408, True))
        self.assertEqual([peer.answers[number].status for number in numbers[1:]], [0] * (MANY - 1))
        self.assertFalse(peer.lost)

    async def test_downloads(self) -> None:
        """Of responses without a window one is reset, and no other stream suffers."""
        gate, peer, numbers = await self.hold(b"GET")
        await self.assert_served(gate)
        answers = [peer.answers[number] for number in numbers]
        await peer.when(lambda: any(answer.reset is not None for answer in answers))
        self.assertEqual([answer.reset for answer in answers].count(None), MANY - 1)
        self.assertFalse(peer.lost)

    async def test_again_and_again(self) -> None:
        """However often what is cut comes again, another address goes first."""
        gate, peer, _ = await self.hold(b"POST")
        for _ in range(3):
            for _ in range(MANY):
                self.open(peer, b"POST")
            await self.assert_served(gate)


class Tunnels(Victim):
    """Tunnels leave the connections, and have a bound of their own."""

    async def switch(self, gate: Gate, address: str = "127.0.0.1") -> tuple[Client, int]:
        """Return a client that has asked to switch, and the status it got."""
        client = await self.connect_as(gate, address)
        client.send(request(headers=[*OFFER, FROM_APP]))
        await client.when(lambda: b"\r\n\r\n" in client.data)
        return client, int(client.data.split(b" ")[1])

    async def test_beyond_max_connections(self) -> None:
        """Many more tunnels than connections are fine, and so are other requests beside them."""
        server = await self.upstream()
        server.answer = lambda got: self.answer(got) or SWITCH
        gate = self.front(server, upstream="max_connections = 1\nmax_queue = 0")
        tunnels = [await self.switch(gate) for _ in range(10)]
        self.assertEqual([status for _, status in tunnels], [101] * 10)
        self.assertEqual((await self.visit(gate)).body, b"served")
        first, _ = tunnels[0]
        first.send(b"still there")
        await server.when(lambda: server.data.endswith(b"still there"))

    async def test_share(self) -> None:
        """One address has half of them; another one finds room, until there is none at all."""
        server = await self.upstream(SWITCH)
        gate = self.front(server, upstream="max_tunnels = 4")
        one = [await self.switch(gate) for _ in range(3)]
        self.assertEqual([status for _, status in one], [101, 101, 503])
        self.assertIn(b"\r\nRetry-After: 5\r\n", one[2][0].data)
        self.assertEqual(len(server.requests), 2)
        others = [(await self.switch(gate, f"127.0.0.{number}"))[1] for number in (2, 2, 3, 4)]
        self.assertEqual(others, [101, 503, 101, 503])
        # What ends makes room again.
        await one[0][0].close()
        await gate.when(lambda: any("tunnel closed" in line for line in gate.lines))
        self.assertEqual((await self.switch(gate, "127.0.0.4"))[1], 101)

    async def test_none(self) -> None:
        """Where there may be no tunnel, requests that offer nothing are served as ever."""
        gate = self.front(await self.upstream(), upstream="max_tunnels = 0")
        self.assertEqual((await self.switch(gate))[1], 503)
        await self.assert_serves(gate)
