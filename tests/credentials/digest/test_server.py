"""Which requests go when, with which nonce: against simulated servers, in every order of events."""

from __future__ import annotations

from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.credentials.digest.nonce import Turn
from corsgate.credentials.digest.server import LEARNED_FOR_S, MAX_TRIES, DigestServer
from tests.credentials.digest.boxes import Box, Play, every_order, offer

BOXES: dict[str, dict[str, bool | int]] = {
    "usual": {},
    "one nonce for all": {"slots": 1, "closes": True, "says_stale": False},
    "one nonce for all, with stale": {"slots": 1, "closes": True},
    "four nonces": {"slots": 4},
    "one use": {"uses": 1},
    "one use, without stale": {"uses": 1, "says_stale": False},
    "three uses": {"uses": 3},
    "one nonce, one use": {"uses": 1, "slots": 1, "closes": True},
    "one nonce, one use, keeps connections": {"uses": 1, "slots": 1},
    "one nonce, one use, without stale": {"uses": 1, "slots": 1, "says_stale": False},
    "cookies": {"is_bound": True, "says_stale": False},
    "next nonce": {"sends_next": True},
    "next nonce, without stale": {"sends_next": True, "says_stale": False},
    "counts in order": {"in_order": True},
    "a constant nonce": {"is_constant": True},
}
"""The arguments of a `Box` for each behaviour of servers."""


def box(name: str, public: frozenset[int] = frozenset()) -> Box:
    """Return a new box."""
    return Box(**BOXES[name], public=public)  # type: ignore[arg-type]  # checked by attrs


def first(steps: list[int]) -> int:
    """Choose the request that began first."""
    return steps[0]


class EveryOrderTests(SynchronousTestCase):
    """Few requests, and every order of what happens to them."""

    def test_together(self) -> None:
        """Requests that begin together all succeed, at every kind of server, and in every order."""
        for name in BOXES:
            plays = every_order(lambda name=name: Play(box(name), 2))  # type: ignore[misc]
            plays += every_order(lambda name=name: Play(box(name, frozenset({0})), 3))  # type: ignore[misc]
            self.assertGreater(len(plays), 5)
            for play in plays:
                self.assertEqual(set(play.statuses), {200}, name)
                self.assertLess(max(play.tries), MAX_TRIES)

    def test_nonces_die_in_flight(self) -> None:
        """Two requests that find the server's nonces gone both succeed."""

        def begin(name: str) -> Play:
            play = Play(box(name), 1)
            play.run(first)
            again = Play(play.box, 1, play.server)
            again.run(first)
            play.box.forget()
            return Play(play.box, 2, play.server)

        for name in set(BOXES) - {"a constant nonce"}:
            for play in every_order(lambda name=name: begin(name)):  # type: ignore[misc]
                self.assertEqual(play.statuses, [200, 200], name)

    def test_wrong_password(self) -> None:
        """Where the password is wrong, two requests at once cost few rejections."""
        for name in BOXES:
            for play in every_order(lambda name=name: self.wrong(name)):  # type: ignore[misc]
                self.assertLessEqual(set(play.statuses), {401, 502}, name)
                self.assertLessEqual(play.box.rejections, 4 if name == "cookies" else 3, name)

    def wrong(self, name: str) -> Play:
        """Begin two requests with a wrong password."""
        wrong = box(name)
        wrong.is_right = False
        return Play(wrong, 2)


