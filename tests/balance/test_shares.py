"""Connections, places to wait and tunnels shared by client."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from corsgate.balance.slots import Slots, Turn


def slots_of(holders: str, *, most_waiting: int = 9, most_tunnels: int = 0) -> Slots[int, str]:
    """Return slots that are all taken: connection 0 by the first of `holders`, 1 by the next..."""
    slots: Slots[int, str] = Slots(
        most=len(holders), most_waiting=most_waiting, most_tunnels=most_tunnels
    )
    for number, client in enumerate(holders):
        assert slots.ask(f"{client}{number}", 0.0, client) is Turn.CONNECT
        slots.connected(number, client)
    return slots


def wait(slots: Slots[int, str], *waiters: str) -> list[Turn]:
    """Have waiters come, each of the client that its name begins with."""
    return [slots.ask(waiter, 0.0, waiter[0]) for waiter in waiters]


class TurnTests(SynchronousTestCase):
    """Free connections go to clients in turn."""

    def test_alone(self) -> None:
        """While nobody waits, a client may have all connections, and keeps them."""
        slots = slots_of("aaaa")
        self.assertEqual((slots.held("a"), slots.held("b"), slots.held(None)), (4, 0, 0))
        slots.ended(1)
        self.assertEqual(slots.take_idle("a"), 1)
        self.assertEqual(slots.claimants(), [])

    def test_fewest_first(self) -> None:
        """The client with the fewest connections goes first, however long another has waited."""
        slots = slots_of("aaaaab")
        wait(slots, "a-1", "b-1", "b-2", "c-1", "c-2")
        # c holds none, then one as b does, whose turn is first.
        turns = [slots.ended(0), slots.ended(1), slots.gone(2)]
        self.assertEqual(turns, ["c-1", "b-1", "c-2"])
        self.assertEqual((slots.held("a"), slots.held("b"), slots.held("c")), (2, 2, 2))
        self.assertEqual([slots.ended(3), slots.ended(3)], ["a-1", "b-2"])

    def test_all_wait(self) -> None:
        """Clients with equally many connections take turns, however many requests they have."""
        slots = slots_of("x")
        wait(slots, "a-1", "a-2", "a-3", "b-1", "c-1", "b-2")
        order = [slots.ended(0) for _ in range(6)]
        self.assertEqual(order, ["a-1", "b-1", "c-1", "a-2", "b-2", "a-3"])

    def test_unknown(self) -> None:
        """Clients that can't be told apart go in the order they came, as if each held nothing."""
        slots = slots_of("ab")
        for waiter, client in (("?1", None), ("a-1", "a"), ("?2", None), ("c-1", "c")):
            slots.ask(waiter, 0.0, client)
        self.assertEqual([slots.ended(1) for _ in range(4)], ["?1", "c-1", "?2", "a-1"])

    def test_lost_and_replaced(self) -> None:
        """A connection that is replaced always counts as its client's."""
        slots = slots_of("ab")
        slots.replaced(0, "a")
        self.assertEqual(slots.held("a"), 1)
        self.assertIsNone(slots.not_connected("a"))
        self.assertEqual((slots.held("a"), slots.connections), (0, 1))

    def test_closing(self) -> None:
        """A closing connection counts in total, but for no client."""
        slots = slots_of("ab")
        slots.closing(0)
        slots.closing(0)
        self.assertEqual((slots.held("a"), slots.connections), (0, 2))
        self.assertEqual(list(slots.in_use()), [(1, "b")])
        self.assertIsNone(slots.gone(0))
        self.assertEqual(slots.connections, 1)

    @given(st.lists(st.sampled_from("ab"), max_size=40))
    def test_nobody_starves(self, arrivals: list[str]) -> None:
        """A waiter without a connection goes next, whatever another client sends and holds."""
        slots = slots_of("aaa", most_waiting=99)
        for number, client in enumerate(arrivals):
            slots.ask(f"{client}-{number}", 0.0, client)
        slots.ask("c-1", 0.0, "c")
        turns = [slots.ended(0) for _ in range(len(arrivals) + 1)]
        self.assertIn("c-1", turns[: len({*arrivals}) + 1])


class RoomTests(SynchronousTestCase):
    """The queue is shared as well."""

    def test_newest_of_the_most(self) -> None:
        """A newcomer takes the place of the newest waiter of the client with the most waiters."""
        slots = slots_of("a", most_waiting=4)
        wait(slots, "a-1", "a-2", "a-3", "b-1")
        self.assertEqual(wait(slots, "c-1"), [Turn.REFUSED])
        self.assertEqual(slots.make_room("c"), "a-3")
        self.assertEqual(wait(slots, "c-1"), [Turn.WAIT])
        self.assertEqual(slots.waiting, 4)

    def test_no_more_than_others(self) -> None:
        """No client makes room for one with as many waiters, or more with the new one."""
        slots = slots_of("a", most_waiting=4)
        wait(slots, "a-1", "a-2", "b-1", "b-2")
        self.assertEqual([slots.make_room(each) for each in ("a", "b")], [None, None])
        self.assertEqual(slots.make_room("c"), "a-2")
        self.assertIsNone(slots.make_room("c"))

    def test_unknown(self) -> None:
        """Clients that can't be told apart make no room for each other, nor for anyone."""
        slots = slots_of("a", most_waiting=2)
        slots.ask("?1", 0.0)
        slots.ask("?2", 0.0)
        self.assertEqual([slots.make_room(each) for each in ("b", None)], [None, None])
        slots = slots_of("a", most_waiting=2)
        wait(slots, "a-1", "a-2")
        self.assertEqual(slots.make_room(None), "a-2")

    def test_none(self) -> None:
        """Without a queue there is no room."""
        self.assertIsNone(slots_of("a", most_waiting=0).make_room("b"))


