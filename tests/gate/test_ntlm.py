"""NTLM end to end: the gate authenticates connections of its own to a box that verifies NTLMv2."""

from __future__ import annotations

from functools import partial

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL.crypto import X509
from twisted.internet.defer import Deferred, DeferredList

from corsgate.upstream.certificates import pin_of
from tests.certificates import self_signed
from tests.gate.test_upstream_tls import TlsEndpoint
from tests.ntlm_box import DOMAIN, PASSWORD, USER, NtlmBox, SambaContext, server_context
from tests.peers import Client, Message, Upstream, request, response
from tests.programs import require
from tests.support import FROM_APP, LISTEN, POLICY, Gate, GateTestCase, parse

LARGE = bytes(range(256)) * 1024


def credentials(password: str = PASSWORD, more: str = f', domain = "{DOMAIN}"') -> str:
    """Return the line of an upstream with NTLM credentials."""
    return (
        f'credentials = {{ type = "ntlm", username = "{USER}", password = "{password}"{more} }}\n'
    )


class NtlmTestCase(GateTestCase):
    """A test case with a gate in front of a box."""

    async def boxed(
        self, line: str = "", upstream: str = "", rest: str = "", **options: object
    ) -> tuple[NtlmBox, Upstream, Gate]:
        """Return a box, its server and a gate in front of it."""
        server = await self.upstream()
        box = NtlmBox(self, server, **options)  # type: ignore[arg-type]  # as given
        gate = self.front(server, upstream=(line or credentials()) + upstream, rest=rest)
        return box, server, gate

    async def get(self, client: Client, target: bytes = b"/v1/x") -> Message:
        """Return the response to a GET on a client's connection."""
        client.send(request(target=target, headers=[FROM_APP]))
        return await client.response()


