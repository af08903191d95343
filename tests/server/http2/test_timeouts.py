"""By when the client of a connection of HTTP/2 has to do something."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Limits
from corsgate.server.http2.timeouts import ConnectionTimeouts
from corsgate.transport.deadlines import NEVER

LIMITS = Limits(client_head_timeout_s=5, keep_alive_timeout_s=20, response_idle_timeout_s=30)


class ConnectionWaitsTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Begin with nothing."""
        self.waits = ConnectionTimeouts(LIMITS)

    def test_idle(self) -> None:
        """The time begins with the last request's end, and with each request anew."""
        waits = self.waits
        self.assertEqual(waits.update(1.0, in_head=False, idle=True), 21.0)
        self.assertEqual(waits.update(9.0, in_head=False, idle=True), 21.0)
        self.assertEqual(waits.update(10.0, in_head=False, idle=False), NEVER)
        self.assertEqual(waits.update(11.0, in_head=False, idle=True), 31.0)
        waits.request_came()
        self.assertEqual(waits.update(12.0, in_head=False, idle=True), 32.0)

    def test_head(self) -> None:
        """A head has its time as a whole, and the one behind it its own."""
        waits = self.waits
        self.assertEqual(waits.update(1.0, in_head=True, idle=True), 6.0)
        self.assertEqual(waits.update(4.0, in_head=True, idle=False), 6.0)
        waits.head_ended()
        self.assertEqual(waits.update(5.0, in_head=True, idle=False), 10.0)
        self.assertEqual(waits.update(6.0, in_head=False, idle=False), NEVER)

    def test_response(self) -> None:
        """A client that does not keep up has to go on in time."""
        waits = self.waits
        waits.pause(1.0)
        self.assertEqual(waits.update(2.0, in_head=False, idle=False), 31.0)
        self.assertEqual(waits.update(2.0, in_head=True, idle=False), 7.0)
        waits.resume()
        self.assertEqual(waits.update(3.0, in_head=False, idle=False), NEVER)
