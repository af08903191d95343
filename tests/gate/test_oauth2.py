"""OAuth2 end to end: a gate between clients, an API, and a token server made with Authlib."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from twisted.internet.defer import Deferred, gatherResults

from corsgate.balance.health import Standing
from corsgate.config.model.values import Config
from corsgate.config.parse import parse_config
from corsgate.cors.check import CORS_RULES
from corsgate.message.headers import Header
from tests.authorization_server import Client, TokenServer
from tests.certificates import Authority, Issued, key_pem, new_key
from tests.gate.fakes import logged
from tests.peers import Message, Upstream, request, response
from tests.support import FROM_APP, LISTEN, POLICY, Gate, GateTestCase

SECRET = "s3cret of/the+gate:%"
PRIVATE = new_key()
PUBLIC = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
AUTHORITY = Authority.make()
CERTIFICATE: Issued = AUTHORITY.issue("gate", common_name="gate")

BASIC = 'client_secret = { env = "CLIENT_SECRET" }'
FILES = {
    "/ca.pem": AUTHORITY.pem,
    "/gate.pem": CERTIFICATE.pem,
    "/gate-key.pem": CERTIFICATE.key_pem,
    "/jwt-key.pem": key_pem(PRIVATE),
}


def parse(toml: str, **environ: str) -> Config:
    """Return the configuration of a file of this text."""
    return parse_config(
        toml,
        file="gate.toml",
        environ={"CLIENT_SECRET": SECRET, **environ},
        read_file=FILES.__getitem__,
        cors_rules=CORS_RULES,
        has_jose=True,
    )


class OAuth2TestCase(GateTestCase):
    """A test case with a token server, an API that wants its tokens, and a gate."""

    async def setUp(self) -> None:  # type: ignore[override]  # trial awaits it
        """Start the first two."""
        self.tokens = await self.token_server(Client("gate", "client_secret_basic", SECRET))
        self.api = await self.upstream()
        self.tokens.protect(self.api)
        self.lines = logged(self)

    async def token_server(self, *clients: Client, tls: Any = None) -> TokenServer:
        """Return a token server that stops with the test."""
        server = await TokenServer(*clients).start(tls)
        self.addCleanup(lambda: Deferred.fromCoroutine(server.stop()))
        return server

    def toml(
        self,
        *keys: str,
        apis: Iterable[Upstream] = (),
        grant: str = "client_credentials",
        upstream: str = "",
    ) -> str:
        """Return a configuration with a route for each API, and keys of the credentials."""
        found = list(apis) or [self.api]
        parts = "".join(
            f'[upstreams.u{n}]\nservers = ["{api.url}"]\ncredentials = "c"\n{upstream}\n'
            f'[routes."/u{n}"]\nupstream = "u{n}"\ncors = "app"\n'
            for n, api in enumerate(found)
        )
        return (
            f'{LISTEN}{POLICY}[credentials.c]\ntype = "oauth2"\ngrant = "{grant}"\n'
            f'token_url = "{self.tokens.url}"\nclient_id = "gate"\n'
            + "\n".join(keys or (BASIC,))
            + f"\n{parts}"
        )

    def gate(self, *keys: str, **more: Any) -> Gate:
        """Return a gate."""
        return self.serve_config(parse(self.toml(*keys, **more)))

    async def get(self, gate: Gate, target: bytes = b"/u0/x", **more: Any) -> Message:
        """Return the response to a page's request."""
        return await self.ask(gate, target=target, headers=[FROM_APP], **more)

    def tokens_sent(self, api: Upstream | None = None) -> list[bytes]:
        """Return the Authorization of each request to an API."""
        return [each.one(b"authorization") for each in (api or self.api).requests]


