"""Each kind of credentials with each sort of request, in each situation."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from tests.credentials_matrix.box import Box
from tests.credentials_matrix.kind import SECRET, WRONG, Situation
from tests.credentials_matrix.kinds import kinds
from tests.credentials_matrix.requests import SORTS, from_page, is_whole
from tests.credentials_matrix.stage import MatrixTestCase, for_each_kind
from tests.peers import Message
from tests.support import Gate

GOOD = (200, 101)


class Cells(MatrixTestCase):
    """The cells of one kind."""

    async def play(self, sort: str, situation: Situation) -> None:
        """Send a request in a situation; look at the box, the client and the log."""
        await self.begin()
        box = await self.box()
        gate = self.gate([box], WRONG if situation is Situation.WRONG else SECRET)
        if situation is Situation.EXPIRED:
            self.assertEqual((await self.send_sort(gate, "get")).status, 200)
            self.kind.expire()
        elif situation is Situation.AWAY:
            await self.kind.login_away()
        answer = await self.check(box, gate, sort, situation)
        if situation in (Situation.FRESH, Situation.EXPIRED) and answer.status not in GOOD:
            # Only an upload may be lost, since it can't be sent twice; the next one is signed.
            self.assertEqual((sort, answer.status), ("large_post", 502))
            answer = await self.check(box, gate, sort, situation)
            self.assertEqual(answer.status, 200)
        self.assert_logs_nothing(gate)

    async def send_sort(self, gate: Gate, sort: str) -> Message:
        """Send a request of a sort, with the fields that a client may forge."""
        client = await self.client(gate)
        answer = await SORTS[sort](client, from_page([*self.kind.forged]))
        await client.close()
        return answer

    async def check(self, box: Box, gate: Gate, sort: str, situation: Situation) -> Message:
        """Send a request, and look at what came of it; return the response."""
        before, logged = len(self.own(box)), len(gate.lines)
        answer = await self.send_sort(gate, sort)
        seen = self.own(box)[before:]
        # What the client got.
        outcomes = self.kind.outcomes[situation]
        if sort == "large_post":
            outcomes = (*outcomes, *self.kind.upload_outcomes.get(situation, ()))
        status = 200 if answer.status == 101 else answer.status
        self.assertIn(status, outcomes)
        if answer.status != 101:
            self.assert_readable(answer)
        # What the box saw.
        self.assertLessEqual(len(seen), self.kind.seen_per_request)
        accepted = [each for each in seen if each.status in GOOD]
        self.assertEqual(len(accepted), 1 if status == 200 else 0)
        for each in accepted:
            self.assertTrue(is_whole(sort, each))
        if sort == "large_post":
            self.assertLessEqual(len([each for each in seen if each.body_bytes]), 1)
        self.assert_nothing_forged(box)
        # What was logged.
        line = json.loads(await gate.logged(logged + 1))
        self.assertEqual(line["status"], answer.status)
        if answer.status >= 500:
            self.assertTrue(line["outcome"])
        if situation is Situation.WRONG and answer.status == 401:
            self.assertIn("refused the gate's credentials", "\n".join(self.events))
        return answer


def _cell(sort: str, situation: Situation) -> Callable[[Cells], Awaitable[None]]:
    async def test(case: Cells) -> None:
        await case.play(sort, situation)

    test.__doc__ = f"{sort}, {situation.value}."
    return test


for _name, _case in for_each_kind(Cells, "Cells", __name__, [*kinds()]).items():
    for _sort in SORTS:
        for _situation in _case.kind_class.situations:
            setattr(_case, f"test_{_sort}_{_situation.value}", _cell(_sort, _situation))
    globals()[_name] = _case
del _case
