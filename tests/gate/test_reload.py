"""A configuration that is replaced while the gate runs, over real sockets."""

from __future__ import annotations

import gc
import json
from typing import Any
from weakref import ref

import attrs
from twisted.internet.error import ConnectError
from twisted.internet.task import deferLater

from corsgate.config.model.values import Config
from corsgate.errors import ConfigError
from tests.gate.test_tls import TlsTestCase
from tests.peers import Client, Upstream, hanging, reactor, request, response
from tests.support import APP, BASIC, DIGEST, FROM_APP, LISTEN, PASSWORD, POLICY, Gate, parse
from tests.support import GateTestCase as TestCase

SIGNED = "authorization"


def toml(
    *upstreams: Upstream,
    upstream: str = "",
    route: str = "",
    policy: str = POLICY,
    prefix: str = "/v1",
    listen: str = LISTEN,
    rest: str = "",
) -> Config:
    """Return a configuration with one route."""
    servers = json.dumps([each.url for each in upstreams])
    return parse(
        f"{listen}\n[upstreams.a]\nservers = {servers}\n{upstream}\n{policy}\n"
        f'[routes."{prefix}"]\nupstream = "a"\ncors = "app"\n{route}\n{rest}\n'
    )


class ReloadTestCase(TestCase):
    """A test case whose gate reloads."""

    async def front_of(self, **changes: Any) -> tuple[Upstream, Gate]:
        """Return an upstream and a gate before it."""
        upstream = await self.upstream()
        return upstream, self.serve_config(toml(upstream, **changes))

    async def get(self, client: Client, target: bytes = b"/v1/x", *fields: Any) -> Any:
        """Return the response to a GET on an open connection."""
        client.send(request(target=target, headers=fields or [FROM_APP]))
        return await client.response()


class OpenConnections(ReloadTestCase):
    """What was remembered before a reload decides nothing after it."""

    async def test_origin_removed(self) -> None:
        """An origin that a reload removes is refused on an open connection, the same head too."""
        upstream, gate = await self.front_of()
        client = await self.connect(gate)
        for _ in range(3):
            self.assertEqual((await self.get(client)).one(b"Access-Control-Allow-Origin"), APP)
        other = POLICY.replace("https://app.example", "https://other.example")
        await gate.reload(toml(upstream, policy=other))
        before = len(upstream.requests)
        answer = await self.get(client)
        self.assertEqual(answer.status, 403)
        self.assertNotIn(b"access-control-allow-origin", answer.fields)
        self.assertEqual((await self.get(client, b"/v1/y")).status, 403)
        self.assertEqual(len(upstream.requests), before)
        await gate.reload(toml(upstream))
        self.assertEqual((await self.get(client)).status, 200)

    async def test_route_moved(self) -> None:
        """A target belongs to another route, or to none, at once."""
        upstream, gate = await self.front_of()
        client = await self.connect(gate)
        self.assertEqual((await self.get(client)).status, 200)
        await gate.reload(toml(upstream, prefix="/v2"))
        self.assertEqual((await self.get(client)).status, 404)
        self.assertEqual((await self.get(client, b"/v2/x")).status, 200)

    async def test_credentials_removed(self) -> None:
        """Credentials that a reload removes are no longer sent, nor those that it replaces."""
        upstream, gate = await self.front_of(upstream=BASIC)
        client = await self.connect(gate)
        await self.get(client)
        await self.get(client)
        self.assertIn(b"authorization", upstream.requests[-1].fields)
        replaced = toml(upstream, upstream=BASIC.replace("admin", "other"))
        signed = upstream.requests[-1].one(b"authorization")
        await gate.reload(replaced)
        await self.get(client)
        self.assertNotEqual(upstream.requests[-1].one(b"authorization"), signed)
        await gate.reload(toml(upstream))
        await self.get(client)
        self.assertNotIn(b"authorization", upstream.requests[-1].fields)

    async def test_host_removed(self) -> None:
        """A host that is no longer served gets 421 on an open connection."""
        hosts = 'hosts = ["localhost", "other.test"]\n'
        upstream, gate = await self.front_of(listen=LISTEN + 'hosts = ["localhost"]\n')
        client = await self.connect(gate)
        self.assertEqual((await self.get(client)).status, 200)
        await gate.reload(toml(upstream, listen=LISTEN + 'hosts = ["other.test"]\n'))
        self.assertEqual((await self.get(client)).status, 421)
        await gate.reload(toml(upstream, listen=LISTEN + hosts))
        self.assertEqual((await self.get(client)).status, 200)

    async def test_proxy_no_longer_trusted(self) -> None:
        """What a proxy says of its client counts no more, on a connection that it has open."""
        table = '[[listener]]\nendpoint = "tcp:0:interface=127.0.0.1"\n'
        trusting = table + 'trusted_proxies = ["127.0.0.1"]\n'
        upstream, gate = await self.front_of(listen=trusting)
        client = await self.connect(gate)
        told = (b"X-Forwarded-For", b"192.0.2.9")
        for config, shown in ((trusting, "192.0.2.9"), (table, "127.0.0.1")):
            await gate.reload(toml(upstream, listen=config))
            for _ in range(2):
                await self.get(client, b"/v1/x", told)
                self.assertEqual(json.loads(gate.lines[-1])["client"], shown)

    async def test_limits(self) -> None:
        """A lower bound on heads holds for the next request of an open connection."""
        upstream, gate = await self.front_of()
        client = await self.connect(gate)
        large = (b"X-Large", b"a" * 1000)
        self.assertEqual((await self.get(client, b"/v1/y", large)).status, 200)
        await gate.reload(toml(upstream, rest='[limits]\nmax_head_bytes = "512B"\n'))
        self.assertEqual((await self.get(client, b"/v1/x", large)).status, 431)

    async def test_connections_bound(self) -> None:
        """A bound on connections holds for new ones."""
        upstream, gate = await self.front_of()
        rest = "[limits]\nmax_connections = 1\nmax_connections_per_client = 1\n"
        client = await self.connect(gate)
        client.send(b"GET ")
        await deferLater(reactor, 0)
        await gate.reload(toml(upstream, rest=rest))
        late = await self.connect(gate)
        await late.gone()


