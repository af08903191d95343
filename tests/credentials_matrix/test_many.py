"""64 requests at once with each kind of credentials."""

from __future__ import annotations

from twisted.internet.defer import Deferred, gatherResults

from tests.credentials_matrix.kind import WRONG, Situation
from tests.credentials_matrix.kinds import kinds
from tests.credentials_matrix.requests import from_page, get, post
from tests.credentials_matrix.stage import MatrixTestCase, for_each_kind
from tests.peers import Message
from tests.support import Gate

COUNT = 64


class Many(MatrixTestCase):
    """Many clients at once."""

    async def all_at_once(self, gate: Gate) -> list[Message]:
        """Send the requests, every other one with a body; return the responses."""
        clients = [await self.client(gate) for _ in range(COUNT)]
        fields = from_page([*self.kind.forged])
        waiting = [
            Deferred.fromCoroutine((post if number % 2 else get)(client, fields))
            for number, client in enumerate(clients)
        ]
        return await gatherResults(waiting, consumeErrors=True)

    async def test_right(self) -> None:
        """All are served, and the box isn't asked in vain more often than it has to be."""
        await self.begin()
        box = await self.box()
        gate = self.gate([box])
        for answer in await self.all_at_once(gate):
            self.assertEqual(answer.status, 200)
            self.assert_readable(answer)
        self.assertEqual(len([seen for seen in self.own(box) if seen.status == 200]), COUNT)
        self.assertLessEqual(len(self.own(box)), self.kind.seen_of_64)
        self.assert_nothing_forged(box)
        self.assert_logs_nothing(gate)

    async def test_wrong(self) -> None:
        """With a wrong secret all are refused, and none hangs."""
        await self.begin()
        box = await self.box()
        gate = self.gate([box], WRONG)
        for answer in await self.all_at_once(gate):
            self.assertIn(answer.status, (*self.kind.outcomes[Situation.WRONG], 502))
            self.assert_readable(answer)
        self.assertEqual(box.accepted, [])
        tries = len(self.kind.tries(box))
        self.assertGreater(tries, 0)
        self.assertLessEqual(tries, self.kind.rejections_of_64)
        self.assert_nothing_forged(box)
        self.assert_logs_nothing(gate)


globals().update(for_each_kind(Many, "Many", __name__, [*kinds()]))
del Many
