"""Too few descriptors: bounds that fit into them, and who is served nevertheless."""

from __future__ import annotations

import contextlib
import resource
import signal
import socket
from contextlib import ExitStack
from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory
from twisted.trial.unittest import SynchronousTestCase

from corsgate.admin.listener import ADMIN_LIMITS
from corsgate.config.model.admin import Admin
from corsgate.config.model.values import Config
from corsgate.daemon.descriptors import fit, needed, raise_limit
from tests.peers import Client, Upstream, reactor, request, response
from tests.support import LISTEN, parse
from tests.twistd import Daemon, DaemonTestCase

LIMIT = 256
CONNECTIONS = 300

UPSTREAM = '[upstreams.a]\nservers = ["http://127.0.0.1:9"]\n{more}[routes."/"]\nupstream = "a"\n'
LIMITED = f"import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, ({LIMIT}, {LIMIT}))"

# On one signal it opens all descriptors that there are, on the other it closes those.
HOGGING = """
import os, resource, signal
resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
hogged = []
def hog(*_):
    try:
        while True:
            hogged.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        os.write(2, b"hogged\\n")
def release(*_):
    while hogged:
        os.close(hogged.pop())
    os.write(2, b"released\\n")
signal.signal({hog}, hog)
signal.signal({release}, release)
"""


class Fit(SynchronousTestCase):
    def config(self, most: int = 10_000, per_client: int = 1000, pool: int = 1024) -> Config:
        """Return a configuration with these bounds."""
        more = (
            f"max_connections = {pool}\n[limits]\nmax_connections = {most}\n"
            f"max_connections_per_client = {per_client}\n"
        )
        return parse(LISTEN + UPSTREAM.format(more=more))

    def bounds(self, config: Config, limit: int) -> tuple[int, int, int]:
        """Return the bounds that fit: of all clients, of each client, of each server."""
        fitted = fit(config, limit).config
        return (
            fitted.limits.max_connections,
            fitted.limits.max_connections_per_client,
            fitted.upstreams["a"].pool.max_connections,
        )

    def test_admin(self) -> None:
        """The admin listener has descriptors of its own, which the gate's clients can't take."""
        config = self.config()
        more = attrs.evolve(config, admin=Admin())
        self.assertGreaterEqual(needed(more) - needed(config), ADMIN_LIMITS.max_connections + 1)
        self.assertLess(self.bounds(more, 1024)[0], self.bounds(config, 1024)[0])

    def test_enough(self) -> None:
        """With what is needed, nothing changes and nothing is said."""
        config = self.config()
        for limit in (needed(config), 12_000, 10**6):
            fitted = fit(config, limit)
            self.assertIs(fitted.config, config)
            self.assertEqual(fitted.lines, ())

    def test_needed(self) -> None:
        """What is needed covers each client's connection, its tunnel, and the pools."""
        self.assertGreater(needed(self.config()), 2 * 10_000 + 1024)
        self.assertLess(needed(self.config()), 2 * 10_000 + 1024 + 100)

    def test_too_few(self) -> None:
        """One half of what is beyond the reserve is for clients, half of that for each."""
        config = self.config()
        self.assertEqual(self.bounds(config, 1024), (480, 240, 479))
        (line,) = fit(config, 1024).lines
        for part in ("1024", "max_connections = 480", "max_connections_per_client = 240", "479"):
            self.assertIn(part, line)

    def test_halves_that_are_not_used(self) -> None:
        """What one side can't use is the other's."""
        self.assertEqual(self.bounds(self.config(most=100, per_client=90), 1024), (100, 90, 859))
        self.assertEqual(self.bounds(self.config(pool=100), 1024), (859, 429, 100))

    @given(st.integers(8, 30_000), st.integers(1, 20_000), st.integers(1, 2000))
    def test_any(self, limit: int, most: int, pool: int) -> None:
        """Whatever there is, it suffices for both sides, and each has a connection at least."""
        clients, per_client, server = self.bounds(self.config(most=most, pool=pool), limit)
        self.assertTrue(1 <= clients <= most and 1 <= per_client <= 1000 and 1 <= server <= pool)
        self.assertLessEqual(clients + server, max(limit, 2))

    def test_raise_limit(self) -> None:
        """The soft limit is raised as far as the hard one lets, and never lowered."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
        self.assertEqual(raise_limit(100), 100)
        self.assertEqual(resource.getrlimit(resource.RLIMIT_NOFILE), (200, hard))
        self.assertEqual(raise_limit(220), 220)
        self.assertEqual(resource.getrlimit(resource.RLIMIT_NOFILE), (220, hard))
        if hard != resource.RLIM_INFINITY:
            self.assertEqual(raise_limit(hard + 1), hard)
            self.assertEqual(resource.getrlimit(resource.RLIMIT_NOFILE), (hard, hard))


class OneClientTakesAll(DaemonTestCase):
    """The whole process with few descriptors, and a client with more connections than that."""

    async def other(self, port: int) -> Client:
        """Return a connection of another client's."""
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port, bindAddress=("127.0.0.2", 0))
        client: Any = await endpoint.connect(Factory.forProtocol(Client))
        self.addCleanup(client.close)
        return client  # type: ignore[no-any-return]

    async def attack(self, sent: bytes) -> Daemon:
        """Return a daemon to which one client has `CONNECTIONS`, on each of which it sent this."""
        upstream = await self.upstream(response(body=b"ok"))
        daemon = self.configured(
            f'{LISTEN}[upstreams.a]\nservers = ["{upstream.url}"]\n[routes."/"]\nupstream = "a"\n',
            LIMITED,
        )
        port = await daemon.port()
        stack = ExitStack()
        self.addCleanup(stack.close)
        for _ in range(CONNECTIONS):
            attacker = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            # It may have had to make room for a later one by then.
            with contextlib.suppress(ConnectionError):
                attacker.sendall(sent)
        return daemon

    async def check(self, sent: bytes) -> None:
        """Assert that another client is served on old connections and on new ones."""
        daemon = await self.attack(sent)
        port = await daemon.port()
        kept = await self.other(port)
        for _ in range(20):
            for client in (kept, await self.other(port)):
                client.send(request())
                self.assertEqual((await client.response()).status, 200)
        await daemon.kill()
        self.assertEqual(daemon.said.count("may open only"), 1)
        self.assertNotIn("EMFILE", daemon.said)
        lines = daemon.said.splitlines()
        self.assertLess(len([line for line in lines if '"target": ' not in line]), 20)

    async def test_silent(self) -> None:
        """Connections on which nothing was ever sent give way."""
        await self.check(b"")

    async def test_idle(self) -> None:
        """So do those that are kept after a request."""
        await self.check(request())

    async def test_half_a_head(self) -> None:
        """So do those whose head doesn't come."""
        await self.check(request()[:-2])


