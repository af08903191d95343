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

from corsgate.config.model import Limits
from corsgate.wire.admission import REPORT_INTERVAL_S, Admission, Admitted, client_key
from corsgate.wire.sweeper import Sweeper

PROXIES: Sequence[IPv4Network | IPv6Network] = (ip_network("10.0.0.0/8"),)


def address(host: str) -> IAddress:
    """Answer a client's address."""
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
        self.sweeper = Sweeper(self.clock)
        limits = Limits(max_connections=5, max_connections_per_client=2)
        self.admission = Admission(self.sweeper, limits)
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
        self.assertIn("500 connection(s) refused past max_connections = 5 ", self.lines[0])
        self.assertIn("1000 connection(s) refused", self.lines[1])
        self.assertIn("max_connections_per_client = 2 ", self.lines[1])
        self.assertIn("192.0.2.1", self.lines[1])
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
            Sweeper(Clock()), Limits(max_connections=5, max_connections_per_client=2)
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
