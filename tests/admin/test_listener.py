"""The admin listener: where it listens, and that it shares nothing with the gate's clients."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.error import ConnectError
from twisted.internet.protocol import Factory

from corsgate.admin.listener import ADMIN_LIMITS
from corsgate.admin.resource import TEXT, AdminResource, AdminRoot, respond, stream
from corsgate.config.model.admin import Admin
from corsgate.config.model.values import Config
from corsgate.errors import ConfigError
from corsgate.server.request import GateRequest
from tests.admin.support import ADMIN, AdminTestCase, port_of
from tests.peers import Client, reactor, request, response
from tests.support import LISTEN, parse

CONFIG = (
    LISTEN
    + """
[upstreams.a]
servers = ["http://127.0.0.1:1"]
[routes."/"]
upstream = "a"
"""
)


class Page(AdminResource):
    """Responds at once."""

    def serve(self, request: GateRequest) -> None:
        """Respond."""
        respond(request, TEXT, b"here")


class Endless(AdminResource):
    """Responds and never ends."""

    def serve(self, request: GateRequest) -> None:
        """Respond."""
        stream(request, b"text/event-stream")
        request.write(b"first")


def populate(root: AdminRoot) -> None:
    """Add the addresses of these tests."""
    root.add(b"", Page())
    root.add(b"endless", Endless())


class Reloaded:
    """Stands where a gate does whose configuration changes."""

    file = "gate.toml"
    listeners = ()

    def __init__(self, listen: str) -> None:
        self.use(listen)

    def use(self, listen: str | None) -> Config:
        """Have a configuration with this admin listener, and return it."""
        admin = None if listen is None else Admin(listen=listen)
        self.config = attrs.evolve(parse(CONFIG), admin=admin)
        return self.config

    def when_stopped(self) -> Deferred[None]:
        """Return that it has drained."""
        return succeed(None)

    def stop(self) -> None:
        """Do nothing: it serves nobody."""

    @property
    def service(self) -> Any:
        """The gate itself."""
        return self


def socket_path(name: str) -> str:
    """Return a path that is short enough for a Unix socket, and make its directory."""
    path = os.path.relpath(name)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    return path


class AdminServiceTests(AdminTestCase):
    """`AdminService`."""

    def streams(self, client: Client) -> Deferred[bool]:
        """Return a Deferred that fires once an endless response has begun."""
        return client.when(lambda: b"first" in client.data)

    async def test_off(self) -> None:
        """Without [admin] nothing listens."""
        service = self.admin(self.front(await self.upstream()), populate)
        self.assertIsNone(service.port)

    async def test_unix_socket(self) -> None:
        """On a Unix socket any Host is served: no web site can reach it."""
        path = socket_path(self.mktemp())
        gate = self.front(await self.upstream(), rest=f'[admin]\nlisten = "unix:{path}"\n')
        self.admin(gate, populate)
        # Neither is it for each user of this machine, unless it has another mode.
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o660)
        client: Any = await UNIXClientEndpoint(reactor, path).connect(Factory.forProtocol(Client))
        client.send(request(b"GET", b"/", host=b"status.example"))
        answer = await client.response()
        self.assertEqual((answer.status, answer.body), (200, b"here"))
        await client.close()

    async def test_port_in_use(self) -> None:
        """An address that is taken is a fault; in quick mode a free one is used instead."""
        gate = self.front(await self.upstream(), rest=ADMIN)
        first = self.admin(gate, populate)
        listen = f"tcp:{port_of(first)}:interface=127.0.0.1"
        other = self.front(await self.upstream(), rest=f'[admin]\nlisten = "{listen}"\n')
        with self.assertRaises(ConfigError) as caught:
            self.admin(other, populate)
        (fault,) = caught.exception.faults
        self.assertEqual(fault.key, "admin.listen")
        self.assertIn("Address already in use", fault.problem)
        second = self.admin(other, populate, any_port=True)
        self.assertNotEqual(port_of(second), port_of(first))
        self.assertEqual((await self.get(second)).status, 200)

    async def test_not_logged(self) -> None:
        """Its requests are not in the access log."""
        gate = self.front(await self.upstream(), rest=ADMIN)
        service = self.admin(gate, populate)
        await self.get(service)
        await self.assert_serves(gate)
        line = await gate.logged()
        self.assertIn("/v1/fine", line)
        self.assertEqual(len(gate.lines), 1)

    async def test_gate_flooded(self) -> None:
        """Where the gate takes no more connections, the operator still gets in."""
        limits = "[limits]\nmax_connections = 1\nmax_connections_per_client = 1\n"
        upstream = await self.upstream(None)
        gate = self.front(upstream, rest=ADMIN + limits)
        service = self.admin(gate, populate)
        busy = await self.connect(gate)
        busy.send(request(b"GET", b"/v1/x"))
        await upstream.arrived()
        refused = await self.connect(gate)
        await refused.gone()
        self.assertEqual((await self.get(service)).status, 200)

    async def test_admin_flooded(self) -> None:
        """Clients of the admin listener take no place of the gate's clients."""
        gate = self.front(await self.upstream(), rest=ADMIN)
        service = self.admin(gate, populate)
        clients = []
        for _ in range(ADMIN_LIMITS.max_connections):
            client = await self.connect_to(port_of(service))
            client.send(request(b"GET", b"/endless"))
            clients.append(client)
        for client in clients:
            await self.streams(client)
        more = await self.connect_to(port_of(service))
        await more.gone()
        self.assertEqual(gate.service.admission.connections, 0)
        await self.assert_serves(gate)

    async def test_reload(self) -> None:
        """When another address comes into force, it listens there and no longer at the old one."""
        gate = Reloaded("tcp:0:interface=127.0.0.1")
        service = self.admin(gate, populate)
        service.follow(gate.config)
        first = port_of(service)
        path = socket_path(self.mktemp())
        service.follow(gate.use(f"unix:{path}"))
        client: Any = await UNIXClientEndpoint(reactor, path).connect(Factory.forProtocol(Client))
        client.send(request(b"GET", b"/"))
        self.assertEqual((await client.response()).body, b"here")
        await client.close()
        with self.assertRaises(ConnectError):
            await self.connect_to(first)
        service.follow(gate.use(None))
        self.assertIsNone(service.port)
        service.follow(gate.use("tcp:0:interface=127.0.0.1"))
        self.assertEqual((await self.get(service)).status, 200)

    async def test_mode_changes(self) -> None:
        """The permissions of a Unix socket change in place: it can't be opened twice."""
        path = socket_path(self.mktemp())
        gate = Reloaded(f"unix:{path}:mode=600")
        service = self.admin(gate, populate)
        port = service.port
        service.follow(gate.use(f"unix:{path}:mode=660"))
        self.assertIs(service.port, port)
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o660)

    async def test_reload_to_a_taken_address(self) -> None:
        """If the new address is not available, that is a fault, and the old one stays."""
        gate = Reloaded("tcp:0:interface=127.0.0.1")
        service = self.admin(gate, populate)
        other = self.admin(Reloaded("tcp:0:interface=127.0.0.1"), populate)
        with self.assertRaises(ConfigError) as caught:
            service.follow(gate.use(f"tcp:{port_of(other)}:interface=127.0.0.1"))
        (fault,) = caught.exception.faults
        self.assertEqual((fault.file, fault.key), ("gate.toml", "admin.listen"))
        self.assertIn("can't listen on", fault.problem)
        self.assertIn(f"stop process {os.getpid()} (", fault.fix)
        self.assertEqual((await self.get(service)).status, 200)

    async def test_drain(self) -> None:
        """While the gate drains, the admin listener goes on; then it ends, streams too."""
        upstream = await self.upstream(None)
        gate = self.front(upstream, rest=ADMIN)
        service = self.admin(gate, populate)
        client = await self.connect(gate)
        client.send(request(b"GET", b"/v1/x"))
        asked = await upstream.arrived()
        watching = await self.connect_to(port_of(service))
        watching.send(request(b"GET", b"/endless"))
        await self.streams(watching)
        gate.stop()
        stopped = service.stopService()
        self.assertEqual((await self.get(service)).status, 200)
        self.assertNoResult(stopped)
        asked.connection.send(response(body=b"late"))
        self.assertEqual((await client.response()).body, b"late")
        await stopped
        await watching.gone()
