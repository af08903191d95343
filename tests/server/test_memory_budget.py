"""What waits in memory is counted, and the oldest stalled is cut where it is too much."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Limits
from corsgate.server.memory_budget import REQUEST_BYTES, Account, MemoryBudget, Tally

KIB, MIB = 1024, 1024 * 1024
LIMITS = Limits(max_buffered_per_client=4 * MIB, max_buffered_total=8 * MIB)
SIZE = 60 * KIB
EACH = SIZE + REQUEST_BYTES


class Stalled:
    """Has bytes waiting until it is cut."""

    def __init__(
        self, budget: MemoryBudget, client: str | None, connection: Tally | None = None
    ) -> None:
        self.budget = budget
        self.account = Account(self, client, connection)
        self.outcome = ""

    def cut_for_memory(self, outcome: str) -> None:
        """Note it."""
        assert not self.outcome, "it was cut already"
        self.outcome = outcome

    def hold(self, request: int | None = None, response: int | None = None) -> None:
        """Have so many bytes waiting."""
        self.budget.hold(self.account, request=request, response=response)


class CountTests(SynchronousTestCase):
    """Bytes count from when they wait until they don't."""

    def test_sum(self) -> None:
        """Both directions count, and the request itself while there is anything."""
        budget, tally = MemoryBudget(LIMITS), Tally()
        one = Stalled(budget, "a", tally)
        one.hold(request=10)
        one.hold(response=5)
        self.assertEqual(budget.held, 15 + REQUEST_BYTES)
        self.assertEqual((budget.held_by("a"), tally.held), (budget.held, budget.held))
        one.hold(request=0)
        self.assertEqual(budget.held, 5 + REQUEST_BYTES)
        one.hold(response=0)
        self.assertEqual((budget.held, budget.held_by("a"), tally.held), (0, 0, 0))

    def test_closed(self) -> None:
        """What is closed counts nothing, and never again."""
        budget = MemoryBudget(LIMITS)
        one = Stalled(budget, "a")
        one.hold(request=10)
        for _ in range(2):
            budget.close(one.account)
        one.hold(response=10)
        self.assertEqual((budget.held, budget.held_by("a")), (0, 0))

    @given(
        st.lists(
            st.tuples(
                st.integers(0, 9), st.sampled_from(("request", "response", "close")),
                st.integers(0, 2 * MIB),
            ),
            max_size=60,
        )
    )  # fmt: skip
    def test_anything(self, steps: list[tuple[int, str, int]]) -> None:
        """The sums are right, and no bound is exceeded by more than the account that grew."""
        budget = MemoryBudget(LIMITS)
        tallies = [Tally(), Tally()]
        holders = [
            Stalled(budget, ("a", "b", None)[at % 3], tallies[at % 2] if at < 6 else None)
            for at in range(10)
        ]
        for at, what, size in steps:
            holder = holders[at]
            if what == "close":
                budget.close(holder.account)
            else:
                holder.hold(**{what: size})
            live = [each.account for each in holders if not each.account.closed]
            self.assertEqual(budget.held, sum(account.held for account in live))
            for client in ("a", "b", None):
                held = sum(account.held for account in live if account.client == client)
                self.assertEqual(budget.held_by(client), held)
                if client is not None:
                    self.assertLessEqual(held, 4 * MIB + holder.account.held)
            for tally in tallies:
                mine = [account for account in live if account.connection is tally]
                self.assertEqual(tally.held, sum(account.held for account in mine))
            self.assertLessEqual(budget.held, 8 * MIB + holder.account.held)


