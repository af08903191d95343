"""Addresses and cookies on their way through the whole gate, over sockets."""

from __future__ import annotations

import json
import re

from twisted.logger import capturedLogs, formatEvent

from tests.apache import ApacheDigest
from tests.gate.test_http2 import Http2TestCase
from tests.gate.test_tls import FIRST, TlsTestCase, config
from tests.peers import Client, Message, Upstream, request, response
from tests.support import DIGEST, FROM_APP, PASSWORD, POLICY, Gate, GateTestCase

GATE = b"http://localhost:5555"
COOKIE = (b"Set-Cookie", b"sid=1; Domain=box.example; Path=/; HttpOnly; SameSite=Lax")
EMBEDDED = [
    (b"Sec-Fetch-Site", b"cross-site"),
    (b"Sec-Fetch-Mode", b"no-cors"),
    (b"Sec-Fetch-Dest", b"image"),
]


class Responses(GateTestCase):
    """What an upstream names becomes the gate's."""

    async def get(self, gate: Gate, target: bytes = b"/v1/x") -> Message:
        """Return the response to a GET whose Host is that of `GATE`."""
        return await self.ask(gate, target=target, headers=[FROM_APP], host=b"localhost:5555")

    async def test_fields(self) -> None:
        """Link and Refresh are mapped, as Location is, by each name of the server."""
        upstream = await self.upstream()
        own = upstream.url.encode()
        port = own.rpartition(b":")[2]
        gate = self.front(
            upstream, route="strip_prefix = true", upstream='aliases = ["https://box.lan"]'
        )
        for theirs in (
            own,
            b"https://127.0.0.1:" + port,
            b"http://127.0.0.1",
            b"https://127.0.0.1",
            b"https://box.lan",
            GATE,
        ):
            fields = [
                (b"Location", theirs + b"/a?b"),
                (b"Link", b'<%b/a>; rel=next, </c>; title="<d>", <https://other/>' % theirs),
                (b"Refresh", b"1; url=" + theirs + b"/e"),
            ]
            upstream.script(response(201, fields))
            got = await self.get(gate)
            self.assertEqual(got.one(b"Location"), GATE + b"/v1/a?b", theirs)
            self.assertEqual(
                got.one(b"Link"),
                b'<%b/v1/a>; rel=next, </v1/c>; title="<d>", <https://other/>' % GATE,
            )
            self.assertEqual(got.one(b"Refresh"), b"1; url=%b/v1/e" % GATE)

    async def test_once(self) -> None:
        """What a server has made of X-Forwarded-Host and -Prefix is not mapped again."""
        upstream = await self.upstream()
        gate = self.front(upstream, route="strip_prefix = true")
        for theirs in (GATE + b"/v1/a", b"/v1/a", GATE + b"/v1"):
            upstream.script(response(201, [(b"Location", theirs)]))
            self.assertEqual((await self.get(gate)).one(b"Location"), theirs)

    async def test_another_route(self) -> None:
        """A URL of the gate on another route stays; one on no route gets the prefix."""
        upstream = await self.upstream()
        gate = self.front(
            upstream,
            route="strip_prefix = true",
            rest='[routes."/app"]\nupstream = "a"\n[routes."/"]\nupstream = "a"',
        )
        for theirs, ours in ((b"/app/back?a", b"/app/back?a"), (b"/login", b"/v1/login")):
            upstream.script(response(302, [(b"Location", GATE + theirs)]))
            self.assertEqual((await self.get(gate)).one(b"Location"), GATE + ours)

    async def test_other_servers(self) -> None:
        """A URL of another server of the upstream is mapped; one of another upstream is not."""
        first, second, foreign = [await self.upstream() for _ in range(3)]
        gate = self.front(
            first,
            second,
            rest=f'[upstreams.b]\nservers = ["{foreign.url}"]\n[routes."/b"]\nupstream = "b"',
        )
        for theirs, ours in (
            (first.url.encode(), GATE),
            (second.url.encode(), GATE),
            (foreign.url.encode(), foreign.url.encode()),
        ):
            for upstream in (first, second):
                upstream.script(response(302, [(b"Location", theirs + b"/a")]))
            self.assertEqual((await self.get(gate)).one(b"Location"), ours + b"/a")

    async def test_loop(self) -> None:
        """A redirect of the very URL to https is 502; page and log say why, and how to fix it."""
        upstream = await self.upstream()
        gate = self.front(upstream, route="strip_prefix = true")
        away = upstream.url.replace("http:", "https:").encode()
        upstream.script(response(301, [(b"Location", away + b"/x?y")]))
        with capturedLogs() as logs:
            got = await self.get(gate, b"/v1/x?y")
        self.assertEqual(got.status, 502)
        self.assertIn(b"from http to https", got.body)
        self.assertNotIn(b"127.0.0.1", got.raw)
        self.assertIn(b"access-control-allow-origin", got.fields)
        self.assertIn("use https in servers", json.loads(gate.lines[-1])["outcome"])
        said = [str(formatEvent(event)) for event in logs]
        self.assertEqual(len([line for line in said if "use https in servers" in line]), 1)
        upstream.script(response(301, [(b"Location", away + b"/login")]))
        got = await self.get(gate, b"/v1/x?y")
        self.assertEqual((got.status, got.one(b"Location")), (301, GATE + b"/v1/login"))
        # It is no failure of the server.
        upstream.script(response(200))
        await self.assert_serves(gate)


