"""Digest together with the guard: a right login is never blocked, and a wrong one is soon."""

from __future__ import annotations

import random
from collections import Counter
from types import SimpleNamespace
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import DigestCredentials, Secret
from corsgate.credentials.digest.signer import DigestSigner
from corsgate.credentials.guard import Guard
from corsgate.credentials.lockout import FIRST_BLOCK_S, PROOF_S
from corsgate.message.signed import Signed
from corsgate.upstream.signed import send_signed
from tests.credentials.digest.boxes import Box, Reply
from tests.credentials.helpers import SERVER, challenge, given, means, request, response

BOXES: dict[str, dict[str, Any]] = {
    "Apache": {},
    "expires without stale": {"says_stale": False},
    "one nonce for all": {"slots": 1, "says_stale": False, "closes": True},
    "one nonce for all, stale": {"slots": 1, "closes": True},
    "few nonces": {"slots": 4, "says_stale": False},
    "one use": {"uses": 1},
    "one use without stale": {"uses": 1, "says_stale": False, "closes": True},
    "cookies": {"is_bound": True, "says_stale": False},
    "cookies and one use": {"is_bound": True, "uses": 1, "says_stale": False},
    "next nonce": {"sends_next": True},
    "in order": {"in_order": True},
}
SEEDS = 3


class Response:
    """A response without a body."""

    def __init__(self, reply: Reply, box: Box) -> None:
        fields = [(b"Connection", b"close")] if box.closes else []
        if reply.offer is not None:
            nonce, stale = reply.offer.nonce, ", stale=true" if reply.offer.stale else ""
            value = challenge(nonce.decode(), f'qop="auth"{stale}')
            fields.append((b"WWW-Authenticate", value))
            if box.is_bound:
                fields.append((b"Set-Cookie", b"c=" + nonce))
        if reply.following is not None:
            value = b'nextnonce="%b"' % reply.following
            fields.append((b"Authentication-Info", value))
        self.head = response(reply.status, *fields)

    def deliverBody(self, protocol: object) -> None:
        """Do nothing: it has no body."""


class World:
    """Requests that are really signed, and admitted by a guard, to a box, in a random order.

    Args:
        box: The box.
        seed: Which order.

    Attributes:
        results: How many requests ended with each status, or class of error.
        most: How many requests were under way at once.
        step_s: How long it takes until the next request or response arrives.
    """

    def __init__(self, box: Box, seed: int) -> None:
        self.box = box
        self.clock = Clock()
        self.guard = Guard("box", self.clock)
        self.results: Counter[object] = Counter()
        self.most = 0
        self.step_s = 0.001
        world = attrs.evolve(
            means(), seconds=self.clock.seconds, later=self.clock.callLater, guard=self.guard
        )
        credentials = DigestCredentials(username="admin", password=Secret("s3cret"))
        self._signer = DigestSigner.of(credentials, world)
        self._rng = random.Random(seed)
        self._under_way: list[tuple[Signed, Deferred[Any], Reply | None]] = []
        self._left = 0

    def burst(self, number: int) -> Counter[object]:
        """Send requests at once; return how they ended."""
        self.results = Counter()
        for _ in range(number):
            self._left += 1
            sending: Deferred[Any] = Deferred.fromCoroutine(
                send_signed(self._signer, request(), SERVER, lambda: None, self._send, self.guard)
            )
            sending.addBoth(self._ended)
        for _ in range(10_000):
            if self._under_way:
                self._step()
                self.clock.advance(self.step_s)
            elif self._left:
                self.clock.advance(0.1)
            else:
                return self.results
        raise AssertionError(f"{self._left} requests wait for ever")

    def _send(self, signed: Signed, *_: object) -> Deferred[Any]:
        sent: Deferred[Any] = Deferred()
        self._under_way.append((signed, sent, None))
        self.most = max(self.most, len(self._under_way))
        return sent

    def _step(self) -> None:
        """Let a request reach the box, or a response the gate."""
        signed, sent, reply = self._under_way.pop(self._rng.randrange(len(self._under_way)))
        if reply is not None:
            sent.callback(Response(reply, self.box))
            return
        fields = {name: value for name, value in signed.head.headers if name != b"Host"}
        nonce, count = None, 0
        if b"Authorization" in fields:
            values = given(fields[b"Authorization"].decode())
            offer: Any = SimpleNamespace(nonce=values["nonce"].encode())
            nonce, count = SimpleNamespace(offer=offer), int(values["nc"], 16)
        cookie = fields.get(b"Cookie", b"").partition(b"=")[2] or None
        box: Any = self.box
        self._under_way.append((signed, sent, box.answer(0, nonce, count, cookie)))

    def _ended(self, result: object) -> None:
        self._left -= 1
        if isinstance(result, Response):
            self.results[result.head.status] += 1
        else:
            assert isinstance(result, Failure), result
            self.results[type(result.value).__name__] += 1


