"""Which clients' connections are taken on, and how the log learns of the others."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import cast

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Limits
from corsgate.server.admission import (
    REPORT_INTERVAL_S,
    SEARCH_PAUSE_S,
    Admission,
    Admitted,
    Spare,
    client_key,
)
from corsgate.transport.deadlines import Deadlines

PROXIES: Sequence[IPv4Network | IPv6Network] = (ip_network("10.0.0.0/8"),)


def address(host: str) -> IAddress:
    """Return a client's address."""
    return (IPv6Address if ":" in host else IPv4Address)("TCP", host, 5000)


class KeyTests(SynchronousTestCase):
    def test_keys(self) -> None:
        """An IPv4 address counts for itself, however it is written; IPv6 by its network."""
        for host, key in (
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::/64"),
            ("2001:db8::ffff:1:2:3", "2001:db8::/64"),
            ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
            ("fe80::1%eth0", "fe80::/64"),
            ("::1", "::/64"),
        ):
            self.assertEqual(client_key(host), key)


class AdmissionTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Begin with a bound of five, and two for each client."""
        self.clock = Clock()
        self.deadlines = Deadlines(self.clock)
        limits = Limits(max_connections=5, max_connections_per_client=2)
        self.admission = Admission(self.deadlines, limits)
        self.lines: list[str] = []
        note = cast(ILogObserver, self._note)
        globalLogPublisher.addObserver(note)
        self.addCleanup(globalLogPublisher.removeObserver, note)

    def _note(self, event: LogEvent) -> None:
        if event.get("log_namespace") == Admission.__module__ + ".Admission":
            self.lines.append(formatEvent(event))

    def admit(self, host: str) -> Admitted | None:
        """Ask for a connection of this client."""
        return self.admission.admit(address(host), PROXIES)

    def test_per_client(self) -> None:
        """A client past its bound is refused, others are not; what it closes it may reopen."""
        first = self.admit("192.0.2.1")
        assert first is not None
        self.assertIsNotNone(self.admit("192.0.2.1"))
        self.assertIsNone(self.admit("192.0.2.1"))
        self.assertIsNone(self.admit("::ffff:192.0.2.1"))
        self.assertIsNotNone(self.admit("192.0.2.2"))
        self.admission.leave(first)
        self.assertIsNotNone(self.admit("192.0.2.1"))
        self.assertIsNone(self.admit("192.0.2.1"))

    def test_in_all(self) -> None:
        """Past the bound in all, everybody is refused."""
        for number in range(5):
            self.assertIsNotNone(self.admit(f"192.0.2.{number}"))
        self.assertIsNone(self.admit("192.0.2.9"))
        self.assertIsNone(self.admit("10.0.0.1"))
        self.assertEqual((self.admission.connections, self.admission.clients), (5, 5))

    def test_speaks_for_many(self) -> None:
        """A trusted proxy, and a Unix socket, have the bound in all only."""
        for _ in range(3):
            self.assertIsNotNone(self.admit("10.0.0.1"))
        self.assertIsNotNone(self.admission.admit(UNIXAddress("/run/x"), PROXIES))
        self.assertIsNotNone(self.admission.admit(None, PROXIES))
        self.assertIsNone(self.admit("10.0.0.1"))
        self.assertEqual(self.admission.clients, 0)

    def test_report(self) -> None:
        """However many are refused, the log has a line of each kind in ten seconds."""
        for _ in range(2):
            self.admit("192.0.2.1")
        for _ in range(1000):
            self.admit("192.0.2.1")
        for number in range(3):
            self.admit(f"198.51.100.{number}")
        for _ in range(500):
            self.admit("203.0.113.1")
        self.assertEqual(self.lines, [])
        self.clock.pump([1.0] * int(REPORT_INTERVAL_S + 1))
        self.assertEqual(len(self.lines), 2)
        self.assertIn("1000 connection(s) refused", self.lines[0])
        self.assertIn("max_connections_per_client = 2 ", self.lines[0])
        self.assertIn("192.0.2.1", self.lines[0])
        self.assertIn("500 connection(s) refused past max_connections = 5 ", self.lines[1])
        hits = self.admission.hits
        self.assertEqual((hits["max_connections_per_client"], hits["max_connections"]), (1000, 500))
        self.clock.pump([1.0] * 60)
        self.assertEqual(len(self.lines), 2)
        self.admit("203.0.113.1")
        self.clock.pump([1.0] * int(REPORT_INTERVAL_S + 1))
        self.assertEqual(len(self.lines), 3)

    def test_report_at_the_end(self) -> None:
        """What was counted is told before the gate stops, and no timer is left."""
        for _ in range(3):
            self.admit("192.0.2.1")
        self.admission.report()
        self.admission.report()
        self.assertEqual(len(self.lines), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    @given(st.lists(st.tuples(st.sampled_from(("1", "2", "10.0.0.1")), st.integers(0, 9))))
    def test_any_script(self, script: list[tuple[str, int]]) -> None:
        """Whoever comes and goes, the counts are right, and in the end zero."""
        admission = Admission(
            Deadlines(Clock()), Limits(max_connections=5, max_connections_per_client=2)
        )
        there: list[tuple[str, Admitted]] = []
        for host, pick in script:
            if pick > 5 and there:
                admission.leave(there.pop(pick % len(there))[1])
                continue
            known = [each for each, _ in there if each == host]
            admitted = admission.admit(address(host), PROXIES)
            fits = len(there) < 5 and (host == "10.0.0.1" or len(known) < 2)
            self.assertEqual(admitted is not None, fits)
            if admitted is not None:
                there.append((host, admitted))
            self.assertEqual(admission.connections, len(there))
        for _, admitted in there:
            admission.leave(admitted)
        self.assertEqual((admission.connections, admission.clients), (0, 0))


class Held:
    """A connection that notes that it had to give way."""

    def __init__(self, client: str, spare: Spare, deadline_s: float) -> None:
        self.client = client
        self.spare = spare
        self.deadline_s = deadline_s
        self.closed = False
        self.looked_at = 0

    def shed(self) -> None:
        """Note it."""
        assert not self.closed
        self.closed = True


class Counted(Held):
    """One that counts how often it was asked."""

    @property
    def spare(self) -> Spare:
        """What would be lost with it; each look is counted."""
        self.looked_at += 1
        return self._spare

    @spare.setter
    def spare(self, spare: Spare) -> None:
        self._spare = spare


class OwnerTests(SynchronousTestCase):
    """A listener whose bounds are nobody's to configure."""

    def test_words(self) -> None:
        """Its refusals are one line, which names no key."""
        lines: list[str] = []
        observer = cast(ILogObserver, lambda event: lines.append(formatEvent(event)))
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        clock = Clock()
        limits = Limits(max_connections=1, max_connections_per_client=1)
        admission = Admission(Deadlines(clock), limits, owner="the admin listener")
        for _ in range(3):
            admission.admit(address("127.0.0.1"))
        admission.report()
        self.assertEqual(
            lines, ["the admin listener takes 1 connections: 2 refused, 0 idle ones closed"]
        )


