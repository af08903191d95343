"""Whether connections are used again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.balance.reuse import CAREFUL_S, FIRST_REST_S, MOST_REST_S, Reuse


class ConfiguredTests(SynchronousTestCase):
    """What `keep_alive` and `max_requests_per_connection` say."""

    def test_no_limit(self) -> None:
        """By default there is nothing to ask."""
        self.assertFalse(Reuse[str]().active)

    def test_limit(self) -> None:
        """Each connection carries as many requests as it may, and counts for itself."""
        reuse = Reuse[str](2)
        self.assertTrue(reuse.active)
        self.assertEqual([reuse.may_keep(each, 0.0) for each in "aabb"], [True, False] * 2)

    def test_only_one(self) -> None:
        """With a limit of one, no connection is kept."""
        self.assertFalse(Reuse[str](1).may_keep("a", 0.0))

    def test_forgotten(self) -> None:
        """A connection that is gone leaves nothing behind."""
        reuse = Reuse[str](2)
        self.assertTrue(reuse.may_keep("a", 0.0))
        reuse.gone("a")
        self.assertTrue(reuse.may_keep("a", 0.0))


class LearnedTests(SynchronousTestCase):
    """What a server that closes kept connections leads to."""

    def setUp(self) -> None:
        """Have a server that nothing is known of."""
        self.reuse = Reuse[str]()

    def close_twice(self, now: float = 0.0) -> float | None:
        """Have two connections closed on reuse, the second one handed out after the first."""
        self.assertIsNone(self.reuse.closed("a", now))
        self.assertTrue(self.reuse.may_use("b", now, repeatable=True))
        return self.reuse.closed("b", now)

    def test_one_close(self) -> None:
        """After one close only requests that can be repeated use a kept connection, for a while."""
        self.reuse.closed("a", 0.0)
        self.assertTrue(self.reuse.active)
        self.assertTrue(self.reuse.may_keep("b", 0.0))
        self.assertTrue(self.reuse.may_use("b", 0.0, repeatable=True))
        for now, expected in ((0.0, False), (CAREFUL_S - 1, False), (CAREFUL_S, True)):
            self.assertEqual(self.reuse.may_use("b", now, repeatable=False), expected)

    def test_works_again(self) -> None:
        """A response on a kept connection ends that: an idle connection may have been too old."""
        self.reuse.closed("a", 0.0)
        self.reuse.may_use("b", 0.0, repeatable=True)
        self.assertTrue(self.reuse.may_keep("b", 0.0))
        self.assertFalse(self.reuse.active)
        self.assertTrue(self.reuse.may_use("b", 0.0, repeatable=False))

    def test_fresh_connection_proves_nothing(self) -> None:
        """A response on a connection that was not used before says nothing of reuse."""
        self.reuse.closed("a", 0.0)
        self.assertTrue(self.reuse.may_keep("b", 0.0))
        self.assertFalse(self.reuse.may_use("b", 0.0, repeatable=False))

    def test_two_closes(self) -> None:
        """After the second close no connection is used again, for anything."""
        self.assertEqual(self.close_twice(), FIRST_REST_S)
        for now in (0.0, FIRST_REST_S - 1):
            self.assertFalse(self.reuse.may_keep("c", now))
            self.assertFalse(self.reuse.may_use("c", now, repeatable=True))

    def test_tried_again(self) -> None:
        """After that it is tried again, but never at the risk of what can't be repeated."""
        self.close_twice()
        later = FIRST_REST_S * 100
        self.assertTrue(self.reuse.may_keep("c", later))
        self.assertFalse(self.reuse.may_use("c", later, repeatable=False))
        self.assertTrue(self.reuse.may_use("c", later, repeatable=True))
        self.reuse.may_keep("c", later)
        self.assertTrue(self.reuse.may_use("c", later, repeatable=False))

    def test_longer_each_time(self) -> None:
        """Each further close rests for twice as long, up to a bound, and is reported once."""
        self.close_twice()
        now, rest_s = 0.0, FIRST_REST_S
        for _ in range(10):
            now += rest_s
            self.assertTrue(self.reuse.may_use("c", now, repeatable=True))
            self.assertIsNone(self.reuse.closed("c", now))
            rest_s = min(2 * rest_s, MOST_REST_S)
            self.assertFalse(self.reuse.may_keep("d", now + rest_s - 1))
            self.assertTrue(self.reuse.may_keep("d", now + rest_s))
        self.assertEqual(rest_s, MOST_REST_S)

    def test_many_at_once(self) -> None:
        """A server that goes away closes many connections, which count as one close."""
        for each in "abcdef":
            self.assertIsNone(self.reuse.closed(each, 0.0))
        self.assertTrue(self.reuse.may_keep("g", 0.0))
        for each in "ghi":
            self.assertTrue(self.reuse.may_use(each, 0.0, repeatable=True))
        self.assertEqual(
            [self.reuse.closed(each, 1.0) for each in "ghi"], [FIRST_REST_S, None, None]
        )
        self.assertTrue(self.reuse.may_use("j", 1.0 + FIRST_REST_S, repeatable=True))

    def test_limit_stays(self) -> None:
        """What is configured holds whatever was learned."""
        self.reuse = Reuse[str](2)
        self.close_twice()
        self.reuse.may_use("c", FIRST_REST_S, repeatable=True)
        self.assertEqual([self.reuse.may_keep("c", FIRST_REST_S) for _ in "12"], [True, False])
        self.assertTrue(self.reuse.active)

    @given(st.lists(st.tuples(st.sampled_from("uckg"), st.sampled_from("abc"), st.booleans())))
    def test_bounded(self, events: list[tuple[str, str, bool]]) -> None:
        """Whatever happens, reuse is tried again no later than after the longest rest."""
        reuse, now = Reuse[str](), 0.0
        for kind, connection, flag in events:
            now += 1.0
            if kind == "u":
                reuse.may_use(connection, now, repeatable=flag)
            elif kind == "c":
                reuse.closed(connection, now)
            elif kind == "k":
                reuse.may_keep(connection, now)
            else:
                reuse.gone(connection)
        later = now + MOST_REST_S
        self.assertTrue(reuse.may_keep("d", later))
        self.assertTrue(reuse.may_use("d", later, repeatable=True))
