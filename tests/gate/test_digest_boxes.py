"""Digest end to end, against boxes with odd nonces, many requests at once."""

from __future__ import annotations

from twisted.internet.defer import Deferred, gatherResults

from tests.digest_box import DigestBox
from tests.peers import Message, Upstream, response
from tests.support import DIGEST, FROM_APP, Gate, GateTestCase


class BoxTestCase(GateTestCase):
    """A gate before a box."""

    async def before(self, box: DigestBox, credentials: str = DIGEST) -> Gate:
        """Return a gate before a box."""
        self.peer: Upstream = await self.upstream()
        self.peer.answer = box
        return self.front(self.peer, upstream=credentials)

    async def burst(self, gate: Gate, count: int, *headers: tuple[bytes, bytes]) -> list[Message]:
        """Return the responses to as many requests at once."""
        asking = [
            Deferred.fromCoroutine(self.ask(gate, target=b"/v1/%d" % n, headers=headers))
            for n in range(count)
        ]
        found: list[Message] = await gatherResults(asking, consumeErrors=True)
        return found

    async def check_burst(self, gate: Gate, count: int) -> None:
        """Assert that requests at once all succeed, each with its own response."""
        for number, answer in enumerate(await self.burst(gate, count)):
            self.assertEqual((answer.status, answer.body), (200, b"/v1/%d " % number))


class NonceTests(BoxTestCase):
    """What nonces are good for."""

    async def test_one_nonce_for_all(self) -> None:
        """A box whose one nonce each 401 replaces is asked for it once."""
        box = DigestBox(slots=1, closes=True)
        gate = await self.before(box)
        for count in (6, 16, 64):
            await self.check_burst(gate, count)
        self.assertEqual((box.unsigned, box.refused), (1, 0))

    async def test_one_nonce_that_others_replace(self) -> None:
        """If somebody else's request replaces the nonce, all requests still succeed."""
        box = DigestBox(slots=1, closes=True)
        gate = await self.before(box)
        await self.check_burst(gate, 6)
        for _ in range(3):
            await self.send_to(self.peer.port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await self.check_burst(gate, 16)

    async def test_one_use(self) -> None:
        """Where a nonce is good for one use, that is learned: then each gets its own."""
        box = DigestBox(uses=1)
        gate = await self.before(box)
        await self.check_burst(gate, 16)
        before = box.refused
        await self.check_burst(gate, 64)
        self.assertEqual(box.refused, before)

    async def test_one_nonce_for_one_use(self) -> None:
        """Where both are true, requests go one after the other."""
        box = DigestBox(uses=1, slots=1, closes=True)
        gate = await self.before(box)
        await self.check_burst(gate, 16)
        before = box.refused
        await self.check_burst(gate, 64)
        self.assertEqual(box.refused, before)

    async def test_public_box(self) -> None:
        """A box that asks for nothing is not asked one request after the other."""
        self.peer = await self.upstream()
        held: list[Message] = []

        def answer(message: Message) -> bytes | None:
            if message.target == b"/v1/x":
                return response(body=b"public")
            held.append(message)
            if len(held) == 6:
                for each in held:
                    each.connection.send(response(body=b"held"))
            return None

        self.peer.answer = answer
        gate = self.front(self.peer, upstream=DIGEST)
        self.assertEqual((await self.ask(gate)).status, 200)
        self.assertEqual({each.body for each in await self.burst(gate, 6)}, {b"held"})

    async def test_client_that_leaves(self) -> None:
        """A client that leaves while its request fetches the challenge keeps nobody waiting."""
        box = DigestBox()
        gate = await self.before(box)
        self.peer.answer = lambda _: None
        leaving = await self.connect(gate)
        leaving.send(b"GET /v1/leaves HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await self.peer.arrived(1)
        waiting = await self.connect(gate)
        waiting.send(b"GET /v1/waits HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.peer.answer = box
        await leaving.close()
        answer = await waiting.response()
        self.assertEqual((answer.status, answer.body), (200, b"/v1/waits "))

    async def test_wrong_password(self) -> None:
        """A wrong password ends in an error for each, without a dialog, and the gate goes on."""
        box = DigestBox()
        gate = await self.before(box, DIGEST.replace('{ env = "PASSWORD" }', '"wrong"'))
        for answer in await self.burst(gate, 16, FROM_APP):
            self.assertIn(answer.status, (401, 502))
            self.assertNotIn(b"www-authenticate", answer.fields)
            self.assertIn(b"access-control-allow-origin", answer.fields)


class CookieTests(BoxTestCase):
    """Cookies that a nonce is bound to."""

    async def test_cookies(self) -> None:
        """They go with the answer, in place of the client's, and never to a client."""
        box = DigestBox(cookie=True)
        gate = await self.before(box)
        for _ in range(2):
            answers = await self.burst(gate, 16, (b"Cookie", b"a=1; session=mine"))
            for answer in answers:
                self.assertEqual(answer.status, 200)
                self.assertNotIn(b"set-cookie", answer.fields)
        for sent in box.cookies:
            self.assertRegex(b"|".join(sent), rb"\Aa=1; session=n[0-9]+\Z")
        self.assertEqual(len({tuple(sent) for sent in box.cookies}), 32)

    async def test_refused(self) -> None:
        """A client that gets the 401 in the end doesn't get its cookies."""
        gate = await self.before(
            DigestBox(cookie=True), DIGEST.replace('{ env = "PASSWORD" }', '"wrong"')
        )
        answer = await self.ask(gate)
        self.assertEqual(answer.status, 401)
        self.assertNotIn(b"set-cookie", answer.fields)


class IntegrityTests(BoxTestCase):
    """Boxes that want the body signed."""

    async def test_small_body(self) -> None:
        """A body that is kept is signed with auth-int, and so is none."""
        gate = await self.before(DigestBox(qop="auth-int"))
        for body in (b"first", b"second", None):
            answer = await self.ask(gate, b"POST" if body else b"GET", body=body)
            self.assertEqual((answer.status, answer.body), (200, b"/v1/x " + (body or b"")))

    async def test_large_body(self) -> None:
        """A body that is too large for that is a 502 with the reason, and is not sent."""
        gate = await self.before(DigestBox(qop="auth-int"))
        self.assertEqual((await self.ask(gate)).status, 200)
        count = len(self.peer.requests)
        answer = await self.ask(gate, b"PUT", body=b"x" * 1_000_000)
        self.assertEqual(answer.status, 502)
        self.assertIn(b"body is too large", answer.body)
        self.assertEqual(
            [each.method for each in self.peer.requests[count:] if each.method == b"PUT"], []
        )

    async def test_auth_offered_too(self) -> None:
        """With auth offered too, a body of any size is sent."""
        gate = await self.before(DigestBox(qop="auth-int,auth"))
        self.assertEqual((await self.ask(gate)).status, 200)
        answer = await self.ask(gate, b"PUT", body=b"x" * 1_000_000)
        self.assertEqual(answer.status, 200)
