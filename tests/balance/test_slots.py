"""Which request connects, waits or goes first, by cases and by random events."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.balance.slots import Slots, Turn


def full(most: int = 1, most_waiting: int = 9) -> Slots[str, str]:
    """Return slots whose connections A, B... are all in use."""
    slots: Slots[str, str] = Slots(most=most, most_waiting=most_waiting)
    for number in range(most):
        assert slots.ask(f"user {number}", 0.0) is Turn.CONNECT
        slots.connected(chr(ord("A") + number))
    return slots


class TurnTests(SynchronousTestCase):
    def test_connects_up_to_the_bound(self) -> None:
        """Requests connect up to a bound, then wait up to a bound, then are rejected."""
        slots: Slots[str, int] = Slots(most=2, most_waiting=3)
        turns = [slots.ask(each, 0.0) for each in range(7)]
        expected = [Turn.CONNECT] * 2 + [Turn.WAIT] * 3 + [Turn.REFUSED] * 2
        self.assertEqual(turns, expected)
        self.assertEqual((slots.connections, slots.waiting), (2, 3))

    def test_no_queue(self) -> None:
        """Without a queue, a request is rejected if all connections are in use."""
        self.assertIs(full(most_waiting=0).ask("a", 0.0), Turn.REFUSED)

    def test_newest_first(self) -> None:
        """The connection that became idle last is taken first."""
        slots = full(3)
        for connection in "BAC":
            self.assertIsNone(slots.ended(connection))
        self.assertEqual(slots.idle, 3)
        self.assertEqual([slots.take_idle() for _ in range(4)], ["C", "A", "B", None])

    def test_handed_over(self) -> None:
        """A free connection goes to the longest waiting request, and is never idle in between."""
        slots = full()
        for waiter in "xyz":
            slots.ask(waiter, 0.0)
        self.assertEqual([slots.ended("A") for _ in range(4)], ["x", "y", "z", None])
        self.assertEqual(slots.take_idle(), "A")

    def test_connects_in_its_place(self) -> None:
        """If a connection is lost, or can't be made, the next waiter may connect."""
        slots = full()
        for waiter in "xyz":
            slots.ask(waiter, 0.0)
        self.assertEqual(slots.gone("A"), "x")
        self.assertEqual(slots.not_connected(), "y")
        slots.connected("B")
        self.assertEqual(slots.gone("B"), "z")
        self.assertIsNone(slots.not_connected())
        self.assertEqual((slots.connections, slots.waiting), (0, 0))

    def test_gone_twice(self) -> None:
        """A connection frees its place once, and an unknown one frees none."""
        slots = full(2)
        slots.ask("x", 0.0)
        slots.ask("y", 0.0)
        self.assertEqual([slots.gone("A"), slots.gone("A"), slots.gone("?")], ["x", None, None])
        self.assertEqual(slots.waiting, 1)

    def test_replaced(self) -> None:
        """A request that replaces its lost connection keeps its place before all waiters."""
        slots = full()
        slots.ask("x", 0.0)
        slots.replaced("A")
        self.assertIsNone(slots.gone("A"))
        self.assertEqual((slots.connections, slots.waiting), (1, 1))
        slots.connected("B")
        self.assertEqual(slots.ended("B"), "x")

    def test_give_up(self) -> None:
        """A request that left the queue gets nothing, and leaves it once."""
        slots = full()
        slots.ask("x", 0.0)
        slots.ask("y", 0.0)
        self.assertEqual([slots.give_up("x"), slots.give_up("x")], [True, False])
        self.assertEqual(slots.ended("A"), "y")

    def test_expired(self) -> None:
        """A request past its deadline leaves the queue; the others keep their order."""
        slots = full()
        for waiter, deadline_s in (("x", 1.0), ("y", 2.0), ("z", 3.0)):
            slots.ask(waiter, deadline_s)
        self.assertEqual(slots.expired(0.9), [])
        self.assertEqual(slots.expired(2.0), ["x", "y"])
        self.assertEqual(slots.next_deadline_s, 3.0)
        self.assertEqual(slots.ended("A"), "z")
        self.assertIsNone(slots.next_deadline_s)

    def test_drop_idle(self) -> None:
        """A dropped connection isn't handed out any more, and counts until it is gone."""
        slots = full(2)
        slots.ended("A")
        self.assertEqual(slots.drop_idle(), ["A"])
        self.assertIsNone(slots.take_idle())
        self.assertEqual(slots.connections, 2)
        slots.gone("A")
        self.assertEqual(slots.connections, 1)

    def test_misuse(self) -> None:
        """An impossible event is an error, not a wrong count."""
        slots = full()
        for call in (
            lambda: slots.connected("B"),
            slots.not_connected,
            lambda: slots.ended("B"),
            lambda: slots.replaced("B"),
        ):
            self.assertRaises((AssertionError, KeyError), call)
        slots.ended("A")
        self.assertRaises(AssertionError, slots.ask, "x", 0.0)