class InFlight(ReloadTestCase):
    """Requests in flight end on the configuration that they began with."""

    async def test_response(self) -> None:
        """A response that comes after a reload has the policy of its request's time."""
        upstream, gate = await self.front_of()
        upstream.script(None)
        client = await self.connect(gate)
        client.send(request(target=b"/v1/x", headers=[FROM_APP]))
        arrived = await upstream.arrived()
        empty = await self.upstream()
        await gate.reload(toml(empty, policy=POLICY.replace("app.example", "b.example")))
        arrived.connection.send(response(body=b"late"))
        answer = await client.response()
        self.assertEqual((answer.body, answer.one(b"Access-Control-Allow-Origin")), (b"late", APP))
        self.assertEqual((await self.get(client)).status, 403)

    async def test_failover(self) -> None:
        """A request that fails goes to a server of its own time, with its own credentials."""
        first, second, third = [await self.upstream() for _ in range(3)]
        first.script(None)
        gate = self.serve_config(toml(first, second, upstream=BASIC))
        client = await self.connect(gate)
        client.send(request(target=b"/v1/x", headers=[FROM_APP]))
        arrived = await first.arrived()
        await gate.reload(toml(third))
        await arrived.connection.close()
        self.assertEqual((await client.response()).status, 200)
        self.assertEqual((len(second.requests), len(third.requests)), (1, 0))
        self.assertIn(b"authorization", second.requests[0].fields)
        self.assertEqual((await self.get(client)).status, 200)
        self.assertEqual(len(third.requests), 1)

    async def test_drained(self) -> None:
        """Nothing of an old configuration is left once its requests have ended."""
        upstream, gate = await self.front_of()
        upstream.script(None)
        client = await self.connect(gate)
        client.send(request(target=b"/v1/x", headers=[FROM_APP]))
        arrived = await upstream.arrived()
        runtime = ref(gate.service.runtime)
        old = ref(gate.service.upstreams["a"])
        tree = ref(gate.service.listeners[0].served)
        other = await self.upstream()
        await gate.reload(toml(other))
        arrived.connection.send(response(body=b"late"))
        await client.response()
        await self.get(client)
        await deferLater(reactor, 0)
        del arrived
        gc.collect()
        self.assertEqual((runtime(), old(), tree()), (None, None, None))