class RoomTests(SynchronousTestCase):
    """Whose place a newcomer gets where a bound is reached."""

    def begin(self, most: int, per_client: int) -> None:
        """Make an admission with these bounds."""
        self.clock = Clock()
        self.deadlines = Deadlines(self.clock)
        limits = Limits(max_connections=most, max_connections_per_client=per_client)
        self.admission = Admission(self.deadlines, limits)
        self.held: list[Held] = []

    def hold(self, client: str, spare: Spare, deadline_s: float = 0.0) -> Held:
        """Return a connection that was admitted."""
        admitted = self.admission.admit(address(client), PROXIES)
        assert admitted is not None
        held = admitted.holder = Counted(client, spare, deadline_s)
        self.held.append(held)
        return held

    def closed(self) -> list[Held]:
        """Return those that had to give way."""
        return [held for held in self.held if held.closed]

    def test_idlest_of_its_own(self) -> None:
        """A client at its own bound gets the place of its idlest connection, of no other's."""
        self.begin(10, 3)
        self.hold("192.0.2.9", Spare.IDLE, 0.0)
        self.hold("192.0.2.1", Spare.NO, 1.0)
        self.hold("192.0.2.1", Spare.IDLE, 3.0)
        idlest = self.hold("192.0.2.1", Spare.IDLE, 2.0)
        self.hold("192.0.2.1", Spare.NO)
        self.assertEqual(self.closed(), [idlest])
        self.assertEqual(self.admission.connections, 4)

    def test_none_of_its_own(self) -> None:
        """Where it has no idle one it is refused: neither its own heads nor others' give way."""
        self.begin(10, 2)
        self.hold("192.0.2.9", Spare.IDLE)
        self.hold("192.0.2.1", Spare.UNREADY)
        self.hold("192.0.2.1", Spare.NO)
        self.assertIsNone(self.admission.admit(address("192.0.2.1")))
        self.assertEqual(self.closed(), [])

    def test_of_who_has_most(self) -> None:
        """Where all places are taken, those of the client that has most go, ready or not."""
        self.begin(6, 5)
        self.hold("192.0.2.9", Spare.IDLE, 0.0)
        self.hold("10.0.0.1", Spare.IDLE, 0.0)
        self.hold("192.0.2.1", Spare.NO, 0.0)
        head = self.hold("192.0.2.1", Spare.UNREADY, 1.0)
        late = self.hold("192.0.2.1", Spare.IDLE, 3.0)
        idle = self.hold("192.0.2.1", Spare.IDLE, 2.0)
        for number, expected in enumerate((idle, late, head)):
            before = self.closed()
            self.hold(f"198.51.100.{number}", Spare.NO)
            self.assertEqual([held for held in self.closed() if held not in before], [expected])

    def test_never_of_who_has_fewer(self) -> None:
        """A client that has most gets no place of one that has fewer."""
        self.begin(4, 4)
        self.hold("192.0.2.9", Spare.IDLE)
        for _ in range(3):
            self.hold("192.0.2.1", Spare.NO)
        self.assertIsNone(self.admission.admit(address("192.0.2.1")))
        self.assertEqual(self.closed(), [])

    def test_among_equals(self) -> None:
        """Of clients with one each the idlest gives way, but no head that is coming in."""
        self.begin(3, 3)
        self.hold("192.0.2.1", Spare.UNREADY, 0.0)
        self.hold("192.0.2.2", Spare.IDLE, 9.0)
        idlest = self.hold("192.0.2.3", Spare.IDLE, 5.0)
        self.hold("192.0.2.4", Spare.NO)
        self.assertEqual(self.closed(), [idlest])

    def test_proxies_last(self) -> None:
        """Those of a proxy that speaks for many give way too, after the others."""
        self.begin(2, 2)
        proxied = self.hold("10.0.0.1", Spare.IDLE, 0.0)
        direct = self.hold("192.0.2.1", Spare.IDLE, 9.0)
        self.hold("192.0.2.2", Spare.NO)
        self.assertEqual(self.closed(), [direct])
        self.hold("192.0.2.3", Spare.NO)
        self.assertEqual(self.closed(), [proxied, direct])

    def test_search_is_seldom(self) -> None:
        """A flood of newcomers has the connections looked through seldom, found or not."""
        self.begin(1000, 1000)
        for number in range(1000):
            self.hold(f"192.0.2.{number % 100}", Spare.IDLE, number)
        for number in range(1000):
            self.hold(f"198.51.{number // 100}.{number % 100}", Spare.NO)
        self.assertLess(sum(held.looked_at for held in self.held), 1000 * 1000 / 5)
        for held in self.held:
            held.looked_at = 0
        for _ in range(1000):
            self.assertIsNone(self.admission.admit(address("203.0.113.1")))
        self.assertLessEqual(sum(held.looked_at for held in self.held), 1000)
        self.clock.advance(SEARCH_PAUSE_S)
        self.held[-1].spare = Spare.IDLE
        self.hold("203.0.113.1", Spare.NO)

    def test_own_search_is_seldom(self) -> None:
        """So it is for a client at its own bound."""
        self.begin(1000, 100)
        for _ in range(100):
            self.hold("192.0.2.1", Spare.NO)
        for _ in range(1000):
            self.assertIsNone(self.admission.admit(address("192.0.2.1")))
        self.assertLessEqual(sum(held.looked_at for held in self.held), 100)

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["192.0.2.1", "192.0.2.2", "192.0.2.3", "10.0.0.1"]),
                st.sampled_from(Spare),
                st.integers(0, 9),
            ),
            max_size=40,
        )
    )
    def test_any_newcomers(self, script: list[tuple[str, Spare, int]]) -> None:
        """Whoever comes, the bounds hold, and no connection with a request gives way."""
        self.begin(6, 4)
        for client, spare, deadline_s in script:
            admitted = self.admission.admit(address(client), PROXIES)
            if admitted is not None:
                held = admitted.holder = Held(client, spare, deadline_s)
                self.held.append(held)
            there = [held for held in self.held if not held.closed]
            self.assertEqual(self.admission.connections, len(there))
            self.assertLessEqual(len(there), 6)
            counts = [sum(held.client == each for held in there) for each, _, _ in script]
            counted = [
                count
                for count, (each, _, _) in zip(counts, script, strict=True)
                if each[:2] != "10"
            ]
            self.assertLessEqual(max(counted, default=0), 4)
        self.assertFalse([held for held in self.closed() if held.spare is Spare.NO])
