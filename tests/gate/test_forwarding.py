"""What the gate writes on a message on its way: who asked, for which host, and where things are."""

from __future__ import annotations

from tests.peers import response
from tests.support import FROM_APP, GateTestCase

SPOOFED = [
    (b"Forwarded", b"for=1.2.3.4"),
    (b"X-Forwarded-For", b"1.2.3.4"),
    (b"X-Forwarded-Proto", b"https"),
    (b"x-forwarded-host", b"evil.example"),
    (b"X-Real-IP", b"1.2.3.4"),
    (b"X-Original-URL", b"/admin"),
]


class Requests(GateTestCase):
    """What an upstream is told."""

    async def test_told(self) -> None:
        """Forwarded, X-Forwarded-* and Via say who asked; a client's own word is dropped."""
        upstream = await self.upstream()
        gate = self.front(upstream)
        await self.ask(gate, headers=[*SPOOFED, (b"Via", b"1.1 before")], host=b"localhost:5555")
        got = upstream.requests[0]
        self.assertEqual(got.one(b"Forwarded"), b'for=127.0.0.1;host="localhost:5555";proto=http')
        self.assertEqual(got.one(b"X-Forwarded-For"), b"127.0.0.1")
        self.assertEqual(got.one(b"X-Forwarded-Proto"), b"http")
        self.assertEqual(got.one(b"X-Forwarded-Host"), b"localhost:5555")
        self.assertEqual(got.fields[b"via"], [b"1.1 before", b"1.1 corsgate-5a5a5a5a"])
        self.assertNotIn(b"1.2.3.4", got.raw)
        self.assertNotIn(b"x-original-url", got.fields)

    async def test_trusted_proxy(self) -> None:
        """A trusted proxy's word is passed on, with its address behind it."""
        upstream = await self.upstream()
        gate = self.serve(
            '[[listener]]\nendpoint = "tcp:0:interface=127.0.0.1"\n'
            'trusted_proxies = ["127.0.0.0/8"]\n'
            f'[upstreams.a]\nservers = ["{upstream.url}"]\n[routes."/v1"]\nupstream = "a"\n'
        )
        told = [(b"X-Forwarded-For", b"9.9.9.9"), (b"X-Forwarded-Proto", b"https")]
        await self.ask(gate, headers=told)
        got = upstream.requests[0]
        self.assertEqual(got.one(b"X-Forwarded-For"), b"9.9.9.9, 127.0.0.1")
        self.assertEqual(got.one(b"X-Forwarded-Proto"), b"https")
        self.assertIn('"client": "9.9.9.9"', gate.lines[0])

    async def test_untrusted_proxy(self) -> None:
        """Another proxy's isn't, and the log has the address that is known."""
        upstream = await self.upstream()
        gate = self.front(upstream)
        await self.ask(gate, headers=SPOOFED)
        self.assertIn('"client": "127.0.0.1"', gate.lines[0])
        self.assertNotIn("1.2.3.4", gate.lines[0])

    async def test_strict_transport_security(self) -> None:
        """A server's HSTS passes where the client has come by TLS, to a proxy ahead too."""
        hsts = (b"Strict-Transport-Security", b"max-age=9")
        upstream = await self.upstream(*[response(headers=[hsts])] * 3)
        trusting = self.serve(
            '[[listener]]\nendpoint = "tcp:0:interface=127.0.0.1"\n'
            'trusted_proxies = ["127.0.0.0/8"]\n'
            f'[upstreams.a]\nservers = ["{upstream.url}"]\n[routes."/v1"]\nupstream = "a"\n'
        )
        https = (b"X-Forwarded-Proto", b"https")
        for gate, more, passes in (
            (trusting, [https], True),
            (trusting, [], False),
            (self.front(upstream), [https], False),
        ):
            answer = await self.ask(gate, headers=more)
            self.assertEqual(answer.status, 200)
            self.assertEqual(hsts[0].lower() in answer.fields, passes)

    async def test_host(self) -> None:
        """A server gets its own Host; with ``preserve_host`` the client's."""
        upstream = await self.upstream()
        await self.ask(self.front(upstream))
        await self.ask(self.front(upstream, upstream="preserve_host = true"))
        hosts = [each.fields[b"host"] for each in upstream.requests]
        self.assertEqual(hosts, [[upstream.authority], [b"localhost"]])
        self.assertEqual(upstream.requests[0].headers[0][0], b"Host")

    async def test_hop_by_hop(self) -> None:
        """What speaks of one connection stays on it, both ways."""
        fields = [
            (b"Connection", b"close, X-Mine"),
            (b"Keep-Alive", b"timeout=9"),
            (b"X-Mine", b"1"),
            (b"TE", b"trailers"),
            (b"Proxy-Authorization", b"Basic x"),
            (b"X-Kept", b"1"),
        ]
        upstream = await self.upstream(response(200, fields))
        answer = await self.ask(self.front(upstream), headers=fields)
        for got in (upstream.requests[0].fields, answer.fields):
            self.assertIn(b"x-kept", got)
            for name in (b"keep-alive", b"x-mine", b"proxy-authorization"):
                self.assertNotIn(name, got)
        self.assertNotIn(b"te", answer.fields)
        # That the client takes trailers is told anew; nothing else of its Connection is.
        self.assertEqual(upstream.requests[0].one(b"TE"), b"trailers")
        self.assertEqual(upstream.requests[0].one(b"Connection"), b"TE")

    async def test_other_codings(self) -> None:
        """Of TE nothing but trailers is said: how a body is framed is each hop's own affair."""
        upstream = await self.upstream()
        gate = self.front(upstream)
        for value, told in ((b"gzip", None), (b"gzip, Trailers", [b"trailers"])):
            await self.ask(gate, headers=[(b"Connection", b"TE"), (b"TE", value)])
            self.assertEqual(upstream.requests[-1].fields.get(b"te"), told)

    async def test_upgrade(self) -> None:
        """An offer to speak another protocol goes on; one to speak HTTP in another form doesn't."""
        upstream = await self.upstream()
        gate = self.front(upstream)
        settings = (b"HTTP2-Settings", b"AAMAAABkAAQAAP__")
        for offered, passed in (
            (b"websocket", [b"websocket"]),
            (b"h2c", None),
            (b"H2C, TLS/1.2, HTTP/2.0", None),
            (b"h2c, websocket", [b"websocket"]),
        ):
            options = (b"Connection", b"Upgrade, HTTP2-Settings")
            offer = [options, (b"Upgrade", offered), settings, FROM_APP]
            self.assertEqual((await self.ask(gate, headers=offer)).status, 200)
            got = upstream.requests[-1].fields
            self.assertEqual(got.get(b"upgrade"), passed)
            self.assertEqual(got.get(b"connection"), [b"Upgrade"] if passed else None)
            self.assertNotIn(b"http2-settings", got)

    async def test_upgrade_with_a_body(self) -> None:
        """An offer that comes with a body is declined: where HTTP would end can't be told."""
        upstream = await self.upstream()
        offer = [(b"Connection", b"Upgrade"), (b"Upgrade", b"websocket")]
        answer = await self.ask(self.front(upstream), b"POST", headers=offer, body=b"abc")
        self.assertEqual(answer.status, 200)
        self.assertEqual(upstream.requests[0].body, b"abc")
        self.assertNotIn(b"upgrade", upstream.requests[0].fields)


