"""How far windows grow: each connection, each client and all have a bound."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.limits import Limits
from corsgate.server.memory_budget import Tally
from corsgate.server.window_budget import MAX_PER_CONNECTION, WindowBudget

MIB = 2**20
LIMITS = Limits(max_buffered_per_client=32 * MIB, max_buffered_total=64 * MIB)


class WindowBudgetTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Start with nothing grown."""
        self.budget = WindowBudget(LIMITS)

    def test_connection(self) -> None:
        """A connection may have a thirty-second of a client's limit."""
        tally = Tally()
        self.assertEqual(self.budget.take("a", tally, MIB - 5), MIB - 5)
        self.assertEqual(self.budget.take("a", tally, 10), 5)
        self.assertEqual(self.budget.take("a", tally, 10), 0)
        self.assertEqual(self.budget.take("a", Tally(), 10), 10)
        self.budget.give_back("a", tally, 4)
        self.assertEqual(self.budget.take("a", tally, 10), 4)
        self.assertEqual((tally.window_growth, self.budget.grown), (MIB, MIB + 10))

    def test_client(self) -> None:
        """A client may have a fourth of its limit, with however many connections."""
        tallies = [Tally() for _ in range(9)]
        taken = [self.budget.take("a", tally, MIB) for tally in tallies]
        self.assertEqual(taken, [MIB] * 8 + [0])
        self.assertEqual(self.budget.take("b", Tally(), MIB), MIB)
        for tally in tallies[:8]:
            self.budget.give_back("a", tally, MIB)
        self.assertEqual(self.budget.take("a", tallies[8], MIB), MIB)

    def test_total(self) -> None:
        """All have a fourth of the total limit, also clients that can't be distinguished."""
        for name in ("a", None):
            budget = WindowBudget(LIMITS)
            clients = [name and f"{name}{number // 4}" for number in range(17)]
            taken = [budget.take(client, Tally(), MIB) for client in clients]
            self.assertEqual(taken, [MIB] * 16 + [0])

    def test_forgets(self) -> None:
        """A client whose windows have all shrunk leaves nothing behind."""
        tally = Tally()
        self.budget.take("a", tally, 10)
        self.budget.give_back("a", tally, 10)
        self.assertEqual((tally.window_growth, self.budget.grown), (0, 0))
        self.assertEqual(self.budget._by_client, {})

    def test_other_limits(self) -> None:
        """Lower limits let nothing grow that exceeds them; what has grown is still given back."""
        tally = Tally()
        self.budget.take("a", tally, MIB)
        self.budget.bound(Limits(max_buffered_per_client=MIB, max_buffered_total=2 * MIB))
        self.assertEqual(self.budget.take("a", tally, 1), 0)
        self.budget.give_back("a", tally, MIB)
        self.assertEqual(self.budget.take("a", tally, MIB), MIB // 32)

    def test_huge_limits(self) -> None:
        """However large the limits are, a window can't exceed what HTTP/2 allows."""
        budget = WindowBudget(Limits(max_buffered_per_client=2**50, max_buffered_total=2**50))
        self.assertEqual(budget.take("a", Tally(), 2**40), MAX_PER_CONNECTION)
