"""Servers in turn, by weight."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.balance.selection import RoundRobin
from corsgate.config.model import Server


def servers(*weights: int) -> list[Server]:
    """Answer servers a, b, c... of these weights."""
    return [
        Server(scheme="http", host=f"{chr(ord('a') + i)}.test", port=80, weight=weight)
        for i, weight in enumerate(weights)
    ]


def names(order: tuple[Server, ...]) -> str:
    """Answer the servers' letters in order."""
    return "".join(server.host[0] for server in order)


WEIGHTS = st.lists(st.integers(1, 20), min_size=1, max_size=6)


class RoundRobinTests(SynchronousTestCase):
    def test_turns(self) -> None:
        """Equal servers take turns, and those that follow are tried next."""
        rotation = RoundRobin(servers(1, 1, 1))
        self.assertEqual([names(rotation.order()) for _ in range(4)], ["abc", "bca", "cab", "abc"])

    def test_weights_are_spread(self) -> None:
        """A heavy server's turns lie apart, as in nginx: a a b a c a a."""
        rotation = RoundRobin(servers(5, 1, 1))
        self.assertEqual("".join(names(rotation.order())[0] for _ in range(14)), "aabacaa" * 2)

    def test_one_server(self) -> None:
        """A lone server is the whole answer, each time the same object."""
        rotation = RoundRobin(servers(7))
        self.assertEqual(names(rotation.order()), "a")
        self.assertIs(rotation.order(), rotation.order())

    def test_no_server(self) -> None:
        """Nothing to choose from is an error at once, not at the first request."""
        self.assertRaises(ValueError, RoundRobin, [])

    def test_own_state(self) -> None:
        """Two rotations over the same servers don't move each other."""
        both = servers(1, 1)
        one, other = RoundRobin(both), RoundRobin(both)
        one.order()
        self.assertEqual(names(other.order()), "ab")

    @given(WEIGHTS, st.integers(0, 50))
    def test_each_server_once(self, weights: list[int], turns: int) -> None:
        """Every order has every server, none twice."""
        rotation = RoundRobin(servers(*weights))
        for _ in range(turns):
            rotation.order()
        self.assertCountEqual(rotation.order(), servers(*weights))

    @given(WEIGHTS)
    def test_share_is_weight(self, weights: list[int]) -> None:
        """In each whole round, every server comes first as often as its weight says."""
        rotation = RoundRobin(servers(*weights))
        for _ in range(2):
            firsts = Counter(rotation.order()[0] for _ in range(sum(weights)))
            self.assertEqual(firsts, {each: each.weight for each in servers(*weights)})
