"""The connections to one server, whatever happens and in whichever order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from corsgate.upstream.waiter import Taken
from tests.upstream.playing import CLOSE, LIMITS, Link, Playing, ask


class Script(Playing):
    """What may happen to a pool, in any order."""

    def __init__(self) -> None:
        super().__init__(max_connections=3, max_queue=3, queue_timeout_s=4, idle_timeout_s=3)
        self.asked: list[Deferred[Any]] = []
        self.ended = 0
        self.count = 0

    def arrive(self, _: int) -> None:
        """A request comes."""
        idle = self.pool.take_idle()
        taking: Deferred[Any] = self.pool.take(LIMITS) if idle is None else Deferred()
        self.asked.append(taking)
        self.count += 1
        taking.addCallback(lambda taken: ask(taken.connection))
        taking.addBoth(self._over)
        if idle is not None:
            taking.callback(Taken(idle, fresh=False))

    def _over(self, _: object) -> None:
        self.ended += 1

    def accept_one(self, _: int) -> None:
        """The server accepts."""
        if self.begun:
            self.accept()

    def refuse_one(self, _: int) -> None:
        """The server refuses."""
        if self.begun:
            self.refuse()

    def answer_one(self, pick: int) -> None:
        """The server answers, if it was asked, so that the connection is kept."""
        link = self._pick(pick)
        if link is not None and link.open and link.wire.take():
            link.answer()

    def close_one(self, pick: int) -> None:
        """The server answers, if it was asked, and will close."""
        link = self._pick(pick)
        if link is not None and link.open and link.wire.take():
            link.answer(CLOSE)

    def lose_one(self, pick: int) -> None:
        """A connection is lost."""
        link = self._pick(pick)
        if link is not None:
            link.lose()

    def leave(self, pick: int) -> None:
        """A client leaves."""
        if self.asked:
            self.asked[pick % len(self.asked)].cancel()

    def pass_time(self, seconds: int) -> None:
        """Time passes."""
        self.wait(seconds)

    def finish(self) -> None:
        """Everything comes to its end."""
        while self.begun:
            self.refuse()
        for link in self.links:
            if not link.lost:
                link.lose()
            while self.begun:
                self.refuse()
        self.wait(10)

    def _pick(self, pick: int) -> Link | None:
        there = [link for link in self.links if not link.lost]
        return there[pick % len(there)] if there else None


EVENTS: tuple[Callable[[Script, int], None], ...] = (
    Script.arrive,
    Script.arrive,
    Script.arrive,
    Script.accept_one,
    Script.accept_one,
    Script.refuse_one,
    Script.answer_one,
    Script.answer_one,
    Script.close_one,
    Script.lose_one,
    Script.leave,
    Script.pass_time,
)


class ScriptTests(SynchronousTestCase):
    @given(st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, 5)), max_size=50))
    def test_any_script(self, script: list[tuple[Callable[[Script, int], None], int]]) -> None:
        """The bounds hold at any time; in the end nobody waits, and nothing is counted."""
        playing = Script()
        for event, argument in script:
            event(playing, argument)
            self.assertLessEqual(playing.pool.connections, 3)
            self.assertLessEqual(playing.pool.waiting, 3)
            self.assertLessEqual(sum(not link.lost for link in playing.links), 3)
        playing.finish()
        self.assertEqual((playing.pool.connections, playing.pool.waiting), (0, 0))
        self.assertEqual(playing.ended, playing.count)
        self.assertTrue(playing.deadlines.empty)
        self.assertEqual(playing.clock.getDelayedCalls(), [])
        self.assertEqual(self.flushLoggedErrors(), [])
