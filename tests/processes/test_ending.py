"""The daemon ends, or is replaced, while clients send requests as fast as they can."""

from __future__ import annotations

import socket

from tests.processes.load import KEEPING, OPENING, Load
from tests.support import LISTEN
from tests.twistd import Daemon, DaemonTestCase


class Ending(DaemonTestCase):
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
        self.assertEqual(load.refused, KEEPING + OPENING)
        self.assertNotIn("Traceback", daemon.said)


class Handover(DaemonTestCase):
    """A socket that outlives the process, as systemd's socket unit keeps it."""

    def setUp(self) -> None:
        """Listen."""
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.addCleanup(self.socket.close)

    def replaceable(self, url: str) -> Daemon:
        """Return a daemon that accepts from the socket."""
        return self.configured(
            'listen = ["systemd:name=http"]\n'
            f'[upstreams.a]\nservers = ["{url}"]\n[routes."/"]\nupstream = "a"\n',
            sockets=[("http", self.socket)],
        )

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
