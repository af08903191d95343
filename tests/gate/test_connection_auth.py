"""Boxes that authenticate a connection: nobody else gets it, and the handshake works."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.protocol import Factory

from corsgate.message.headers import Header
from tests.gate.test_http2 import Http2TestCase
from tests.ntlm import OFFERS, TYPE_2, NtlmBox, first_leg, last_leg, secret
from tests.peers import Client, Message, Upstream, reactor, request, response
from tests.support import BASIC, FROM_APP, FROM_FOREIGN, Gate, GateTestCase

HTTP_1_1_REQUIRED = 13
TRUSTED = """
[[listener]]
endpoint = "tcp:0:interface=127.0.0.1"
trusted_proxies = ["127.0.0.1"]
"""


class ConnectionAuthTestCase(GateTestCase):
    """A test case with clients that log in."""

    async def get(self, client: Client, *headers: Header, target: bytes = b"/v1/x") -> Message:
        """Return the response to a GET on a client's connection."""
        client.send(request(target=target, headers=headers))
        return await client.response()

    async def logged_in(self, gate: Gate, user: bytes = b"alice") -> Client:
        """Return a client that has done the handshake."""
        client = await self.connect(gate)
        self.assertEqual((await self.get(client)).status, 401)
        self.assertEqual((await self.get(client, first_leg())).status, 401)
        answer = await self.get(client, last_leg(user))
        self.assertEqual((answer.status, answer.body), (200, secret(user)))
        return client

    async def gone(self, upstream: Upstream, number: int) -> None:
        """Wait for the end of one of an upstream's connections."""
        await upstream.connections[number].gone()


class Confined(ConnectionAuthTestCase):
    """What one client was authenticated for, no other gets."""

    async def test_two_clients(self) -> None:
        """Each client has its own user's data, whoever asks in between; nobody else has any."""
        upstream = await self.upstream()
        NtlmBox(upstream)
        gate = self.front(upstream)
        alice = await self.logged_in(gate, b"alice")
        self.assertEqual((await self.ask(gate)).status, 401)
        bob = await self.logged_in(gate, b"bob")
        for _ in range(2):
            self.assertEqual((await self.get(alice)).body, secret(b"alice"))
            self.assertEqual((await self.ask(gate)).status, 401)
            self.assertEqual((await self.get(bob, FROM_APP)).body, secret(b"bob"))
        # Alice's, Bob's, and that of all others.
        self.assertEqual(len(upstream.connections), 3)

    async def test_between_the_legs(self) -> None:
        """A connection in the midst of a handshake is nobody else's."""
        for scheme in (b"NTLM", b"ntlm", b"Negotiate", b"Kerberos"):
            upstream = await self.upstream()
            NtlmBox(upstream)
            gate = self.front(upstream)
            alice, mallory = await self.connect(gate), await self.connect(gate)
            await self.get(alice, first_leg(scheme))
            answer = await self.get(mallory, last_leg(b"mallory", scheme))
            self.assertEqual(answer.status, 401, scheme)
            answer = await self.get(alice, last_leg(b"alice", scheme))
            self.assertEqual(answer.body, secret(b"alice"), scheme)

    async def test_pipelined(self) -> None:
        """A handshake whose requests are sent at once works, and leaks as little."""
        upstream = await self.upstream()
        NtlmBox(upstream)
        gate = self.front(upstream)
        alice = await self.connect(gate)
        legs: list[list[Header]] = [[], [first_leg()], [last_leg(b"alice")], []]
        alice.send(b"".join(request(headers=leg) for leg in legs))
        answers = [await alice.response() for _ in legs]
        self.assertEqual([answer.status for answer in answers], [401, 401, 200, 200])
        self.assertEqual((await self.ask(gate)).status, 401)
        self.assertEqual((await self.get(alice)).body, secret(b"alice"))

    async def test_closes_with_the_client(self) -> None:
        """When the client leaves, its upstream connection is closed."""
        upstream = await self.upstream()
        NtlmBox(upstream)
        gate = self.front(upstream)
        alice = await self.logged_in(gate)
        await alice.close()
        await self.gone(upstream, 0)
        self.assertEqual((await self.ask(gate)).status, 401)
        self.assertEqual(len(upstream.connections), 2)

    async def test_leaves_during_a_leg(self) -> None:
        """A client that leaves before the answer to a leg leaves no connection behind."""
        upstream = await self.upstream(None)
        gate = self.front(upstream)
        client = await self.connect(gate)
        client.send(request(headers=[last_leg(b"alice")]))
        await upstream.arrived()
        await client.close()
        await self.gone(upstream, 0)
        upstream.script(response())
        await self.assert_serves(gate)
        self.assertEqual(len(upstream.connections), 2)

    async def test_close(self) -> None:
        """A client that says that it will close keeps no connection."""
        upstream = await self.upstream()
        gate = self.front(upstream)
        await self.ask(gate, headers=[first_leg(), (b"Connection", b"close")])
        await self.gone(upstream, 0)
        await self.assert_serves(gate)
        self.assertEqual(len(upstream.connections), 2)

    async def test_challenge_alone(self) -> None:
        """A challenge with a token binds the connection, whatever the request said."""
        upstream = await self.upstream(response(401, [TYPE_2]), response())
        gate = self.front(upstream)
        client = await self.connect(gate)
        self.assertEqual((await self.get(client)).status, 401)
        await self.assert_serves(gate)
        await self.get(client)
        mine = [upstream.connections.index(each.connection) for each in upstream.requests]
        self.assertEqual(mine, [0, 1, 0])

    async def test_not_bound(self) -> None:
        """Bare offers, and credentials of single requests, bind nothing."""
        challenges = [*OFFERS, (b"WWW-Authenticate", b'Basic realm="NTLM x"')]
        upstream = await self.upstream(response(401, challenges))
        gate = self.front(upstream)
        for value in (b"Basic TlRMOk5UTE0=", b"Bearer ntlm", b'Digest username="NTLM"'):
            client = await self.connect(gate)
            await self.get(client, (b"Authorization", value))
            await self.ask(gate)
        self.assertEqual(len(upstream.connections), 1)

    async def test_credentials_of_the_gate(self) -> None:
        """Where the gate has credentials, the client's bind nothing: they are not passed on."""
        upstream = await self.upstream()
        gate = self.front(upstream, upstream=BASIC)
        client = await self.connect(gate)
        self.assertEqual((await self.get(client, first_leg())).status, 200)
        await self.assert_serves(gate)
        self.assertEqual(len(upstream.connections), 1)

    async def test_foreign(self) -> None:
        """A page that is not allowed gets nothing over a connection that is authenticated."""
        upstream = await self.upstream()
        NtlmBox(upstream)
        alice = await self.logged_in(self.front(upstream))
        self.assertEqual((await self.get(alice, FROM_FOREIGN)).status, 403)
        self.assertEqual((await self.get(alice, FROM_APP)).body, secret(b"alice"))
        self.assertEqual(len(upstream.requests), 4)


