"""NTLM and wrong passwords: what counts as a rejection, and what doesn't."""

from __future__ import annotations

from twisted.internet.defer import Deferred, gatherResults

from tests.gate.test_ntlm import NtlmTestCase, credentials
from tests.peers import Message, request, response
from tests.support import FROM_APP


class GuardedTests(NtlmTestCase):
    """Few wrong passwords are sent, however many connections there are."""

    async def test_wrong_password_of_many(self) -> None:
        """Of 64 requests at once few are sent with the password; then none is."""
        box, _, gate = await self.boxed(credentials("wrong"))
        for _ in range(2):
            asked = [Deferred.fromCoroutine(self.ask(gate, headers=[FROM_APP])) for _ in range(64)]
            answers = await gatherResults(asked, consumeErrors=True)
            self.assertLessEqual({each.status for each in answers}, {401, 502})
            for each in answers:
                self.assertEqual(each.one(b"access-control-allow-origin"), FROM_APP[1])
            self.assertLessEqual(box.refused, 4)
        self.assertEqual({each.status for each in answers}, {502})

    async def test_lapsed(self) -> None:
        """Connections that the box has forgotten don't count as wrong passwords."""
        box, server, gate = await self.boxed()
        asked = [Deferred.fromCoroutine(self.ask(gate)) for _ in range(8)]
        await gatherResults(asked, consumeErrors=True)
        box.forget()
        judge, held = box.answer, []

        def answer(message: Message) -> bytes | None:
            if b"authorization" in message.fields:
                held.append(message)
                return None
            return judge(message)

        # Each is refused before any can prove that the password is still right.
        server.answer = answer
        asked = []
        for number in range(1, box.handshakes + 1):
            asked.append(Deferred.fromCoroutine(self.ask(gate)))
            await server.when(lambda number=number: len(held) >= number)  # type: ignore[misc]  # a default
        server.answer = judge
        for message in held:
            message.connection.send(judge(message))
        answers = await gatherResults(asked, consumeErrors=True)
        self.assertEqual({each.status for each in answers}, {200})
        self.assertGreater(len(answers), 4)

    async def test_password_changed(self) -> None:
        """Connections that stay authenticated don't hide that new ones are rejected."""
        box, server, gate = await self.boxed()
        judge = box.answer
        self.assertEqual((await self.ask(gate)).status, 200)
        rejected, held = [], []

        def answer(message: Message) -> bytes | None:
            if message.target == b"/v1/slow":
                held.append(message)
                return None
            answered = judge(message)
            if box.seen[-1][2] == "3":
                rejected.append(message)
                return response(401, [(b"WWW-Authenticate", b"NTLM")])
            return answered

        server.answer = answer
        client = await self.connect(gate)
        for _ in range(2):
            # This one has the authenticated connection.
            client.send(request(target=b"/v1/slow"))
            await server.when(lambda: bool(held))
            self.assertEqual((await self.ask(gate)).status, 401)
            held.pop().connection.send(response(200))
            self.assertEqual((await client.response()).status, 200)
        self.assertEqual((await self.ask(gate)).status, 502)
        self.assertEqual(len(rejected), 2)
