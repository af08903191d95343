"""What the verdicts of one server allow."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.credentials.lockout import (
    DOUBTFUL_SILENCE_S,
    FIRST_BLOCK_S,
    LONG_SILENCE_S,
    MAX_BLOCK_S,
    MAX_REJECTIONS,
    PROOF_S,
    SILENCE_S,
    Lockout,
    Trial,
)
from corsgate.credentials.spots import spot_of


class LockoutTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Make a lockout that knows nothing yet."""
        self.lockout = Lockout()

    def begin(self, now: float) -> Trial:
        """Begin a request that may be sent."""
        trial = self.lockout.begin(now)
        assert trial is not None, "it may not be sent"
        return trial

    def block(self, now: float) -> None:
        """Have the server reject two requests."""
        for trial in (self.begin(now), self.begin(now)):
            self.lockout.rejected(trial, now)

    def test_two_at_once(self) -> None:
        """Until the server has accepted a request, two are under way at most."""
        self.begin(0)
        self.begin(0)
        self.assertIsNone(self.lockout.begin(0))

    def test_ended_gives_back(self) -> None:
        """A request that ends without a verdict makes room for another."""
        self.begin(0)
        self.lockout.ended(self.begin(0), 0.5)
        self.begin(0.5)
        self.assertIsNone(self.lockout.begin(0.5))

    def test_given_up(self) -> None:
        """The place of a request that was given up stays taken for a second: it may be rejected."""
        self.begin(0)
        self.lockout.given_up(self.begin(0), 0.5)
        self.assertIsNone(self.lockout.begin(1.4))
        self.assertAlmostEqual(self.lockout.next_s(1.4), 0.1)
        self.begin(1.5)
        self.assertIsNone(self.lockout.begin(1.5))

    def test_given_up_again(self) -> None:
        """After the first two, others that are given up keep their places for longer."""
        for now in (0.0, 0.0, 1.0, 1.0):
            self.lockout.given_up(self.begin(now), now)
        self.assertIsNone(self.lockout.begin(10.9))
        self.begin(11)
        self.assertIsNone(self.lockout.begin(20.9))
        self.begin(21)

    def test_silence_allows_one_more(self) -> None:
        """A second without a response allows one more, two further ones another.

        A fifth one is allowed ten seconds later, but not after a rejection.
        """
        self.begin(0)
        self.begin(0)
        self.assertIsNone(self.lockout.begin(SILENCE_S - 0.1))
        self.assertAlmostEqual(self.lockout.next_s(SILENCE_S - 0.1), 0.1)
        self.begin(SILENCE_S)
        self.assertIsNone(self.lockout.begin(SILENCE_S))
        self.assertIsNone(self.lockout.begin(3 * SILENCE_S - 0.1))
        self.assertAlmostEqual(self.lockout.next_s(3 * SILENCE_S - 0.1), 0.1)
        self.begin(3 * SILENCE_S)
        late_s = 3 * SILENCE_S + LONG_SILENCE_S
        self.assertIsNone(self.lockout.begin(late_s - 0.1))
        self.assertAlmostEqual(self.lockout.next_s(late_s - 0.1), 0.1)
        self.lockout.rejected(self.begin(late_s), late_s)
        for more_s in (0, 1, 5, 10, 60):
            self.assertIsNone(self.lockout.begin(late_s + more_s))

    def test_silence_after_a_failure(self) -> None:
        """A server that has rejected one is left alone for longer."""
        self.lockout.rejected(self.begin(0), 0)
        self.begin(0)
        self.assertIsNone(self.lockout.begin(DOUBTFUL_SILENCE_S - 0.1))
        self.begin(DOUBTFUL_SILENCE_S)

    def test_at_once(self) -> None:
        """Some need not wait for others, but are counted, and obey a block."""
        self.assertIsNotNone(self.lockout.begin(0, at_once=True))
        self.begin(0)
        self.assertIsNone(self.lockout.begin(0))
        self.assertIsNotNone(self.lockout.begin(0, at_once=True))
        self.assertEqual(len(self.lockout.trials), 3)
        for trial in list(self.lockout.trials)[:2]:
            self.lockout.rejected(trial, 0)
        self.assertIsNone(self.lockout.begin(0, at_once=True))

    def test_silence_is_not_saved(self) -> None:
        """After a minute of silence a burst does not get sixty places."""
        self.begin(0)
        self.begin(0)
        self.begin(60)
        self.assertIsNone(self.lockout.begin(60))

    def test_slow_ones_stay_allowed(self) -> None:
        """When one of several slow requests ends, the next waits for a second at most."""
        terms = [self.begin(each) for each in (0, 0, 1, 3)]
        self.lockout.ended(terms[0], 3.5)
        self.assertIsNone(self.lockout.begin(4.4))
        self.begin(4.5)

    def test_accepted_hands_on_its_place(self) -> None:
        """When one of several slow requests is accepted, the next goes immediately, but no more."""
        *_, last = [self.begin(each) for each in (0, 0, 1, 3)]
        for number in range(7):
            self.assertFalse(self.lockout.accepted(last, 4, spot_of(b"GET", b"/%d" % number)))
            last = self.begin(4)
            self.assertIsNone(self.lockout.begin(4))

    def test_unused_for_long(self) -> None:
        """What a server accepted before is tried again: the password may have changed."""
        spot = spot_of(b"GET", b"/a")
        self.lockout.accepted(self.begin(0), 0, spot)
        self.assertTrue(self.lockout.passes(PROOF_S, spot))
        self.assertFalse(self.lockout.passes(2 * PROOF_S + 1, spot))

    def test_one_rejection_leaves_one(self) -> None:
        """After one rejection a single request is under way."""
        self.lockout.rejected(self.begin(0), 1)
        self.begin(1)
        self.assertIsNone(self.lockout.begin(1))

    def test_accepted_starts_anew(self) -> None:
        """An accepted request between two rejected ones keeps them from being two in a row."""
        self.lockout.rejected(self.begin(0), 0)
        self.assertTrue(self.lockout.accepted(self.begin(0)))
        self.assertFalse(self.lockout.rejected(self.begin(0), 0))
        self.assertEqual(self.lockout.left_s(0), 0.0)

    def test_block(self) -> None:
        """Two rejections in a row start a block, in which nothing is signed."""
        self.assertFalse(self.lockout.rejected(self.begin(10), 10))
        self.assertTrue(self.lockout.rejected(self.begin(10), 11))
        self.assertEqual(self.lockout.left_s(11), FIRST_BLOCK_S)
        self.assertIsNone(self.lockout.begin(11 + FIRST_BLOCK_S - 0.1))
        self.assertAlmostEqual(self.lockout.next_s(11 + FIRST_BLOCK_S - 0.1), 0.1)
        self.begin(11 + FIRST_BLOCK_S)

    def test_one_trial(self) -> None:
        """After a block one request tries the credentials, another only after a long silence."""
        self.block(0)
        end = FIRST_BLOCK_S
        self.begin(end)
        self.assertIsNone(self.lockout.begin(end + SILENCE_S))
        self.begin(end + DOUBTFUL_SILENCE_S)

    def test_block_doubles(self) -> None:
        """Each rejected trial doubles the block, up to five minutes."""
        now, blocks = 0.0, list[float]()
        self.block(now)
        while len(blocks) < 8:
            blocks.append(self.lockout.left_s(now))
            now += blocks[-1]
            self.assertTrue(self.lockout.rejected(self.begin(now), now))
        self.assertEqual(blocks, [5, 10, 20, 40, 80, 160, MAX_BLOCK_S, MAX_BLOCK_S])

    def test_accepted_trial_ends_doubling(self) -> None:
        """An accepted trial ends it: the next block is a short one, after two rejections."""
        self.block(0)
        self.lockout.accepted(self.begin(5))
        self.lockout.rejected(self.begin(6), 6)
        self.assertEqual(self.lockout.left_s(6), 0.0)
        self.lockout.rejected(self.begin(6), 6)
        self.assertEqual(self.lockout.left_s(6), FIRST_BLOCK_S)

    def test_late_verdicts(self) -> None:
        """Verdicts on requests from before a block neither end nor prolong it."""
        late = [self.begin(each) for each in (0, 0, 1, 3)]
        for trial in late[:2]:
            self.lockout.rejected(trial, 2)
        trial = self.begin(7)
        self.assertFalse(self.lockout.rejected(late[2], 7))
        self.assertFalse(self.lockout.accepted(late[3]))
        self.lockout.ended(late[3], 7)
        self.assertEqual((self.lockout.rejections, len(self.lockout.trials)), (2, 1))
        self.assertTrue(self.lockout.rejected(trial, 7))

    def test_doubts(self) -> None:
        """Four failures in a row start a block, whatever the doubts; then two of a trial do."""
        for _ in range(3):
            self.assertFalse(self.lockout.doubted(self.begin(0), 0))
        self.assertTrue(self.lockout.doubted(self.begin(0), 0))
        self.assertFalse(self.lockout.doubted(self.begin(5), 5))
        self.assertTrue(self.lockout.doubted(self.begin(5), 5))
        self.assertEqual(self.lockout.block_s, 2 * FIRST_BLOCK_S)
        self.lockout.accepted(self.begin(15))
        self.assertEqual(self.lockout.failures, 0)

    def test_doubts_leave_less_room(self) -> None:
        """No more are under way than may fail before a block."""
        for _ in range(3):
            self.lockout.doubted(self.begin(0), 0)
        self.begin(0)
        self.assertIsNone(self.lockout.begin(0))

    def test_rejected_without_begin(self) -> None:
        """Rejections of requests to a proven server count, unless they come in a block."""
        self.assertFalse(self.lockout.rejected(None, 0))
        self.assertTrue(self.lockout.rejected(None, 0))
        self.assertFalse(self.lockout.rejected(None, 0))
        self.assertFalse(self.lockout.rejected(None, 6))
        self.assertEqual(self.lockout.until_s, FIRST_BLOCK_S)

    @given(st.lists(st.tuples(st.sampled_from("bareg"), st.floats(0, 3)), max_size=60))
    def test_bounds(self, steps: list[tuple[str, float]]) -> None:
        """Whatever comes, a server that only rejects sees two in a row, then one for each block."""
        lockout, now, under_way, rejected = Lockout(), 0.0, list[Trial](), 0
        for what, wait_s in steps:
            now += wait_s
            if what == "b" and (trial := lockout.begin(now)) is not None:
                under_way.append(trial)
            elif what == "r" and under_way:
                trial = under_way.pop(0)
                rejected += trial in lockout.trials
                lockout.rejected(trial, now)
            elif what == "e" and under_way:
                lockout.ended(under_way.pop(), now)
            elif what == "g" and under_way:
                lockout.given_up(under_way.pop(), now)
            self.assertLessEqual(lockout.trials, set(under_way))
            self.assertEqual(lockout.rejections, rejected)
        if rejected >= MAX_REJECTIONS:
            self.assertGreaterEqual(lockout.block_s, FIRST_BLOCK_S)
