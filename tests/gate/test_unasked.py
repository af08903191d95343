"""Responses that nobody asked for, which a server sends behind the one that was asked for."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import IListeningPort, IProtocolFactory
from twisted.protocols.tls import TLSMemoryBIOFactory

from tests.certificates import Authority
from tests.peers import Message, Upstream, reactor, request, response
from tests.support import POLICY, Gate, GateTestCase

RECORD = 2**14
"""The size of a TLS record, which is handed on by itself."""

READ = 2**16
"""How much Twisted reads at once."""


class OverTls:
    """An endpoint that speaks TLS."""

    def listen(self, factory: IProtocolFactory) -> Deferred[IListeningPort]:
        """Listen."""
        context = Authority.make().context("localhost", "localhost")
        endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        listening: Deferred[IListeningPort] = endpoint.listen(
            TLSMemoryBIOFactory(context, False, factory)
        )
        return listening


class Unasked(GateTestCase):
    """The next request on the connection is in doubt, whoever's it is."""

    def answering(self, server: Upstream, size: int) -> None:
        """Have a server send two responses to its first request, the first one of a given size."""

        def answer(got: Message) -> bytes:
            if got.target != b"/v1/first":
                return response(body=b"own")
            padding = size - len(response(headers=[(b"X-Padding", b"")], body=b"first"))
            first = response(headers=[(b"X-Padding", b"x" * padding)], body=b"first")
            self.assertEqual(len(first), size)
            return first + response(body=b"unasked")

        server.answer = answer

    async def over_tls(self) -> Gate:
        """Return a gate whose server speaks TLS."""
        server = Upstream()
        await server.start_on(OverTls())
        self.addCleanup(server.stop)
        self.answering(server, RECORD)
        return self.serve(
            f'[upstreams.a]\nservers = ["https://127.0.0.1:{server.port}"]\nmax_connections = 1\n'
            f'verify = "dangerously-off"\n{POLICY}\n[routes."/v1"]\nupstream = "a"\ncors = "app"\n'
        )

    async def over_tcp(self) -> Gate:
        """Return a gate whose server speaks no TLS."""
        server = await self.upstream()
        self.answering(server, READ)
        limits = '[limits]\nmax_head_bytes = "128KiB"'
        return self.front(server, upstream="max_connections = 1", rest=limits)

    async def assert_own(self, gate: Gate) -> None:
        """Assert that clients get their own responses: one that waits, and one that pipelines."""
        for together in (False, True):
            first = await self.connect(gate)
            sent = request(target=b"/v1/first")
            second: Any = first if together else await self.connect(gate)
            first.send(sent + request(target=b"/v1/second") if together else sent)
            if not together:
                second.send(request(target=b"/v1/second"))
            self.assertEqual((await first.response()).body, b"first")
            self.assertEqual((await second.response()).body, b"own")

    async def test_over_tls(self) -> None:
        """A record holds the first response, and the next one the other."""
        await self.assert_own(await self.over_tls())

    async def test_over_tcp(self) -> None:
        """A read holds the first response, and the next one the other."""
        await self.assert_own(await self.over_tcp())
