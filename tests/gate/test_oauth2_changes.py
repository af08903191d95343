"""OAuth2 while the configuration changes or clients leave, as a token is being fetched."""

from __future__ import annotations

from twisted.internet.defer import Deferred, gatherResults

from tests.authorization_server import Client
from tests.gate.test_oauth2 import BASIC, SECRET, OAuth2TestCase, parse
from tests.peers import Message, request, response
from tests.support import FROM_APP, LISTEN, POLICY, Gate


class Changes(OAuth2TestCase):
    """Requests that wait for a token, and what happens meanwhile."""

    async def waiting(self, gate: Gate, asked: int = 1) -> Deferred[Message]:
        """Return a request that waits for a token."""
        self.tokens.holding = True
        sent = Deferred.fromCoroutine(self.get(gate))
        await self.tokens.when(lambda: len(self.tokens.forms) == asked)
        return sent

    async def test_credentials_removed(self) -> None:
        """A request that began before a reload ends as it began; the next one is not signed."""
        gate = self.gate()
        sent = await self.waiting(gate)
        upstream = f'[upstreams.u0]\nservers = ["{self.api.url}"]\n'
        route = '[routes."/u0"]\nupstream = "u0"\ncors = "app"\n'
        await gate.reload(parse(f"{LISTEN}{POLICY}{upstream}{route}"))
        self.tokens.release()
        self.assertEqual((await sent).status, 200)
        self.assertEqual((await self.get(gate)).status, 401)
        self.assertNotIn(b"authorization", self.api.requests[-1].fields)

    async def test_secret_rotated(self) -> None:
        """A new secret is used at once, while the request with the old one still waits."""
        gate = self.gate()
        sent = await self.waiting(gate)
        self.tokens.authlib.clients["gate"].secret = "n3w"
        await gate.reload(parse(self.toml(), CLIENT_SECRET="n3w"))
        after = await self.waiting(gate, 2)
        self.tokens.release()
        self.assertEqual((await sent).status, 502)
        self.assertEqual((await after).status, 200)

    async def test_refresh_tokens_take_turns_over_a_reload(self) -> None:
        """Another secret at the same refresh token waits for the newest one."""
        keys = (BASIC, f'refresh_token = "{self.tokens.issue_refresh_token("gate")}"')
        gate = self.gate(*keys, grant="refresh_token")
        sent = await self.waiting(gate)
        text = self.toml(*keys, 'scope = "read"', grant="refresh_token")
        await gate.reload(parse(text))
        after = Deferred.fromCoroutine(self.get(gate))
        self.tokens.release()
        answers = await gatherResults([sent, after])
        self.assertEqual([each.status for each in answers], [200, 200], self.lines())
        self.assertEqual(len({each["refresh_token"] for each in self.tokens.forms}), 2)

    async def test_64_leave(self) -> None:
        """64 clients that leave cost one token, which the next client gets."""
        gate = self.gate()
        self.tokens.holding = True
        clients = [await self.connect(gate) for _ in range(64)]
        for each in clients:
            each.send(request(target=b"/u0/x", headers=[FROM_APP]))
        await self.tokens.when(lambda: self.tokens.forms)
        for each in clients:
            await each.close()
        self.tokens.release()
        self.assertEqual((await self.get(gate)).status, 200)
        self.assertEqual(len(self.tokens.forms), 1)
        self.assertEqual(len(self.api.requests), 1)

    async def test_each_upstream_its_own(self) -> None:
        """A token for one API goes to no other, also if the same server issues both."""
        other = await self.upstream()
        self.tokens.protect(other)
        self.tokens.authlib.clients["other"] = Client("other", "client_secret_basic", SECRET)
        one = self.toml()
        inline = (
            f'[upstreams.v]\nservers = ["{other.url}"]\n[upstreams.v.credentials]\n'
            f'type = "oauth2"\ngrant = "client_credentials"\ntoken_url = "{self.tokens.url}"\n'
            f'client_id = "other"\n{BASIC}\n[routes."/v"]\nupstream = "v"\ncors = "app"\n'
        )
        gate = self.serve_config(parse(one + inline))
        for target in (b"/u0/x", b"/v/x") * 2:
            self.assertEqual((await self.get(gate, target)).status, 200)
        mine, others = set(self.tokens_sent()), set(self.tokens_sent(other))
        self.assertEqual((len(mine), len(others), len(mine & others)), (1, 1, 0))

    async def test_closed_path(self) -> None:
        """A path that is closed to the token costs few tokens, and no other path's responses."""
        accept = self.api.answer

        def answer(message: Message) -> bytes | None:
            closed = message.target.endswith(b"/closed")
            return response(401, [(b"WWW-Authenticate", b"Bearer")]) if closed else accept(message)

        self.api.answer = answer
        gate, opened, closed = self.gate(), [], []
        for _ in range(10):
            opened.append((await self.get(gate, b"/u0/open")).status)
            closed.append((await self.get(gate, b"/u0/closed")).status)
        self.assertEqual(set(opened), {200})
        # The guard stops requests to this path after two rejections.
        self.assertEqual((closed[:3], set(closed[3:]) <= {401, 502}), ([401, 401, 502], True))
        # Another one may be fetched every 5 s.
        self.assertLess(len(self.tokens.forms), 6)