class Cookies(TlsTestCase):
    """``cookies`` of an upstream."""

    def gates(self, upstream: Upstream, keys: str = "") -> tuple[Gate, Gate]:
        """Return a gate over plain http, and one over TLS, with the same upstream."""
        lines = f'servers = ["{upstream.url}"]\n{keys}'
        return self.front(upstream, upstream=keys), self.serve_config(config(lines, FIRST))

    async def over_tls(self, gate: Gate, *fields: tuple[bytes, bytes]) -> Message:
        """Return the response to a GET over TLS."""
        client = await self.secured(gate)
        client.send(request(target=b"/v1/x", headers=fields, host=b"gate.test"))
        return await client.response()

    async def test_adapt(self) -> None:
        """Over https, pages of other sites may use the cookie; over http none can."""
        upstream = await self.upstream(response(200, [COOKIE]), response(200, [COOKIE]))
        plain, secure = self.gates(upstream)
        got = await self.ask(plain, headers=[FROM_APP])
        self.assertEqual(got.one(b"Set-Cookie"), b"sid=1; Path=/; HttpOnly; SameSite=Lax")
        got = await self.over_tls(secure, FROM_APP)
        self.assertEqual(got.one(b"Set-Cookie"), b"sid=1; Path=/; HttpOnly; SameSite=None; Secure")

    async def test_confined(self) -> None:
        """Where pages of other sites may use it, those that are not allowed can't ride on it."""
        upstream = await self.upstream()
        plain, secure = self.gates(upstream)
        foreign = [(b"Cookie", b"sid=1"), *EMBEDDED]
        got = await self.over_tls(secure, *foreign)
        self.assertEqual((got.status, upstream.requests), (403, []))
        self.assertIn(b"sec-fetch-site", got.one(b"Vary").lower())
        self.assertEqual((await self.over_tls(secure, *foreign, FROM_APP)).status, 200)
        self.assertEqual((await self.over_tls(secure, (b"Cookie", b"sid=1"))).status, 200)
        self.assertEqual((await self.ask(plain, headers=foreign)).status, 200)

    async def test_other_routes_confined(self) -> None:
        """Other routes to the same server get the cookie too, so no page can ride on it there."""
        upstream = await self.upstream(response(200, [COOKIE]), response(200, [COOKIE]))
        lines, other = f'servers = ["{upstream.url}"]\n', '[routes."/w"]\nupstream = "a"\n'
        gate = self.serve_config(config(lines, FIRST, rest=other))
        client = await self.secured(gate)
        for fields, status in (((b"Cookie", b"sid=1"), 403), ((b"X", b"1"), 200)):
            client.send(request(target=b"/w/x", headers=[fields, *EMBEDDED], host=b"gate.test"))
            self.assertEqual((await client.response()).status, status)
        # Where any page may call another route, no page of another site gets the cookie.
        other += 'cors.allow_origins = ["*"]\n'
        gate = self.serve_config(config(lines, FIRST, rest=other))
        got = await self.over_tls(gate, FROM_APP)
        self.assertEqual(got.one(b"Set-Cookie"), b"sid=1; Path=/; HttpOnly; SameSite=Lax")
        self.assertEqual((await self.over_tls(gate, (b"Cookie", b"s=1"), *EMBEDDED)).status, 200)

    async def test_pass(self) -> None:
        """``pass`` changes nothing, and confines nothing."""
        upstream = await self.upstream(response(200, [COOKIE]), response(200, [COOKIE]))
        plain, secure = self.gates(upstream, 'cookies = "pass"')
        self.assertEqual((await self.ask(plain)).one(b"Set-Cookie"), COOKIE[1])
        got = await self.over_tls(secure, *EMBEDDED)
        self.assertEqual((got.status, got.one(b"Set-Cookie")), (200, COOKIE[1]))

    async def test_drop(self) -> None:
        """``drop`` lets no cookie through, either way."""
        upstream = await self.upstream(response(200, [COOKIE, (b"X", b"1")]))
        plain, secure = self.gates(upstream, 'cookies = "drop"')
        for got in (
            await self.ask(plain, headers=[(b"Cookie", b"a=1"), (b"cookie", b"b=2")]),
            await self.over_tls(secure, (b"Cookie", b"a=1"), *EMBEDDED),
        ):
            self.assertEqual(got.status, 200)
            self.assertNotIn(b"set-cookie", got.fields)
        for asked in upstream.requests:
            self.assertNotIn(b"cookie", asked.fields)


