"""Servers that come and go while the gate serves, and those that aren't at a port."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import SkipTest

import attrs
from twisted.internet.address import IPv4Address
from twisted.internet.endpoints import TCP6ServerEndpoint, UNIXServerEndpoint
from twisted.internet.interfaces import IHostnameResolver
from twisted.internet.protocol import DatagramProtocol
from zope.interface import implementer

from corsgate.config.parse import parse_config
from tests.dnsmasq import Dnsmasq
from tests.peers import Message, Upstream, hanging, reactor, request, response
from tests.support import LISTEN, Gate, GateTestCase

ROUTE = '[routes."/v1"]\nupstream = "a"\n'
FIRST, SECOND = "127.0.0.1", "127.0.0.2"
NAME = "api.test"


class DiscoveryTestCase(GateTestCase):
    """A gate whose servers change."""

    async def pair(self) -> tuple[Upstream, Upstream]:
        """Return servers on one port of two addresses."""
        first = Upstream()
        await first.start()
        port = int(first.authority.partition(b":")[2])
        second = Upstream()
        await second.start(SECOND, port)
        for server in (first, second):
            self.addCleanup(server.stop)
            server.script(response(body=server.authority))
        return first, second

    async def until(self, gate: Gate, met: Callable[[Message], bool]) -> Message:
        """Ask again and again until an answer is as it should be."""
        while not met(answer := await self.ask(gate)):
            pass
        return answer

    async def assert_served_by(self, gate: Gate, *servers: Upstream) -> None:
        """Assert that in four requests each of these, and no other, answers."""
        bodies = {(await self.ask(gate)).body for _ in range(4)}
        self.assertEqual(bodies, {server.authority for server in servers})


class Dns(DiscoveryTestCase):
    """A real dnsmasq, whose answers hold for a second."""

    async def dns(self, *more: str, **hosts: list[str]) -> Dnsmasq:
        """Return a DNS server."""
        server = Dnsmasq(Path(self.mktemp()), *more)
        self.addCleanup(server.stop)
        return await server.start({NAME: [FIRST], **hosts})

    def gate_at(self, url: str, dns: Dnsmasq, more: str = "") -> Gate:
        """Return a gate that asks a DNS server for its servers."""
        return self.serve(
            f'[upstreams.a]\nservers = ["{url}"]\nresolver = "127.0.0.1:{dns.port}"\n'
            f'slow_start = "0s"\n{more}\n{ROUTE}'
        )

    async def test_follows(self) -> None:
        """By its answers' own time the gate follows what DNS says; who stays is kept."""
        first, second = await self.pair()
        port = first.authority.decode().partition(":")[2]
        dns = await self.dns()
        gate = self.gate_at(f"dns+http://{NAME}:{port}", dns)
        self.assertEqual((await self.ask(gate)).status, 200)
        self.assertEqual(first.requests[0].one(b"Host"), f"{NAME}:{port}".encode())

        await dns.change({NAME: [FIRST, SECOND]})
        await self.until(gate, lambda answer: answer.body == second.authority)
        await self.assert_served_by(gate, first, second)
        self.assertEqual(len(first.connections), 1)

        await dns.change({NAME: [SECOND]})
        await first.connections[0].gone()
        await self.assert_served_by(gate, second)

    async def test_keeps_the_last_good(self) -> None:
        """A name that is gone, and a DNS server that is, take no server away."""
        first, _ = await self.pair()
        port = first.authority.decode().partition(":")[2]
        dns = await self.dns()
        gate = self.gate_at(f"dns+http://{NAME}:{port}", dns)
        self.assertEqual((await self.ask(gate)).status, 200)
        await dns.change({"other.test": [SECOND]})
        for watcher in gate.service.upstreams["a"].watchers:
            await watcher.refresh()
        await self.assert_served_by(gate, first)
        await dns.stop()
        await self.assert_served_by(gate, first)

    async def test_none_yet(self) -> None:
        """Where DNS knows no server, a client gets 503 and is told to come back."""
        dns = await self.dns()
        gate = self.gate_at("dns+http://no.test", dns)
        answer = await self.ask(gate)
        self.assertEqual(answer.status, 503)
        self.assertIn(b"retry-after", answer.fields)

    async def test_silent(self) -> None:
        """A DNS server that says nothing holds a client up no longer than connecting may take."""
        silent = SilentServer()
        port = reactor.listenUDP(0, silent, interface=FIRST)
        self.addCleanup(port.stopListening)
        gate = self.serve(
            '[upstreams.a]\nservers = ["dns+http://api.test"]\n'
            f'resolver = "{FIRST}:{port.getHost().port}"\n{ROUTE}'
            '[limits]\nconnect_timeout = "50ms"\n'
        )
        self.assertEqual((await self.ask(gate)).status, 503)
        # What twisted.names has asked can't be taken back: let it end.
        silent.speak()
        for watcher in gate.service.upstreams["a"].watchers:
            await watcher.when_asked()

    async def test_service(self) -> None:
        """SRV says the ports; what has a higher priority is a backup."""
        servers = [await self.upstream(response(body=b"%d" % each)) for each in range(2)]
        ports = [int(server.authority.partition(b":")[2]) for server in servers]
        dns = await self.dns(
            f"--srv-host=_api._tcp.test,{NAME},{ports[0]},10,1",
            f"--srv-host=_api._tcp.test,{NAME},{ports[1]},20,1",
        )
        gate = self.gate_at("srv+http://_api._tcp.test", dns)
        self.assertEqual((await self.ask(gate)).status, 200)
        self.assertEqual([(await self.ask(gate)).body for _ in range(3)], [b"0"] * 3)
        self.assertEqual(servers[0].requests[0].one(b"Host"), f"{NAME}:{ports[0]}".encode())
        await servers[0].stop()
        self.assertEqual((await self.ask(gate)).body, b"1")

    async def test_probed(self) -> None:
        """Servers that are found are probed as others are."""
        first, second = await self.pair()
        first.answer = second.answer = lambda got: response(
            503 if got.connection in second.connections else 200, body=b"x"
        )
        port = first.authority.decode().partition(":")[2]
        dns = await self.dns(**{NAME: [FIRST, SECOND]})
        health = 'health = { path = "/well", interval = "10ms", fall = 1 }'
        gate = self.gate_at(f"dns+http://{NAME}:{port}", dns, f"retries = 0\n{health}")
        await second.when(
            lambda: sum(got.target == b"/well" for got in second.requests) > 2 or None
        )
        self.assertEqual({(await self.ask(gate)).status for _ in range(4)}, {200})


