"""A request that waits for a connection."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Limits
from corsgate.upstream.waiter import Waiter
from tests.upstream.playing import Playing
from tests.upstream.test_revocation import Exchange


class WaiterTests(SynchronousTestCase):
    """`Waiter`."""

    def test_counts_in_its_clients_share(self) -> None:
        """It counts in the share of the client that holds it; a probe's counts in none."""
        holder = Exchange(Playing(), "192.0.2.1")
        waiter = Waiter(limits=Limits(), holder=holder, taken=Deferred())
        self.assertEqual(waiter.client, "192.0.2.1")
        self.assertIsNone(Waiter(limits=Limits(), holder=None, taken=Deferred()).client)