class Handshakes(NtlmTestCase):
    """What the box sees of requests."""

    async def test_get(self) -> None:
        """One handshake serves many requests of many clients, one after the other."""
        box, server, gate = await self.boxed()
        for _ in range(3):
            answer = await self.ask(gate, headers=[FROM_APP])
            self.assertEqual((answer.status, answer.body), (200, b"hi"))
            self.assertNotIn(b"www-authenticate", answer.fields)
        steps = [step for _, _, step, _ in box.seen]
        self.assertEqual(steps, ["1", "3", "-", "-"])
        self.assertEqual(len(server.connections), 1)

    async def test_both_schemes(self) -> None:
        """NTLM inside SPNEGO where the box offers nothing else; it is remembered."""
        for schemes in ((b"Negotiate",), (b"NTLM",), (b"Negotiate", b"NTLM")):
            box, server, gate = await self.boxed(schemes=schemes)
            self.assertEqual((await self.ask(gate)).status, 200)
            self.assertEqual(box.handshakes, 1)
            await server.connections[-1].close()
            self.assertEqual((await self.ask(gate)).status, 200)
            self.assertEqual(box.handshakes, 2)
            self.assertEqual([s for _, _, s, _ in box.seen][-2:], ["1", "3"])

    async def test_without_domain(self) -> None:
        """The domain is optional; or it stands before the name."""
        before = credentials(more="").replace(USER, f"{DOMAIN}\\\\{USER}")
        for line in (credentials(more=""), before):
            box, _, gate = await self.boxed(line)
            self.assertEqual((await self.ask(gate)).status, 200)
            self.assertEqual(box.handshakes, 1)

    async def test_small_body(self) -> None:
        """A small body is kept: it goes with each step of the handshake."""
        box, _, gate = await self.boxed()
        answer = await self.ask(gate, b"POST", body=b"some")
        self.assertEqual((answer.status, answer.body), (200, b"some"))
        self.assertEqual(box.seen, [("POST", "/v1/x", "1", 4), ("POST", "/v1/x", "3", 4)])

    async def test_large_body(self) -> None:
        """A large body is uploaded once: a GET begins the handshake."""
        box, _, gate = await self.boxed()
        answer = await self.ask(gate, b"POST", body=LARGE)
        self.assertEqual((answer.status, answer.body), (200, LARGE))
        self.assertEqual(box.seen, [("GET", "/v1/x", "1", 0), ("POST", "/v1/x", "3", len(LARGE))])
        answer = await self.ask(gate, b"POST", body=LARGE)
        self.assertEqual((answer.status, answer.body), (200, LARGE))
        self.assertEqual(box.seen[2:], [("POST", "/v1/x", "-", len(LARGE))])

    async def test_public(self) -> None:
        """What needs no authentication is sent once and whole, whatever its body."""
        box, _, gate = await self.boxed(public=[b"/v1/x"])
        for body in (None, b"some", LARGE):
            box.seen.clear()
            answer = await self.ask(gate, b"POST", body=body)
            self.assertEqual((answer.status, answer.body), (200, body or b"hi"))
            posts = [size for method, _, _, size in box.seen if method == "POST"]
            self.assertEqual(posts, [len(body or b"")])
        self.assertEqual(box.handshakes, 0)

    async def test_public_to_get_alone(self) -> None:
        """An upload that is challenged too late is not sent twice; the next one is served."""
        box, server, gate = await self.boxed()
        judge = box.answer
        server.answer = lambda message: (
            response(200) if message.method == b"GET" else judge(message)
        )
        self.assertIn((await self.ask(gate, b"POST", body=LARGE)).status, (502, 503))
        box.seen.clear()
        answer = await self.ask(gate, b"POST", body=LARGE)
        self.assertEqual((answer.status, answer.body), (200, LARGE))
        self.assertEqual(box.seen, [("POST", "/v1/x", "1", 0), ("POST", "/v1/x", "3", len(LARGE))])

    async def test_wrong_password(self) -> None:
        """One handshake is refused for a request; the page may read the 401, without a prompt."""
        box, server, gate = await self.boxed(credentials("wrong"))
        answer = await self.ask(gate, headers=[FROM_APP])
        self.assertEqual(answer.status, 401)
        self.assertEqual(answer.one(b"access-control-allow-origin"), FROM_APP[1])
        self.assertNotIn(b"www-authenticate", answer.fields)
        self.assertEqual((box.refused, len(box.seen)), (1, 2))
        await server.connections[0].gone()

    async def test_other_schemes_only(self) -> None:
        """A box that offers none of the schemes refuses; nothing is repeated."""
        box, _, gate = await self.boxed(schemes=[b"Basic"])
        self.assertEqual((await self.ask(gate)).status, 401)
        self.assertEqual(len(box.seen), 1)

    async def test_rubbish(self) -> None:
        """A challenge that can't be read is 502, and nothing of it is shown."""
        server = await self.upstream(
            response(401, [(b"WWW-Authenticate", b"NTLM TlRMTVNTUAACAAAA")])
        )
        gate = self.front(server, upstream=credentials())
        self.assertEqual((await self.ask(gate)).status, 502)
        self.assertEqual(len(server.requests), 1)
        answers = response(401, [(b"WWW-Authenticate", b"NTLM !!!")])
        server.script(answers)
        self.assertEqual((await self.ask(gate)).status, 401)

    async def test_websocket(self) -> None:
        """The last request of the handshake switches protocols; its connection is a tunnel then."""
        switch = b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
        box, server, gate = await self.boxed(answer=lambda _: switch)
        client = await self.connect(gate)
        offer = [(b"Connection", b"Upgrade"), (b"Upgrade", b"websocket"), FROM_APP]
        client.send(request(target=b"/v1/chat", headers=offer))
        await client.when(lambda: b"\r\n\r\n" in client.data)
        self.assertTrue(client.data.startswith(b"HTTP/1.1 101 "))
        client.send(b"hello")
        await server.when(lambda: server.data.endswith(b"hello"))
        self.assertEqual([step for _, _, step, _ in box.seen], ["1", "3"])

    async def test_client_has_no_say(self) -> None:
        """A client's Authorization is dropped, on authenticated connections too."""
        box, server, gate = await self.boxed()
        for value in (b"NTLM TlRMTVNTUAABAAAA", b"Basic eDp5"):
            answer = await self.ask(gate, headers=[(b"Authorization", value)])
            self.assertEqual(answer.status, 200)
        self.assertEqual([step for _, _, step, _ in box.seen], ["1", "3", "-"])
        self.assertNotIn(b"Basic", server.data)


