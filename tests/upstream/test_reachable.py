"""Whether servers can be reached."""

from __future__ import annotations

from socket import socket

from corsgate.config.model.values import Server, Upstream
from corsgate.upstream.reachable import unreachable
from tests.peers import reactor
from tests.support import GateTestCase


class ReachableTests(GateTestCase):
    """`unreachable`, with real sockets."""

    async def look(self, server: Server) -> str:
        """Return why a server can't be reached."""
        upstream = Upstream(name="a", servers=(server,))
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
        self.assertNotEqual(await self.look(server), "")

    async def test_no_socket(self) -> None:
        """A Unix socket that is not there is a problem like any other."""
        server = Server(scheme="http", host="localhost", port=80, socket="/nowhere/box.sock")
        self.assertEqual(await self.look(server), "no such file or directory")
