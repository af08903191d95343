"""Who goes when."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.credentials.waiting_line import Waiter, WaitingLine


class WaitingLineTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Make a line in which nobody may go."""
        self.clock = Clock()
        self.may_go: set[str] = set()
        self.asked: list[str] = []
        self.due_s = 2.0
        self.line: WaitingLine[str, str] = WaitingLine(
            self.clock,
            self.decide,
            lambda: "XYZ",
            lambda: max(self.due_s - self.clock.seconds(), 0.1),
        )

    def decide(self, waiter: Waiter[str, str]) -> str | Exception | None:
        """Let those go that may; fail those whose time is over."""
        self.asked.append(waiter.ask)
        if waiter.ask in self.may_go:
            return waiter.ask
        return ValueError(waiter.ask) if self.clock.seconds() >= waiter.until_s else None

    def test_wake(self) -> None:
        """Those go that may, whoever is before them."""
        first, second = self.line.join("a", 10), self.line.join("b", 10)
        self.may_go.add("b")
        self.line.wake()
        self.assertNoResult(first)
        self.assertEqual(self.successResultOf(second), "b")
        self.assertEqual(len(self.line), 1)
        first.cancel()
        self.failureResultOf(first)
        self.assertEqual((len(self.line), self.clock.getDelayedCalls()), (0, []))

    def test_order(self) -> None:
        """What is tried already goes last; for a free place, only the first is asked in vain."""
        for each in "Xabc":
            self.line.join(each, 10)
        self.may_go.add("a")
        self.line.wake()
        self.assertEqual("".join(self.asked), "abcX" + "bcX")
        self.asked.clear()
        self.may_go.add("b")
        self.line.wake(only_room=True)
        self.assertEqual("".join(self.asked), "bc" + "c")

    def test_timer(self) -> None:
        """It looks again when a place may be free, and when the first gives up."""
        first, second = self.line.join("a", 10), self.line.join("b", 1)
        self.clock.advance(1)
        self.failureResultOf(second, ValueError)
        self.may_go.add("a")
        self.assertNoResult(first)
        self.clock.advance(1)
        self.assertEqual(self.successResultOf(first), "a")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_one_that_goes_lets_others_go(self) -> None:
        """Also those before it, and without recursion."""
        asked = [self.line.join(str(number), 10) for number in range(300)]

        def next_may_go(ask: str) -> str:
            self.may_go.add(str(int(ask) - 1))
            self.line.wake()
            return ask

        for each in asked:
            each.addCallback(next_may_go)
        self.may_go.add("299")
        self.line.wake()
        self.assertTrue(all(each.called for each in asked))

    def test_one_that_goes_cancels_another(self) -> None:
        """The other doesn't go."""
        first, second = self.line.join("a", 10), self.line.join("b", 10)
        first.addCallback(lambda _: second.cancel())
        self.may_go |= {"a", "b"}
        self.line.wake()
        self.successResultOf(first)
        self.failureResultOf(second)
        self.assertIsInstance(self.line.join("c", 1), Deferred)
