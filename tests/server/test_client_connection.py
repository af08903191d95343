"""What a client's connection has in common, whichever version of HTTP it speaks."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IAddress
from twisted.trial.unittest import SynchronousTestCase

from corsgate.server.client_connection import ClientConnection
from corsgate.server.memory_budget import REQUEST_BYTES
from corsgate.server.request import GateRequest
from tests.server.support import LEFT, Served, Wire, answer

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
ADDRESS = IPv4Address("TCP", "192.0.2.7", 4000)


class CountingWire(Wire):
    """A transport that counts how often it is asked for its addresses."""

    asked = 0

    def getPeer(self) -> IAddress:
        """Count."""
        self.asked += 1
        return ADDRESS


class ClientConnectionTests(SynchronousTestCase):
    """A connection of HTTP/1.1."""

    def setUp(self) -> None:
        """Begin with a connection on which nothing has come."""
        self.served = Served()
        self.client: ClientConnection = self.served.channel

    def test_addresses(self) -> None:
        """The transport is asked once, however many requests come."""
        self.served.wire = CountingWire()
        channel: Any = self.served.site.buildProtocol(ADDRESS)
        channel.makeConnection(self.served.wire)
        for _ in range(3):
            channel.dataReceived(GET)
            request = self.served.requests[-1]
            self.assertEqual((request.client, request.getClientAddress()), (ADDRESS, ADDRESS))
            answer(request)
        self.assertEqual(self.served.wire.asked, 1)

    def test_counted_for(self) -> None:
        """What waits is the request's client's, where the gate has named one."""
        channel: Any = self.served.site.buildProtocol(ADDRESS)
        channel.makeConnection(Wire())
        self.assertEqual(channel.counted_for(), ("192.0.2.7", None))
        channel.dataReceived(GET)
        self.assertEqual(channel.counted_for(), ("192.0.2.7", None))
        self.served.requests[0].client_key = "another"
        self.assertEqual(channel.counted_for(), ("another", None))

    def test_overhead(self) -> None:
        """What a connection counts besides what waits is a request."""
        self.assertEqual((self.client.isSecure(), self.client.overhead), (False, REQUEST_BYTES))

    def test_shed(self) -> None:
        """An idle connection is closed; one with a part of a request is cut."""
        self.client.shed()
        self.assertTrue(self.served.wire.disconnecting)
        served = Served()
        served.send(GET[:9])
        served.channel.shed()
        self.assertTrue(served.wire.disconnected)

    def test_cut(self) -> None:
        """A cut ends the request at once, and the log has the reason; the end comes once."""
        lost: list[GateRequest] = []
        self.served.send(GET)
        (request,) = self.served.requests
        request.on_lost = lambda: lost.append(request)
        self.client.cut("it was time")
        self.assertEqual((lost, self.served.recorded), ([request], [request]))
        self.assertEqual((request.log.outcome, request.gone), ("it was time", True))
        self.served.leave()
        self.assertEqual((len(lost), len(self.served.recorded)), (1, 1))

    def test_resting_counts_what_is_unsent(self) -> None:
        """A connection without a transport that keeps bytes counts none when it rests."""
        self.client.rest()
        self.assertEqual(self.served.site.context.memory.held, 0)

    def test_left(self) -> None:
        """A connection that is gone is no more among those of the listener."""
        self.assertEqual(self.served.site.connections.channels, {self.client})
        self.client.connectionLost(LEFT)
        self.assertEqual(self.served.site.connections.channels, set())