class GuardedTests(SynchronousTestCase):
    """Each box, with many requests in several orders."""

    def worlds(self) -> list[tuple[str, World]]:
        """Return each box in several worlds."""
        return [
            (f"{name}, order {seed}", World(Box(**members), seed))
            for name, members in BOXES.items()
            for seed in range(SEEDS)
        ]

    def test_right_login(self) -> None:
        """All succeed, also with nonces that the box has forgotten, soon or after a break."""
        for name, world in self.worlds():
            for break_s, forgets in (
                (0, False),
                (0, True),
                (PROOF_S + 1, False),
                (PROOF_S + 1, True),
            ):
                world.clock.advance(break_s)
                if forgets:
                    world.box.forget()
                self.assertEqual(world.burst(16), {200: 16}, (name, break_s, forgets))
            self.assertIsNone(world.guard.block(SERVER), name)

    def test_wrong_login(self) -> None:
        """Of 64 at once two are rejected, then one after each block; no more are sent unsigned."""
        for name, world in self.worlds():
            world.box.is_right = False
            ended = world.burst(64)
            self.assertEqual(ended, {401: 2, "CredentialsRejected": 62}, name)
            self.assertEqual((world.box.rejections, world.box.unsigned), (2, 2), name)
            world.clock.advance(FIRST_BLOCK_S)
            world.burst(64)
            self.assertEqual((world.box.rejections, world.box.unsigned), (3, 3), name)

    def test_wrong_login_at_a_slow_box(self) -> None:
        """A box that takes up to ten seconds rejects few all the same, and none waits in vain."""
        for name, world in self.worlds():
            world.box.is_right, world.step_s = False, 1.5
            ended = world.burst(64)
            self.assertLessEqual(world.box.rejections, 5, name)
            self.assertLessEqual(set(ended), {401, "CredentialsRejected"}, name)
            self.assertLess(world.clock.seconds(), 30, name)

    def test_corrected(self) -> None:
        """Once the box accepts the login after a block, all go on."""
        for name, world in self.worlds():
            world.box.is_right = False
            world.burst(16)
            world.box.is_right = True
            world.clock.advance(FIRST_BLOCK_S)
            self.assertEqual(world.burst(16), {200: 16}, name)

    def test_changed_password(self) -> None:
        """One request after the other, three tries show that the box has another password now."""
        for name, world in self.worlds():
            world.burst(16)
            world.box.is_right = False
            for _ in range(16):
                world.burst(1)
            self.assertLessEqual(world.box.rejections, 3, name)

    def test_changed_password_in_flight(self) -> None:
        """Besides what is under way already, four tries are enough."""
        for seed in range(SEEDS):
            world = World(Box(), seed)
            world.burst(16)
            world.box.is_right = False
            world.most = 0
            world.burst(16)
            self.assertLessEqual(world.box.rejections, world.most + 4)
