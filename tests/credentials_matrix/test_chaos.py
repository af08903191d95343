"""Boxes that misbehave at random, for each kind of credentials.

What comes when depends on the sockets, so that only what must hold always is asserted.
"""

from __future__ import annotations

from collections import Counter
from hashlib import sha256
from itertools import count
from random import Random

import attrs
from twisted.internet.defer import Deferred, gatherResults

from tests.credentials_matrix.box import CUT, Box, Manners, Reply, Seen
from tests.credentials_matrix.kinds import kinds
from tests.credentials_matrix.stage import MatrixTestCase, for_each_kind
from tests.credentials_matrix.uploader import BLOCK
from tests.peers import Message
from tests.support import FROM_APP, Gate

CLIENTS = 12
REQUESTS = 8
SIZES = (0, 20, 5_000, 5_000, 150_000)
"""The last one is too large to be kept, so that it can be sent only once."""


class Chaos(MatrixTestCase):
    """Many clients, and a box that cuts, fails, forgets and changes its manners."""

    async def begin(self) -> None:
        """Begin, with the same decisions each time."""
        await super().begin()
        self.random = Random(self.kind.name)
        self.numbers = count(1)
        self.sent: dict[bytes, tuple[bytes, int]] = {}
        self.is_calm = True

    def judge(self, box: Box, seen: Seen) -> Reply:
        """Misbehave, or judge as the kind does; each response says what it is for."""
        if self.is_calm or self.kind.is_login(seen):
            return self.kind.judge(box, seen)
        box.manners = self.random.choice(list(Manners))
        chance = self.random.random()
        if chance < 0.08:
            return CUT
        if chance < 0.16:
            reply = Reply(status=503)
        else:
            if chance < 0.24:
                self.kind.expire()
            reply = self.kind.judge(box, seen)
        return attrs.evolve(reply, headers=[*reply.headers, (b"X-Path", seen.path)])

    async def serve_one(self, gate: Gate) -> None:
        """Send requests on one connection after the other; look at the responses."""
        for _ in range(REQUESTS):
            path = b"/v1/%d" % next(self.numbers)
            method, size = self.random.choice((b"GET", b"POST", b"PUT")), 0
            if method != b"GET":
                size = self.random.choice(SIZES)
            self.sent[path] = method, size
            client = await self.client(gate)
            client.upload(method, path, [(b"Host", b"localhost"), FROM_APP], size)
            if self.random.random() < 0.1:
                await client.close()
                continue
            self.check(path, await client.response())
            await client.close()

    def check(self, path: bytes, answer: Message) -> None:
        """Assert that a response is the one to its request, and can be read."""
        self.assert_readable(answer)
        if answer.status < 300:
            self.assertEqual(answer.one(b"X-Path"), path)

    async def test_random(self) -> None:
        """Each body is accepted once at most and whole, and each response is its request's."""
        await self.begin()
        box = await self.box(self.judge)
        gate = self.gate([box])
        # Once the box has accepted the credentials, doubtful refusals block nothing.
        self.assertEqual((await self.ask(gate)).status, 200)
        self.is_calm = False
        clients = [Deferred.fromCoroutine(self.serve_one(gate)) for _ in range(CLIENTS)]
        await gatherResults(clients, consumeErrors=True)
        wild = [seen for seen in self.own(box) if seen.path in self.sent]
        accepted = [seen for seen in wild if 200 <= (seen.status or 0) < 300]
        self.assertTrue(accepted)
        for seen in accepted:
            method, size = self.sent[seen.path]
            self.assertEqual(seen.method, method)
            self.assertEqual((seen.whole, seen.body_bytes), (True, size))
            self.assertEqual(seen.digest.digest(), _digest(size))
        # A box that cuts the connection may have acted, unless it never got the body.
        acted = [*accepted, *(seen for seen in wild if seen.status == 0 and not seen.expects)]
        times = Counter(seen.path for seen in acted if seen.method == b"POST")
        self.assertEqual([path for path, number in times.items() if number > 1], [])
        self.assert_logs_nothing(gate)


def _digest(size: int) -> bytes:
    return sha256((BLOCK * (size // len(BLOCK) + 1))[:size]).digest()


globals().update(for_each_kind(Chaos, "Chaos", __name__, [*kinds()]))
del Chaos