class Lost(ConnectionAuthTestCase):
    """The server ends a connection that is bound."""

    async def test_idle(self) -> None:
        """The client authenticates anew after its connection was closed."""
        upstream = await self.upstream()
        NtlmBox(upstream)
        gate = self.front(upstream)
        alice = await self.logged_in(gate)
        await upstream.connections[0].close()
        self.assertEqual((await self.get(alice)).status, 401)
        self.assertEqual((await self.get(alice, first_leg())).status, 401)
        self.assertEqual((await self.get(alice, last_leg(b"alice"))).body, secret(b"alice"))
        self.assertEqual((await self.ask(gate)).status, 401)

    async def test_between_the_legs(self) -> None:
        """The last leg alone proves nothing on another connection."""
        upstream = await self.upstream()
        NtlmBox(upstream, (b"Connection", b"close"))
        alice = await self.connect(self.front(upstream))
        await self.get(alice, first_leg())
        self.assertEqual((await self.get(alice, last_leg(b"alice"))).status, 401)

    async def test_leg_is_not_sent_again(self) -> None:
        """A leg whose connection is closed by the server at that moment is not sent elsewhere."""
        upstream = await self.upstream(response(401, [TYPE_2]), None)
        other = await self.upstream()
        gate = self.front(upstream, other)
        alice = await self.connect(gate)
        self.assertEqual((await self.get(alice, first_leg())).status, 401)
        alice.send(request(headers=[last_leg(b"alice")]))
        await upstream.arrived(2)
        await upstream.connections[0].close()
        self.assertEqual((await alice.response()).status, 502)
        self.assertEqual((len(upstream.requests), len(other.requests)), (2, 0))

    async def test_other_requests_are(self) -> None:
        """Any other request may be: it is one without a user."""
        upstream = await self.upstream(response(401, [TYPE_2]), None, response())
        gate = self.front(upstream)
        alice = await self.connect(gate)
        await self.get(alice, first_leg())
        alice.send(request())
        await upstream.arrived(2)
        await upstream.connections[0].close()
        self.assertEqual((await alice.response()).status, 200)
        await self.assert_serves(gate)
        self.assertEqual(len(upstream.connections), 2)