class Connections(NtlmTestCase):
    """Which connections there are, and who may use them."""

    async def test_at_once(self) -> None:
        """Each connection carries one request at a time; later they are used again."""
        box, server, gate = await self.boxed()
        for _ in range(2):
            asking = [self.ask(gate, target=b"/v1/%d" % n) for n in range(12)]
            answers = await DeferredList([Deferred.fromCoroutine(each) for each in asking])
            self.assertEqual({answer.status for _, answer in answers}, {200})
        self.assertLessEqual(box.handshakes, 12)
        self.assertEqual(len(server.connections), box.handshakes)

    async def test_few_connections(self) -> None:
        """Where connections are few, requests wait for one; it counts whoever has it."""
        box, _, gate = await self.boxed(upstream="max_connections = 2\n")
        asking = [self.ask(gate, target=b"/v1/%d" % n) for n in range(12)]
        answers = await DeferredList([Deferred.fromCoroutine(each) for each in asking])
        self.assertEqual({answer.status for _, answer in answers}, {200})
        self.assertEqual(box.handshakes, 2)
        self.assertEqual([step for _, _, step, _ in box.seen].count("-"), 10)

    async def test_each_request(self) -> None:
        """A box that authenticates each request gets a handshake with each, uploads included."""
        box, server, gate = await self.boxed(persists=False)
        for _ in range(4):
            self.assertEqual((await self.ask(gate)).status, 200)
        self.assertEqual(
            [s for _, _, s, _ in box.seen], ["1", "3", "-", "1", "3", "-", "1", "3", "1", "3"]
        )
        self.assertEqual(len(server.connections), 1)
        answer = await self.ask(gate, b"PUT", body=LARGE)
        self.assertEqual((answer.status, answer.body), (200, LARGE))

    async def test_closes_after_each(self) -> None:
        """A box that closes after each response gets a handshake with each request."""
        box, server, gate = await self.boxed(closes=[200])
        for _ in range(2):
            self.assertEqual((await self.ask(gate)).status, 200)
        self.assertEqual(box.handshakes, 2)
        self.assertEqual(len(server.connections), 2)

    async def test_closes_in_the_middle(self) -> None:
        """A box that closes after each 401 can't do NTLM: 502, after a few tries."""
        box, _, gate = await self.boxed(closes=[401])
        self.assertEqual((await self.ask(gate)).status, 502)
        self.assertEqual(len(box.seen), 3)

    async def test_idle_connection_is_closed(self) -> None:
        """A request whose idle connection the box closes is sent on another."""
        box, server, gate = await self.boxed()
        self.assertEqual((await self.ask(gate)).status, 200)
        await server.connections[0].close()
        self.assertEqual((await self.ask(gate, b"POST", body=b"x")).status, 200)
        self.assertEqual(box.handshakes, 2)

    async def test_reset_of_a_kept_connection(self) -> None:
        """A GET that meets the end of its kept connection is sent once more, a POST is not."""
        box, server, gate = await self.boxed()
        judge = box.answer

        def answer(message: Message) -> bytes | None:
            if message.target == b"/v1/cut" and b"authorization" not in message.fields:
                message.connection.transport.abortConnection()
                return None
            return judge(message)

        server.answer = answer
        self.assertEqual((await self.ask(gate)).status, 200)
        self.assertEqual((await self.ask(gate, target=b"/v1/cut")).status, 200)
        self.assertEqual(box.handshakes, 2)
        self.assertEqual((await self.ask(gate, b"POST", b"/v1/cut", body=b"x")).status, 502)

    async def test_reset_of_the_last_message(self) -> None:
        """A box that rejects a user by closing the connection gets the password once."""
        server = await self.upstream()
        box = NtlmBox(self, server)

        def answer(message: Message) -> bytes | None:
            answered = box.answer(message)
            if box.seen[-1][2] == "3":
                message.connection.transport.abortConnection()
                return None
            return answered

        server.answer = answer
        gate = self.front(server, upstream=credentials())
        self.assertEqual((await self.ask(gate)).status, 502)
        self.assertEqual([step for _, _, step, _ in box.seen], ["1", "3"])

    async def test_probes(self) -> None:
        """Probes have handshakes and connections of their own, and find the box well."""
        health = 'health = { path = "/health", interval = "1s", rise = 1, fall = 1 }\n'
        box, server, gate = await self.boxed(upstream=health)
        probed = ("GET", "/health", "3", 0)
        await server.when(lambda: probed in box.seen)
        self.assertEqual((await self.ask(gate)).status, 200)
        asked = {each.target: each.connection for each in server.requests}
        self.assertIsNot(asked[b"/health"], asked[b"/v1/x"])

    async def test_reload(self) -> None:
        """Equal credentials keep their connections over a reload; others don't."""
        server = await self.upstream()
        box = NtlmBox(self, server)

        def config(line: str, more: str = "") -> str:
            return (
                f'{LISTEN}[upstreams.a]\nservers = ["{server.url}"]\n{line}{more}{POLICY}\n'
                '[routes."/v1"]\nupstream = "a"\ncors = "app"\n'
            )

        gate = self.serve(config(credentials()))
        self.assertEqual((await self.ask(gate)).status, 200)
        await gate.reload(parse(config(credentials(), "preserve_host = true\n")))
        self.assertEqual((await self.ask(gate)).status, 200)
        self.assertEqual((box.handshakes, len(server.connections)), (1, 1))
        await gate.reload(parse(config(credentials(more=""))))
        await server.connections[0].gone()
        self.assertEqual((await self.ask(gate)).status, 200)
        self.assertEqual((box.handshakes, len(server.connections)), (2, 2))
        await gate.reload(parse(config(credentials("wrong"))))
        self.assertEqual((await self.ask(gate)).status, 401)

    async def test_client_leaves_in_the_middle(self) -> None:
        """A connection that is in the middle of a handshake is not used for another request."""
        server = await self.upstream()
        box = NtlmBox(self, server)
        judge, server.answer = server.answer, lambda _: None
        gate = self.front(server, upstream=credentials())
        client = await self.connect(gate)
        client.send(request(target=b"/v1/x"))
        await server.arrived()
        await client.close()
        await server.connections[0].gone()
        server.answer = judge
        self.assertEqual((await self.ask(gate)).status, 200)
        self.assertEqual(box.handshakes, 1)