class Methods(OAuth2TestCase):
    """How the gate proves its identity."""

    async def served(self, *keys: str) -> None:
        """Assert that a token is got and used so."""
        answer = await self.get(self.gate(*keys))
        self.assertEqual((answer.status, answer.body), (200, b"data"), self.lines())

    async def test_basic(self) -> None:
        """A secret with all kinds of characters, in Basic."""
        await self.served(BASIC)
        self.assertEqual(self.tokens.forms, [{"grant_type": "client_credentials"}])

    async def test_post(self) -> None:
        """The same in the form."""
        self.tokens.authlib.clients["gate"].method = "client_secret_post"
        await self.served(BASIC, 'auth_method = "post"', 'scope = "read write"')
        self.assertEqual(self.tokens.forms[0]["scope"], "read write")

    async def test_private_key_jwt(self) -> None:
        """A signed assertion, a new one for each request."""
        self.tokens.authlib.clients["gate"] = Client("gate", "private_key_jwt", public_key=PUBLIC)
        config = parse(self.toml('private_key = { file = "/jwt-key.pem" }'))
        # What is random in a test's gate stays the same, and the token server detects a replay.
        first, other = self.serve_config(config), self.serve_config(config, seed=b"\x01")
        self.assertEqual((await self.get(first)).status, 200, self.lines())
        self.assertEqual((await self.get(other)).status, 200, self.lines())
        self.assertEqual(len({each["client_assertion"] for each in self.tokens.forms}), 2)

    async def test_tls(self) -> None:
        """A certificate that the token server verifies; it is verified itself."""
        options = AUTHORITY.context("login", "127.0.0.1", ask=True)
        self.tokens = await self.token_server(Client("gate", "tls_client_auth"), tls=options)
        self.tokens.protect(self.api)
        shown = 'client_certificate = { chain = "/gate.pem", key = "/gate-key.pem" }'
        await self.served(shown, 'ca = "/ca.pem"')
        answer = await self.get(self.gate(shown))
        self.assertEqual(answer.status, 502)
        self.assertIn("certificate", self.lines()[-1])

    async def test_wrong_secret(self) -> None:
        """Two rejections, and no more for 5 s, however many ask."""
        gate = self.gate('client_secret = "wr0ng-s3cret"')
        answers = [await self.get(gate) for _ in range(6)]
        self.assertEqual({each.status for each in answers}, {502})
        self.assertEqual(len(self.tokens.forms), 2)
        self.assertEqual(self.api.requests, [])
        self.assertEqual(answers[0].one(b"access-control-allow-origin"), FROM_APP[1])
        log = "\n".join(self.lines())
        self.assertIn("it responds 401 (invalid_client): client_id or the secret is wrong", log)
        self.assertIn("next attempt in 5 s", log)
        self.assertNotIn("wr0ng-s3cret", log)
        self.assertNotIn(b"invalid_client", answers[0].body)

    async def test_wrong_scope(self) -> None:
        """A scope that the token server doesn't know is named so."""
        await self.get(self.gate(BASIC, 'scope = "everything"'))
        self.assertIn("invalid_scope", "\n".join(self.lines()))