class Servers(ConnectionAuthTestCase):
    """Of several servers, the one that knows the client goes on to serve it."""

    async def test_stays(self) -> None:
        """All requests of a client that is authenticated go to the server that did it."""
        upstreams = [await self.upstream() for _ in range(3)]
        for upstream in upstreams:
            NtlmBox(upstream)
        gate = self.front(*upstreams)
        clients = [(user, await self.connect(gate)) for user in (b"alice", b"bob", b"carol")]
        for leg in (first_leg, last_leg):
            for user, client in clients:
                await self.get(client, leg(user) if leg is last_leg else first_leg())
        for _ in range(4):
            await self.ask(gate)
            for user, client in clients:
                self.assertEqual((await self.get(client)).body, secret(user))

    async def test_no_other_server(self) -> None:
        """A server's failure is passed on rather than have another one asked."""
        for headers in ([], [last_leg(b"alice")]):
            upstream = await self.upstream(response(401, [TYPE_2]), response(503))
            other = await self.upstream()
            alice = await self.connect(self.front(upstream, other))
            self.assertEqual((await self.get(alice, first_leg())).status, 401)
            self.assertEqual((await self.get(alice, *headers)).status, 503)
            self.assertEqual(other.requests, [])

    async def test_makes_way(self) -> None:
        """An idle connection that is kept for one client makes way for whoever waits for one."""
        upstream = await self.upstream()
        NtlmBox(upstream)
        gate = self.front(upstream, upstream="max_connections = 1")
        alice = await self.logged_in(gate)
        self.assertEqual((await self.ask(gate)).status, 401)
        self.assertEqual((await self.get(alice)).status, 401)


class Shared(ConnectionAuthTestCase):
    """A proxy that is trusted may send many users' requests on one connection."""

    async def test_offers_removed(self) -> None:
        """The offers don't pass, others do; a leg that comes all the same binds nobody."""
        basic = b'Basic realm="a, NTLM b"'
        upstream = await self.upstream()
        NtlmBox(upstream, (b"WWW-Authenticate", b"Negotiate, " + basic + b", NTLM"))
        gate = self.front(upstream, rest=TRUSTED)
        proxy = await self.connect(gate)
        for leg in ([], [first_leg()], [last_leg(b"alice")], []):
            answer = await self.get(proxy, *leg)
            self.assertEqual((answer.status, answer.one(b"www-authenticate")), (401, basic))
        await self.gone(upstream, 0)

    async def test_unix_socket(self) -> None:
        """A Unix socket's client is a proxy of this machine's, and may be one for many users."""
        upstream = await self.upstream()
        NtlmBox(upstream)
        path = Path(self.mktemp()).absolute()
        gate = self.front(upstream, rest=f'[[listener]]\nendpoint = "unix:{path}"\n')
        self.assertEqual(gate.port, 0)
        endpoint = UNIXClientEndpoint(reactor, str(path))
        proxy: Any = await endpoint.connect(Factory.forProtocol(Client))
        self.addCleanup(proxy.close)
        for leg in ([], [first_leg()], [last_leg(b"alice")], []):
            answer = await self.get(proxy, *leg)
            self.assertEqual((answer.status, b"www-authenticate" in answer.fields), (401, False))

    async def test_one_leg(self) -> None:
        """A connection that a single request authenticates is closed behind it."""
        upstream = await self.upstream()
        gate = self.front(upstream, rest=TRUSTED)
        proxy = await self.connect(gate)
        for number in range(2):
            await self.get(proxy, first_leg(b"Negotiate"))
            await self.gone(upstream, number)
        await self.get(proxy)
        await self.get(proxy)
        self.assertEqual(len(upstream.connections), 3)


class Http2(Http2TestCase):
    """Streams share a connection, so that no handshake takes place on them."""

    async def test_http1_required(self) -> None:
        """A leg's stream is reset such that the client turns to HTTP/1.1; others go on."""
        upstream = await self.upstream(None)
        peer = await self.peer(self.over_tls(upstream))
        other = peer.ask()
        arrived = await upstream.arrived()
        for body in (None, b"x" * 100_000):
            leg = peer.ask(method=b"PUT", headers=[first_leg(), FROM_APP], body=body)
            self.assertEqual((await peer.whole(leg)).reset, HTTP_1_1_REQUIRED)
        arrived.connection.send(response(401, OFFERS))
        answer = await peer.whole(other)
        self.assertEqual(answer.fields[b"www-authenticate"], [b"Negotiate", b"NTLM"])
        self.assertEqual(len(upstream.requests), 1)

    async def test_foreign(self) -> None:
        """A page that is not allowed is refused as ever."""
        upstream = await self.upstream()
        peer = await self.peer(self.over_tls(upstream))
        refused = peer.ask(headers=[first_leg(), FROM_FOREIGN])
        self.assertEqual((await peer.whole(refused)).status, 403)

    async def test_credentials_of_the_gate(self) -> None:
        """Where the client's credentials are not passed on, they change nothing."""
        upstream = await self.upstream()
        peer = await self.peer(self.over_tls(upstream, upstream=BASIC))
        self.assertEqual((await peer.whole(peer.ask(headers=[first_leg()]))).status, 200)
