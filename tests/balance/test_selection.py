"""The strategies: round robin, least requests, random two, and hash."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.balance.selection import (
    SCANNED,
    Hash,
    LeastRequests,
    RoundRobin,
    Strategy,
    strategy_of,
)
from corsgate.balance.state import ServerState
from corsgate.config.model.balancing import BALANCES
from tests.balance.support import chance, letter, states

WEIGHTS = st.lists(st.integers(1, 20), min_size=1, max_size=6)
PICKS = 10_000


def picks(policy: Strategy, ready: list[ServerState], count: int) -> str:
    """Return the letters of this many choices."""
    return "".join(letter(policy.choose(ready, b"")) for _ in range(count))


class RoundRobinTests(SynchronousTestCase):
    def test_turns(self) -> None:
        """Equal servers take turns."""
        self.assertEqual(picks(RoundRobin(), states(1, 1, 1), 7), "abcabca")

    def test_weights_are_spread(self) -> None:
        """A heavy server's turns are spread, as in nginx: a a b a c a a."""
        self.assertEqual(picks(RoundRobin(), states(5, 1, 1), 14), "aabacaa" * 2)

    def test_one_server(self) -> None:
        """A lone server is always chosen."""
        self.assertEqual(picks(RoundRobin(), states(7), 3), "aaa")

    def test_comes_and_goes(self) -> None:
        """Turns continue when a server leaves and comes back."""
        policy, all_three = RoundRobin(), states(1, 1, 1)
        without = [all_three[0], all_three[2]]
        self.assertEqual(picks(policy, without, 4), "acac")
        self.assertCountEqual(picks(policy, all_three, 6), "aabbcc")

    @given(WEIGHTS)
    def test_share_is_weight(self, weights: list[int]) -> None:
        """In each whole round, every server is chosen as often as its weight."""
        policy, ready = RoundRobin(), states(*weights)
        for _ in range(2):
            counts = Counter(picks(policy, ready, sum(weights)))
            self.assertEqual(counts, {letter(each): each.server.weight for each in ready})


class LeastRequestsTests(SynchronousTestCase):
    def test_least_busy(self) -> None:
        """The one with the fewest requests is chosen."""
        ready = states(1, 1, 1)
        for state, running in zip(ready, (2, 1, 3), strict=True):
            state.running = running
        self.assertEqual(picks(LeastRequests(chance()), ready, 3), "bbb")

    def test_weighted(self) -> None:
        """A server of weight 3 is as busy with three requests as another with one."""
        ready = states(3, 1)
        ready[0].running, ready[1].running = 2, 1
        self.assertEqual(picks(LeastRequests(chance()), ready, 1), "a")
        ready[0].running = 4
        self.assertEqual(picks(LeastRequests(chance()), ready, 1), "b")

    def test_equals_take_turns(self) -> None:
        """Idle servers get their shares, rather than all going to the first."""
        self.assertEqual(picks(LeastRequests(chance()), states(2, 1), 6), "abaaba")

    def test_fills_evenly(self) -> None:
        """If no request ends, requests accumulate by weight, with many servers or few."""
        for count, slack in ((3, 1), (2 * SCANNED, 3)):
            ready, policy = states(*[1] * count), LeastRequests(chance())
            for _ in range(20 * count):
                policy.choose(ready, b"").running += 1
            self.assertTrue(all(abs(state.running - 20) <= slack for state in ready), ready)


class HashTests(SynchronousTestCase):
    def test_keeps(self) -> None:
        """A key stays with its server, at any position of the list."""
        ready, policy = states(1, 1, 1, 1), Hash()
        for number in range(50):
            key = b"%d" % number
            self.assertIs(policy.choose(ready, key), policy.choose(ready[::-1], key))

    @settings(max_examples=20)
    @given(st.integers(2, 8), st.integers(0, 7))
    def test_moves_little(self, count: int, lost: int) -> None:
        """If one of n is removed, only its own keys move: at most 1.3/n of all."""
        ready, policy = states(*[1] * count), Hash()
        gone = ready[lost % count]
        left = [state for state in ready if state is not gone]
        keys = [b"client %d" % number for number in range(4000)]
        before = [policy.choose(ready, key) for key in keys]
        after = [policy.choose(left, key) for key in keys]
        moved = [old for old, new in zip(before, after, strict=True) if old is not new]
        self.assertTrue(all(state is gone for state in moved))
        self.assertLessEqual(len(moved), 1.3 * len(keys) / count)


class EveryPolicyTests(SynchronousTestCase):
    def test_names(self) -> None:
        """Each name in a configuration has its own strategy."""
        made = [type(strategy_of(name, chance())) for name in BALANCES]
        self.assertEqual(len(set(made)), len(BALANCES))

    @settings(max_examples=10)
    @given(WEIGHTS, st.sampled_from(BALANCES))
    def test_weights_hold(self, weights: list[int], name: str) -> None:
        """Over 10,000 picks each server's share is its weight's, within 2 %."""
        policy, ready = strategy_of(name, chance()), states(*weights)
        chosen = (policy.choose(ready, b"key %d" % number) for number in range(PICKS))
        counts = Counter(letter(state) for state in chosen)
        for state in ready:
            expected = state.server.weight / sum(weights)
            self.assertApproximates(counts[letter(state)] / PICKS, expected, 0.02)

    @given(WEIGHTS, st.sampled_from(BALANCES), st.binary(), st.data())
    def test_answers_one_of_them(
        self, weights: list[int], name: str, key: bytes, data: st.DataObject
    ) -> None:
        """One of the servers is chosen for any load."""
        ready = states(*weights)
        for state in ready:
            state.running = data.draw(st.integers(0, 9))
        self.assertIn(strategy_of(name, chance()).choose(ready, key), ready)