class Responses(GateTestCase):
    """An upstream's places are turned to the gate's."""

    async def test_location(self) -> None:
        """Its own URLs and paths lead to the gate; others stay."""
        upstream = await self.upstream()
        gate = self.front(upstream, base="/base", route="strip_prefix = true")
        own = upstream.url.encode()
        cases = (
            (own + b"/base/x?y", b"http://localhost:5555/v1/x?y"),
            (b"/base/x", b"/v1/x"),
            (b"x/y", b"x/y"),
            (b"https://other.example/x", b"https://other.example/x"),
        )
        for theirs, ours in cases:
            for name in (b"Location", b"Content-Location"):
                upstream.script(response(201, [(name, theirs)]))
                answer = await self.ask(gate, b"POST", body=b"", host=b"localhost:5555")
                self.assertEqual(answer.fields[name.lower()], [ours])

    async def test_cookies(self) -> None:
        """A cookie loses its domain, and its path becomes the gate's."""
        cookies = [
            (b"Set-Cookie", b"a=1; Domain=box.example; Path=/base; HttpOnly"),
            (b"Set-Cookie", b"b=2; Path=/"),
        ]
        upstream = await self.upstream(response(200, cookies))
        gate = self.front(upstream, base="/base", route="strip_prefix = true")
        answer = await self.ask(gate)
        self.assertEqual(
            answer.fields[b"set-cookie"], [b"a=1; Path=/v1; HttpOnly", b"b=2; Path=/v1"]
        )