class TlsTests(NtlmTestCase):
    """Over TLS, the answer is bound to the certificate of the server (RFC 5929)."""

    async def test_extended_protection(self) -> None:
        """A box that wants the binding accepts its own certificate, and no other."""
        own, other = self_signed("box", "127.0.0.1"), self_signed("box", "127.0.0.1")
        for wanted, status in ((own, 200), (other, 401)):
            server = await Upstream().start_on(TlsEndpoint(own.context()))
            self.addCleanup(lambda server=server: Deferred.fromCoroutine(server.stop()))  # type: ignore[misc]  # a default
            der = wanted.certificate.public_bytes(Encoding.DER)
            box = NtlmBox(self, server, make=partial(server_context, self, certificate=der))
            gate = self.serve(
                f'[upstreams.a]\nservers = ["https://127.0.0.1:{server.port}"]\n{credentials()}'
                f'tls = {{ pin = ["{pin_of(X509.from_cryptography(own.certificate))}"] }}\n'
                '[routes."/v1"]\nupstream = "a"\n'
            )
            self.assertEqual((await self.ask(gate)).status, status)
            self.assertEqual(box.handshakes, status == 200)


class SambaTests(NtlmTestCase):
    """Samba's ``ntlm_auth`` verifies what the gate sends."""

    async def test_samba(self) -> None:
        """Both schemes; with a wrong password, both are refused."""
        program = require("ntlm_auth", "winbind")
        for scheme in (b"NTLM", b"Negotiate"):
            for password, status in ((PASSWORD, 200), ("wrong", 401)):
                box, _, gate = await self.boxed(
                    credentials(password),
                    schemes=[scheme],
                    make=partial(SambaContext, self, program),
                )
                self.assertEqual((await self.ask(gate)).status, status)
                self.assertEqual((box.handshakes, box.refused), (status == 200, status == 401))
