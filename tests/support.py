"""A whole gate on a real socket, for tests of all its parts together."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from hashlib import shake_256
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory
from twisted.trial.unittest import TestCase

from corsgate.config.model.values import Config
from corsgate.config.parse import parse_config
from corsgate.cors.check import CORS_RULES
from corsgate.gate.service import GateService
from corsgate.message.headers import Header
from tests.peers import Client, Message, Upstream, Watched, reactor, request

APP = b"https://app.example"
"""The origin that `POLICY` allows."""

FOREIGN = b"http://evil.example"

FROM_APP = (b"Origin", APP)
FROM_FOREIGN = (b"Origin", FOREIGN)

LISTEN = 'listen = ["tcp:0:interface=127.0.0.1"]\n'

POLICY = """
[cors.app]
allow_origins = ["https://app.example"]
allow_methods = ["GET", "PUT", "POST", "DELETE"]
allow_headers = ["Content-Type"]
expose_headers = ["X-Total"]
allow_credentials = true
"""

PASSWORD = "s3cret-of-the-gate"
BASIC = 'credentials = { type = "basic", username = "admin", password = { env = "PASSWORD" } }'
DIGEST = 'credentials = { type = "digest", username = "admin", password = { env = "PASSWORD" } }'


def random_bytes(seed: bytes) -> Callable[[int], bytes]:
    """Return a source of random bytes that a test can predict.

    They repeat the seed, except in calls for more than 64 bytes: request ids must differ.
    """
    return lambda size: seed * size if size <= 64 else shake_256(seed).digest(size)


class Gate(Watched):
    """A gate that listens on a port of its own.

    Args:
        config: Its configuration.
        write: Also called with each line of its access log.
        seed: The seed of its random bytes; gates in front of each other need different ones.

    Attributes:
        lines: The lines of its access log.
    """

    def __init__(
        self, config: Config, write: Callable[[str], None] | None = None, *, seed: bytes = b"\x5a"
    ) -> None:
        super().__init__()
        self._write_too = write
        self.lines: list[str] = []
        self.service = GateService(
            config, reactor, rng=random_bytes(seed), file="gate.toml", write=self._write
        )
        self.service.privilegedStartService()
        self.service.startService()
        address: Any = self.service.ports[0].getHost()
        self.port: int = getattr(address, "port", 0)
        self._stopped: Deferred[None] | None = None

    def stop(self) -> Deferred[None]:
        """Drain and close it; calling it again has no effect."""
        if self._stopped is None:
            self._stopped = self.service.stopService()
            return self._stopped
        return succeed(None)

    async def reload(self, config: Config) -> None:
        """Replace the configuration."""
        await self.service.swap(self.service.prepare(config))

    def logged(self, count: int = 1) -> Deferred[str]:
        """Return a Deferred of the access log's line with this number, counted from 1."""
        return self.when(lambda: len(self.lines) >= count).addCallback(
            lambda _: self.lines[count - 1]
        )

    def _write(self, line: str) -> None:
        self.lines.append(line)
        self.changed()
        if self._write_too is not None:
            self._write_too(line)


def parse(toml: str) -> Config:
    """Return the configuration that a file with this text has."""
    return parse_config(
        toml,
        file="gate.toml",
        environ={"PASSWORD": PASSWORD},
        read_file=lambda name: b"",
        cors_rules=CORS_RULES,
        has_spnego=True,
    )


class GateTestCase(TestCase):
    """A test case that closes every socket at its end."""

    # No test waits for it: it only ends one that hangs, also on a busy machine.
    timeout = 120

    async def upstream(self, *answers: bytes | None) -> Upstream:
        """Return an upstream that sends these responses in turn; by default always a short 200."""
        upstream = await Upstream().start()
        self.addCleanup(lambda: Deferred.fromCoroutine(upstream.stop()))
        if answers:
            upstream.script(*answers)
        return upstream

    def serve(self, toml: str, write: Callable[[str], None] | None = None) -> Gate:
        """Return a gate with a configuration, which gets `LISTEN` if it has no listener."""
        has_listener = "listen = [" in toml or "[[listener]]" in toml
        return self.serve_config(parse(toml if has_listener else LISTEN + toml), write)

    def serve_config(
        self,
        config: Config,
        write: Callable[[str], None] | None = None,
        *,
        seed: bytes = b"\x5a",
    ) -> Gate:
        """Return a gate with a configuration."""
        gate = Gate(config, write, seed=seed)
        self.addCleanup(gate.stop)
        return gate

    def front(
        self,
        *upstreams: Upstream,
        upstream: str = "",
        route: str = "",
        prefix: str = "/v1",
        rest: str = "",
        base: str = "",
    ) -> Gate:
        """Return a gate with one route, whose policy is `POLICY`.

        Args:
            upstreams: The servers.
            upstream: More lines for the upstream.
            route: More lines for the route.
            prefix: The route's prefix.
            rest: More tables, such as ``[limits]``.
            base: The path in the servers' URLs.
        """
        servers = json.dumps([each.url + base for each in upstreams])
        return self.serve(
            f"[upstreams.a]\nservers = {servers}\n{upstream}\n{POLICY}\n"
            f'[routes."{prefix}"]\nupstream = "a"\ncors = "app"\n{route}\n{rest}\n'
        )

    async def connect(self, gate: Gate) -> Client:
        """Return a new connection to a gate."""
        return await self.connect_to(gate.port)

    async def connect_to(self, port: int) -> Client:
        """Return a new connection to a port."""
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
        client: Any = await endpoint.connect(Factory.forProtocol(Client))
        assert isinstance(client, Client)
        self.addCleanup(client.close)
        return client

    async def send(self, gate: Gate, data: bytes) -> Message:
        """Send bytes on a new connection, and close it; return the response."""
        return await self.send_to(gate.port, data)

    async def send_to(self, port: int, data: bytes) -> Message:
        """Send bytes to a port on a new connection, and close it; return the response."""
        client = await self.connect_to(port)
        client.send(data)
        answer = await client.response(bodiless=data.startswith(b"HEAD "))
        await client.close()
        return answer

    async def ask(
        self,
        gate: Gate,
        method: bytes = b"GET",
        target: bytes = b"/v1/x",
        headers: Iterable[Header] = (),
        body: bytes | None = None,
        *,
        host: bytes = b"localhost",
    ) -> Message:
        """Send one request on a new connection; return the response."""
        return await self.send(gate, request(method, target, headers, body, host=host))

    async def assert_serves(self, gate: Gate, target: bytes = b"/v1/fine") -> None:
        """Assert that the gate still serves requests."""
        answer = await self.ask(gate, target=target)
        self.assertEqual(answer.status, 200)
