"""The whole pool: which server gets a request, for any order of events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.balance.circuit import CircuitState
from corsgate.balance.health import Standing
from corsgate.balance.outliers import INTERVAL_S
from corsgate.config.model.balancing import BALANCES, Balancing, Ejection, HealthCheck
from tests.balance.support import Pool, letter, servers

CHECKED = Balancing(health=HealthCheck(path="/"), slow_start_s=0.0)
AT_ONCE = Balancing(slow_start_s=0.0)


class PickTests(SynchronousTestCase):
    def test_unknown_is_used(self) -> None:
        """A start does not wait for probes."""
        self.assertEqual(Pool(servers(1, 1), CHECKED).picks(4), "abab")

    def test_down_is_left_out(self) -> None:
        """A server that is down by its probes gets nothing until they bring it up."""
        pool = Pool(servers(1, 1, 1), CHECKED)
        pool.probe("b", False, False, False)
        self.assertEqual(pool.picks(4), "acac")
        pool.probe("b", True, True)
        self.assertIn("b", pool.picks(3))
        self.assertEqual(
            pool.said,
            ["http://b.test is down: it answers 500", "http://b.test is up"],
        )
        self.assertEqual(pool.better, ["http://b.test is up"])
        pool.probe("b", False, False, False)
        self.assertEqual(pool.state("b").reason, "it answers 500")

    def test_all_down(self) -> None:
        """If all are down, there is no server."""
        pool = Pool(servers(1, 1), CHECKED)
        pool.probe("a", False, False, False)
        pool.probe("b", False, False, False)
        self.assertEqual(pool.picks(1), "-")

    def test_tried(self) -> None:
        """A server that already had the request isn't chosen again."""
        pool = Pool(servers(1, 1, 1))
        tried = [pool.state("a"), pool.state("c")]
        self.assertEqual(pool.picks(3, tried=tried), "bbb")
        self.assertTrue(pool.balancer.has_another(pool.now, tried))
        tried.append(pool.state("b"))
        self.assertEqual(pool.picks(1, tried=tried), "-")
        self.assertFalse(pool.balancer.has_another(pool.now, tried))

    def test_looking_moves_no_turn(self) -> None:
        """Checking whether there is another server takes no turn."""
        pool = Pool(servers(1, 1))
        pool.balancer.has_another(pool.now, [pool.state("a")])
        self.assertEqual(pool.picks(4), "abab")

    def test_backup(self) -> None:
        """A backup serves if no other can, or if all others were tried."""
        a, b, c = servers(1, 1, 1)
        pool = Pool([a, attrs.evolve(b, backup=True), c], CHECKED)
        self.assertEqual(pool.picks(4), "acac")
        self.assertEqual(pool.picks(1, tried=[pool.state("a"), pool.state("c")]), "b")
        for name in "ac":
            pool.probe(name, False, False, False)
        self.assertEqual(pool.picks(2), "bb")

    def test_drain(self) -> None:
        """A draining server gets only the requests of its own clients."""
        a, b = servers(1, 1)
        pool = Pool([a, attrs.evolve(b, drain=True)], CHECKED)
        self.assertEqual(pool.picks(3), "aaa")
        self.assertEqual(pool.picks(3, prefer="http://b.test"), "bbb")

    def test_preferred(self) -> None:
        """A client's own server comes first, unless it is down, gone or tried."""
        pool = Pool(servers(1, 1), CHECKED)
        self.assertEqual(pool.picks(3, prefer="http://b.test"), "bbb")
        tried = [pool.state("b")]
        self.assertEqual(pool.picks(1, prefer="http://b.test", tried=tried), "a")
        self.assertIn(pool.picks(1, prefer="http://z.test"), "ab")
        pool.probe("b", False, False, False)
        self.assertEqual(pool.picks(2, prefer="http://b.test"), "aa")

    def test_full(self) -> None:
        """The number of running requests on all servers together is bounded."""
        balancer = Pool(servers(1, 1), Balancing(max_requests=2)).balancer
        self.assertEqual([balancer.enter() for _ in range(3)], [True, True, False])
        balancer.leave()
        self.assertEqual([balancer.enter() for _ in range(2)], [True, False])
        self.assertEqual(balancer.running, 2)


