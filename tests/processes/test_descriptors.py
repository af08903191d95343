"""All descriptors are in use: idle connections make room, and others are served."""

from __future__ import annotations

import os
import re
import resource
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory

from tests.peers import Client, Upstream, reactor, request
from tests.processes.case import ProcessTestCase
from tests.programs import missing
from tests.support import LISTEN
from tests.twistd import Daemon

LIMIT = 1024
HOLDERS = ("127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5")
EACH = 300
"""Connections of each holder: together more than there are descriptors."""
FEW = 100
"""Fewer than any one client may have."""
OURS = 2 * len(HOLDERS) * EACH + 500
"""How many descriptors this process needs, which is the other end of all connections."""


class Descriptors(ProcessTestCase):
    """A process with 1,024 descriptors, as is the default of a shell."""

    def setUp(self) -> None:
        """Let this process have more."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < OURS:
            missing(f"the hard limit of descriptors is {hard}, which is less than {OURS}")
        if soft < OURS:
            resource.setrlimit(resource.RLIMIT_NOFILE, (OURS, hard))
            self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))

    async def started(self, upstream: Upstream) -> Daemon:
        """Return a daemon that listens."""
        limit = f"import resource as r\nr.setrlimit(r.RLIMIT_NOFILE, ({LIMIT}, {LIMIT}))"
        daemon = self.configured(
            f'{LISTEN}access_log = "off"\n'
            f'[upstreams.a]\nservers = ["{upstream.url}"]\n[routes."/"]\nupstream = "a"\n'
            '[admin]\nlisten = "tcp:0:interface=127.0.0.1"\n',
            prepare=limit,
        )
        await daemon.port()
        return daemon

    async def connect_from(self, address: str, port: int) -> Client:
        """Return a connection from an address of its own, since a client has a share."""
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port, bindAddress=(address, 0))
        client: Any = await endpoint.connect(Factory.forProtocol(Client))
        assert isinstance(client, Client)
        self.addCleanup(client.close)
        return client

    async def status_of(self, client: Client) -> int:
        """Return the status of one request."""
        client.send(request())
        return (await client.response()).status

    def open_in(self, daemon: Daemon) -> int:
        """Return how many descriptors a daemon has open."""
        return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))

    async def hold(self, daemon: Daemon, *, asking: bool) -> list[Client]:
        """Open more connections than there can be, and keep all that are kept."""
        port = await daemon.port()
        held: list[Client] = []
        for address in HOLDERS:
            for _ in range(EACH):
                client = await self.connect_from(address, port)
                held.append(client)
                if asking:
                    client.send(request())
            if asking:
                # Those past a bound are closed without a response.
                await gatherResults([self.heard_of(each) for each in held])
        return held

    def heard_of(self, client: Client) -> Deferred[Any]:
        """Return a Deferred that fires when something came, or the connection ended."""
        return client.when(lambda: client.data or client.outcome)

    async def assert_serves_others(self, daemon: Daemon, held: list[Client]) -> None:
        """Assert that a client that comes now is served, again and again."""
        port = await daemon.port()
        for _ in range(20):
            client = await self.connect_from("127.0.0.9", port)
            self.assertEqual(await self.status_of(client), 200)
            await client.close()
            self.assertLess(self.open_in(daemon), LIMIT)
        # The operator, too.
        admin = re.search(r"status and metrics: http://127\.0\.0\.1:(\d+)/", daemon.said)
        assert admin is not None, daemon.said
        client = await self.connect_from("127.0.0.9", int(admin[1]))
        client.send(request(target=b"/metrics"))
        answer = await client.response()
        self.assertIn(b"\nprocess_max_fds %d.0\n" % LIMIT, answer.body)
        kept = [each for each in held if not each.outcome]
        self.assertGreater(len(kept), LIMIT // 4, "it holds what it can")
        daemon.signal("TERM")
        self.assertEqual(await daemon.ended(), 0, daemon.said)
        self.assertIn(f"may open only {LIMIT} file descriptors", daemon.said)
        self.assertIn("LimitNOFILE=", daemon.said)
        self.assertNotIn("Traceback", daemon.said)
        self.assertLess(daemon.said.count("\n"), 40, "no flood of lines")

    async def test_idle(self) -> None:
        """Others hold all connections that there are, idle after a request."""
        daemon = await self.started(await self.upstream())
        await self.assert_serves_others(daemon, await self.hold(daemon, asking=True))

    async def test_silent(self) -> None:
        """Others hold all connections that there are, and have never sent anything."""
        daemon = await self.started(await self.upstream())
        await self.assert_serves_others(daemon, await self.hold(daemon, asking=False))

    async def test_none_left(self) -> None:
        """The limit sinks below what is open: idle connections are closed until it suffices."""
        daemon = await self.started(await self.upstream())
        port = await daemon.port()
        held = [await self.connect_from("127.0.0.2", port) for _ in range(FEW)]
        for each in held:
            self.assertEqual(await self.status_of(each), 200)
        limits = (self.open_in(daemon), LIMIT)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, limits)
        client = await self.connect_from("127.0.0.9", port)
        self.assertEqual(await self.status_of(client), 200)
        daemon.signal("TERM")
        self.assertEqual(await daemon.ended(), 0, daemon.said)
        self.assertIn("the process ran out of descriptors", daemon.said)
        self.assertNotIn("Traceback", daemon.said)