class World:
    """Plays the owner of `Slots`, with its own bookkeeping.

    Args:
        most: How many connections there may be.
        most_waiting: How many may wait.
    """

    def __init__(self, most: int, most_waiting: int) -> None:
        self.slots: Slots[int, int] = Slots(most=most, most_waiting=most_waiting)
        self.most = most
        self.most_waiting = most_waiting
        self.now = 0.0
        self.names = 0
        self.connecting = 0
        self.used: list[int] = []
        self.idle: list[int] = []
        self.queue: list[int] = []

    def name(self) -> int:
        """Return a name that was never used."""
        self.names += 1
        return self.names

    def granted(self, waiter: int | None) -> bool:
        """Record that a waiter was chosen, which must be the longest waiting one, if any."""
        assert waiter == (self.queue.pop(0) if self.queue else None)
        return waiter is not None

    def arrive(self, _: int) -> None:
        """A request asks for a connection."""
        connection = self.slots.take_idle()
        assert connection == (self.idle.pop() if self.idle else None)
        if connection is not None:
            self.used.append(connection)
            return
        room = self.connecting + len(self.used) < self.most
        waiter = self.name()
        turn = self.slots.ask(waiter, self.now + 5)
        if room:
            assert turn is Turn.CONNECT
            self.connecting += 1
        elif len(self.queue) < self.most_waiting:
            assert turn is Turn.WAIT
            self.queue.append(waiter)
        else:
            assert turn is Turn.REFUSED

    def connect(self, _: int) -> None:
        """A connection is made."""
        if self.connecting:
            self.connecting -= 1
            self.used.append(self.name())
            self.slots.connected(self.used[-1])

    def fail(self, _: int) -> None:
        """A connection can't be made."""
        if self.connecting and not self.granted(self.slots.not_connected()):
            self.connecting -= 1

    def end(self, pick: int) -> None:
        """A request ends, and its connection can serve another."""
        if self.used:
            connection = self.used[pick % len(self.used)]
            if not self.granted(self.slots.ended(connection)):
                self.used.remove(connection)
                self.idle.append(connection)

    def lose(self, pick: int) -> None:
        """A connection is lost, in use or idle."""
        both = self.used + self.idle
        if both:
            connection = both[pick % len(both)]
            (self.used if connection in self.used else self.idle).remove(connection)
            self.connecting += self.granted(self.slots.gone(connection))

    def replace(self, pick: int) -> None:
        """A connection is lost, and its request is sent again."""
        if self.used:
            connection = self.used.pop(pick % len(self.used))
            self.slots.replaced(connection)
            self.connecting += 1
            assert self.slots.gone(connection) is None

    def leave(self, pick: int) -> None:
        """A waiter leaves."""
        if self.queue:
            waiter = self.queue.pop(pick % len(self.queue))
            assert self.slots.give_up(waiter)

    def wait(self, seconds: int) -> None:
        """Time passes."""
        self.now += seconds
        late = self.slots.expired(self.now)
        assert late == self.queue[: len(late)]
        self.queue = self.queue[len(late) :]

    def drop(self, _: int) -> None:
        """All idle connections are to be closed."""
        dropped = self.slots.drop_idle()
        assert dropped == self.idle
        self.used += dropped
        self.idle = []

    def check(self) -> None:
        """Assert what holds at any time."""
        connections = self.connecting + len(self.used) + len(self.idle)
        assert self.slots.connections == connections <= self.most
        assert self.slots.waiting == len(self.queue) <= self.most_waiting
        if self.queue:
            assert connections == self.most, "somebody waits while a slot is free"
            assert not self.idle, "somebody waits while a connection is idle"


EVENTS: tuple[Callable[[World, int], None], ...] = (
    World.arrive,
    World.arrive,
    World.arrive,
    World.connect,
    World.connect,
    World.fail,
    World.end,
    World.lose,
    World.replace,
    World.leave,
    World.wait,
    World.drop,
)


class ScriptTests(SynchronousTestCase):
    @given(
        st.integers(1, 4),
        st.integers(0, 4),
        st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, 7)), max_size=60),
    )
    def test_any_script(
        self,
        most: int,
        most_waiting: int,
        script: list[tuple[Callable[[World, int], None], int]],
    ) -> None:
        """The bounds hold, waiters go in order, each once, and all counts end at zero."""
        world = World(most, most_waiting)
        for event, argument in script:
            event(world, argument)
            world.check()
        while world.slots.connections:
            (world.fail if world.connecting else world.lose)(0)
            world.check()
        self.assertEqual((world.slots.connections, world.slots.waiting), (0, 0))