class Kept(ReloadTestCase):
    """What is known of unchanged servers and upstreams stays known."""

    async def test_unchanged(self) -> None:
        """An unchanged upstream is kept as a whole, while its routes change."""
        upstream, gate = await self.front_of(upstream=DIGEST)
        before = gate.service.upstreams["a"]
        await gate.reload(toml(upstream, upstream=DIGEST, prefix="/v2"))
        self.assertIs(gate.service.upstreams["a"], before)

    async def test_connections(self) -> None:
        """A connection to a server goes on, unless what authenticates it has changed."""
        upstream, gate = await self.front_of(upstream=BASIC)
        client = await self.connect(gate)
        await self.get(client)
        await gate.reload(toml(upstream, upstream=f'{BASIC}\nbalance = "least_requests"'))
        await self.get(client)
        first, second = upstream.requests
        self.assertIs(first.connection, second.connection)
        changed = BASIC.replace("admin", "other")
        await gate.reload(toml(upstream, upstream=changed))
        self.assertEqual(await first.connection.gone(), "closed")
        await self.get(client)
        self.assertIsNot(upstream.requests[-1].connection, first.connection)

    async def test_down(self) -> None:
        """A server that was found to be down gets no request after a reload of its balancing."""
        upstream = await self.upstream()
        health = 'health = { path = "/", interval = "60s", fall = 1 }\n'
        gate = self.serve_config(toml(upstream, upstream=health))
        (state,) = gate.service.upstreams["a"].balancer.states.values()
        gate.service.upstreams["a"].balancer.probed(state, False, reactor.seconds())
        await gate.reload(toml(upstream, upstream=health + 'balance = "random_two"'))
        self.assertEqual((await self.ask(gate)).status, 503)
        await gate.reload(toml(upstream))
        self.assertEqual((await self.ask(gate)).status, 200)

    async def test_running(self) -> None:
        """Requests of before count against `max_requests`."""
        upstream, gate = await self.front_of(upstream="max_requests = 1")
        upstream.script(None, response())
        client = await self.connect(gate)
        client.send(request(target=b"/v1/x"))
        arrived = await upstream.arrived()
        await gate.reload(toml(upstream, upstream="max_requests = 1\nretries = 0"))
        self.assertEqual((await self.ask(gate)).status, 503)
        arrived.connection.send(response())
        await client.response()
        self.assertEqual((await self.ask(gate)).status, 200)

    async def test_sticky(self) -> None:
        """A cookie of before still leads to its server, its random key kept."""
        servers = [await self.upstream() for _ in range(3)]
        sticky = 'sticky = { cookie = "node" }\n'
        gate = self.serve_config(toml(*servers, upstream=sticky), seed=b"\x01")
        answer = await self.ask(gate)
        cookie = answer.one(b"Set-Cookie").partition(b";")[0]
        first = next(each for each in servers if each.requests)
        random: Any = gate.service._lasting
        gate.service._lasting = attrs.evolve(random, rng=lambda size: b"\x02" * size)
        await gate.reload(toml(*servers, upstream=sticky + "retries = 0"))
        for _ in range(3):
            await self.ask(gate, headers=[(b"Cookie", cookie)])
        self.assertEqual(len(first.requests), 4)

    async def test_nonce(self) -> None:
        """A digest nonce is kept where the credentials are the same."""
        challenge = (b"WWW-Authenticate", b'Digest realm="r", nonce="n", qop="auth"')
        upstream, gate = await self.front_of(upstream=DIGEST)
        upstream.script(response(401, [challenge]), response())
        self.assertEqual((await self.ask(gate)).status, 200)
        await gate.reload(toml(upstream, upstream=DIGEST + "\nretries = 0"))
        self.assertEqual((await self.ask(gate)).status, 200)
        self.assertEqual(len(upstream.requests), 3)
        self.assertIn(b'nonce="n"', upstream.requests[-1].one(b"Authorization"))
        self.assertNotIn(PASSWORD.encode(), upstream.requests[-1].one(b"Authorization"))