class CutTests(SynchronousTestCase):
    """Who is cut, and when."""

    def test_client(self) -> None:
        """A client's oldest stalled requests are cut, no more than needed, and nobody else's."""
        budget = MemoryBudget(LIMITS)
        other = Stalled(budget, "b")
        other.hold(response=SIZE)
        mine = [Stalled(budget, "a") for _ in range(4 * MIB // EACH + 1)]
        for one in mine[:-1]:
            one.hold(response=SIZE)
        self.assertEqual(budget.cuts, 0)
        mine[-1].hold(response=SIZE)
        cut = [one for one in mine if one.outcome]
        self.assertEqual(cut, mine[: len(cut)])
        self.assertEqual(len(cut), 4)
        self.assertIn("max_buffered_per_client", cut[0].outcome)
        self.assertEqual(other.outcome, "")
        self.assertLessEqual(budget.held_by("a"), 4 * MIB)

    def test_moving(self) -> None:
        """A slow client that takes half of what waits is not stalled; one that drips is."""
        budget = MemoryBudget(LIMITS)
        slow, drips = Stalled(budget, "a"), Stalled(budget, "a")
        slow.hold(response=SIZE)
        drips.hold(response=SIZE)
        for left in range(SIZE, 0, -1024):
            slow.hold(response=max(left, SIZE - 1024))
        for _ in range(40):
            more = Stalled(budget, "a")
            more.hold(response=SIZE)
        for drop in range(100):
            drips.hold(response=SIZE - drop)
        slow.hold(response=SIZE // 2)
        slow.hold(response=SIZE)
        while not budget.cuts:
            Stalled(budget, "a").hold(response=SIZE)
        self.assertNotEqual(drips.outcome, "")
        self.assertEqual(slow.outcome, "")

    def test_connection(self) -> None:
        """One connection takes no more than half of what its client may."""
        budget, tally = MemoryBudget(LIMITS), Tally()
        other = Stalled(budget, "a", Tally())
        other.hold(response=SIZE)
        mine = [Stalled(budget, "a", tally) for _ in range(40)]
        for one in mine:
            one.hold(response=SIZE)
            self.assertLessEqual(tally.held, 2 * MIB)
        self.assertNotEqual(mine[0].outcome, "")
        self.assertEqual((mine[-1].outcome, other.outcome), ("", ""))

    def test_all(self) -> None:
        """Where all clients together have too much, the one that holds most is cut first."""
        limits = Limits(max_buffered_per_client=8 * MIB, max_buffered_total=8 * MIB)
        budget = MemoryBudget(limits)
        honest = [Stalled(budget, f"honest{at}") for at in range(50)]
        for one in honest:
            one.hold(response=SIZE)
        greedy = [Stalled(budget, "greedy") for _ in range(100)]
        for one in greedy:
            one.hold(request=SIZE)
            self.assertLessEqual(budget.held, 8 * MIB)
        self.assertEqual([one.outcome for one in honest], [""] * 50)
        self.assertIn("max_buffered_total", greedy[0].outcome)

    def test_uncounted(self) -> None:
        """Clients that are not told apart have no bound of their own, and that of all."""
        budget = MemoryBudget(LIMITS)
        for _ in range(8 * MIB // EACH):
            Stalled(budget, None).hold(response=SIZE)
        self.assertEqual(budget.cuts, 0)
        Stalled(budget, None).hold(response=SIZE)
        self.assertGreater(budget.cuts, 0)
        self.assertLessEqual(budget.held, 8 * MIB)

    def test_alone(self) -> None:
        """What one request has waiting is bounded elsewhere: it is not cut for it."""
        budget = MemoryBudget(LIMITS)
        one = Stalled(budget, "a", Tally())
        one.hold(response=9 * MIB)
        self.assertEqual(one.outcome, "")

    def test_cut_takes_others_along(self) -> None:
        """A cut may end others, which are not cut then."""
        budget = MemoryBudget(LIMITS)
        ended = Stalled(budget, "a")

        class Leader(Stalled):
            def cut_for_memory(self, outcome: str) -> None:
                super().cut_for_memory(outcome)
                budget.close(ended.account)

        leader = Leader(budget, "a")
        for one in (leader, ended):
            one.hold(response=SIZE)
        while not budget.cuts:
            Stalled(budget, "a").hold(response=SIZE)
        self.assertEqual((bool(leader.outcome), ended.outcome), (True, ""))


class TightTests(SynchronousTestCase):
    """Back-pressure comes before anything is cut."""

    def test_client(self) -> None:
        """A client with half of what it may have waiting is to wait sooner; others are not."""
        budget = MemoryBudget(LIMITS)
        Stalled(budget, "a").hold(response=2 * MIB - REQUEST_BYTES)
        self.assertFalse(budget.is_tight("a"))
        Stalled(budget, "a").hold(response=1)
        self.assertTrue(budget.is_tight("a"))
        self.assertFalse(budget.is_tight("b"))
        self.assertFalse(budget.is_tight(None))

    def test_connection(self) -> None:
        """So is a connection with a thirty-second part of that."""
        budget, tally = MemoryBudget(LIMITS), Tally()
        one = Stalled(budget, "a", tally)
        one.hold(response=MIB // 8)
        self.assertTrue(budget.is_tight("a", tally))
        self.assertFalse(budget.is_tight("a", Tally()))

    def test_all(self) -> None:
        """So is everyone where half of what all may have is waiting."""
        budget = MemoryBudget(LIMITS)
        for client in ("a", "b"):
            Stalled(budget, client).hold(response=2 * MIB)
        self.assertTrue(budget.is_tight("c"))
        self.assertTrue(budget.is_tight(None))
