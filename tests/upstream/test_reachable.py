"""Whether servers can be reached."""

from __future__ import annotations

from socket import socket

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import SSL4ServerEndpoint

from corsgate.config.model.values import Server, Upstream
from corsgate.upstream.reachable import unreachable
from tests.certificates import Authority
from tests.peers import Upstream as Peer
from tests.peers import reactor
from tests.support import GateTestCase


class ReachableTests(GateTestCase):
    """`unreachable`, with real sockets."""

    async def look(self, server: Server, ca_pem: bytes | None = None) -> str:
        """Return why a server can't be reached."""
        upstream = Upstream(name="a", servers=(server,), ca_pem=ca_pem)
        return await unreachable(reactor, upstream, server, 5.0)

    async def test_reachable(self) -> None:
        """A server that accepts a connection gets no request, and the connection is closed."""
        upstream = await self.upstream()
        server = Server(scheme="http", host="127.0.0.1", port=upstream.port)
        self.assertEqual(await self.look(server), "")
        self.assertEqual(upstream.requests, [])
        (peer,) = upstream.connections
        self.assertEqual(await peer.gone(), "closed")

    async def test_refused(self) -> None:
        """A port that nothing listens on refuses it."""
        with socket() as unused:
            unused.bind(("127.0.0.1", 0))
            server = Server(scheme="http", host="127.0.0.1", port=unused.getsockname()[1])
            self.assertEqual(await self.look(server), "connection refused")

    async def test_not_tls(self) -> None:
        """A server that does not speak TLS is not reachable as an https server."""
        upstream = await self.upstream()
        server = Server(scheme="https", host="127.0.0.1", port=upstream.port)
        self.assertRegex(await self.look(server), "TLS|HTTP|connection")

    async def test_certificates(self) -> None:
        """An https server is reachable if its certificate is verified, and only then."""
        authority = Authority.make()
        tls = SSL4ServerEndpoint(
            reactor, 0, authority.context("box", "127.0.0.1"), interface="127.0.0.1"
        )
        peer = await Peer().start_on(tls)
        self.addCleanup(lambda: Deferred.fromCoroutine(peer.stop()))
        server = Server(scheme="https", host="127.0.0.1", port=peer.port)
        self.assertEqual(await self.look(server, ca_pem=authority.pem), "")
        self.assertIn("certificate", await self.look(server))
        self.assertEqual(peer.requests, [])

    async def test_no_socket(self) -> None:
        """A Unix socket that is not there is a problem like any other."""
        server = Server(scheme="http", host="localhost", port=80, socket="/nowhere/box.sock")
        self.assertEqual(await self.look(server), "no such file or directory")
