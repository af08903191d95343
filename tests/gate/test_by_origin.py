"""``credentials_by_origin``: each origin gets its own account, and nobody another's."""

from __future__ import annotations

from base64 import b64decode

from corsgate.message.headers import Header
from tests.ntlm_box import DOMAIN, PASSWORD, USER, NtlmBox
from tests.peers import Client, Message, Upstream, request, response
from tests.support import LISTEN, GateTestCase, parse

ONE, TWO, THREE = b"http://localhost:4200", b"http://localhost:4300", b"https://app.example"
CORS = """
[cors.app]
allow_origins = ["http://localhost:4200", "http://localhost:4300", "https://app.example"]
[credentials.one]
type = "basic"
username = "one"
password = "p1"
[credentials.two]
type = "header"
name = "X-Key"
value = "k2"
[credentials.rest]
type = "basic"
username = "rest"
password = "p3"
"""
BY_ORIGIN = (
    'credentials_by_origin = { "http://localhost:4200" = "one", "http://localhost:4300" = "two" }\n'
)
REST = 'credentials = "rest"\n'


def config(server: Upstream, lines: str = BY_ORIGIN, route: str = "", more: str = CORS) -> str:
    """Return a configuration with one route for a server."""
    return (
        f'{LISTEN}[upstreams.a]\nservers = ["{server.url}"]\n{lines}{more}\n'
        f'[routes."/v1"]\n{route or "upstream = " + chr(34) + "a" + chr(34)}\ncors = "app"\n'
    )


def account(message: Message) -> str:
    """Return whose account a request has."""
    values = message.fields.get(b"authorization", [])
    user = b64decode(values[0].partition(b" ")[2]).decode() if values else ""
    return user + ",".join(each.decode() for each in message.fields.get(b"x-key", []))


