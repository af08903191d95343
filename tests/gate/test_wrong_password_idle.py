"""A gate that was unused for long, so that its server has to accept the credentials again."""

from __future__ import annotations

from collections import Counter

from twisted.internet.defer import gatherResults
from twisted.internet.task import Clock

from corsgate.credentials.lockout import PROOF_S
from tests.digest_box import DigestBox
from tests.gate.session_case import SessionTestCase
from tests.gate.test_oauth2 import OAuth2TestCase
from tests.support import DIGEST, Gate

AT_ONCE = 64


class AfterIdle(OAuth2TestCase, SessionTestCase):
    """A nonce, token or session that has ended while the gate was unused is no wrong password."""

    async def check_all(self, gate: Gate, target: bytes) -> None:
        """Check that many requests at once are served after a long time without any."""
        upstreams = gate.service.runtime.upstreams.values()
        for guard in filter(None, (each.guard for each in upstreams)):
            clock = Clock()
            clock.advance(guard.clock.seconds() + PROOF_S + 1)
            guard.clock = clock
            guard._servers.clear()
        asked = [self.start_ask(gate, target) for _ in range(AT_ONCE)]
        answers = await gatherResults(asked, consumeErrors=True)
        self.assertEqual(Counter(each.status for each in answers), {200: AT_ONCE})

    async def test_digest(self) -> None:
        """The nonce has expired."""
        box, upstream = DigestBox(), await self.upstream()
        upstream.answer = box
        gate = self.front(upstream, upstream=DIGEST)
        self.assertEqual((await self.ask(gate)).status, 200)
        box.forget()
        await self.check_all(gate, b"/v1/x")

    async def test_session(self) -> None:
        """The session has ended."""
        gate, _, box = await self.open("CouchDB")
        self.check(await self.ask(gate, b"GET", b"/db"))
        box.expire()
        await self.check_all(gate, b"/db")
        self.assertEqual(box.logins, 2)

    async def test_oauth2(self) -> None:
        """The token was revoked."""
        gate = self.gate()
        self.assertEqual((await self.get(gate)).status, 200)
        self.tokens.revoke_all()
        await self.check_all(gate, b"/u0/x")