class EjectionTests(SynchronousTestCase):
    def test_ejected(self) -> None:
        """After five failures in a row, a server is ejected for ten seconds."""
        pool = Pool(servers(1, 1), AT_ONCE)
        pool.end("b", False, 4)
        pool.end("b", True)
        pool.end("b", False, 4)
        self.assertIn("b", pool.picks(2))
        pool.end("b", False)
        self.assertEqual(pool.picks(4), "aaaa")
        self.assertEqual(pool.said, ["http://b.test is left out for 10 s: its requests fail"])
        state = pool.state("b")
        self.assertEqual((state.ejections, state.reason), (1, "its requests fail"))

    def test_trial(self) -> None:
        """After the ejection it gets one request at a time, until one is served."""
        pool = Pool(servers(1, 1), AT_ONCE)
        pool.end("b", False, 5)
        pool.now = 9.9
        self.assertEqual(pool.picks(2), "aa")
        pool.now = 10.0
        self.assertIn("b", pool.picks(2))
        term = pool.balancer.begin(pool.state("b"))
        self.assertEqual(pool.picks(3), "aaa")
        pool.balancer.ended(pool.state("b"), term, None, pool.now)
        self.assertIn("b", pool.picks(2))
        term = pool.balancer.begin(pool.state("b"))
        pool.balancer.responded(pool.state("b"), term, pool.now)
        self.assertCountEqual(pool.picks(4), "aabb")
        pool.balancer.ended(pool.state("b"), term, True, pool.now)
        self.assertEqual(pool.said[1:], ["http://b.test is on trial", "http://b.test serves again"])
        self.assertEqual(pool.better, pool.said[1:])

    def test_trial_beside_a_tunnel(self) -> None:
        """Requests from before the ejection neither delay the trial nor decide it."""
        for end in (True, False):
            pool = Pool(servers(1, 1), AT_ONCE)
            tunnel = pool.balancer.begin(pool.state("b"))
            pool.end("b", False, 5)
            pool.now = 10.0
            self.assertIn("b", pool.picks(2))
            pool.balancer.responded(pool.state("b"), tunnel, pool.now)
            pool.balancer.ended(pool.state("b"), tunnel, end, pool.now)
            self.assertIs(pool.state("b").circuit.state, CircuitState.HALF_OPEN)
            term = pool.balancer.begin(pool.state("b"))
            self.assertEqual(pool.picks(3), "aaa")
            pool.balancer.ended(pool.state("b"), term, True, pool.now)
            self.assertIs(pool.state("b").circuit.state, CircuitState.CLOSED)
            self.assertEqual(pool.state("b").running, 0)

    def test_trial_without_a_head(self) -> None:
        """A served request ends a trial, even if its head was not reported."""
        pool = Pool(servers(1, 1), AT_ONCE)
        pool.end("b", False, 5)
        pool.now = 10.0
        pool.picks(1)
        term = pool.balancer.begin(pool.state("b"))
        pool.balancer.ended(pool.state("b"), term, True, pool.now)
        self.assertIs(pool.state("b").circuit.state, CircuitState.CLOSED)

    def test_trial_fails(self) -> None:
        """After one failure on trial, it is ejected for longer."""
        pool = Pool(servers(1, 1), AT_ONCE)
        pool.end("b", False, 5)
        pool.now = 10.0
        pool.picks(1)
        pool.end("b", False)
        self.assertEqual(pool.picks(2), "aa")
        self.assertEqual(pool.state("b").circuit.until_s, 30.0)

    def test_never_the_last(self) -> None:
        """A lone server, or the last that is up, is never ejected."""
        lone = Pool(servers(1), AT_ONCE)
        lone.end("a", False, 50)
        self.assertEqual(lone.picks(2), "aa")
        pool = Pool(servers(1, 1, 1, 1), CHECKED)
        for name in "bcd":
            pool.probe(name, False, False, False)
        pool.end("a", False, 50)
        self.assertEqual(pool.picks(2), "aa")

    def test_half_at_most(self) -> None:
        """Of three, one; of four, two."""
        for count, out in ((2, 1), (3, 1), (4, 2), (5, 2)):
            pool = Pool(servers(*[1] * count), AT_ONCE)
            for name in "abcde"[:count]:
                pool.end(name, False, 9)
            uses = [state.circuit.state for state in pool.balancer.states.values()]
            self.assertEqual(uses.count(CircuitState.OPEN), out, count)

    def test_last_goes_down(self) -> None:
        """If all others go down, an ejected server is used rather than none."""
        pool = Pool(servers(1, 1), CHECKED)
        pool.end("a", False, 5)
        pool.probe("b", False, False, False)
        self.assertEqual(pool.picks(3), "aaa")

    def test_switched_off(self) -> None:
        """Without a bound nothing is ejected."""
        pool = Pool(servers(1, 1), Balancing(eject=Ejection(failures=0)))
        pool.end("a", False, 99)
        self.assertCountEqual(pool.picks(2), "ab")

    def test_outlier(self) -> None:
        """Of five servers or more, one that fails every third request is ejected."""
        pool = Pool(servers(*[1] * 5), AT_ONCE)
        for number in range(120):
            for name in "abcde":
                pool.end(name, name != "c" or number % 3 > 0)
        self.assertEqual(pool.said, [])
        pool.now = INTERVAL_S
        self.assertNotIn("c", pool.picks(10))
        self.assertEqual(
            pool.said, ["http://c.test is left out for 10 s: it fails more than the others do"]
        )


