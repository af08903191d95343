"""What a request may reach by URL: what is within the named servers, and nothing else."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, quote_from_bytes

from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.gate.compiled_route import CompiledRoute
from corsgate.gate.runtime import make_runtime
from corsgate.transport.deadlines import Deadlines
from tests.gate.fakes import FakeRequest
from tests.gate.test_http2 import Http2TestCase
from tests.gate.websocket import Caller, EchoServer, call, hang_up
from tests.message.test_proxied_url import NO_URL, OUTSIDE, REFUSED
from tests.peers import Message, request, response
from tests.support import (
    APP,
    BASIC,
    FROM_APP,
    FROM_FOREIGN,
    LISTEN,
    POLICY,
    Gate,
    GateTestCase,
    parse,
)

ASKED = (b"Access-Control-Request-Method", b"PUT")
OUTSIDE_WORDS = b"The URL is not within the servers that this route may reach."


def encoded(url: str) -> bytes:
    """Return a target that names a URL in the usual way."""
    return b"/proxy?url=" + quote(url, safe="").encode()


class ByUrlTestCase(GateTestCase):
    """A test case with two upstreams, one of them with credentials, and a third server."""

    async def begin(self, *, route: str = "", first: str = "", base: str = "") -> Gate:
        """Return a gate that reaches two upstreams by URL; a third server is not one of them."""
        self.maps, self.box, self.decoy = [await self.upstream() for _ in range(3)]
        return self.serve(
            f'[upstreams.maps]\nservers = ["{self.maps.url}{base}"]\n{first}\n'
            f'[upstreams.box]\nservers = ["{self.box.url}"]\n{BASIC}\n{POLICY}\n'
            f'[routes."/proxy"]\nby_url = ["maps", "box"]\ncors = "app"\n{route}\n'
        )

    def assert_refused(self, answer: Message, detail: bytes = b"", *, status: int = 403) -> None:
        """Assert that a page can read why a request was refused, and that no server saw it."""
        self.assertEqual(answer.status, status)
        self.assertEqual(answer.one(b"access-control-allow-origin"), APP)
        self.assertIn(detail, answer.body)
        for server in (self.maps, self.box, self.decoy):
            self.assertEqual(server.connections, [])


class ByUrl(ByUrlTestCase):
    """``by_url``."""

    async def test_reaches_the_named_server(self) -> None:
        """The URL decides which upstream gets the request, and its bytes are those of the URL."""
        gate = await self.begin()
        for server in (self.maps, self.box):
            url = f"{server.url}/a%2Fb//c;d?e=%2F&f="
            targets = (
                b"/proxy?" + url.encode(),
                b"/proxy/" + url.encode(),
                encoded(url),
                b"/proxy?" + quote(url, safe="").encode(),
            )
            for target in targets:
                answer = await self.ask(gate, target=target, headers=[FROM_APP])
                self.assertEqual(answer.status, 200)
                self.assertEqual(answer.one(b"access-control-allow-origin"), APP)
            for got in server.requests:
                self.assertEqual(got.target, b"/a%2Fb//c;d?e=%2F&f=")
                self.assertEqual(got.one(b"host"), server.authority)
            self.assertEqual(len(server.requests), len(targets))
        self.assertEqual(json.loads(gate.lines[0])["target"].partition("?")[0], "/proxy")

    async def test_on_one_connection(self) -> None:
        """Requests of one connection that differ in their URL alone go where each belongs."""
        gate = await self.begin()
        client = await self.connect(gate)
        for number in range(3):
            for server in (self.maps, self.box, self.maps):
                client.send(request(target=encoded(f"{server.url}/{number}"), headers=[FROM_APP]))
                self.assertEqual((await client.response()).status, 200)
        sent = [[got.target for got in server.requests] for server in (self.maps, self.box)]
        self.assertEqual(sent, [[b"/0", b"/0", b"/1", b"/1", b"/2", b"/2"], [b"/0", b"/1", b"/2"]])
        for got in self.maps.requests:
            self.assertNotIn(b"authorization", got.fields)

    async def test_uploads(self) -> None:
        """A body goes along."""
        gate = await self.begin()
        target = encoded(f"{self.box.url}/x")
        answer = await self.ask(gate, b"PUT", target, [FROM_APP], b"body")
        self.assertEqual(answer.status, 200)
        self.assertEqual(self.box.requests[0].body, b"body")

    async def test_credentials_are_confined(self) -> None:
        """They go to their own upstream; a client's login and cookies go to none."""
        gate = await self.begin()
        mine = [FROM_APP, (b"Authorization", b"NTLM TlRM"), (b"Cookie", b"sid=1"), (b"X-Own", b"1")]
        for server in (self.maps, self.box):
            server.script(response(200, [(b"Set-Cookie", b"a=b"), (b"WWW-Authenticate", b"Basic")]))
            answer = await self.ask(gate, target=encoded(f"{server.url}/x"), headers=mine)
            self.assertNotIn(b"set-cookie", answer.fields)
            self.assertNotIn(b"www-authenticate", answer.fields)
            self.assertNotIn(b"cookie", server.requests[0].fields)
            self.assertEqual(server.requests[0].one(b"x-own"), b"1")
        self.assertNotIn(b"authorization", self.maps.requests[0].fields)
        self.assertTrue(self.box.requests[0].one(b"authorization").startswith(b"Basic "))

    async def test_counts_as_credentialed(self) -> None:
        """The rules of routes with credentials hold for the URLs of every upstream."""
        gate = await self.begin()
        embedded = [(b"Sec-Fetch-Site", b"cross-site"), (b"Sec-Fetch-Mode", b"no-cors")]
        for server in (self.maps, self.box):
            for headers in ([FROM_FOREIGN], embedded):
                target = encoded(f"{server.url}/x")
                self.assertEqual((await self.ask(gate, target=target, headers=headers)).status, 403)
        self.assertEqual((self.maps.connections, self.box.connections), ([], []))

    async def test_hostile_urls(self) -> None:
        """No trick leads to another server, or to the right one by a URL of two readings."""
        gate = await self.begin()
        here, there = self.maps.authority, self.decoy.authority
        tricks = [
            b"http://%b@%b/" % (here, there),
            b"http://%b:80@%b/" % (here, there),
            b"http://%b#@%b/" % (there, here),
            b"http://%b\\@%b/" % (there, here),
            b"http://%b%%2f@%b/" % (there, here),
            b"http://%b\t.evil/" % here,
            b"http://%b/" % there,
            b"http://localhost:%d/" % self.maps.port,
            b"http://127.1:%d/" % self.maps.port,
            b"http://0x7f.1:%d/" % self.maps.port,
            b"http://0177.0.0.1:%d/" % self.maps.port,
            b"http://2130706433:%d/" % self.maps.port,
            b"http://127.0.0.1.:%d/" % self.maps.port,
            b"http://[::ffff:127.0.0.1]:%d/" % self.maps.port,
            b"https://%b/" % here,
            b"http://127.0.0.1/",
            b"http://127.0.0.1:0%d/" % self.maps.port,
            b"http://%b/../x" % here,
            b"http://%b/%%2e%%2e/x" % here,
            b"http://%b/a/..%%2f..%%2fx" % here,
        ]
        for url in (*tricks, *REFUSED, *OUTSIDE):
            target = b"/proxy?url=" + quote_from_bytes(url, safe="").encode()
            self.assert_refused(await self.ask(gate, target=target, headers=[FROM_APP]))
        for target in NO_URL:
            if b" " not in target:
                self.assert_refused(await self.ask(gate, target=target, headers=[FROM_APP]))
        answer = await self.ask(gate, target=encoded(self.decoy.url), headers=[FROM_APP])
        self.assert_refused(answer, OUTSIDE_WORDS)

    async def test_raw_tricks(self) -> None:
        """The same without encoding: a fragment or a dot segment gets 400 before the route."""
        gate = await self.begin()
        here, there = self.maps.authority, self.decoy.authority
        for target, status in (
            (b"/proxy?http://%b@%b/" % (here, there), 403),
            (b"/proxy?http://%b\\@%b/" % (there, here), 403),
            (b"/proxy?http://%b%%40%b/" % (here, there), 403),
            (b"/proxy/http://%b@%b/" % (here, there), 403),
            (b"/proxy/http:/%b/" % there, 403),
            (b"/proxy?http://%b/../x" % here, 403),
            (b"/proxy?http://%b/#x" % here, 400),
            (b"/proxy/http://%b/../x" % here, 400),
            (b"/proxy/../proxy?http://%b/" % here, 400),
        ):
            answer = await self.ask(gate, target=target, headers=[FROM_APP])
            self.assertEqual(answer.status, status, target)
        for server in (self.maps, self.box, self.decoy):
            self.assertEqual(server.connections, [])

    async def test_base_path(self) -> None:
        """Only what is within a server's own path is reached, and that path itself as written."""
        gate = await self.begin(base="/geo/wms")
        for path, sent in (("", b""), ("?S=1", b"?S=1"), ("/", b"/"), ("/x?y", b"/x?y")):
            url = f"{self.maps.url}/geo/wms{path}"
            self.assertEqual((await self.ask(gate, target=encoded(url))).status, 200)
            self.assertEqual(self.maps.requests[-1].target, b"/geo/wms" + sent)
        count = len(self.maps.requests)
        for path in ("", "/", "/geo", "/geo/", "/geo/wmsx", "/geo/wm", "/GEO/wms", "/geo%2Fwms"):
            answer = await self.ask(gate, target=encoded(self.maps.url + path))
            self.assertEqual(answer.status, 403, path)
        self.assertEqual(len(self.maps.requests), count)

    async def test_balances_among_equals(self) -> None:
        """The servers of an upstream are equals: another one gets what the named one can't."""
        upstream = await self.upstream()
        gate = self.serve(
            f'[upstreams.a]\nservers = ["http://127.0.0.1:9/geo", "{upstream.url}"]\n'
            '[routes."/proxy"]\nby_url = ["a"]\n'
        )
        for url, sent in (("/geo?a", b"/?a"), ("/geo", b"/"), ("/geo/b", b"/b")):
            answer = await self.ask(gate, target=encoded(f"http://127.0.0.1:9{url}"))
            self.assertEqual(answer.status, 200)
            self.assertEqual(upstream.requests[-1].target, sent)

    async def test_preflight(self) -> None:
        """It is the policy's to respond to; the request itself then gets its reason."""
        gate = await self.begin()
        for target in (encoded(f"{self.maps.url}/x"), encoded(self.decoy.url), b"/proxy"):
            answer = await self.ask(gate, b"OPTIONS", target, [FROM_APP, ASKED])
            self.assert_refused(answer, status=204)
            self.assertIn(b"PUT", answer.one(b"access-control-allow-methods"))
        answer = await self.ask(gate, b"PUT", encoded(self.decoy.url), [FROM_APP], b"x")
        self.assert_refused(answer, OUTSIDE_WORDS)

    async def test_origin_goes_first(self) -> None:
        """An origin that is not allowed learns nothing of what could be reached."""
        gate = await self.begin()
        bodies = {
            (await self.ask(gate, target=encoded(url), headers=[FROM_FOREIGN])).body
            for url in (self.maps.url, self.decoy.url)
        }
        self.assertFalse([body for body in bodies if b"URL" in body])

    async def test_rules_of_other_routes(self) -> None:
        """Methods and limits hold as on other routes."""
        gate = await self.begin(route='methods = ["GET"]\nlimits = { max_body_bytes = "2B" }\n')
        target = encoded(f"{self.maps.url}/x")
        self.assert_refused(await self.ask(gate, b"PUT", target, [FROM_APP], b"x"), status=405)
        answer = await self.ask(gate, b"GET", target, [FROM_APP], b"too much")
        self.assert_refused(answer, status=413)

    async def test_allowed_paths(self) -> None:
        """With allow_paths, the paths of the URLs are judged."""
        gate = await self.begin(route='allow_paths = ["GET /geo/**"]\n')
        for server in (self.maps, self.box):
            answer = await self.ask(gate, target=encoded(f"{server.url}/geo/x"))
            self.assertEqual(answer.status, 200)
        for method, path in ((b"PUT", "/geo/x"), (b"GET", "/"), (b"GET", "/geox")):
            answer = await self.ask(gate, method, encoded(self.maps.url + path), [FROM_APP])
            self.assertEqual(answer.status, 403, path)
            self.assertIn(b"This route does not allow this", answer.body)
        moved = (b"Destination", f"{self.maps.url}/geo/y".encode())
        answer = await self.ask(gate, b"GET", encoded(f"{self.maps.url}/geo/x"), [FROM_APP, moved])
        self.assertEqual(answer.status, 403)


