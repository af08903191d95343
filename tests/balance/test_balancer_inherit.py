"""What a balancer goes on with after a reload, while the one before still has requests."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from corsgate.balance.balancer import Balancer
from corsgate.balance.circuit import CircuitState
from corsgate.balance.health import Standing
from corsgate.config.model.balancing import Balancing, Ejection, HealthCheck
from corsgate.config.model.values import Server

CHECKED = Balancing(health=HealthCheck(path="/", fall=1, rise=1), slow_start_s=0.0)
SERVERS = [Server(scheme="http", host=f"{name}.test", port=80) for name in "abcd"]


def balancer(rules: Balancing = CHECKED, *, before: Balancer | None = None) -> Balancer:
    """Return a balancer of four servers."""
    load = None if before is None else before.load
    made = Balancer(SERVERS, rules, lambda: 0.0, 0.0, load=load)
    if before is not None:
        made.inherit(before, SERVERS, 1.0)
    return made


class InheritTests(SynchronousTestCase):
    """`Balancer.inherit`."""

    def test_down(self) -> None:
        """A server that is down stays down, with other rules too; its probes bring it up."""
        old = balancer()
        state = old.states["http://a.test"]
        old.probed(state, False, 0.0)
        new = balancer(attrs.evolve(CHECKED, balance="random_two"), before=old)
        self.assertIs(new.states["http://a.test"], state)
        self.assertNotIn(state, [new.pick(1.0) for _ in range(9)])
        new.probed(state, True, 2.0)
        self.assertIn(state, [old.pick(2.0) for _ in range(9)])

    def test_unprobed(self) -> None:
        """A server that was down is used once nothing probes it."""
        old = balancer()
        old.probed(old.states["http://a.test"], False, 0.0)
        new = balancer(Balancing(slow_start_s=0.0), before=old)
        self.assertIs(new.states["http://a.test"].health.standing, Standing.UNKNOWN)

    def test_fails_late(self) -> None:
        """Requests of before count: a server that fails them is ejected in the new one at once."""
        rules = attrs.evolve(CHECKED, eject=Ejection(failures=1))
        old = balancer(rules)
        state = old.states["http://a.test"]
        term = old.begin(state)
        new = balancer(rules, before=old)
        self.assertIn(state, [new.pick(1.0) for _ in range(9)])
        old.ended(state, term, False, 1.0)
        self.assertIs(state.circuit.state, CircuitState.OPEN)
        self.assertNotIn(state, [new.pick(1.5) for _ in range(9)])
        never = balancer(attrs.evolve(rules, eject=Ejection(failures=0)), before=new)
        self.assertIn(state, [never.pick(2.0) for _ in range(9)])

    def test_load(self) -> None:
        """What runs is counted by both."""
        old = balancer(attrs.evolve(CHECKED, max_requests=1))
        self.assertTrue(old.enter())
        new = balancer(attrs.evolve(CHECKED, max_requests=1), before=old)
        self.assertFalse(new.enter())
        old.leave()
        self.assertTrue(new.enter())

    def test_moved(self) -> None:
        """A request of before never gets another path: of that server only the health is known."""
        old = balancer()
        state = old.states["http://a.test"]
        old.probed(state, False, 0.0)
        moved = [attrs.evolve(SERVERS[0], base_path="/new"), *SERVERS[1:]]
        new = Balancer(moved, CHECKED, lambda: 0.0, 0.0)
        new.inherit(old, moved, 1.0)
        found = new.states["http://a.test"]
        self.assertEqual((found.server.base_path, state.server.base_path), ("/new", ""))
        self.assertIs(found.health.standing, Standing.DOWN)
        heavier = [attrs.evolve(each, weight=5) for each in moved]
        newest = Balancer(heavier, CHECKED, lambda: 0.0, 0.0)
        newest.inherit(new, heavier, 1.0)
        self.assertIs(newest.states["http://a.test"], found)

    def test_other_servers(self) -> None:
        """Servers that are new start slowly; those that are gone stay with the old requests."""
        old = balancer(Balancing(slow_start_s=10.0))
        others = [Server(scheme="http", host="e.test", port=80)]
        new = Balancer(others, Balancing(slow_start_s=10.0), lambda: 0.0, 0.0)
        new.inherit(old, others, 1.0)
        (state,) = new.states.values()
        self.assertEqual(state.came_s, 1.0)
        self.assertEqual(len(old.states), 4)
