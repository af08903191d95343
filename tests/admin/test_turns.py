"""Long responses in pieces."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from corsgate.admin.resource import TEXT, AdminRoot
from corsgate.admin.turns import AT_ONCE, LongResource, Turns, batches, json_pieces
from corsgate.server.request import GateRequest
from tests.admin.support import ADMIN, AdminTestCase, port_of
from tests.peers import Watched, reactor, request

SCALARS = st.none() | st.booleans() | st.integers() | st.text()


class TurnByTurn(Watched):
    """A reactor that takes one turn when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: list[Callable[[], object]] = []

    @property
    def itself(self) -> Any:
        """The reactor."""
        return self

    @property
    def waiting(self) -> int:
        """How many calls wait for the next turn."""
        return len(self._calls)

    def callLater(self, delay: float, function: Callable[..., object], *args: object) -> None:
        """Keep a call for the next turn."""
        self._calls.append(partial(function, *args))
        self.changed()

    def turn(self) -> None:
        """Take a turn."""
        calls, self._calls = self._calls, []
        for call in calls:
            call()


class PiecesTests(SynchronousTestCase):
    """`batches`, `json_pieces` and `Turns`."""

    def test_batches(self) -> None:
        """All items, in order, in lists that are not too long."""
        self.assertEqual(list(batches([])), [])
        found = list(batches(range(AT_ONCE * 2 + 1)))
        self.assertEqual([len(each) for each in found], [AT_ONCE, AT_ONCE, 1])
        self.assertEqual([item for each in found for item in each], list(range(AT_ONCE * 2 + 1)))

    @given(st.dictionaries(st.text(), st.lists(SCALARS, max_size=120) | SCALARS, max_size=3))
    def test_same_as_json(self, value: dict[str, Any]) -> None:
        """The pieces are the JSON of the same value with lists in the place of iterators."""
        lazy = {key: iter(each) if isinstance(each, list) else each for key, each in value.items()}
        whole = b"".join(json_pieces({"inner": lazy, "n": 1}))
        self.assertEqual(json.loads(whole), {"inner": value, "n": 1})

    def test_in_turns(self) -> None:
        """Between two pieces the reactor has a turn."""
        reactor, made = TurnByTurn(), []

        def pieces() -> Iterator[bytes]:
            for piece in (b"a", b"b", b"c"):
                made.append(piece)
                yield piece

        writing = Deferred.fromCoroutine(Turns(reactor.itself).join(pieces()))
        for count in (1, 2, 3):
            self.assertEqual(len(made), count)
            self.assertNoResult(writing)
            reactor.turn()
        self.assertEqual(self.successResultOf(writing), b"abc")

    def test_one_at_a_time(self) -> None:
        """A turn of the reactor has one piece, however many responses are asked for."""
        reactor, made = TurnByTurn(), []

        def pieces(name: bytes) -> Iterator[bytes]:
            for _ in range(2):
                made.append(name)
                yield name

        turns = Turns(reactor.itself)
        first, second, third = (
            Deferred.fromCoroutine(turns.join(pieces(name))) for name in (b"a", b"b", b"c")
        )
        second.cancel()
        self.failureResultOf(second, CancelledError)
        for count in range(1, 5):
            self.assertEqual(len(made), count)
            reactor.turn()
        self.assertEqual(self.successResultOf(first), b"aa")
        self.assertEqual(self.successResultOf(third), b"cc")

    def test_take(self) -> None:
        """A piece of work has a turn of its own, behind those that came before."""
        reactor = TurnByTurn()
        turns, done = Turns(reactor.itself), list[int]()
        first = Deferred.fromCoroutine(turns.take(lambda: done.append(1)))
        Deferred.fromCoroutine(turns.take(lambda: done.append(2)))
        self.assertNoResult(first)
        reactor.turn()
        self.assertEqual(done, [1])
        reactor.turn()
        self.assertEqual(done, [1, 2])


class LongResourceTests(AdminTestCase):
    """`LongResource`."""

    async def test_failure(self) -> None:
        """What fails on the way is a 500 without details, and in the log."""

        def pieces() -> Iterator[bytes]:
            yield b"a"
            raise ValueError("secret details")

        def populate(root: AdminRoot) -> None:
            root.add(b"late", LongResource(Turns(reactor), lambda _: (TEXT, pieces())))
            root.add(b"early", LongResource(Turns(reactor), self.refuse))

        service = self.admin(self.front(await self.upstream(), rest=ADMIN), populate)
        for target in (b"/late", b"/early"):
            answer = await self.get(service, target)
            self.assertEqual(answer.status, 500)
            self.assertNotIn(b"secret", answer.raw)
            self.assertEqual(answer.one(b"cache-control"), b"no-store")
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 2)

    def refuse(self, request: GateRequest) -> tuple[bytes, Iterator[bytes]]:
        """Fail before there is anything."""
        raise ValueError("secret details")

    async def test_client_leaves(self) -> None:
        """Nothing more is worked out for a client that has left, and nothing is logged."""
        made = []
        begun: Deferred[None] = Deferred()

        def pieces() -> Iterator[bytes]:
            while True:
                made.append(b"")
                if not begun.called:
                    begun.callback(None)
                yield b""

        def populate(root: AdminRoot) -> None:
            root.add(b"", LongResource(Turns(reactor), lambda _: (TEXT, pieces())))

        service = self.admin(self.front(await self.upstream(), rest=ADMIN), populate)
        client = await self.connect_to(port_of(service))
        client.send(request(target=b"/"))
        await begun
        await client.close()
        # The second connection is served after the reactor has seen the end of the first.
        other = await self.connect_to(port_of(service))
        await other.close()
        await self.connect_to(port_of(service))
        count = len(made)
        await self.connect_to(port_of(service))
        self.assertEqual(len(made), count)
