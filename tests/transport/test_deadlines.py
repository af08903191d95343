"""One timer calls all who are past their deadlines."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.transport.deadlines import NEVER, Deadlines


class Member:
    """What a sweep calls on, and what it then does."""

    def __init__(self, deadline_s: float, act: Callable[[Member], None]) -> None:
        self.deadline_s = deadline_s
        self.called = 0
        self._act = act

    def timed_out(self) -> None:
        """Note it, and act."""
        self.called += 1
        self._act(self)


def settle(member: Member) -> None:
    """Have no deadline any more."""
    member.deadline_s = NEVER


class SweeperTests(SynchronousTestCase):
    def test_past_deadlines(self) -> None:
        """Who is past the deadline is called once within a second, the others are not."""
        clock = Clock()
        deadlines = Deadlines(clock)
        members = [Member(at, settle) for at in (1.0, 2.5, NEVER)]
        for member in members:
            deadlines.add(member)
        clock.pump([1.0, 1.0])
        self.assertEqual([member.called for member in members], [1, 0, 0])
        clock.pump([1.0] * 5)
        self.assertEqual([member.called for member in members], [1, 1, 0])

    def test_empty(self) -> None:
        """With nobody to sweep there is no timer."""
        clock = Clock()
        deadlines, member = Deadlines(clock), Member(0.0, settle)
        deadlines.add(member)
        deadlines.add(member)
        self.assertEqual(len(clock.getDelayedCalls()), 1)
        deadlines.discard(member)
        deadlines.discard(member)
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_many(self) -> None:
        """Where acting on all takes long, others have turns in between; each is called once."""

        def act(member: Member) -> None:
            settle(member)
            clock.rightNow += 0.004

        clock = Clock()
        deadlines = Deadlines(clock)
        members = [Member(0.5, act) for _ in range(10)]
        for member in members:
            deadlines.add(member)
        turns: list[int] = []

        def take_turn() -> None:
            turns.append(sum(member.called for member in members))
            if turns[-1] < 10:
                clock.callLater(0, take_turn)

        clock.callLater(1.0, take_turn)
        clock.advance(1.0)
        self.assertEqual(turns, [3, 6, 9, 10])
        self.assertEqual([member.called for member in members], [1] * 10)
        clock.pump([1.0] * 3)
        self.assertEqual([member.called for member in members], [1] * 10)
        for member in members:
            deadlines.discard(member)
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_failing(self) -> None:
        """Of members that fail the log has the first one's traceback and the number of others."""
        clock = Clock()
        deadlines = Deadlines(clock)

        def fail(member: Member) -> None:
            settle(member)
            raise ZeroDivisionError

        members = [Member(0.0, fail) for _ in range(5)]
        for member in members:
            deadlines.add(member)
        clock.advance(1.0)
        self.assertEqual([member.called for member in members], [1] * 5)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_left_within_the_sweep(self) -> None:
        """A member that another's time-out removes isn't called, and none is lost."""
        clock = Clock()
        deadlines = Deadlines(clock)
        one = Member(0.0, lambda _: deadlines.discard(other))
        other = Member(0.0, lambda _: deadlines.discard(one))
        deadlines.add(one)
        deadlines.add(other)
        clock.pump([1.0])
        self.assertEqual(one.called + other.called, 1)

    def test_raises(self) -> None:
        """One that fails doesn't keep the others from timing out, then or later."""
        clock = Clock()
        deadlines = Deadlines(clock)

        def fail(member: Member) -> None:
            settle(member)
            raise RuntimeError("a bug")

        members = [Member(0.0, fail), Member(0.0, settle), Member(3.0, settle)]
        for member in members:
            deadlines.add(member)
        clock.pump([1.0] * 5)
        self.assertEqual([member.called for member in members], [1, 1, 1])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
