"""Servers that are probed: who is asked what, and who gets requests."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.peers import Message, Upstream, response
from tests.support import APP, BASIC, DIGEST, FROM_APP, Gate, GateTestCase

CHALLENGE = (b"WWW-Authenticate", b'Digest realm="box", nonce="n", qop="auth"')


def health(more: str = "") -> str:
    """Return a health check that doesn't make a test wait."""
    return (
        'health = { path = "/well", interval = "10ms", timeout = "100ms", rise = 2, fall = 2'
        f"{more} }}"
    )


def is_probe(got: Message) -> bool:
    """Return whether a request is a probe."""
    return got.target == b"/well"


class Probed(Upstream):
    """A server that answers probes otherwise than requests.

    Attributes:
        probes: How many probes came.
        well: Makes the answer to a probe; None for none.
    """

    def __init__(self) -> None:
        super().__init__()
        self.well: Callable[[Message], bytes | None] = lambda _: response()
        self.answer = lambda got: self.well(got) if is_probe(got) else response(body=b"ok")

    @property
    def probes(self) -> list[Message]:
        """The probes that came."""
        return [got for got in self.requests if is_probe(got)]

    @property
    def served(self) -> int:
        """How many other requests came."""
        return len(self.requests) - len(self.probes)

    async def judged(self, count: int) -> None:
        """Wait until so many further probes have been answered, and their answers taken in."""
        wanted = len(self.probes) + count + 1
        await self.when(lambda: len(self.probes) >= wanted)


class HealthTestCase(GateTestCase):
    """A gate in front of servers that it probes."""

    async def probed(self) -> Probed:
        """Return a server."""
        made = Probed()
        await made.start()
        self.addCleanup(made.stop)
        return made

    async def share(self, gate: Gate, *servers: Probed, count: int = 6) -> list[int]:
        """Return how many of some requests each server got."""
        before = [server.served for server in servers]
        for _ in range(count):
            self.assertEqual((await self.ask(gate)).status, 200)
        return [server.served - old for server, old in zip(servers, before, strict=True)]


class Health(HealthTestCase):
    """A server that its probes call down gets no requests."""

    async def assert_goes_down(
        self, answer: Callable[[Message], bytes | None], more: str = "", well: bytes = response()
    ) -> None:
        """Assert that a server which answers its probes like this gets nothing."""
        bad, good = await self.probed(), await self.probed()
        bad.well = answer
        good.well = lambda _: well
        gate = self.front(bad, good, upstream=health(more))
        await bad.judged(2)
        self.assertEqual(await self.share(gate, bad, good), [0, 6])

    async def test_unknown_is_used(self) -> None:
        """A start isn't held up: until a probe has been answered, all servers serve."""
        servers = [await self.probed(), await self.probed()]
        for server in servers:
            server.well = lambda _: None
        gate = self.front(
            *servers, upstream=health(', interval = "1h"').replace('interval = "10ms", ', "")
        )
        self.assertEqual(await self.share(gate, *servers), [3, 3])

    async def test_status(self) -> None:
        """By default 200 to 399 is well."""
        await self.assert_goes_down(lambda _: response(404))

    async def test_own_status(self) -> None:
        """Where statuses are named, no other is well."""
        await self.assert_goes_down(lambda _: response(200), ", status = [204]", response(204))

    async def test_body(self) -> None:
        """Where a text is named, the body must hold it."""
        well = response(body=b"we are all up")
        await self.assert_goes_down(lambda _: response(body=b"up"), ', body = "all up"', well)

    async def test_silent(self) -> None:
        """One that doesn't answer in time isn't well."""
        await self.assert_goes_down(lambda _: None)

    async def test_cut_short(self) -> None:
        """One that breaks off isn't well."""
        await self.assert_goes_down(lambda got: got.connection.close() and None)

    async def test_comes_back(self) -> None:
        """One that is well again is used again."""
        one, other = await self.probed(), await self.probed()
        one.well = lambda _: response(503)
        gate = self.front(one, other, upstream=health() + '\nslow_start = "0s"')
        await one.judged(2)
        self.assertEqual(await self.share(gate, one, other), [0, 6])
        one.well = lambda _: response(body=b"fine")
        await one.judged(2)
        self.assertEqual(await self.share(gate, one, other), [3, 3])

    async def test_all_down(self) -> None:
        """Where every server is down, the client is told so at once, and when to come back."""
        server = await self.probed()
        server.well = lambda _: response(503)
        gate = self.front(server, upstream=health())
        await server.judged(2)
        answer = await self.ask(gate)
        self.assertEqual(answer.status, 503)
        self.assertGreater(int(answer.one(b"Retry-After")), 0)
        self.assertEqual(server.served, 0)

    async def test_fallback(self) -> None:
        """Or gets what is to be answered then, with the route's CORS headers."""
        server = await self.probed()
        server.well = lambda _: response(503)
        down = 'on_down = { status = 200, body = "[]", content_type = "application/json" }'
        gate = self.front(server, upstream=f"{health()}\n{down}")
        await server.judged(2)
        answer = await self.ask(gate, headers=[FROM_APP])
        self.assertEqual((answer.status, answer.body), (200, b"[]"))
        self.assertEqual(answer.one(b"Content-Type"), b"application/json")
        self.assertEqual(answer.one(b"Access-Control-Allow-Origin"), APP)