class ManyTests(SynchronousTestCase):
    """Many requests at once, in some of the orders."""

    @settings(deadline=None, max_examples=40)
    @for_all(st.sampled_from(sorted(BOXES)), st.booleans(), st.sampled_from((6, 16)), st.randoms())
    def test_all_succeed(self, name: str, public: bool, requests: int, chance: object) -> None:
        """All succeed, at once and again, and no count of a nonce is used twice."""
        play = Play(box(name, frozenset({0}) if public else frozenset()), requests)
        for _ in range(3):
            statuses = play.run(lambda steps: chance.choice(steps))  # type: ignore[attr-defined]
            self.assertEqual(set(statuses), {200})
            play = Play(play.box, requests, play.server)
        self.assertEqual(len(play.box.seen), len(set(play.box.seen)))

    def test_single_flight(self) -> None:
        """Of many requests, one fetches a challenge, and all others use it."""
        for name in ("usual", "one nonce for all", "a constant nonce"):
            play = Play(box(name), 64)
            play.run(first)
            self.assertEqual((play.box.unsigned, play.box.made), (1, 1), name)
            self.assertEqual(sum(play.tries), 65)

    def test_one_use_is_learned(self) -> None:
        """At a server with nonces for one use, each request soon fetches its own challenge."""
        play = Play(box("one use"), 16)
        play.run(first)
        later = Play(play.box, 64, play.server)
        later.run(first)
        self.assertEqual((later.tries, later.statuses), ([2] * 64, [200] * 64))

    def test_one_after_the_other(self) -> None:
        """If such challenges replace each other, requests go one after the other."""
        play = Play(box("one nonce, one use"), 16)
        play.run(first)
        later = Play(play.box, 64, play.server)
        while steps := later.steps:
            self.assertEqual(len(steps), 1)
            later.step(steps[0])
        self.assertEqual((later.tries, set(later.statuses)), ([2] * 64, {200}))

    def test_learned_for_a_while(self) -> None:
        """That nonces are for one use is forgotten after a time."""
        play = Play(box("one use"), 16)
        play.run(first)
        self.assertTrue(play.server.one_use)
        again = Play(play.box, 0, play.server)
        again.now = LEARNED_FOR_S + 1
        play.server.admit(Turn(), again.now, is_proven=True)
        self.assertFalse(play.server.one_use)
        play.box.uses = 1000
        later = Play(play.box, 8, DigestServer())
        later.run(first)
        self.assertEqual(set(later.statuses), {200})
        self.assertEqual(sum(later.tries), 9)

    def test_wrong_password(self) -> None:
        """With a wrong password no request is rejected twice, unless it lacked cookies at first."""
        for name in BOXES:
            wrong = box(name)
            wrong.is_right = False
            play = Play(wrong, 16)
            self.assertLessEqual(set(play.run(first)), {401, 502}, name)
            self.assertLessEqual(wrong.rejections, 32 if name == "cookies" else 16, name)


