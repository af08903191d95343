"""The daemon ends, or is replaced, while clients send requests as fast as they can."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.protocol import Factory

from tests.peers import Client, reactor, request, response
from tests.processes.case import ProcessTestCase
from tests.processes.load import Load
from tests.support import LISTEN
from tests.twistd import Daemon

UPGRADE = (
    (b"Upgrade", b"websocket"),
    (b"Connection", b"Upgrade"),
    (b"Sec-WebSocket-Version", b"13"),
    (b"Sec-WebSocket-Key", b"MTIzNDU2Nzg5MDEyMzQ1Ng=="),
)
SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: +I6SyLIaWoDVyDga6eYd6AAeTAo=\r\n\r\n"
)
GOING_AWAY = b"\x88\x02\x03\xe9"
"""A Close frame with the code 1001 and no reason (RFC 6455 5.5.1, 7.4.1)."""


class Ending(ProcessTestCase):
    """SIGTERM under load loses no request."""

    async def test_under_load(self) -> None:
        """Each request gets its whole response, or is refused before a server sees it."""
        upstream = await self.upstream()
        daemon = self.configured(
            f'{LISTEN}[upstreams.a]\nservers = ["{upstream.url}"]\n[routes."/"]\nupstream = "a"\n'
        )
        port = await daemon.port()
        load = Load(upstream, lambda: port)
        load.start()
        await load.more(500)
        daemon.signal("TERM")
        await load.ended()
        self.assertEqual(await daemon.ended(), 0, daemon.said)
        self.assertEqual((load.lost, load.wrong, set(load.statuses)), ([], [], {200}))
        self.assertEqual(load.refused, load.clients)
        self.assertNotIn("Traceback", daemon.said)


class HandoverTestCase(ProcessTestCase):
    """A socket that outlives the process, as systemd's socket unit keeps it."""

    def setUp(self) -> None:
        """Listen."""
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.addCleanup(self.socket.close)

    def replaceable(self, url: str, more: str = "") -> Daemon:
        """Return a daemon that accepts from the socket."""
        return self.configured(
            'listen = ["systemd:name=http"]\n'
            f'[upstreams.a]\nservers = ["{url}"]\n[routes."/"]\nupstream = "a"\n{more}',
            sockets=[("http", self.socket)],
        )


class Handover(HandoverTestCase):
    """Requests while the process is replaced."""

    async def test_restart_under_load(self) -> None:
        """A new process in place of the old one: nothing is refused, and nothing is lost."""
        upstream = await self.upstream()
        old = self.replaceable(upstream.url)
        await old.port()
        load = Load(upstream, lambda: int(self.socket.getsockname()[1]))
        load.start()
        for _ in range(3):
            await load.more(300)
            old.signal("TERM")
            self.assertEqual(await old.ended(), 0, old.said)
            old = self.replaceable(upstream.url)
            await old.port()
        await load.more(300)
        await load.stop()
        self.assertEqual((load.lost, load.wrong, set(load.statuses)), ([], [], {200}))
        self.assertEqual((load.refused, load.cut_on_arrival), (0, []))


class Tunnels(HandoverTestCase):
    """A WebSocket that is open when the daemon is replaced."""

    async def test_restart(self) -> None:
        """It is told 1001 and ends within its grace; who connects meanwhile waits and is served."""
        upstream = await self.upstream()
        upstream.answer = lambda asked: SWITCH if asked.target == b"/ws" else response(body=b"ok")
        old = self.replaceable(upstream.url, '[limits]\ntunnel_grace = "100ms"\n')
        await old.port()
        port = int(self.socket.getsockname()[1])
        socket = await self.connect_to(port)
        socket.send(request(target=b"/ws", headers=UPGRADE))
        await socket.when(lambda: socket.data.endswith(b"\r\n\r\n"))
        self.assertIn(b" 101 ", socket.data)
        old.signal("TERM")
        await socket.when(lambda: socket.data.endswith(GOING_AWAY) or socket.outcome)
        self.assertTrue(socket.data.endswith(GOING_AWAY), socket.data)
        # Nobody accepts it now.
        waiting = await self.connect_to(port)
        waiting.send(request(target=b"/new"))
        self.assertEqual(await socket.gone(), "closed")
        self.assertEqual(await old.ended(), 0, old.said)
        self.assertEqual([asked.target for asked in upstream.requests], [b"/ws"])
        await self.replaceable(upstream.url).port()
        self.assertEqual((await waiting.response()).status, 200)


class Released(ProcessTestCase):
    """A restart without the socket unit, while the old process still has a WebSocket."""

    async def restarted(self, listen: str, connect: Callable[[], Awaitable[Client]]) -> None:
        """Assert that a new process serves while the old one drains, and after its end."""
        upstream = await self.upstream()
        upstream.answer = lambda asked: SWITCH if asked.target == b"/ws" else response(body=b"ok")
        toml = (
            f'listen = ["{listen}"]\n[upstreams.a]\nservers = ["{upstream.url}"]\n'
            '[routes."/"]\nupstream = "a"\n'
            '[limits]\ntunnel_grace = "100s"\ndrain_timeout = "100s"\n'
        )
        old = await self.up(toml)
        websocket = await connect()
        websocket.send(request(target=b"/ws", headers=UPGRADE))
        await websocket.when(lambda: websocket.data.endswith(b"\r\n\r\n"))
        old.signal("TERM")
        await old.when(lambda: "stopping: no new connections" in old.said or old.status)
        new = await self.up(toml)
        client = await connect()
        client.send(request(target=b"/new"))
        self.assertEqual((await client.response()).status, 200)
        self.assertIsNone(old.status)
        websocket.close()
        self.assertEqual(await old.ended(), 0, old.said)
        client = await connect()
        client.send(request(target=b"/newer"))
        self.assertEqual((await client.response()).status, 200)
        new.signal("TERM")
        self.assertEqual(await new.ended(), 0, new.said)

    async def up(self, toml: str) -> Daemon:
        """Return a daemon that listens."""
        daemon = self.configured(toml)
        await daemon.when(lambda: "corsgate listens on " in daemon.said or daemon.status)
        self.assertIsNone(daemon.status, daemon.said)
        return daemon

    async def test_port(self) -> None:
        """The port is free as soon as the old process drains."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = int(free.getsockname()[1])
        await self.restarted(f"tcp:{port}:interface=127.0.0.1", lambda: self.connect_to(port))

    async def test_unix_socket(self) -> None:
        """The new process makes the socket anew, and the old one does not remove that."""
        with TemporaryDirectory() as directory:
            path = f"{directory}/gate"

            async def connect() -> Client:
                endpoint = UNIXClientEndpoint(reactor, path)
                client: Any = await endpoint.connect(Factory.forProtocol(Client))
                self.addCleanup(client.close)
                assert isinstance(client, Client)
                return client

            await self.restarted(f"unix:{path}", connect)
            self.assertFalse(Path(path).exists())