class Probes(HealthTestCase):
    """What a probe is."""

    async def test_request(self) -> None:
        """It asks for the path below the server's own, with the server's Host."""
        server = await self.upstream()
        self.front(server, upstream=health(', method = "HEAD"'), base="/base")
        probe = await server.arrived()
        self.assertEqual((probe.method, probe.target), (b"HEAD", b"/base/well"))
        self.assertEqual(probe.one(b"Host"), server.authority)

    async def test_port(self) -> None:
        """It may go to another port of the same host."""
        server, side = await self.upstream(), await self.probed()
        port = side.authority.decode().partition(":")[2]
        self.front(server, upstream=health(f", port = {port}"))
        await side.judged(1)
        self.assertEqual(server.requests, [])

    async def test_credentials(self) -> None:
        """It is signed as requests are, a challenge answered; or not at all."""
        server = await self.probed()
        self.front(server, upstream=f"{health()}\n{BASIC}")
        await server.judged(1)
        self.assertTrue(server.probes[0].one(b"Authorization").startswith(b"Basic "))

        server = await self.probed()
        server.well = lambda got: (
            response() if b"authorization" in got.fields else response(401, [CHALLENGE])
        )
        gate = self.front(server, upstream=f"{health()}\n{DIGEST}")
        await server.judged(4)
        signed = [b"authorization" in probe.fields for probe in server.probes]
        self.assertEqual(signed[:3], [False, True, True])
        await self.assert_serves(gate)

        server = await self.probed()
        self.front(server, upstream=f"{health(', anonymous = true')}\n{BASIC}")
        await server.judged(1)
        self.assertNotIn(b"authorization", server.probes[0].fields)

    async def test_accounts_only(self) -> None:
        """Where there are only accounts of single origins, a probe has none, and is said to."""
        server = await self.probed()
        server.well = lambda _: response(401, [CHALLENGE])
        accounts = 'credentials_by_origin = { "https://app.example" = "one" }'
        gate = self.front(
            server,
            upstream=f"{health()}\n{accounts}",
            rest='[credentials.one]\ntype = "bearer"\ntoken = "t"\n',
        )
        await server.judged(4)
        (state,) = gate.service.upstreams["a"].balancer.states.values()
        self.assertIn("it answers 401 to a probe without credentials", state.reason)
        self.assertNotIn(b"authorization", server.probes[0].fields)

    async def test_own_connections(self) -> None:
        """Where all connections are busy, a server isn't down for it."""
        server = await self.probed()
        server.answer = lambda got: server.well(got) if is_probe(got) else None
        gate = self.front(server, upstream=f"{health()}\nmax_connections = 1\nmax_queue = 0")
        client = await self.connect(gate)
        client.send(b"GET /v1/slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await server.when(lambda: server.served)
        await server.judged(3)
        answer = await self.ask(gate)
        self.assertIn(b"busy", answer.body)

    async def test_stops(self) -> None:
        """A gate that stopped asks no more, one that is waiting for an answer too."""
        server = await self.probed()
        server.well = lambda _: None
        gate = self.front(server, upstream=health().replace('"100ms"', '"1h"'))
        await server.when(lambda: server.probes)
        await gate.stop()
        await server.connections[0].gone()

    async def test_not_logged(self) -> None:
        """No probe is in the access log."""
        server = await self.probed()
        gate = self.front(server, upstream=health())
        await server.judged(2)
        await self.ask(gate)
        self.assertEqual([json.loads(line)["target"] for line in gate.lines], ["/v1/x"])