class OneTests(SynchronousTestCase):
    """What is decided about a single request."""

    def setUp(self) -> None:
        """Make a server that nothing is known about."""
        self.server = DigestServer()

    def go(self, turn: Turn, now: float = 0.0) -> Turn:
        """Send a request."""
        self.assertTrue(self.server.admit(turn, now, is_proven=True))
        self.server.sign(turn)
        return turn

    def fetched(self, nonce: bytes = b"n1", now: float = 0.0) -> Turn:
        """Return a request that got a challenge and is signed now."""
        turn = self.go(Turn(), now)
        self.assertTrue(self.server.refused(turn, offer(nonce), now, bound=False))
        return self.go(turn, now)

    def passed(self, turn: Turn, now: float = 0.0) -> None:
        """Accept a request."""
        self.server.passed(turn, now, succeeded=True, closes=False)
        self.server.leave(turn)

    def test_challenge_that_is_left(self) -> None:
        """Where nonces are for one use, a challenge after an upload goes to the next request."""
        box = Box(uses=1)
        play = Play(box, 16)
        self.assertEqual(set(play.run(lambda steps: steps[0])), {200})
        self.assertTrue(play.server.one_use)
        turns = [Turn() for _ in range(3)]
        for turn in turns:
            self.assertTrue(play.server.admit(turn, 0.0, is_proven=True))
        self.assertIsNone(play.server.sign(turns[0]))
        self.assertTrue(play.server.refused(turns[0], offer(b"left"), 0.0, bound=False))
        play.server.leave(turns[0])
        nonce = play.server.sign(turns[1])
        assert nonce is not None
        self.assertEqual(nonce.offer.nonce, b"left")
        self.assertFalse(play.server.is_fresh(turns[1]))
        self.assertIsNone(play.server.sign(turns[2]))
        # It has expired meanwhile.
        self.assertTrue(play.server.refused(turns[1], offer(b"new"), 0.0, bound=False))

    def test_leader_that_leaves(self) -> None:
        """Another request fetches the challenge if the first ended without a response."""
        one, two = self.go(Turn()), Turn()
        self.assertFalse(self.server.admit(two, 0.0, is_proven=True))
        self.server.leave(one)
        self.assertTrue(self.server.admit(two, 0.0, is_proven=True))

    def test_public_server(self) -> None:
        """Where nothing is asked, nothing waits."""
        one = self.go(Turn())
        self.passed(one)
        for _ in range(3):
            self.assertIsNone(self.go(Turn()).used)

    def test_fresh(self) -> None:
        """A 401 to the first use of a nonce means a wrong login, and only there."""
        one, two = self.fetched(), self.go(Turn())
        self.assertTrue(self.server.is_fresh(one))
        self.assertFalse(self.server.is_fresh(two))
        self.assertFalse(self.server.is_fresh(Turn()))

    def test_cookies_of_others(self) -> None:
        """A nonce that came with cookies is only tried for others, and never for an upload."""
        upload = self.go(Turn())
        self.server.refused(upload, offer(b"n1"), 0.0, bound=True)
        self.server.leave(upload)
        next_upload = Turn()
        self.assertTrue(self.server.admit(next_upload, 0.0, is_proven=True))
        self.assertIsNone(self.server.sign(next_upload, can_resend=False))
        self.server.leave(next_upload)
        other = self.go(Turn())
        self.assertTrue(other.lacks_cookies)
        self.assertFalse(self.server.is_fresh(other), "a 401 is about the cookies")
        self.assertTrue(self.server.refused(other, offer(b"n2"), 0.0, bound=True))
        self.go(other)
        self.assertTrue(other.is_answer)
        self.assertFalse(other.lacks_cookies)

    def test_cookies_without_meaning(self) -> None:
        """Once a nonce was good without its cookies, it also signs uploads."""
        first_one = self.go(Turn())
        self.server.refused(first_one, offer(b"n1"), 0.0, bound=True)
        self.passed(self.go(first_one))
        self.passed(self.go(Turn()))
        self.assertIsNotNone(self.server.sign(Turn(), can_resend=False))

    def test_awaits_continue(self) -> None:
        """A request will probably be challenged if it is unsigned, or its nonce old or unproven."""
        turn = self.go(Turn())
        self.assertTrue(self.server.awaits_continue(turn, 0.0))
        self.server.refused(turn, offer(b"n1"), 0.0, bound=False)
        self.assertFalse(self.server.awaits_continue(self.go(turn), 0.0))
        self.passed(turn)
        second = self.go(Turn())
        self.assertTrue(self.server.awaits_continue(second, 0.0))
        self.passed(second)
        third = self.go(Turn())
        self.assertFalse(self.server.awaits_continue(third, 1.0))
        self.assertTrue(self.server.awaits_continue(third, 31.0))

    def test_expiry_is_learned(self) -> None:
        """The age at which a nonce died counts for the next ones."""
        for _ in range(2):
            self.passed(self.fetched() if self.server.nonce is None else self.go(Turn()))
        late = self.go(Turn(), 12.0)
        self.assertTrue(self.server.refused(late, offer(b"n2", stale=True), 12.0, bound=False))
        self.passed(self.go(late, 12.0), 12.0)
        self.passed(self.go(Turn(), 13.0), 13.0)
        for now, awaits in ((20.0, False), (25.0, True)):
            self.assertIs(self.server.awaits_continue(self.go(Turn(), now), now), awaits, now)
        self.assertFalse(self.server.one_use)

    def test_seldom_used(self) -> None:
        """Nonces that expire between rare requests are not taken for those of one use."""
        for number in range(8):
            now, turn = number * 600.0, Turn()
            for attempt in range(3):
                self.go(turn, now)
                if attempt == (1 if number or attempt else 2):
                    break
                fresh = offer(b"n%d" % number, stale=bool(number))
                self.assertTrue(self.server.refused(turn, fresh, now, bound=False))
            self.passed(turn, now)
        self.assertFalse(self.server.one_use)

    def test_hurry(self) -> None:
        """One that waits may be let go; what takes long then no longer counts as under way."""
        one, two = self.go(Turn()), Turn()
        self.assertFalse(self.server.admit(two, 0.0, is_proven=True))
        self.server.hurry(two)
        self.server.sign(two)
        self.assertTrue(self.server.refused(two, offer(b"n1"), 0.0, bound=False))
        self.go(two)
        self.assertTrue(self.server.is_fresh(two))
        self.passed(two)
        self.passed(one)

    def test_endless(self) -> None:
        """A server that is never content gets a request `MAX_TRIES` times."""
        turn, sent = Turn(), 0
        while True:
            self.go(turn)
            sent += 1
            if not self.server.refused(turn, offer(b"n%d" % sent, stale=True), 0.0, bound=False):
                break
        self.assertEqual(sent, MAX_TRIES)
