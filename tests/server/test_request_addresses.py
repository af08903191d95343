"""Whose address a request says that it comes from."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory
from twisted.trial.unittest import SynchronousTestCase

from tests.peers import Client, reactor, request
from tests.server.support import Served
from tests.support import GateTestCase

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class AddressTests(SynchronousTestCase):
    def test_told_late(self) -> None:
        """What counts is what the transport says at the first request, and from then on."""
        served = Served()
        client = IPv4Address("TCP", "203.0.113.9", 1000)
        served.wire.peerAddr = client
        served.send(GET, GET)
        served.wire.peerAddr = None
        self.assertEqual(served.requests[0].getClientAddress(), client)


class ProxyHeaderTests(GateTestCase):
    async def test_haproxy(self) -> None:
        """Behind Twisted's haproxy endpoint, the client is who the PROXY header names."""
        gate = self.serve(
            'listen = ["haproxy:tcp:0:interface=127.0.0.1"]\nhosts = ["localhost"]\n'
            '[upstreams.a]\nservers = ["http://127.0.0.1:1"]\n[routes."/v1"]\nupstream = "a"\n'
        )
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", gate.port)
        client: Any = await endpoint.connect(Factory.forProtocol(Client))
        client.send(b"PROXY TCP4 203.0.113.9 192.0.2.1 1000 80\r\n" + request(target=b"/none"))
        self.assertEqual((await client.response()).status, 404)
        await client.close()
        self.assertIn('"client": "203.0.113.9"', await gate.logged())
