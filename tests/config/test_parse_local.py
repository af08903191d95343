"""Tests of `corsgate.config.parse.serves_only_this_machine`."""

from __future__ import annotations

from ipaddress import ip_network

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Listener
from corsgate.config.parse import serves_only_this_machine

LOOPBACK = Listener(endpoint="tcp:1:interface=127.0.0.1")
ANYWHERE = Listener(endpoint="tcp:1")
PROXIED = Listener(endpoint="tcp:1:interface=127.0.0.1", trusted_proxies=(ip_network("127.0.0.1"),))


class LocalTests(SynchronousTestCase):
    """Whether only browsers on the gate's own machine can use it."""

    def test_cases(self) -> None:
        """Every listener must be on loopback, without a proxy, and every name a loopback name."""
        for listeners, hosts, local in (
            ([LOOPBACK], None, True),
            ([LOOPBACK, LOOPBACK], ["localhost:1", "127.0.0.1", "[::1]:1", "*.localhost"], True),
            ([LOOPBACK], [], True),
            ([], None, False),
            ([ANYWHERE], None, False),
            ([LOOPBACK, ANYWHERE], None, False),
            ([PROXIED], None, False),
            ([LOOPBACK, PROXIED], ["localhost"], False),
            ([LOOPBACK], ["localhost", "gate.example"], False),
            ([LOOPBACK], ["*.example"], False),
        ):
            found = serves_only_this_machine(listeners, hosts)
            self.assertEqual((listeners, hosts, found), (listeners, hosts, local))