class OtherProtocols(Http2TestCase):
    """``by_url`` for WebSockets, and over HTTP/2."""

    async def test_websockets(self) -> None:
        """A handshake goes to the server that its URL names, as ws: or http:."""
        server: Any = await EchoServer().start()
        self.addCleanup(lambda: Deferred.fromCoroutine(server.stop()))
        gate = self.serve(
            f'[upstreams.a]\nservers = ["{server.url}"]\n{POLICY}\n'
            '[routes."/proxy"]\nby_url = ["a"]\ncors = "app"\n'
        )
        authority = server.url.removeprefix("http://")
        for number, scheme in enumerate(("http", "ws")):
            caller = await call(gate.port, APP, f"/proxy?{scheme}://{authority}/chat?room=1")
            self.addCleanup(hang_up, caller)
            await self._says_hello(caller)
            self.assertEqual(caller.messages, [b"hello"])
            self.assertEqual(len(server.speakers), number + 1)

    async def _says_hello(self, caller: Caller) -> None:
        await caller.when(lambda: caller.handshake or caller.lost)
        caller.say("hello")
        await caller.when(lambda: caller.messages)

    async def test_http2(self) -> None:
        """Each stream goes where its own URL leads."""
        upstream, decoy = await self.upstream(), await self.upstream()
        rest = '[routes."/proxy"]\nby_url = ["a"]\ncors = "app"\n'
        peer = await self.peer(self.over_tls(upstream, rest=rest))
        for number in range(3):
            target = encoded(f"{upstream.url}/{number}")
            got = await peer.whole(peer.ask(target, [FROM_APP]))
            self.assertEqual(got.status, 200)
        got = await peer.whole(peer.ask(encoded(decoy.url), [FROM_APP]))
        self.assertEqual(got.status, 403)
        self.assertEqual(got.one(b"access-control-allow-origin"), APP)
        self.assertEqual([each.target for each in upstream.requests], [b"/0", b"/1", b"/2"])
        self.assertEqual(decoy.connections, [])