class Lives(OAuth2TestCase):
    """When tokens are fetched."""

    async def test_once_for_64(self) -> None:
        """64 requests at once, on two upstreams, cost one token."""
        other = await self.upstream()
        self.tokens.protect(other)
        self.tokens.holding = True
        gate = self.gate(apis=[self.api, other])
        asking = [Deferred.fromCoroutine(self.get(gate, b"/u%d/x" % (n % 2))) for n in range(64)]
        await self.tokens.when(lambda: self.tokens.forms)
        self.tokens.release()
        answers = await gatherResults(asking)
        self.assertEqual({each.status for each in answers}, {200})
        self.assertEqual(len(self.tokens.forms), 1)
        self.assertEqual(len({*self.tokens_sent(), *self.tokens_sent(other)}), 1)

    async def test_ended(self) -> None:
        """A token that has ended is replaced before it is sent."""
        self.tokens.lifetime_s = 0.001
        gate = self.gate()
        for _ in range(3):
            self.assertEqual((await self.get(gate)).status, 200)
        self.assertEqual(len(set(self.tokens_sent())), 3)

    async def test_revoked(self) -> None:
        """A revoked token is renewed once, for 64 requests too, and no client notices."""
        gate = self.gate()
        self.assertEqual((await self.get(gate)).status, 200)
        self.tokens.revoke_all()
        asking = [Deferred.fromCoroutine(self.get(gate)) for _ in range(64)]
        answers = await gatherResults(asking)
        self.assertEqual({each.status for each in answers}, {200})
        self.assertEqual(len(self.tokens.forms), 2)

    async def test_small_body_is_sent_again(self) -> None:
        """A small body is sent again with the new token, whole."""
        gate = self.gate()
        await self.get(gate)
        self.tokens.revoke_all()
        answer = await self.ask(gate, b"POST", b"/u0/x", [FROM_APP], b"abc")
        self.assertEqual(answer.status, 200)
        self.assertEqual([each.body for each in self.api.requests[1:]], [b"abc", b"abc"])

    async def test_websocket(self) -> None:
        """A handshake is signed, and made again with a new token."""
        gate = self.gate()
        self.assertEqual((await self.get(gate)).status, 200)
        self.tokens.revoke_all()
        protected = self.api.answer

        def answer(message: Message) -> bytes | None:
            refused = protected(message)
            switching = b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
            return refused if refused and refused.startswith(b"HTTP/1.1 401") else switching

        self.api.answer = answer
        client = await self.connect(gate)
        fields: list[Header] = [FROM_APP, (b"Connection", b"Upgrade"), (b"Upgrade", b"websocket")]
        client.send(request(target=b"/u0/ws", headers=fields))
        await client.when(lambda: client.data.startswith(b"HTTP/1.1 101 "))
        self.assertEqual(len(set(self.tokens_sent())), 2)
        await client.close()

    async def test_api_rejects_every_token(self) -> None:
        """The client gets the API's 401 without its challenge, and few tokens are fetched."""
        self.api.answer = lambda _: response(401, [(b"WWW-Authenticate", b"Bearer")])
        gate = self.gate()
        answers = [await self.get(gate) for _ in range(5)]
        self.assertEqual(answers[0].status, 401)
        for answer in answers:
            self.assertIn(answer.status, (401, 502))
            self.assertNotIn(b"www-authenticate", answer.fields)
        self.assertLessEqual(len(self.tokens.forms), 2)

    async def test_reload(self) -> None:
        """A reload keeps the token, also for an upstream that is new; another secret drops it."""
        gate = self.gate()
        await self.get(gate)
        other = await self.upstream()
        self.tokens.protect(other)
        await gate.reload(parse(self.toml(apis=[self.api, other], upstream="via = false")))
        self.assertEqual((await self.get(gate, b"/u1/x")).status, 200)
        self.assertEqual((await self.get(gate)).status, 200)
        self.assertEqual(len(self.tokens.forms), 1)
        self.tokens.authlib.clients["gate"].secret = "n3w"
        await gate.reload(parse(self.toml(), CLIENT_SECRET="n3w"))
        self.assertEqual((await self.get(gate)).status, 200)
        self.assertEqual(len(self.tokens.forms), 2)

    async def test_client_leaves(self) -> None:
        """A client that leaves while the token is fetched harms nobody."""
        self.tokens.holding = True
        gate = self.gate()
        client = await self.connect(gate)
        client.send(request(target=b"/u0/x"))
        await self.tokens.when(lambda: self.tokens.forms)
        await client.close()
        self.tokens.release()
        self.assertEqual((await self.get(gate)).status, 200)
        self.assertEqual(len(self.tokens.forms), 1)


class Rotation(OAuth2TestCase):
    """One-use refresh tokens."""

    def keys(self, path: str = "") -> tuple[str, ...]:
        """Return the keys with a new refresh token."""
        token = self.tokens.issue_refresh_token("gate")
        kept = (f'token_file = "{path}"',) if path else ()
        return (BASIC, f'refresh_token = "{token}"', *kept)

    async def test_each_is_used_once(self) -> None:
        """Each refresh token is used once, by several credentials and over reloads."""
        self.tokens.lifetime_s = 0.001
        keys = self.keys()
        gate = self.gate(*keys, grant="refresh_token")
        for number in range(3):
            answers = await gatherResults(
                [Deferred.fromCoroutine(self.get(gate)) for _ in range(4)]
            )
            self.assertEqual({each.status for each in answers}, {200}, self.lines())
            scope = f'scope = "read"\naudience = "{number}"'
            await gate.reload(parse(self.toml(*keys, scope, grant="refresh_token")))
        used = [each["refresh_token"] for each in self.tokens.forms]
        self.assertEqual(len(used), len(set(used)))
        self.assertGreaterEqual(len(used), 3)

    async def test_over_a_restart(self) -> None:
        """With `token_file` another process goes on; without it, the error says why not."""
        keys = self.keys(str(Path(self.mktemp()).resolve()))
        for _ in range(2):
            gate = self.gate(*keys, grant="refresh_token")
            self.assertEqual((await self.get(gate)).status, 200, self.lines())
            await gate.stop()
        keys = self.keys()
        first = self.gate(*keys, grant="refresh_token")
        self.assertEqual((await self.get(first)).status, 200)
        second = self.gate(*keys, grant="refresh_token")
        self.assertEqual((await self.get(second)).status, 502)
        self.assertIn("(invalid_grant): the refresh token has expired", "\n".join(self.lines()))

    async def test_stop_meanwhile(self) -> None:
        """A refresh token that is being used when the gate stops is not lost."""
        keys = self.keys(str(Path(self.mktemp()).resolve()))
        gate = self.gate(*keys, grant="refresh_token")
        self.tokens.holding = True
        client = await self.connect(gate)
        client.send(request(target=b"/u0/x"))
        await self.tokens.when(lambda: self.tokens.forms)
        await client.close()
        stopping = gate.stop()
        self.assertFalse(stopping.called)
        self.tokens.release()
        await stopping
        after = self.gate(*keys, grant="refresh_token")
        self.assertEqual((await self.get(after)).status, 200, self.lines())