class Names(DiscoveryTestCase):
    """Addresses that get another name."""

    async def test_host(self) -> None:
        """A client's next request on the same connection is for the new name."""
        server = await self.upstream()
        gate = self.front(server)
        upstream = gate.service.upstreams["a"]
        (state,) = upstream.balancer.states.values()
        client = await self.connect(gate)
        for name in ("a.test", "b.test"):
            upstream.change([attrs.evolve(state.server, name=name)])
            client.send(request())
            await client.response()
        hosts = [got.one(b"Host") for got in server.requests]
        port = b":%d" % server.port
        self.assertEqual(hosts, [b"a.test" + port, b"b.test" + port])


class SilentServer(DatagramProtocol):
    """A DNS server that says nothing, until it is let refuse all that it was asked."""

    def __init__(self) -> None:
        self._queries: list[tuple[bytes, Any]] = []
        self._speaks = False

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Keep a question, or refuse to answer it (RFC 1035 4.1.1)."""
        if not self._speaks:
            self._queries.append((datagram, addr))
            return
        udp: Any = self.transport
        udp.write(datagram[:2] + b"\x81\x85" + datagram[4:], addr)

    def speak(self) -> None:
        """Refuse from now on."""
        self._speaks = True
        for query in self._queries:
            self.datagramReceived(*query)


class Files(DiscoveryTestCase):
    """A file of servers."""

    async def test_follows(self) -> None:
        """The gate reads it again when it changes."""
        first, second = await self.pair()
        path = Path(self.mktemp()).resolve()
        path.write_text(f'servers = ["{first.url}"]')
        config = parse_config(
            f'{LISTEN}[upstreams.a]\nservers = {{ file = "{path}" }}\n{ROUTE}',
            file="gate.toml",
            environ={},
            read_file=lambda name: Path(name).read_bytes(),
        )
        gate = self.serve_config(config)
        await self.assert_served_by(gate, first)
        written = path.with_suffix(".new")
        written.write_text(f'servers = ["{second.url}"]')
        written.rename(path)
        await self.until(gate, lambda answer: answer.body == second.authority)
        await self.assert_served_by(gate, second)


class Places(GateTestCase):
    """Servers that aren't at a port of an IPv4 address."""

    async def listening(self, endpoint: object) -> Upstream:
        """Return a server on an endpoint."""
        server = Upstream()
        await server.start_on(endpoint)
        self.addCleanup(server.stop)
        return server

    def gate_at(self, url: str) -> Gate:
        """Return a gate in front of one server."""
        return self.serve(f'[upstreams.a]\nservers = ["{url}"]\n{ROUTE}')

    async def test_unix(self) -> None:
        """A Unix socket is asked for as localhost; when it is gone, the client gets 502."""
        # A socket's path has few bytes, so that the test's own directory may be too long.
        directory = Path(f"/tmp/corsgate-test-{os.getpid()}")
        directory.mkdir(mode=0o700)
        path = directory / "app.sock"
        self.addCleanup(directory.rmdir)
        server = await self.listening(UNIXServerEndpoint(reactor, str(path)))
        gate = self.gate_at(f"unix:{path}")
        answer = await self.ask(gate, b"POST", body=b"data")
        self.assertEqual((answer.status, answer.body), (200, b"ok"))
        self.assertEqual(server.requests[0].one(b"Host"), b"localhost")
        self.assertEqual(server.requests[0].body, b"data")
        await server.stop()
        self.assertEqual((await self.ask(gate)).status, 502)

    async def test_ipv6(self) -> None:
        """An IPv6 address is a place like another."""
        if not _has_ipv6():
            raise SkipTest("this machine has no ::1")
        server = await self.listening(TCP6ServerEndpoint(reactor, 0, interface="::1"))
        url = f"http://[::1]:{server.port}"
        self.assertEqual((await self.ask(self.gate_at(url))).status, 200)
        self.assertEqual(server.requests[0].one(b"Host"), url.removeprefix("http://").encode())

    async def test_happy_eyeballs(self) -> None:
        """Of a name's addresses, one that connections hang at doesn't hold a request up."""
        server = await self.upstream()
        with hanging(SECOND, server.port):
            resolver = FixedResolver(SECOND, FIRST)
            old = reactor.installNameResolver(resolver)
            self.addCleanup(reactor.installNameResolver, old)
            gate = self.gate_at(f"http://two.test:{server.port}")
            self.assertEqual((await self.ask(gate)).status, 200)
        self.assertEqual(len(server.connections), 1)


@implementer(IHostnameResolver)
class FixedResolver:
    """Knows the same addresses of every name."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses

    def resolveHostName(
        self,
        resolutionReceiver: Any,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Any = None,
        transportSemantics: str = "TCP",
    ) -> Any:
        """Return them at once."""
        resolutionReceiver.resolutionBegan(self)
        for address in self._addresses:
            resolutionReceiver.addressResolved(IPv4Address("TCP", address, portNumber))
        resolutionReceiver.resolutionComplete()
        return self


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as made:
            made.bind(("::1", 0))
    except OSError:
        return False
    return True