class ClaimTests(SynchronousTestCase):
    """Which client has to give up a connection, and for whom."""

    def test_largest(self) -> None:
        """Clients with more than a fair share give up one, the largest first."""
        slots = slots_of("aaaabbbc")
        wait(slots, "d-1", "a-1")
        self.assertEqual(slots.claimants(), ["d", "a"])
        self.assertEqual(slots.over(slots.share()), ["a", "b"])
        self.assertEqual(
            [slots.owes("a", each, slots.share()) for each in "dcba"], [True, True, False, False]
        )

    def test_equal(self) -> None:
        """If all hold equally many, no one has to give up any."""
        slots = slots_of("aabbcc")
        wait(slots, "a-1")
        self.assertEqual(slots.over(slots.share()), [])
        slots = slots_of("a")
        wait(slots, "b-1")
        self.assertFalse(slots.owes("a", "b", slots.share()))

    def test_not_for_more(self) -> None:
        """A client that would then hold as many gets none that way."""
        slots = slots_of("aaabb")
        wait(slots, "b-1")
        self.assertFalse(slots.owes("a", "b", slots.share()))

    def test_not_below_a_share(self) -> None:
        """No client falls below an equal share, even if another holds more and gives none."""
        slots = slots_of("aaaabbbbbbbb")
        wait(slots, "c-1", "c-2")
        share = slots.share()
        self.assertEqual((share, slots.over(share)), (4.0, ["b"]))
        self.assertFalse(slots.owes("a", "c", share))

    def test_claimed(self) -> None:
        """For each waiter one connection is cut at a time, and it counts as that client's."""
        slots = slots_of("aaaa")
        wait(slots, "b-1", "b-2", "b-3")
        slots.claim(0, "b")
        self.assertEqual((slots.claimants(), slots.owes("a", "b", slots.share())), (["b"], True))
        self.assertEqual(slots.held("a"), 3)
        slots.claim(1, "b")
        # Two for each.
        self.assertFalse(slots.owes("a", "b", slots.share()))
        self.assertEqual([slots.gone(0), slots.gone(1)], ["b-1", "b-2"])
        self.assertEqual((slots.claimants(), slots.owes("a", "b", slots.share())), (["b"], False))

    def test_goes_to_another(self) -> None:
        """A waiter that did not get the connection that was cut may have another one cut."""
        slots = slots_of("aaaa")
        wait(slots, "b-1")
        slots.claim(0, "b")
        self.assertEqual(slots.claimants(), [])
        slots.ask("?", 0.0)
        slots.give_up("b-1")
        wait(slots, "b-2")
        self.assertEqual(slots.gone(0), "?")
        self.assertEqual(slots.claimants(), ["b"])


class TunnelTests(SynchronousTestCase):
    """Tunnels are counted apart."""

    def test_apart(self) -> None:
        """A tunnel leaves room for another connection, and frees nothing when it ends."""
        slots = slots_of("aa", most_tunnels=4)
        wait(slots, "b-1", "b-2")
        self.assertEqual(slots.user(0), "a")
        self.assertEqual(slots.switched(0), "b-1")
        self.assertEqual((slots.tunnels, slots.connections, slots.held("a")), (1, 2, 1))
        self.assertIsNone(slots.gone(0))
        self.assertEqual((slots.tunnels, slots.waiting), (0, 1))

    def test_share(self) -> None:
        """One client has half of them at most, another one half of the rest."""
        slots = slots_of("aaaaaaaabbbbbbbb", most_tunnels=8)
        for connection in range(16):
            if slots.may_tunnel(slots.user(connection)):
                slots.switched(connection)
        self.assertEqual((slots.tunnels, slots.held("a"), slots.held("b")), (6, 4, 6))
        self.assertTrue(slots.may_tunnel("c") and slots.may_tunnel(None))
        slots.gone(0)
        self.assertEqual([slots.may_tunnel(each) for each in ("a", "b")], [False, True])

    def test_full(self) -> None:
        """Beyond the bound there are none, and with a bound of 0 never any."""
        slots: Slots[int, int] = Slots(most=9, most_waiting=0, most_tunnels=2)
        for number in range(2):
            slots.ask(number, 0.0)
            slots.connected(number)
            self.assertTrue(slots.may_tunnel(None))
            slots.switched(number)
        self.assertFalse(slots.may_tunnel(None) or slots.may_tunnel("a"))
        self.assertFalse(slots_of("a").may_tunnel("a"))