class ChangingServers(SynchronousTestCase):
    """Servers that come and go."""

    def test_servers_that_are_known_now(self) -> None:
        """A server that an upstream no longer has is not reached, a new one is."""
        clock = MemoryReactorClock()
        runtime = make_runtime(
            parse(
                f'{LISTEN}[upstreams.a]\nservers = ["http://10.0.0.1", "http://10.0.0.2"]\n'
                '[upstreams.b]\nservers = ["dns+http://found.lan"]\n'
                '[routes."/proxy"]\nby_url = ["a", "b"]\n'
            ),
            reactor=clock,
            deadlines=Deadlines(clock),
            rng=bytes,
            file="gate.toml",
            pseudonym=b"corsgate-0",
        )
        (route,) = runtime.table.routes

        def upstream_of(url: str) -> str | None:
            asked: Any = FakeRequest(clock, target=encoded(url))
            assert route.reach is not None
            found: CompiledRoute = route.reach.admitted(asked, route, bytes)
            return None if asked.refusal else found.upstream.name

        self.assertEqual(upstream_of("http://10.0.0.2/x"), "a")
        self.assertEqual(upstream_of("http://found.lan/x"), "b")
        upstream = runtime.upstreams["a"]
        upstream.change([state.server for state in upstream.balancer.states.values()][:1])
        self.assertEqual(upstream_of("http://10.0.0.1/x"), "a")
        self.assertIsNone(upstream_of("http://10.0.0.2/x"))