class Resources(GateTestCase):
    """Destination and If on their way to an upstream."""

    async def test_mapped(self) -> None:
        """They name the server, by the Host that it gets."""
        upstream = await self.upstream()
        for keys, host in (("", upstream.authority), ("preserve_host = true", b"localhost")):
            gate = self.front(upstream, base="/dav", route="strip_prefix = true", upstream=keys)
            for destination in (b"http://localhost/v1/b", b"https://localhost/v1/b"):
                fields = [(b"Destination", destination), (b"If", b"</v1/b> (<a:b>)")]
                await self.ask(gate, b"MOVE", b"/v1/a", fields)
                got = upstream.requests[-1]
                self.assertEqual(got.start.split()[1], b"/dav/a")
                self.assertEqual(got.one(b"Destination"), b"http://%b/dav/b" % host)
                self.assertEqual(got.one(b"If"), b"</dav/b> (<a:b>)")

    async def test_off_the_route(self) -> None:
        """What is not on the route is refused before a server sees the request."""
        upstream = await self.upstream()
        rest = '[routes."/v1/private"]\nupstream = "a"\nmethods = ["GET"]'
        for route in ("", "strip_prefix = true"):
            gate = self.front(upstream, route=route, rest=rest)
            for destination, status in (
                (b"http://localhost/admin", 502),
                (b"/admin", 502),
                (b"/v1/private/x", 502),
                (b"http://evil.example/v1/b", 502),
                (upstream.url.encode() + b"/v1/b", 502),
                (b"/v1/../admin", 400),
            ):
                fields = [FROM_APP, (b"Destination", destination)]
                got = await self.ask(gate, b"MOVE", b"/v1/a", fields)
                self.assertEqual(got.status, status, destination)
                self.assertIn(b"access-control-allow-origin", got.fields)
                self.assertIn(b"Destination", got.body)
            fields = [(b"If", b"</v1/private/x> (<a:b>)")]
            self.assertEqual((await self.ask(gate, b"GET", b"/v1/a", fields)).status, 412)
            await self.assert_serves(gate)
        self.assertEqual(len(upstream.requests), 2)

    async def test_one_connection(self) -> None:
        """The same fields to another route are mapped for that route, or refused there."""
        upstream = await self.upstream()
        gate = self.serve(
            f'[upstreams.a]\nservers = ["{upstream.url}"]\n'
            '[routes."/a"]\nupstream = "a"\nstrip_prefix = true\n'
            '[routes."/a/b"]\nupstream = "a"\nstrip_prefix = true\n'
        )
        client = await self.connect(gate)
        for target, destination, mapped in (
            (b"/a/x", b"/a/c/y", b"/c/y"),
            (b"/a/z", b"/a/c/y", b"/c/y"),
            (b"/a/b/x", b"/a/c/y", None),
            (b"/a/b/x", b"/a/b/y", b"/y"),
            (b"/a/x", b"/a/b/y", None),
            (b"/a/b/x", b"/a/b/y", b"/y"),
        ):
            client.send(request(b"COPY", target, [(b"Destination", destination)]))
            got = await client.response()
            self.assertEqual(got.status, 200 if mapped else 502)
            if mapped:
                self.assertEqual(upstream.requests[-1].one(b"Destination"), mapped)

    async def test_not_webdav(self) -> None:
        """A relative Destination, and one of another method, pass unchanged."""
        upstream = await self.upstream()
        gate = self.front(upstream, route="strip_prefix = true")
        for method, value in ((b"COPY", b"doc?rev=1-a"), (b"POST", b"/Berlin"), (b"PUT", b"x y")):
            body = None if method == b"COPY" else b"a"
            await self.ask(gate, method, headers=[(b"Destination", value)], body=body)
            self.assertEqual(upstream.requests[-1].one(b"Destination"), value)


