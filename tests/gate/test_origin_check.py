"""Boxes that check Origin themselves: they serve the pages that the gate allows, and no others."""

from __future__ import annotations

from collections.abc import Iterable

from corsgate.message.headers import Header
from tests.gate.test_http2 import Http2TestCase
from tests.peers import Message, Upstream, request, response
from tests.support import APP, FOREIGN, FROM_APP, FROM_FOREIGN, LISTEN, Gate, GateTestCase, parse

SWITCH = b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
OFFER = [(b"Connection", b"Upgrade"), (b"Upgrade", b"websocket")]
CROSS_SITE = (b"Sec-Fetch-Site", b"cross-site")
FIELDS = (b"origin", b"referer", b"sec-fetch-site")


class OriginCheckTestCase(GateTestCase):
    """A test case with a box like Jupyter, which refuses every page but its own."""

    async def box(self) -> Upstream:
        """Return a box that refuses an Origin, Referer or site other than its own."""
        box = await self.upstream()

        def answer(asked: Message) -> bytes:
            own, fields = b"http://" + asked.one(b"host"), asked.fields
            if any(
                (
                    fields.get(b"origin", [own]) != [own],
                    not fields.get(b"referer", [own + b"/"])[0].startswith(own + b"/"),
                    fields.get(b"sec-fetch-site", [b"same-origin"]) != [b"same-origin"],
                )
            ):
                return response(403, body=b"the box")
            return SWITCH if b"upgrade" in fields else response(body=b"ok")

        box.answer = answer
        return box

    async def statuses(
        self, gate: Gate, headers: Iterable[Header], *, host: bytes = b"localhost"
    ) -> list[int]:
        """Return what a GET, a POST and a WebSocket's handshake get."""
        headers = list(headers)
        found = []
        for sent in (
            request(headers=headers, host=host),
            request(b"POST", headers=headers, body=b"x", host=host),
            request(headers=[*headers, *OFFER], host=host),
        ):
            client = await self.connect(gate)
            client.send(sent)
            found.append((await client.response(bodiless=True)).status)
            await client.close()
        return found


class Default(OriginCheckTestCase):
    """Without any key in the configuration."""

    async def test_allowed_page(self) -> None:
        """A page that the policy allows is served; the box sees its own origin."""
        box = await self.box()
        gate = self.front(box)
        page = [FROM_APP, (b"Referer", APP + b"/page"), CROSS_SITE]
        self.assertEqual(await self.statuses(gate, page), [200, 200, 101])
        own = b"http://" + box.authority
        for each in box.requests:
            seen = [each.fields[name] for name in FIELDS]
            self.assertEqual(seen, [[own], [own + b"/"], [b"same-origin"]])

    async def test_foreign_page(self) -> None:
        """A page that is not allowed gets the gate's 403, and the box nothing."""
        box = await self.box()
        gate = self.front(box)
        page = [FROM_FOREIGN, (b"Referer", FOREIGN + b"/"), CROSS_SITE]
        self.assertEqual(await self.statuses(gate, page), [403] * 3)
        self.assertEqual(await self.statuses(gate, [(b"Origin", b"null")]), [403] * 3)
        self.assertEqual(box.data, b"")

    async def test_unchecked_page(self) -> None:
        """Where the gate checks no origin, the box sees the page's, and refuses it."""
        box = await self.box()
        for cors in (
            'cors = { allow_origins = ["*"] }',
            'cors = { allow_origins = ["https://app.example"], enforce_origin = false }',
            "",
        ):
            gate = self.serve(
                f'[upstreams.a]\nservers = ["{box.url}"]\n[routes."/"]\nupstream = "a"\n{cors}\n'
            )
            page = [FROM_APP, (b"Referer", APP + b"/page"), CROSS_SITE]
            self.assertEqual(await self.statuses(gate, page), [403] * 3)
            for each in box.requests[-3:]:
                seen = [each.fields[name] for name in FIELDS]
                self.assertEqual(seen, [[APP], [APP + b"/page"], [b"cross-site"]])

    async def test_page_of_the_gate(self) -> None:
        """A page that came through the gate is served, with or without a policy."""
        box = await self.box()
        for gate in (
            self.front(box),
            self.serve(f'[upstreams.a]\nservers = ["{box.url}"]\n[routes."/"]\nupstream = "a"\n'),
        ):
            own = b"http://localhost:%d" % gate.port
            page = [(b"Origin", own), (b"Referer", own + b"/lab")]
            host = own.partition(b"//")[2]
            self.assertEqual(await self.statuses(gate, page, host=host), [200, 200, 101])
            page = [(b"Referer", own + b"/lab"), (b"Sec-Fetch-Site", b"same-origin")]
            self.assertEqual((await self.ask(gate, headers=page, host=host)).status, 200)

    async def test_rebound_page(self) -> None:
        """Where any host is served, a page whose name was pointed at the gate is not its own."""
        box = await self.box()
        toml = f'[upstreams.a]\nservers = ["{box.url}"]\n[routes."/"]\nupstream = "a"\n'
        listen = 'listen = ["tcp:0:interface=0.0.0.0"]\n'
        page = [(b"Origin", b"http://evil.example")]
        host = b"evil.example"
        gate = self.serve(listen + toml)
        self.assertEqual(await self.statuses(gate, page, host=host), [403] * 3)
        self.assertEqual(len(box.requests), 3)
        gate = self.serve(f'hosts = ["evil.example"]\n{listen}{toml}')
        self.assertEqual(await self.statuses(gate, page, host=host), [200, 200, 101])

    async def test_same_connection(self) -> None:
        """What one page's request became is not used for the next page's."""
        box = await self.box()
        gate = self.serve(
            f'[upstreams.a]\nservers = ["{box.url}"]\n'
            '[cors.app]\nallow_origins = ["https://app.example"]\n'
            '[routes."/v1"]\nupstream = "a"\ncors = "app"\n[routes."/open"]\nupstream = "a"\n'
        )
        client = await self.connect(gate)
        wanted = {b"/v1/x": 200, b"/open/x": 403}
        for target in (b"/v1/x", b"/open/x", b"/v1/x", b"/open/x"):
            client.send(b"GET %b HTTP/1.1\r\nHost: localhost\r\nOrigin: %b\r\n\r\n" % (target, APP))
            self.assertEqual((await client.response()).status, wanted[target])