class ChoiceTests(GateTestCase):
    """Who gets which account."""

    async def asked(
        self, client: Client, *origins: bytes, more: tuple[Header, ...] = ()
    ) -> Message:
        """Return the response to a GET on a client's connection."""
        fields = [*((b"Origin", each) for each in origins), *more]
        client.send(request(target=b"/v1/x", headers=fields))
        return await client.response()

    async def test_each_its_own(self) -> None:
        """On one connection, in any order, and again with what is remembered."""
        server = await self.upstream()
        gate = self.serve(config(server, BY_ORIGIN + REST))
        client = await self.connect(gate)
        whose = {ONE: "one:p1", TWO: "k2", THREE: "rest:p3"}
        for origin in (ONE, ONE, TWO, ONE, THREE, THREE, TWO, TWO, ONE):
            answer = await self.asked(client, origin)
            self.assertEqual(answer.status, 200)
            self.assertEqual(answer.one(b"access-control-allow-origin"), origin)
            self.assertEqual(account(server.requests[-1]), whose[origin])
        self.assertEqual((await self.asked(client)).status, 200)
        self.assertEqual(account(server.requests[-1]), "rest:p3")

    async def test_no_default(self) -> None:
        """Without `credentials`, who is not named gets 403, which a page may read."""
        server = await self.upstream()
        gate = self.serve(config(server))
        client = await self.connect(gate)
        for origins, words in (
            ((), b"no credentials for requests without an Origin"),
            ((THREE,), b"no credentials for requests from this origin"),
        ):
            answer = await self.asked(client, *origins)
            self.assertEqual(answer.status, 403)
            self.assertIn(words, answer.body)
            shown = answer.fields.get(b"access-control-allow-origin", [])
            self.assertEqual(shown, list(origins))
        self.assertEqual(server.requests, [])
        self.assertEqual((await self.asked(client, ONE)).status, 200)
        self.assertEqual((await self.asked(client)).status, 403)

    async def test_other_spellings(self) -> None:
        """Only the very origin counts, once; and the policy still decides first."""
        server = await self.upstream()
        gate = self.serve(config(server))
        for origins in (
            (b"http://LOCALHOST:4200",),
            (ONE + b"/",),
            (b"null",),
            (b"",),
            (ONE, ONE),
            (ONE, TWO),
            (b"https://evil.example",),
        ):
            client = await self.connect(gate)
            answer = await self.asked(client, *origins)
            self.assertIn(answer.status, (400, 403))
        self.assertEqual(server.requests, [])

    async def test_preflight(self) -> None:
        """A preflight is answered as usual; the request behind it has the reason."""
        server = await self.upstream()
        gate = self.serve(config(server))
        fields = [(b"Origin", THREE), (b"Access-Control-Request-Method", b"GET")]
        answer = await self.ask(gate, b"OPTIONS", headers=fields)
        self.assertEqual(answer.status, 204)
        self.assertEqual(server.requests, [])

    async def test_clients_own_fields(self) -> None:
        """No client's field gets through that belongs to any of the accounts."""
        server = await self.upstream()
        gate = self.serve(config(server, BY_ORIGIN + REST))
        own = ((b"X-Key", b"mine"), (b"Authorization", b"Basic bWluZQ=="), (b"X_Key", b"mine"))
        for origin, whose in ((ONE, "one:p1"), (TWO, "k2"), (THREE, "rest:p3")):
            client = await self.connect(gate)
            self.assertEqual((await self.asked(client, origin, more=own)).status, 200)
            self.assertEqual(account(server.requests[-1]), whose)
            self.assertNotIn(b"x_key", server.requests[-1].fields)

    async def test_upload_and_challenge(self) -> None:
        """Digest is learned for each account apart."""
        server = await self.upstream()
        gate = self.serve(
            config(
                server,
                more=CORS.replace('"basic"', '"digest"')
                .replace('"header"', '"digest"')
                .replace('name = "X-Key"', 'username = "two"')
                .replace('value = "k2"', 'password = "p2"'),
            )
        )
        challenge = [(b"WWW-Authenticate", b'Digest realm="r", nonce="n", qop="auth"')]
        server.answer = lambda message: (
            response(200) if b"authorization" in message.fields else response(401, challenge)
        )
        client = await self.connect(gate)
        for origin in (ONE, TWO, ONE, TWO):
            client.send(request(b"POST", b"/v1/x", [(b"Origin", origin)], b"some"))
            self.assertEqual((await client.response()).status, 200)
            user = b'username="one"' if origin == ONE else b'username="two"'
            self.assertIn(user, server.requests[-1].one(b"authorization"))
        self.assertEqual(len(server.requests), 6)

    async def test_shared(self) -> None:
        """Origins may share an account."""
        server = await self.upstream()
        gate = self.serve(config(server, BY_ORIGIN.replace('"two"', '"one"') + REST))
        client = await self.connect(gate)
        for origin, whose in ((ONE, "one:p1"), (TWO, "one:p1"), (THREE, "rest:p3")) * 2:
            await self.asked(client, origin)
            self.assertEqual(account(server.requests[-1]), whose)

    async def test_allow_paths(self) -> None:
        """What restricts a route otherwise holds as well."""
        server = await self.upstream()
        gate = self.serve(config(server, route='upstream = "a"\nallow_paths = ["/v1/x"]'))
        client = await self.connect(gate)
        self.assertEqual((await self.asked(client, ONE)).status, 200)
        client.send(request(target=b"/v1/y", headers=[(b"Origin", ONE)]))
        self.assertEqual((await client.response()).status, 403)
        self.assertEqual(len(server.requests), 1)

    async def test_by_url(self) -> None:
        """With ``by_url``, the upstream of the URL has its own accounts."""
        server = await self.upstream()
        gate = self.serve(config(server, BY_ORIGIN, route='by_url = ["a"]'))
        for origin, whose in ((ONE, "one:p1"), (TWO, "k2"), (THREE, None)):
            fields = [(b"Origin", origin)]
            answer = await self.ask(
                gate, target=b"/v1/" + server.url.encode() + b"/p?q", headers=fields
            )
            self.assertEqual(answer.status, 403 if whose is None else 200)
            if whose:
                self.assertEqual(server.requests[-1].target, b"/p?q")
                self.assertEqual(account(server.requests[-1]), whose)

    async def test_caches(self) -> None:
        """Every response says that it depends on the origin, with a policy or without."""
        server = await self.upstream()
        text = config(server, BY_ORIGIN + REST)
        for source in (text, text.replace('cors = "app"\n', "")):
            gate = self.serve(source)
            for fields in ([], [(b"Origin", ONE)], [(b"Origin", THREE)]):
                answer = await self.ask(gate, headers=fields)
                self.assertIn(b"Origin", answer.one(b"vary").split(b", "))

    async def test_cookies(self) -> None:
        """A box that prefers its session to the credentials doesn't mistake a page for another."""
        server = await self.upstream()

        def box(got: Message) -> bytes:
            user = got.fields.get(b"cookie", [account(got).encode()])[0]
            return response(200, [(b"Set-Cookie", user + b"; Path=/")], user)

        server.answer = box
        gate = self.serve(
            config(server).replace("[cors.app]", "[cors.app]\nallow_credentials = true")
        )
        client = await self.connect(gate)
        kept: tuple[Header, ...] = ()
        for origin, whose in ((ONE, b"one:p1"), (TWO, b"k2"), (ONE, b"one:p1")):
            answer = await self.asked(client, origin, more=kept)
            self.assertEqual(answer.body, whose)
            # A browser sends it with every page's requests.
            kept = tuple((b"Cookie", each) for each in answer.fields.get(b"set-cookie", []))

    async def test_wrong_password(self) -> None:
        """What one account's password does to it leaves the others alone."""
        server = await self.upstream()
        server.answer = lambda got: response(401 if account(got) == "one:p1" else 200)
        gate = self.serve(config(server, BY_ORIGIN + REST))
        client = await self.connect(gate)
        statuses = [(await self.asked(client, ONE)).status for _ in range(4)]
        self.assertEqual(statuses, [401, 401, 502, 502])
        for origin in (TWO, THREE) * 3:
            self.assertEqual((await self.asked(client, origin)).status, 200)
        self.assertEqual((await self.asked(client, ONE)).status, 502)
        mine = [each for each in server.requests if account(each) == "one:p1"]
        self.assertEqual(len(mine), 2)

    async def test_redirect(self) -> None:
        """Addresses of the upstream are still the gate's in responses."""
        server = await self.upstream()
        server.answer = lambda _: response(302, [(b"Location", server.url.encode() + b"/v1/z")])
        gate = self.serve(config(server))
        for origin in (ONE, TWO):
            answer = await self.ask(gate, headers=[(b"Origin", origin)])
            self.assertEqual(answer.one(b"location"), b"http://localhost/v1/z")

    async def test_reload(self) -> None:
        """An origin that loses its account has none at once, on a connection that is open."""
        server = await self.upstream()
        gate = self.serve(config(server))
        client = await self.connect(gate)
        self.assertEqual((await self.asked(client, ONE)).status, 200)
        await gate.reload(parse(config(server, BY_ORIGIN.replace("localhost:4200", "b:1"))))
        self.assertEqual((await self.asked(client, ONE)).status, 403)
        await gate.reload(parse(config(server, BY_ORIGIN.replace('"one"', '"rest"'))))
        self.assertEqual((await self.asked(client, ONE)).status, 200)
        self.assertEqual(account(server.requests[-1]), "rest:p3")

    async def test_ntlm(self) -> None:
        """Connections that one account has authenticated are not used for another."""
        server = await self.upstream()
        box = NtlmBox(self, server)
        ntlm = f'type = "ntlm"\nusername = "{USER}"\npassword = "{PASSWORD}"\n'
        accounts = CORS.partition("[credentials.one]")[0] + (
            f'[credentials.one]\n{ntlm}[credentials.two]\n{ntlm}domain = "{DOMAIN}"\n'
        )
        gate = self.serve(config(server, more=accounts))
        client = await self.connect(gate)
        for origin in (ONE, TWO, ONE, TWO):
            self.assertEqual((await self.asked(client, origin)).status, 200)
        self.assertEqual((box.handshakes, len(server.connections)), (2, 2))
        mine = [server.connections.index(each.connection) for each in server.requests]
        self.assertEqual(mine, [0, 0, 1, 1, 0, 1])

    async def test_connection_bound_for_one(self) -> None:
        """A box that binds a connection for one page's request does not get another's on it."""
        server = await self.upstream(response(401, [(b"WWW-Authenticate", b"NTLM TlRM")]))
        gate = self.serve(config(server))
        client = await self.connect(gate)
        await self.asked(client, ONE)
        await server.connections[0].gone()
        await self.asked(client, TWO)
        self.assertEqual(len(server.connections), 2)