class SlowStartTests(SynchronousTestCase):
    def share(self, pool: Pool, name: str) -> float:
        """Return the part of 1,000 picks that a server gets."""
        return pool.picks(1000).count(name) / 1000

    def test_comes_back_slowly(self) -> None:
        """A server that came up gets a tenth of its share, then more, then all of it."""
        pool = Pool(servers(1, 1), attrs.evolve(CHECKED, slow_start_s=10.0))
        pool.probe("b", False, False, False)
        pool.probe("b", True, True)
        shares = []
        for pool.now in (0.0, 5.0, 10.0):
            shares.append(self.share(pool, "b"))
        self.assertApproximates(shares[0], 0.1 / 1.1, 0.01)
        self.assertApproximates(shares[1], 0.55 / 1.55, 0.01)
        self.assertEqual(shares[2], 0.5)

    def test_a_start_is_not_slow(self) -> None:
        """Servers that are there from the start have their whole share at once."""
        self.assertEqual(self.share(Pool(servers(1, 1)), "b"), 0.5)

    def test_a_new_server_is(self) -> None:
        """A server that joins others starts slowly."""
        pool = Pool(servers(1))
        pool.balancer.update(servers(1, 1), pool.now)
        self.assertApproximates(self.share(pool, "b"), 0.1 / 1.1, 0.01)


class UpdateTests(SynchronousTestCase):
    def test_keeps_what_it_knows(self) -> None:
        """A server that stays keeps its health, its record and its requests."""
        pool = Pool(servers(1, 1, 1), CHECKED)
        pool.probe("b", False, False, False)
        pool.balancer.begin(pool.state("b"))
        kept = pool.state("b")
        pool.balancer.update(servers(1, 5), pool.now)
        self.assertIs(pool.state("b"), kept)
        self.assertEqual((kept.running, kept.server.weight), (1, 5))
        self.assertEqual(pool.picks(3), "aaa")

    def test_ends_on_a_server_that_went(self) -> None:
        """A request on a server that has gone still ends."""
        pool = Pool(servers(1, 1))
        gone = pool.state("b")
        term = pool.balancer.begin(gone)
        pool.balancer.update(servers(1), pool.now)
        pool.balancer.ended(gone, term, False, pool.now)
        self.assertEqual(gone.running, 0)
        self.assertEqual(pool.picks(2), "aa")

    def test_shrinks(self) -> None:
        """A pool that shrinks readmits servers beyond the bound on ejections."""
        pool = Pool(servers(1, 1, 1, 1), AT_ONCE)
        pool.end("a", False, 5)
        pool.now = 1.0
        pool.end("b", False, 5)
        pool.balancer.update(servers(1, 1, 1), pool.now)
        self.assertCountEqual(pool.picks(4), "aacc")

    def test_none_left(self) -> None:
        """A pool may be empty for a while."""
        pool = Pool(servers(1))
        pool.balancer.update([], pool.now)
        self.assertEqual(pool.picks(1), "-")