class NoDescriptorLeft(DaemonTestCase):
    """The whole process when it has none left, whatever took them."""

    def start(self, url: str) -> Daemon:
        """Return a daemon with a server at this URL."""
        toml = f'[upstreams.a]\nservers = ["{url}"]\n[routes."/"]\nupstream = "a"\n'
        numbers = {"hog": int(signal.SIGRTMIN), "release": int(signal.SIGRTMIN) + 1}
        return self.configured(LISTEN + toml, HOGGING.format(**numbers))

    def say(self, daemon: Daemon, number: int, word: str) -> Deferred[object]:
        """Send a daemon a signal; return a Deferred of its saying that it is done."""
        before = daemon.said.count(word)
        daemon.process.signalProcess(int(signal.SIGRTMIN) + number)
        return daemon.when(lambda: daemon.said.count(word) > before)

    async def hog(self, daemon: Daemon, upstream: Upstream, client: Client) -> None:
        """Take all of a daemon's descriptors, once it has closed those that it is done with."""
        await upstream.connections[-1].gone()
        # It is answered at the gate, so that all that came before has been dealt with.
        client.send(request(b"TRACE"))
        self.assertEqual((await client.response()).status, 405)
        await self.say(daemon, 0, "hogged")

    async def upstream_that_closes(self) -> Upstream:
        """Return an upstream that is connected to anew for each request."""
        return await self.upstream(response(headers=[(b"Connection", b"close")], body=b"ok"))

    async def test_upstream(self) -> None:
        """An idle client gives way to a request; with none it is 503, and no server's fault."""
        upstream = await self.upstream_that_closes()
        for url in (upstream.url, f"http://localhost:{upstream.port}"):
            daemon = self.start(url)
            idle, client = await self.client(daemon), await self.client(daemon)
            for each in (idle, client):
                each.send(request())
                self.assertEqual((await each.response()).status, 200)
            await self.hog(daemon, upstream, client)
            client.send(request())
            self.assertEqual((await client.response()).status, 200)
            self.assertEqual(await idle.gone(), "closed")
            for _ in range(8):
                await self.hog(daemon, upstream, client)
                client.send(request())
                self.assertEqual((await client.response()).status, 503)
            await self.say(daemon, 1, "released")
            client.send(request())
            self.assertEqual((await client.response()).status, 200)
            await client.close()
            daemon.signal("TERM")
            self.assertEqual(await daemon.ended(), 0)
            # The line at the start is the only one about the upstream.
            self.assertEqual(daemon.said.count("upstream a:"), 1)
            self.assertEqual(daemon.said.count("out of descriptors"), 1)

    async def test_accept(self) -> None:
        """A connection that can't be accepted waits until it can, and costs one line."""
        upstream = await self.upstream()
        daemon = self.start(upstream.url)
        port = await daemon.port()
        first = await self.client(daemon)
        first.send(request())
        await first.response()
        await upstream.connections[-1].close()
        await self.hog(daemon, upstream, first)
        with ExitStack() as stack:
            waiting = [
                stack.enter_context(socket.create_connection(("127.0.0.1", port)))
                for _ in range(40)
            ]
            client = await self.connect_to(port)
            client.send(request())
            self.assertEqual(await first.gone(), "closed")
            await self.say(daemon, 1, "released")
            self.assertEqual((await client.response()).status, 200)
            self.assertEqual(len(waiting), 40)
        await client.close()
        daemon.signal("TERM")
        self.assertEqual(await daemon.ended(), 0)
        self.assertEqual(daemon.said.count("out of descriptors"), 1)
        self.assertNotIn("EMFILE", daemon.said)
        self.assertNotIn("Traceback", daemon.said)
