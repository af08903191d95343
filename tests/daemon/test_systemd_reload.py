"""Sockets from systemd that reloads take up and leave."""

from __future__ import annotations

from pathlib import Path

from tests.daemon.test_systemd import SystemdTestCase
from tests.notified import Notified
from tests.peers import request
from tests.support import LISTEN
from tests.twistd import Daemon

WEB = 'listen = ["systemd:name=web"]\n'


class Sockets(SystemdTestCase):
    """A listener of such a socket that comes and goes."""

    async def test_reloads_remove_and_add_it(self) -> None:
        """While no listener has the socket its clients wait; one that comes back serves them."""
        upstream, notified = await self.upstream(), Notified(self)
        opened, port = self.listening()
        both = WEB.replace("]", ', "tcp:0:interface=127.0.0.1"]')
        file = self.file(self.toml(upstream))
        daemon = Daemon("--config", file, environ=dict(notified.environ), sockets=[("web", opened)])
        self.addCleanup(daemon.kill)
        await self.ready(notified)
        kept = await self.connect_to(await daemon.port())
        clients = [await self.connect_to(port)]
        clients[0].send(request())
        for number, listen in enumerate((both, LISTEN, both, LISTEN, WEB)):
            Path(file).write_text(self.toml(upstream, listen))
            daemon.signal("HUP")

            def is_ready(count: int = number + 2) -> bool:
                return len(notified.with_field("READY")) == count

            await notified.when(is_ready)
            self.assertIn("succeeded", notified.with_field("READY")[-1]["STATUS"])
            if "systemd" in listen:
                self.assertEqual((await clients[-1].response()).status, 200)
            else:
                # Its idle connections were closed with the listener.
                await clients[-1].gone()
                clients.append(await self.connect_to(port))
                clients[-1].send(request())
            if listen != WEB:
                kept.send(request())
                self.assertEqual((await kept.response()).status, 200)
        await kept.gone()
        self.assertEqual(len(clients), 3)
        daemon.signal("TERM")
        self.assertEqual(await daemon.ended(), 0, daemon.said)
        self.assertNotIn("Traceback", daemon.said)