class Listeners(ReloadTestCase):
    """Listening sockets that stay, come and go."""

    async def test_stays(self) -> None:
        """An unchanged endpoint keeps its socket."""
        upstream, gate = await self.front_of()
        (port,) = gate.service.ports
        await gate.reload(toml(upstream, prefix="/v2"))
        self.assertEqual(gate.service.ports, [port])
        with_backlog = LISTEN.replace("127.0.0.1", "127.0.0.1:backlog=7")
        await gate.reload(toml(upstream, listen=with_backlog))
        self.assertEqual(gate.service.ports, [port])
        await self.assert_serves(gate)

    async def test_changes(self) -> None:
        """A new one listens before the old one is closed; connections of the old one drain."""
        upstream, gate = await self.front_of()
        upstream.script(None)
        idle, busy = await self.connect(gate), await self.connect(gate)
        await self.get(idle, b"/nothing")
        busy.send(request(target=b"/v1/x", headers=[FROM_APP]))
        arrived = await upstream.arrived()
        await gate.reload(toml(upstream, listen=LISTEN.replace("127.0.0.1", "127.0.0.2")))
        addresses: list[Any] = [port.getHost() for port in gate.service.ports]
        (host,) = addresses
        self.assertEqual(host.host, "127.0.0.2")
        await idle.gone()
        arrived.connection.send(response(body=b"late"))
        answer = await busy.response()
        self.assertEqual((answer.body, answer.one(b"Connection")), (b"late", b"close"))
        await busy.gone()
        with self.assertRaises(ConnectError):
            await self.connect(gate)
        self.assertEqual(gate.service._listening.leaving, {})

    async def test_taken(self) -> None:
        """Where one can't be opened, nothing changes, and the others are closed again."""
        upstream, gate = await self.front_of()
        with hanging() as url:
            taken = url.rpartition(":")[2]
            listen = (
                'listen = ["tcp:0:interface=127.0.0.1", "tcp:0:interface=127.0.0.2",'
                f' "tcp:{taken}:interface=127.0.0.1"]\n'
            )
            config = toml(upstream, listen=listen, prefix="/v2")
            before = gate.service.config
            with self.assertRaises(ConfigError) as caught:
                await gate.reload(config)
        self.assertIn("Address already in use", str(caught.exception))
        self.assertIs(gate.service.config, before)
        self.assertEqual(len(gate.service.ports), 1)
        await self.assert_serves(gate)

    async def test_own_port(self) -> None:
        """A fault says so where the gate itself is in the way."""
        upstream, gate = await self.front_of()
        listen = f'listen = ["tcp:{gate.port}:interface=0.0.0.0"]\nhosts = ["localhost"]\n'
        first = LISTEN.replace("tcp:0", f"tcp:{gate.port}")
        second = self.serve_config(toml(upstream, listen=first.replace("127.0.0.1", "127.0.0.3")))
        with self.assertRaises(ConfigError) as caught:
            await second.reload(toml(upstream, listen=listen))
        self.assertIn("restart the gate", str(caught.exception))

    async def test_stopping(self) -> None:
        """A gate that is stopping keeps what it has."""
        upstream, gate = await self.front_of()
        snapshot = gate.service.prepare(toml(upstream, prefix="/v2"))
        await gate.stop()
        with self.assertRaises(ConfigError):
            await gate.service.swap(snapshot)


class Tls(TlsTestCase):
    """Listeners that speak TLS, or begin to."""

    async def test_begins(self) -> None:
        """An endpoint that begins to speak TLS keeps its socket, and its open connections."""
        upstream = await self.upstream()
        gate = self.secure(upstream)
        secure = gate.service.config
        plain = attrs.evolve(secure.listeners[0], certificates=(), http2=False)
        (port,) = gate.service.ports
        await gate.reload(attrs.evolve(secure, listeners=(plain,)))
        client = await self.connect(gate)
        client.send(request(host=b"gate.test"))
        self.assertEqual((await client.response()).status, 200)
        self.assertIn(b"proto=http;", upstream.requests[-1].one(b"Forwarded") + b";")
        await gate.reload(secure)
        newer = await self.secured(gate)
        for each, proto in ((newer, b"https"), (client, b"http"), (newer, b"https")):
            each.send(request(host=b"gate.test"))
            self.assertEqual((await each.response()).status, 200)
            shown = upstream.requests[-1].one(b"Forwarded")
            self.assertIn(b"proto=%b;" % proto, shown + b";")
        self.assertEqual(gate.service.ports, [port])
