"""A bounded cache that a flood of keys can neither grow nor flush."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.cors.two_tier_cache import TwoTierCache

MOST = 8


def ask(store: TwoTierCache[int, list[int]], key: int) -> list[int]:
    """Return the cached value of a key, or cache a new one."""
    found = store.get(key)
    if found is None:
        found = [key]
        store.add(key, found)
    return found


class RememberedTests(SynchronousTestCase):
    """`TwoTierCache`."""

    def test_keeps(self) -> None:
        """A repeated key gets the same value."""
        store: TwoTierCache[int, list[int]] = TwoTierCache(MOST)
        first = ask(store, 1)
        for _ in range(3):
            self.assertIs(ask(store, 1), first)

    def test_flood_of_strangers(self) -> None:
        """Keys that are used once never evict a key that was used twice."""
        store: TwoTierCache[int, list[int]] = TwoTierCache(MOST)
        hot = [ask(store, key) for key in range(MOST) for _ in range(2)][::2]
        for key in range(1000, 11_000):
            ask(store, key)
        for key, value in enumerate(hot):
            self.assertIs(ask(store, key), value)

    def test_flood_of_pairs(self) -> None:
        """Keys that are each used twice don't evict a key that is used meanwhile."""
        store: TwoTierCache[int, list[int]] = TwoTierCache(MOST)
        hot = [ask(store, key) for key in range(4) for _ in range(2)][::2]
        for round_number in range(500):
            for key in range(1000 + 4 * round_number, 1004 + 4 * round_number):
                ask(store, key)
                ask(store, key)
            for key, value in enumerate(hot):
                self.assertIs(ask(store, key), value)

    @given(st.lists(st.integers(0, 40)))
    def test_bounded_and_right(self, keys: list[int]) -> None:
        """It never exceeds its bound, and never returns another key's value."""
        store: TwoTierCache[int, list[int]] = TwoTierCache(MOST)
        for key in keys:
            self.assertEqual(ask(store, key), [key])
            self.assertLessEqual(len(store), 2 * MOST)
