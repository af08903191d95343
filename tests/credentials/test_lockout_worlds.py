"""Random servers and clients: how often a wrong password is rejected, what blocks a right one."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from corsgate.credentials.guard import Guard
from corsgate.credentials.lockout import (
    FIRST_BLOCK_S,
    LONG_SILENCE_S,
    MAX_FAILURES,
    MAX_REJECTIONS,
    TRIAL_FAILURES,
)
from corsgate.credentials.spots import spot_of
from corsgate.errors import ConnectFailed, CredentialsRejected, UpstreamBusy

SERVER = "http://10.0.0.11"
PUBLIC = (b"/", b"/public/a", b"/public/b", b"/api/health")
PRIVATE = (b"/api", b"/api/users/1", b"/api/users/2", b"/api/orders?all", b"/rest/x")
FORBIDDEN = b"/admin/x"
MISSING = b"/nowhere/x"
LONG_POLL = b"/rest/events"
TICK_S = 0.25


class Box:
    """A server.

    Args:
        clock: Tells the time.
        delay_s: After how many seconds it responds.
        is_right: Whether it accepts the password.

    Attributes:
        rejected_s: When it got a wrong password.
        is_down: Whether it accepts no connections.
    """

    def __init__(self, clock: Clock, delay_s: float, *, is_right: bool) -> None:
        self.is_right, self.is_down = is_right, False
        self.rejected_s: list[float] = []
        self._clock, self._delay_s = clock, delay_s

    async def respond(self, path: bytes) -> int:
        """Return the status of a response."""
        if self.is_down:
            raise ConnectFailed("refused")
        status = 200
        if path == MISSING:
            status = 404
        elif path not in PUBLIC and (path == FORBIDDEN or not self.is_right):
            status = 401
            self.rejected_s.append(self._clock.seconds())
        delay_s = 60.0 if path == LONG_POLL else self._delay_s
        if delay_s:
            waiting: Deferred[None] = Deferred()
            timer = self._clock.callLater(delay_s, waiting.callback, None)
            try:
                await waiting
            finally:
                if timer.active():
                    timer.cancel()
        return status


@attrs.define
class Result:
    """What a client got; None while it waits."""

    path: bytes
    asked_s: float
    status: int | None = None


class World:
    """A gate before a box."""

    def __init__(self, delay_s: float, *, is_right: bool) -> None:
        self.clock = Clock()
        self.guard = Guard("box", self.clock)
        self.box = Box(self.clock, delay_s, is_right=is_right)
        self.results: list[Result] = []

    def ask(self, path: bytes, patience_s: float = 60.0) -> Result:
        """Let a client ask for a path, and leave after some seconds."""
        result = Result(path, self.clock.seconds())
        self.results.append(result)
        asked = Deferred.fromCoroutine(self._ask(path))
        asked.addErrback(lambda failure: failure.trap(CancelledError) and 0)
        asked.addCallback(lambda status: setattr(result, "status", status))
        if not asked.called:
            self.clock.callLater(patience_s, asked.cancel)
        return result

    async def _ask(self, path: bytes) -> int:
        """Do as `Sender` does."""
        spot, is_proven = spot_of(b"GET", path), self.guard.is_proven(SERVER)
        try:
            if is_proven:
                self.guard.proven[SERVER] = self.clock.seconds()
                status = await self.box.respond(path)
                if status == 401:
                    self.guard.rejected(SERVER, spot)
                return status
            place = await self.guard.admit(SERVER, spot)
            try:
                status = await self.box.respond(path)
                place.responded(status)
                return status
            except ConnectFailed as error:
                place.failed(error)
                raise
            finally:
                place.end()
        except CredentialsRejected:
            return 502
        except (ConnectFailed, UpstreamBusy):
            return 503

    def pass_by(self, seconds: float) -> None:
        """Let time pass."""
        for _ in range(round(seconds / TICK_S)):
            self.clock.advance(TICK_S)


def most_within(times_s: Sequence[float], window_s: float) -> int:
    """Return how many of the times lie in a window at most."""
    return max((sum(s <= each < s + window_s for each in times_s) for s in times_s), default=0)


STEPS = st.lists(
    st.tuples(
        st.sampled_from((*PUBLIC, *PRIVATE, FORBIDDEN, MISSING)),
        st.integers(1, 3) | st.just(16),
        st.sampled_from((0, 0, 0.25, 1, 4, 6)),
        st.booleans(),
    ),
    max_size=25,
)
DELAYS = st.sampled_from((0, 0, 0.5, 3, 8, 20))


class WorldTests(SynchronousTestCase):
    @settings(deadline=None, max_examples=60)
    @given(STEPS, DELAYS)
    def test_wrong(self, steps: list[tuple[bytes, int, float, bool]], delay_s: float) -> None:
        """A wrong password is rejected four times before the first block ends, then once or twice.

        It makes no difference what the server accepts from everybody, and whether it restarts. A
        server gets one more for each ten seconds that it takes to reject the first. Twice is once
        by a path that was not asked for before.
        """
        world = World(delay_s, is_right=False)
        with capturedLogs() as captured:
            for path, count, wait_s, is_down in steps:
                world.box.is_down = is_down and wait_s > 0
                for _ in range(count if path not in PUBLIC else 1):
                    world.ask(path)
                world.pass_by(wait_s)
        blocks, found = len(captured), world.box.rejected_s
        late = int(delay_s // LONG_SILENCE_S)
        self.assertLessEqual(len(found), MAX_FAILURES + late + TRIAL_FAILURES * blocks)
        self.assertLessEqual(most_within(found, FIRST_BLOCK_S), MAX_FAILURES)
        if not delay_s:
            self.assertLessEqual(len(found), MAX_REJECTIONS + max(blocks - 1, 0))

    @settings(deadline=None, max_examples=40)
    @given(STEPS, st.sampled_from((0, 3, 20)), st.sampled_from((0.25, 1)))
    def test_impatient(
        self, steps: list[tuple[bytes, int, float, bool]], delay_s: float, patience_s: float
    ) -> None:
        """Clients that leave don't make the gate send a wrong password more often."""
        world = World(delay_s, is_right=False)
        for path, count, wait_s, _ in steps:
            for _ in range(count if path not in PUBLIC else 1):
                world.ask(path, patience_s)
            world.pass_by(wait_s)
        self.assertLessEqual(most_within(world.box.rejected_s, FIRST_BLOCK_S), MAX_FAILURES)

    def test_ten_minutes(self) -> None:
        """A page asks for something public and something private all the time."""
        world = World(0, is_right=False)
        for _ in range(1200):
            world.ask(b"/")
            for _ in range(8):
                world.ask(b"/api/users/1")
                world.ask(b"/rest/x")
            world.pass_by(0.5)
        self.assertEqual({each.status for each in world.results if each.path == b"/"}, {200})
        self.assertEqual(
            [round(each) for each in world.box.rejected_s], [0, 0, 5, 15, 35, 75, 155, 315]
        )

    def test_public_among_private(self) -> None:
        """One public path of a directory doesn't let its private ones go; nor do later ones."""
        world = World(0.25, is_right=False)
        world.ask(b"/api/health")
        world.pass_by(0.5)
        for number in range(300):
            world.ask(PUBLIC[number // 20 % len(PUBLIC)])
            for other in range(16):
                world.ask(b"/api/%d" % (number + other))
                world.ask(b"/rest/%d/x" % (number + other))
            world.pass_by(1)
        self.assertLessEqual(most_within(world.box.rejected_s, FIRST_BLOCK_S), MAX_REJECTIONS)
        self.assertLess(len(world.box.rejected_s), 12)

    def test_changed_password(self) -> None:
        """The box gets another password; those in flight are rejected, and few others."""
        world = World(0, is_right=True)
        for number in range(200):
            world.ask(b"/api/users/%d" % number)
        self.assertIn(SERVER, world.guard.proven)
        world.box.is_right = False
        for _ in range(40):
            world.ask(b"/")
            world.ask(b"/api/users/1")
            world.pass_by(0.25)
        self.assertEqual([round(each) for each in world.box.rejected_s], [0, 0, 5])

    def test_forbidden_path(self) -> None:
        """A path that is always rejected, with a right password, does not block the others."""
        world = World(0, is_right=True)
        for number in range(2400):
            world.ask(FORBIDDEN)
            if number % 4 == 3:
                world.ask(b"/api/users/%d" % number)
                world.ask(b"/%d/x" % number)
            world.pass_by(0.25)
        late = [
            each.asked_s for each in world.results if each.path != FORBIDDEN and each.status != 200
        ]
        self.assertLessEqual(max(late, default=0), FIRST_BLOCK_S)

    def test_closed_among_others(self) -> None:
        """A path that is closed to the user blocks its neighbours for seconds only."""
        for delay_s in (0, 0.5, 5):
            world = World(delay_s, is_right=True)
            for number in range(600):
                world.ask(b"/admin/x")
                for other in range(3):
                    world.ask(b"/admin/%d" % ((7 * number + other) % 90))
                world.pass_by(1)
            others = [each for each in world.results if each.path != FORBIDDEN]
            late = [each.asked_s for each in others if each.status not in (200, None)]
            self.assertLessEqual(max(late, default=0), FIRST_BLOCK_S + delay_s)
            self.assertLess(len(world.box.rejected_s), 12)

    def test_long_polls(self) -> None:
        """Many long polls, which a restart of the gate may let in first, don't stop all others."""
        world = World(0.25, is_right=True)
        for _ in range(6):
            world.ask(LONG_POLL)
        for number in range(30):
            world.ask(b"/api/%d/%d" % (number % 10, number))
        world.pass_by(10)
        statuses = {each.status for each in world.results if each.path != LONG_POLL}
        self.assertEqual(statuses, {200})

    def test_slow_server(self) -> None:
        """A page whose responses take 15 s each is served."""
        world = World(15, is_right=True)
        for number in range(30):
            world.ask(b"/api/%d/%d" % (number % 10, number))
        world.pass_by(60)
        self.assertEqual({each.status for each in world.results}, {200})

    @settings(deadline=None, max_examples=60)
    @given(STEPS, st.sampled_from((0, 0.5, 3)))
    def test_right(self, steps: list[tuple[bytes, int, float, bool]], delay_s: float) -> None:
        """A right password is never blocked where the server accepts it on all paths."""
        world = World(delay_s, is_right=True)
        for path, count, wait_s, is_down in steps:
            world.box.is_down = is_down and wait_s > 0
            for _ in range(count if path != FORBIDDEN else 0):
                world.ask(path)
            world.pass_by(wait_s)
        world.box.is_down = False
        world.pass_by(10)
        self.assertNotIn(502, [each.status for each in world.results])
        self.assertEqual(world.ask(b"/api/users/1").status, None if delay_s else 200)
