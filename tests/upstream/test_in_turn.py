"""Connections to the first of several addresses."""

from __future__ import annotations

import errno
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from corsgate.upstream.in_turn import InTurnEndpoint


@implementer(IStreamClientEndpoint)
class FakeEndpoint:
    """Connects when a test says so.

    Attributes:
        connecting: The connection that was asked for, or None.
    """

    connecting: Deferred[Any] | None = None

    def connect(self, protocolFactory: Any) -> Deferred[Any]:
        """Begin."""
        self.connecting = Deferred()
        return self.connecting


class InTurnTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Begin to connect to one of two addresses."""
        self.first, self.second = FakeEndpoint(), FakeEndpoint()
        endpoint = InTurnEndpoint([self.first, self.second])
        verifyObject(IStreamClientEndpoint, endpoint)
        self.result = endpoint.connect(Factory())

    def end(self, endpoint: FakeEndpoint, result: Any) -> None:
        """End a connection attempt."""
        assert endpoint.connecting is not None
        endpoint.connecting.callback(result)

    def test_first(self) -> None:
        """If the first address accepts, no other is tried."""
        self.end(self.first, "connected")
        self.assertEqual(self.successResultOf(self.result), "connected")
        self.assertIsNone(self.second.connecting)

    def test_second(self) -> None:
        """If it refuses, the second is tried at once."""
        self.assertIsNone(self.second.connecting)
        assert self.first.connecting is not None
        self.first.connecting.errback(Refused())
        self.end(self.second, "connected")
        self.assertEqual(self.successResultOf(self.result), "connected")

    def test_none(self) -> None:
        """If all refuse, the last one's reason is given."""
        for endpoint in (self.first, self.second):
            self.assertNoResult(self.result)
            assert endpoint.connecting is not None
            endpoint.connecting.errback(Refused())
        self.failureResultOf(self.result, Refused)

    def test_short(self) -> None:
        """Without a descriptor of the gate's own no other address is tried."""
        assert self.first.connecting is not None
        self.first.connecting.errback(ConnectError(osError=errno.EMFILE))
        self.failureResultOf(self.result, ConnectError)
        self.assertIsNone(self.second.connecting)

    def test_cancelled(self) -> None:
        """Cancelling ends the attempt that is under way, and begins no other."""
        self.result.cancel()
        self.failureResultOf(self.result, CancelledError)
        self.assertIsNone(self.second.connecting)