class Failures(OAuth2TestCase):
    """What the token server does wrong."""

    async def test_down(self) -> None:
        """While the token server is down a valid token is used; then 502, and at once."""
        self.tokens.lifetime_s = 3600
        gate = self.gate()
        await self.get(gate)
        await self.tokens.stop()
        self.assertEqual((await self.get(gate)).status, 200)
        self.tokens.revoke_all()
        for _ in range(3):
            answer = await self.get(gate)
            self.assertEqual(answer.status, 502)
            self.assertIn(b"could not log in", answer.body)
        self.assertIn("refused", "\n".join(self.lines()))
        await self.tokens.start(port=self.tokens.port)

    async def test_rubbish(self) -> None:
        """Whatever the token server sends, the client gets 502, and the log a reason."""
        for status, body, reason in (
            (200, b"<html>", "without a JSON object"),
            (200, b"{}", "no usable access_token"),
            (200, b'{"access_token": "a\\r\\nb"}', "no usable access_token"),
            (200, b'{"access_token": "a", "token_type": "mac"}', "another type"),
            (302, b"", "a redirect"),
            (404, b"", "token_url is probably wrong"),
            (500, b"", "it responds 500"),
            (200, b"x" * 300_000, "more than 256 KiB"),
        ):
            self.tokens.canned = (status, body)
            gate = self.gate()
            self.assertEqual((await self.get(gate)).status, 502)
            self.assertIn(reason, "\n".join(self.lines()), body[:20])
        self.assertEqual(self.api.requests, [])

    async def test_health(self) -> None:
        """Probes are signed too, and a token server that is down takes no server down."""
        self.tokens.canned = (503, b"")
        gate = self.gate(upstream='health = { path = "/health", interval = "10ms", fall = 1 }')
        await self.tokens.when(lambda: self.tokens.forms)
        self.assertEqual((await self.get(gate)).status, 502)
        (state,) = gate.service.runtime.upstreams["u0"].balancer.states.values()
        self.assertTrue(state.health.standing is not Standing.DOWN)
        self.tokens.canned = None
        await self.api.arrived()
        self.assertEqual(self.api.requests[0].target, b"/health")
        self.assertIn(b"Bearer acc3ss-", self.tokens_sent()[0])


class Confined(OAuth2TestCase):
    """Where tokens and secrets go."""

    async def test_never_shown(self) -> None:
        """Neither log, nor error, nor response has the secret or a token."""
        access: list[str] = []
        gate = self.serve_config(parse(self.toml()), access.append)
        answer = await self.get(gate)
        self.tokens.canned = (400, json.dumps({"error": "x", "error_description": SECRET}).encode())
        self.tokens.revoke_all()
        failed = await self.get(gate)
        signer = gate.service.runtime.upstreams["u0"].credentials
        shown = "\n".join((*access, *self.lines()))
        shown += f"{answer}{failed}{signer}{gate.service.config}"
        for secret in (SECRET, "acc3ss-"):
            self.assertNotIn(secret, shown)

    async def test_not_to_another_server(self) -> None:
        """A redirect takes no token elsewhere, and the client's own Authorization is dropped."""
        other = await self.upstream()
        self.api.answer = lambda _: response(302, [(b"Location", other.url.encode() + b"/steal")])
        gate = self.gate()
        own: list[Header] = [FROM_APP, (b"Authorization", b"Bearer client")]
        answer = await self.ask(gate, target=b"/u0/x", headers=own)
        self.assertEqual(answer.status, 302)
        self.assertEqual(other.requests, [])
        self.assertNotIn(b"Bearer client", self.tokens_sent())
        self.assertEqual(len(self.tokens_sent()), 1)