class OverHttp2(Http2TestCase):
    """The same over HTTP/2."""

    async def test_resources(self) -> None:
        """Destination and If are mapped, or refused, as over HTTP/1.1."""
        upstream = await self.upstream()
        peer = await self.peer(self.over_tls(upstream, rest="strip_prefix = true\n"))
        for destination, status in (
            (b"https://gate.test/v1/b", 200),
            (b"https://gate.test/v1/b", 200),
            (b"https://gate.test/b", 502),
            (b"https://gate.test:8443/v1/b", 502),
        ):
            fields = [(b"destination", destination), (b"if", b"</v1/b> (<a:b>)")]
            got = await peer.whole(peer.ask(b"/v1/a", method=b"MOVE", headers=fields))
            self.assertEqual(got.status, status)
        self.assertEqual(len(upstream.requests), 2)
        for asked in upstream.requests:
            self.assertEqual(asked.one(b"Destination"), upstream.url.encode() + b"/b")
            self.assertEqual(asked.one(b"If"), b"</b> (<a:b>)")


class BeforeApache(TlsTestCase):
    """mod_dav compares a Destination's scheme, host and port with its own."""

    def apache(self) -> ApacheDigest:
        """Return a server that ends with the test."""
        apache = ApacheDigest(users={"admin": PASSWORD}, files={"a.txt": b"one"})
        self.addCleanup(apache.stop)
        return apache

    async def move(self, client: Client, host: bytes, scheme: bytes) -> None:
        """Copy, lock and move files, with URLs of the gate."""
        here = b"%b://%b" % (scheme, host)

        async def ask(method: bytes, target: bytes, *fields: tuple[bytes, bytes]) -> Message:
            body = LOCK if method == b"LOCK" else None
            client.send(request(method, target, fields, body, host=host))
            return await client.response()

        got = await ask(b"COPY", b"/v1/a.txt", (b"Destination", here + b"/v1/b%20c.txt"))
        self.assertEqual(got.status, 201)
        self.assertEqual(got.one(b"Location"), here + b"/v1/b%20c.txt")
        locked = await ask(b"LOCK", b"/v1/b%20c.txt")
        self.assertEqual(locked.status, 200)
        token = locked.one(b"Lock-Token")
        to = (b"Destination", here + b"/v1/d.txt")
        self.assertEqual((await ask(b"MOVE", b"/v1/b%20c.txt", to)).status, 423)
        held = (b"If", b"<%b/v1/b%%20c.txt> (%b)" % (here, token))
        self.assertEqual((await ask(b"MOVE", b"/v1/b%20c.txt", to, held)).status, 201)
        outside = (b"Destination", here + b"/d.txt")
        self.assertEqual((await ask(b"MOVE", b"/v1/d.txt", outside)).status, 502)

    async def test_plain(self) -> None:
        """Behind a prefix that is stripped, files go where the client says."""
        apache = self.apache()
        gate = self.serve(
            f'[upstreams.a]\nservers = ["{apache.origin}"]\n{DIGEST}\n{POLICY}\n'
            '[routes."/v1"]\nupstream = "a"\ncors = "app"\nstrip_prefix = true\n'
        )
        client = await self.connect(gate)
        await self.move(client, b"localhost:%d" % gate.port, b"http")
        self.assertEqual((apache.files / "d.txt").read_bytes(), b"one")
        self.assertFalse((apache.files / "b c.txt").exists())

    async def test_tls(self) -> None:
        """So they do where the client uses https and the server doesn't."""
        apache = self.apache()
        lines = f'servers = ["{apache.origin}"]\n{DIGEST}'
        gate = self.serve_config(config(lines, FIRST, rest="strip_prefix = true\n"))
        client = await self.secured(gate)
        await self.move(client, b"gate.test:%d" % gate.port, b"https")
        self.assertEqual((apache.files / "d.txt").read_bytes(), b"one")


LOCK = re.sub(
    rb">\s+<",
    b"><",
    b"""<?xml version="1.0"?>
    <D:lockinfo xmlns:D="DAV:">
        <D:lockscope><D:exclusive/></D:lockscope>
        <D:locktype><D:write/></D:locktype>
    </D:lockinfo>""",
)