class Configured(OriginCheckTestCase):
    """What ``origin`` of an upstream does."""

    async def seen(self, origin: str, *, more: str = "", **host: bytes) -> list[list[bytes] | None]:
        """Return what a box gets of a page's Origin, Referer and Sec-Fetch-Site."""
        box = await self.upstream()
        gate = self.front(box, upstream=f'origin = "{origin}"\n{more}')
        page = [FROM_APP, (b"Referer", APP + b"/page"), CROSS_SITE]
        self.assertEqual((await self.ask(gate, headers=page, **host)).status, 200)
        return [box.requests[0].fields.get(name) for name in FIELDS]

    async def test_modes(self) -> None:
        """The box sees the gate's origin, a fixed one, none, or the page's."""
        same = [b"same-origin"]
        for origin, wanted in (
            ("gate", [[b"http://localhost:5555"], [b"http://localhost:5555/"], same]),
            ("https://box.example", [[b"https://box.example"], [b"https://box.example/"], same]),
            ("drop", [None, None, same]),
            ("keep", [[APP], [APP + b"/page"], [b"cross-site"]]),
        ):
            self.assertEqual(await self.seen(origin, host=b"localhost:5555"), wanted, origin)

    async def test_host_of_the_client(self) -> None:
        """With preserve_host, the server's origin has the Host that is sent."""
        for origin in ("server", "gate"):
            seen = await self.seen(origin, more="preserve_host = true", host=b"LOCALHOST:80")
            self.assertEqual(seen[0], [b"http://localhost"])

    async def test_open_route(self) -> None:
        """It also holds where the gate checks no origin; the start warns of that."""
        box = await self.box()
        config = parse(
            f'{LISTEN}[upstreams.a]\nservers = ["{box.url}"]\norigin = "server"\n'
            '[routes."/"]\nupstream = "a"\ncors = { allow_origins = ["*"] }\n'
        )
        gate = self.serve_config(config)
        self.assertEqual(await self.statuses(gate, [FROM_FOREIGN]), [200, 200, 101])
        (warning,) = config.warnings
        self.assertEqual(warning.key, "upstreams.a.origin")

    async def test_absent(self) -> None:
        """No field is added to a request that has none of them."""
        box = await self.upstream()
        gate = self.front(box, upstream='origin = "server"')
        await self.ask(gate)
        await self.ask(gate, headers=[(b"Sec-Fetch-Site", b"none")])
        self.assertTrue(all(b"origin" not in each.fields for each in box.requests))
        self.assertEqual(box.requests[1].one(b"sec-fetch-site"), b"none")


class OverHttp2(Http2TestCase):
    """The same for a client that speaks HTTP/2."""

    async def test_allowed_page(self) -> None:
        """The box sees its own origin over each stream."""
        box = await self.upstream()
        peer = await self.peer(self.over_tls(box))
        page = [FROM_APP, (b"referer", APP + b"/page"), (b"sec-fetch-site", b"cross-site")]
        for method, body in ((b"GET", None), (b"POST", b"x")):
            got = await peer.whole(peer.ask(method=method, headers=page, body=body))
            self.assertEqual(got.status, 200)
        own = b"http://" + box.authority
        for each in box.requests:
            seen = [each.fields[name] for name in FIELDS]
            self.assertEqual(seen, [[own], [own + b"/"], [b"same-origin"]])
