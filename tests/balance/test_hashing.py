"""Keys and their servers."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.balance.hashing import digest, score

KEYS = [digest(b"key %d" % number) for number in range(10_000)]


def homes(servers: list[int], weights: dict[int, float] | None = None) -> list[int]:
    """Return the server of each of `KEYS`."""
    weighed = weights or {}
    return [
        max(servers, key=lambda server: score(key, digest(b"%d" % server), weighed.get(server, 1)))
        for key in KEYS
    ]


class HashingTests(SynchronousTestCase):
    def test_digest_is_fixed(self) -> None:
        """It never changes, so that several gates agree."""
        self.assertEqual(digest(b"a"), 0x40F89E395B66422F)

    @settings(max_examples=15)
    @given(st.integers(2, 12), st.data())
    def test_losing_one(self, count: int, data: st.DataObject) -> None:
        """If one of n servers is removed, only its own keys move: at most 1.3/n."""
        servers = list(range(count))
        lost = data.draw(st.sampled_from(servers))
        before = homes(servers)
        after = homes([server for server in servers if server != lost])
        moved = [old for old, new in zip(before, after, strict=True) if old != new]
        self.assertEqual(set(moved), {lost})
        self.assertLessEqual(len(moved), 1.3 * len(KEYS) / count)

    def test_spread(self) -> None:
        """The keys of a removed server spread over all that remain."""
        before, after = homes([0, 1, 2, 3]), homes([0, 1, 2])
        heirs = Counter(new for old, new in zip(before, after, strict=True) if old == 3)
        self.assertTrue(all(0.28 < heirs[server] / heirs.total() < 0.39 for server in range(3)))

    def test_weights(self) -> None:
        """Shares follow weights within 2 %."""
        weights = {0: 1.0, 1: 2.0, 2: 5.0}
        shares = Counter(homes([0, 1, 2], weights))
        for server, weight in weights.items():
            self.assertApproximates(shares[server] / len(KEYS), weight / 8, 0.02)
