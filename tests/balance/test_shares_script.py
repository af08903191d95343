"""Connections shared by client: any script of events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.balance.slots import Slots, Turn

CLIENTS = ("a", "b", "c", None)


class World:
    """Plays the owner of `Slots`, with its own bookkeeping."""

    def __init__(self, most: int, most_waiting: int) -> None:
        self.slots: Slots[int, int] = Slots(most=most, most_waiting=most_waiting, most_tunnels=3)
        self.most = most
        self.most_waiting = most_waiting
        self.names = 0
        self.connecting: list[str | None] = []
        self.used: dict[int, str | None] = {}
        self.idle: list[int] = []
        self.queue: dict[int, str | None] = {}
        self.order: list[str | None] = []
        self.cut: dict[int, str | None] = {}
        self.tunnels: dict[int, str | None] = {}

    def name(self) -> int:
        """Return a name that was never used."""
        self.names += 1
        return self.names

    def held(self) -> Counter[str | None]:
        """Return how many connections each client holds; None has none."""
        held = Counter([*self.used.values(), *self.connecting])
        del held[None]
        return held

    def granted(self, waiter: int | None) -> bool:
        """Assert that the right waiter was chosen, if any; record that it no longer waits."""
        assert (waiter is None) == (not self.queue)
        if waiter is None:
            return False
        held = self.held()
        client = min(self.order, key=held.__getitem__)
        first = next(each for each, owner in self.queue.items() if owner == client)
        assert waiter == first, "somebody else holds less, or it is another's turn"
        self.order.remove(client)
        self.order.append(client)
        return True

    def left(self) -> None:
        """Forget the clients that have no waiter any more."""
        self.order = [client for client in self.order if client in self.queue.values()]

    def arrive(self, pick: int) -> None:
        """A request asks for a connection."""
        client = CLIENTS[pick % 4]
        connection = self.slots.take_idle(client)
        assert (connection is None) == (not self.idle)
        if connection is not None:
            self.idle.remove(connection)
            self.used[connection] = client
            return
        waiter = self.name()
        turn = self.slots.ask(waiter, 0.0, client)
        if turn is Turn.REFUSED:
            self.displace(client)
            if len(self.queue) == self.most_waiting:
                return
            turn = self.slots.ask(waiter, 0.0, client)
        if turn is Turn.CONNECT:
            self.connecting.append(client)
        else:
            self.queue[waiter] = client
            if client not in self.order:
                self.order.append(client)

    def displace(self, client: str | None) -> None:
        """The queue is full."""
        waiting = Counter(self.queue.values())
        own = 0 if client is None else waiting[client]
        others = [count for each, count in waiting.items() if each is not None]
        displaced = self.slots.make_room(client)
        assert (displaced is not None) == (max(others, default=0) > own + 1)
        if displaced is not None:
            assert waiting[self.queue[displaced]] == max(others)
            assert displaced == max(
                each for each in self.queue if self.queue[each] == self.queue[displaced]
            )
            del self.queue[displaced]
            self.left()

    def connect(self, pick: int) -> None:
        """A connection is made."""
        if self.connecting:
            client = self.connecting.pop(pick % len(self.connecting))
            name = self.name()
            self.used[name] = client
            self.slots.connected(name, client)

    def fail(self, pick: int) -> None:
        """A connection can't be made."""
        if self.connecting:
            client = self.connecting.pop(pick % len(self.connecting))
            self.connect_next(self.slots.not_connected(client))

    def connect_next(self, waiter: int | None) -> None:
        """A place becomes free."""
        if self.granted(waiter):
            assert waiter is not None
            self.connecting.append(self.queue.pop(waiter))
            self.left()

    def end(self, pick: int) -> None:
        """A request ends, and its connection can serve another."""
        there = [each for each in self.used if each not in self.cut]
        if there:
            connection = there[pick % len(there)]
            del self.used[connection]
            waiter = self.slots.ended(connection)
            if self.granted(waiter):
                assert waiter is not None
                self.used[connection] = self.queue.pop(waiter)
                self.left()
            else:
                self.idle.append(connection)

    def lose(self, pick: int) -> None:
        """A connection is lost, in use or idle."""
        both = [*self.used, *self.idle]
        if both:
            connection = both[pick % len(both)]
            self.used.pop(connection, None)
            self.cut.pop(connection, None)
            if connection in self.idle:
                self.idle.remove(connection)
            self.connect_next(self.slots.gone(connection))

    def replace(self, pick: int) -> None:
        """A connection is lost, and its request is sent again."""
        there = [each for each in self.used if each not in self.cut]
        if there:
            connection = there[pick % len(there)]
            client = self.used.pop(connection)
            self.connecting.append(client)
            self.slots.replaced(connection, client)
            assert self.slots.gone(connection) is None

    def leave(self, pick: int) -> None:
        """A waiter leaves."""
        if self.queue:
            waiter = list(self.queue)[pick % len(self.queue)]
            del self.queue[waiter]
            assert self.slots.give_up(waiter)
            self.left()

    def revoke(self, _: int) -> None:
        """Connections are cut for waiting requests, within the fair shares."""
        for client in self.slots.claimants():
            share = self.slots.share()
            for debtor in self.slots.over(share)[:1]:
                held = self.held()
                if not self.slots.owes(debtor, client, share):
                    continue
                assert held[debtor] == max(held.values()) > held[client] + 1
                sharing = {*held, *self.queue.values()}
                assert held[debtor] * len(sharing) > self.most
                theirs = [each for each, owner in self.slots.in_use() if owner == debtor]
                for connection in theirs[:1]:
                    self.slots.claim(connection, client)
                    self.cut[connection] = client
                    self.used[connection] = None

    def switch(self, pick: int) -> None:
        """A connection becomes a tunnel, if it may."""
        there = [each for each in self.used if each not in self.cut]
        if there:
            connection = there[pick % len(there)]
            client = self.used[connection]
            own = 0 if client is None else list(self.tunnels.values()).count(client)
            may = own < 3 - len(self.tunnels)
            assert self.slots.may_tunnel(client) == may
            if may:
                self.tunnels[connection] = self.used.pop(connection)
                self.connect_next(self.slots.switched(connection))

    def end_tunnel(self, pick: int) -> None:
        """A tunnel ends."""
        if self.tunnels:
            connection = list(self.tunnels)[pick % len(self.tunnels)]
            del self.tunnels[connection]
            assert self.slots.gone(connection) is None

    def check(self) -> None:
        """Assert what holds at any time."""
        connections = len(self.connecting) + len(self.used) + len(self.idle)
        assert self.slots.connections == connections <= self.most
        assert self.slots.waiting == len(self.queue) <= self.most_waiting
        assert self.slots.tunnels == len(self.tunnels) <= 3
        held = self.held()
        assert all(self.slots.held(client) == held[client] for client in CLIENTS)
        if self.queue:
            assert connections == self.most, "somebody waits while a slot is free"
            assert not self.idle, "somebody waits while a connection is idle"


EVENTS: tuple[Callable[[World, int], None], ...] = (
    *[World.arrive] * 4,
    *[World.connect] * 2,
    World.fail,
    World.end,
    World.lose,
    World.replace,
    World.leave,
    World.revoke,
    World.switch,
    World.end_tunnel,
)


class ScriptTests(SynchronousTestCase):
    @given(
        st.integers(1, 5),
        st.integers(0, 5),
        st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, 7)), max_size=80),
    )
    def test_any_script(
        self,
        most: int,
        most_waiting: int,
        script: list[tuple[Callable[[World, int], None], int]],
    ) -> None:
        """The bounds hold, clients take turns, fair shares are kept, and all counts end at zero."""
        world = World(most, most_waiting)
        for event, argument in script:
            event(world, argument)
            world.check()
        while world.slots.connections:
            (world.fail if world.connecting else world.lose)(0)
            world.check()
        while world.tunnels:
            world.end_tunnel(0)
        self.assertEqual((world.slots.connections, world.slots.waiting), (0, 0))
        self.assertEqual([world.slots.held(client) for client in CLIENTS], [0] * 4)
        self.assertTrue(world.slots.may_tunnel("a"))