class World:
    """Plays random events of a pool, and checks its invariants."""

    def __init__(self, count: int, policy: str, backups: int) -> None:
        pool = [
            attrs.evolve(server, backup=index >= count - backups)
            for index, server in enumerate(servers(*[1] * count))
        ]
        self.pool = Pool(pool, attrs.evolve(CHECKED, balance=policy, slow_start_s=5.0))
        self.names = "abcdefg"[:count]
        self.running: list[tuple[str, int]] = []

    def begin(self, pick: int) -> None:
        """A request comes."""
        state = self.pool.balancer.pick(self.pool.now, b"%d" % pick)
        self.check_choice(letter(state))
        if state is not None:
            self.running.append((letter(state), self.pool.balancer.begin(state)))

    def end(self, served: bool | None, pick: int) -> None:
        """One ends."""
        if self.running:
            name, term = self.running.pop(pick % len(self.running))
            if served:
                self.pool.balancer.responded(self.pool.state(name), term, self.pool.now)
            self.pool.balancer.ended(self.pool.state(name), term, served, self.pool.now)

    def fail(self, pick: int) -> None:
        """A server fails its requests."""
        self.pool.end(self.names[pick % len(self.names)], False, 5)

    def probe(self, passed: bool, pick: int) -> None:
        """A server's probes have the same result three times."""
        self.pool.probe(self.names[pick % len(self.names)], *[passed] * 3)

    def wait(self, pick: int) -> None:
        """Time passes."""
        self.pool.now += pick

    def up(self) -> set[str]:
        """Return the servers that are not down by their probes."""
        return {
            name
            for name in self.names
            if self.pool.state(name).health.standing is not Standing.DOWN
        }

    def check_choice(self, chosen: str) -> None:
        """Assert that a choice was allowed."""
        if chosen == "-":
            assert not self.up(), "there was a server that is up"
            return
        assert chosen in self.up(), "one that is down was chosen while another is up"
        if self.pool.state(chosen).server.backup:
            ready = {
                name
                for name in self.up()
                if not self.pool.state(name).server.backup
                and self.pool.state(name).circuit.state is CircuitState.CLOSED
            }
            assert not ready, "a backup was chosen while another server could serve"

    def check(self) -> None:
        """Assert what holds at any time."""
        out = [
            name
            for name in self.names
            if self.pool.state(name).circuit.state is not CircuitState.CLOSED
        ]
        assert len(out) <= len(self.names) // 2, "more than half are ejected"
        counts = Counter(name for name, _ in self.running)
        recent = Counter(name for name, term in self.running if term == self.pool.state(name).term)
        for name in self.names:
            state = self.pool.state(name)
            assert (state.running, state.recent) == (counts[name], recent[name])


EVENTS: tuple[Callable[[World, int], None], ...] = (
    World.begin,
    World.begin,
    World.fail,
    World.wait,
    lambda world, pick: world.end(True, pick),
    lambda world, pick: world.end(False, pick),
    lambda world, pick: world.end(None, pick),
    lambda world, pick: world.probe(True, pick),
    lambda world, pick: world.probe(False, pick),
)


class ScriptTests(SynchronousTestCase):
    @given(
        st.integers(1, 7),
        st.integers(0, 2),
        st.sampled_from(BALANCES),
        st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, 12)), max_size=60),
    )
    def test_any_script(
        self,
        count: int,
        backups: int,
        policy: str,
        script: list[tuple[Callable[[World, int], None], int]],
    ) -> None:
        """No server that is down is chosen while one is up; the ejected stay within the cap."""
        world = World(count, policy, min(backups, count - 1))
        for event, argument in script:
            event(world, argument)
            world.check()
