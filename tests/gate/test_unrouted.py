"""What a request gets that no route serves: by a stranger, and by a developer."""

from __future__ import annotations

import json
from typing import Any

from corsgate.config.model.values import Config
from corsgate.gate.guide import MAX_ROUTES
from tests.gate.test_http2 import Http2TestCase
from tests.support import Gate, GateTestCase, parse

APP = (b"Origin", b"http://localhost:4200")
FOREIGN = (b"Origin", b"https://evil.example")
ASKS = (b"Access-Control-Request-Method", b"DELETE")
BARE = {"type", "title", "status", "detail", "request_id"}


def config(
    listen: str = 'listen = ["tcp:0:interface=127.0.0.1"]', debug: str = "debug = true"
) -> Config:
    """Return a configuration with a route for the app and one without a policy."""
    return parse(
        f"""{listen}
[upstreams.a]
servers = ["http://127.0.0.1:9"]
[cors.app]
allow_origins = ["http://localhost:4200"]
{debug}
[routes."/v1"]
upstream = "a"
cors = "app"
[routes."/login"]
upstream = "a"
"""
    )


class UnroutedTests(GateTestCase):
    """`Unrouted`, in a gate."""

    async def told(self, gate: Gate, *headers: Any, **asked: Any) -> dict[str, Any]:
        """Return what a 404 says."""
        answer = await self.ask(gate, headers=headers, **{"target": b"/v2/x", **asked})
        self.assertEqual(answer.status, 404)
        said: dict[str, Any] = json.loads(answer.body)
        return said

    async def test_developer(self) -> None:
        """A developer gets the routes, the path that was probably meant, and the status page."""
        gate = self.serve_config(config())
        said = await self.told(gate)
        self.assertEqual((said["routes"], said["did_you_mean"]), (["/v1", "/login"], ["/v1/x"]))
        self.assertNotIn("status_page", said)
        gate.service.status_page = lambda: "http://127.0.0.1:9901/"
        said = await self.told(gate, host=b"127.0.0.1:5555")
        self.assertEqual(said["status_page"], "http://127.0.0.1:9901/")

    async def test_root(self) -> None:
        """The root says what the gate is, as a page for a browser."""
        gate = self.serve_config(config())
        answer = await self.ask(gate, target=b"/", headers=[(b"Accept", b"text/html")])
        self.assertEqual(answer.status, 404)
        self.assertIn(b"pages of allowed origins call REST APIs", answer.body)
        self.assertIn(b"frame-ancestors 'none'", answer.one(b"Content-Security-Policy"))
        answer = await self.ask(gate, target=b"/x", headers=[(b"Accept", b"text/html")])
        self.assertNotIn(b"pages of allowed", answer.body)

    async def test_strangers(self) -> None:
        """Nothing is revealed to others than a developer: behind a proxy, or under another name."""
        gate = self.serve_config(config('hosts = ["localhost", "api.example"]\nlisten = ["tcp:0"]'))
        self.assertEqual(set(await self.told(gate)), BARE)
        own = 'hosts = ["localhost", "api.example"]\nlisten = ["tcp:0:interface=127.0.0.1"]'
        gate = self.serve_config(config(own))
        self.assertIn("routes", await self.told(gate))
        self.assertEqual(set(await self.told(gate, host=b"api.example")), BARE)
        proxies = (b"Via", b"X-Forwarded-For", b"X-Forwarded-Host", b"X-Forwarded-Proto")
        for name in (*proxies, b"Forwarded", b"X-Real-IP"):
            self.assertEqual(set(await self.told(gate, (name, b"for=127.0.0.1"))), BARE, name)
        proxied = (
            '[[listener]]\nendpoint = "tcp:0:interface=127.0.0.1"\ntrusted_proxies = ["127.0.0.1"]'
        )
        gate = self.serve_config(config(proxied))
        self.assertEqual(set(await self.told(gate)), BARE)
        both = 'listen = ["tcp:0:interface=127.0.0.1", "tcp:0"]\nhosts = ["localhost"]'
        gate = self.serve_config(config(both))
        self.assertEqual(set(await self.told(gate)), BARE)

    async def test_old_protocol(self) -> None:
        """HTTP/1.0 is what nginx speaks where it does not say that it is there."""
        gate = self.serve_config(config())
        request = b"GET /v2/x HTTP/1.0\r\nHost: localhost:5555\r\n\r\n"
        answer = await self.send(gate, request)
        self.assertEqual(set(json.loads(answer.body)), BARE)

    async def test_any_page(self) -> None:
        """A page that may read the 404 only because of ``*`` reads nothing of the other routes."""
        gate = self.serve_config(
            parse(
                """listen = ["tcp:0:interface=127.0.0.1"]
[upstreams.a]
servers = ["http://127.0.0.1:9"]
[routes."/public/v1"]
upstream = "a"
cors = { allow_origins = ["*"], debug = true }
[routes."/internal"]
upstream = "a"
cors = { allow_origins = ["http://localhost:4200"], debug = true }
"""
            )
        )
        said = await self.told(gate, FOREIGN, target=b"/public/v2")
        self.assertEqual(set(said), BARE)
        self.assertIn("routes", await self.told(gate, APP, target=b"/v2"))
        self.assertIn("routes", await self.told(gate, FOREIGN, target=b"/v2"))

    async def test_no_debug(self) -> None:
        """Without debug the response is bare, with no CORS headers; a preflight gets it too."""
        gate = self.serve_config(config(debug=""))
        self.assertEqual(set(await self.told(gate, APP)), BARE)
        for method, more in ((b"GET", []), (b"OPTIONS", [ASKS])):
            answer = await self.ask(gate, method, target=b"/v2", headers=[APP, *more])
            self.assertEqual(answer.status, 404)
            self.assertNotIn(b"access-control-allow-origin", answer.fields)
            self.assertNotIn(b"corsgate-reason", answer.fields)

    async def test_page(self) -> None:
        """A page of an allowed origin may read the 404, also after a preflight."""
        gate = self.serve_config(config())
        answer = await self.ask(gate, b"DELETE", target=b"/v2", headers=[APP])
        self.assertEqual(answer.status, 404)
        self.assertEqual(answer.one(b"Access-Control-Allow-Origin"), APP[1])
        answer = await self.ask(gate, b"OPTIONS", target=b"/v2", headers=[APP, ASKS])
        self.assertEqual(answer.status, 204)
        self.assertEqual(answer.one(b"Access-Control-Allow-Methods"), b"DELETE")
        self.assertEqual(answer.one(b"Access-Control-Max-Age"), b"0")
        line = json.loads(await gate.logged(2))
        self.assertEqual(line["outcome"], "no route serves this path; debug grants its preflight")
        self.assertEqual(line["id"].encode(), answer.one(b"X-Request-Id"))

    async def test_other_page(self) -> None:
        """A page of another origin may not, and its preflight fails."""
        gate = self.serve_config(config())
        for method, more in ((b"GET", []), (b"OPTIONS", [ASKS])):
            answer = await self.ask(gate, method, target=b"/v2", headers=[FOREIGN, *more])
            self.assertEqual(answer.status, 404)
            self.assertNotIn(b"access-control-allow-origin", answer.fields)

    async def test_bad_requests(self) -> None:
        """What is refused for its target or host stays as bare as it is."""
        gate = self.serve_config(config())
        for status, asked in (
            (400, {"target": b"/v2/%2e%2e/x"}),
            (421, {"host": b"rebound.example"}),
        ):
            answer = await self.ask(gate, headers=[APP], **asked)
            self.assertEqual(answer.status, status)
            self.assertEqual(set(json.loads(answer.body)), BARE)
            self.assertNotIn(b"access-control-allow-origin", answer.fields)

    async def test_escaped(self) -> None:
        """A path that is repeated in a proposal can't be markup."""
        gate = self.serve_config(config())
        sent = [(b"Accept", b"text/html")]
        answer = await self.ask(gate, target=b"/v2/<script>'\"", headers=sent)
        self.assertIn(b"/v1/&lt;script&gt;&#x27;&quot;", answer.body)
        self.assertNotIn(b"<script", answer.body)

    async def test_many_routes(self) -> None:
        """The list of routes is bounded; a reload that ends debug ends all of it."""
        routes = "".join(
            f'[routes."/r{number}"]\nupstream = "a"\ncors = "app"\n' for number in range(30)
        )
        toml = (
            'listen = ["tcp:0:interface=127.0.0.1"]\n[upstreams.a]\n'
            'servers = ["http://127.0.0.1:9"]\n[cors.app]\ndebug = true\n'
            f'allow_origins = ["http://localhost:4200"]\n{routes}'
        )
        gate = self.serve_config(parse(toml))
        said = await self.told(gate)
        self.assertEqual((len(said["routes"]), said["more_routes"]), (MAX_ROUTES, 30 - MAX_ROUTES))
        await gate.reload(parse(toml.replace("debug = true\n", "")))
        self.assertEqual(set(await self.told(gate, APP)), BARE)


class Http2Tests(Http2TestCase):
    """The same over HTTP/2."""

    async def test_page(self) -> None:
        """A preflight is granted, and the request behind it gets a 404 that the page may read."""
        rest = (
            '[routes."/debug"]\nupstream = "a"\n'
            'cors = { allow_origins = ["http://localhost:4200"], debug = true }\n'
        )
        peer = await self.peer(self.over_tls(await self.upstream(), rest=rest))
        app, asks = ((name.lower(), value) for name, value in (APP, ASKS))
        for method, more, status in ((b"OPTIONS", [asks], 204), (b"DELETE", [], 404)):
            asked = peer.ask(method=method, target=b"/nowhere", headers=[app, *more])
            got = await peer.whole(asked)
            self.assertEqual((got.status, got.ended), (status, True))
            self.assertEqual(got.one(b"access-control-allow-origin"), APP[1])
            # The gate's name is none of this machine alone.
            self.assertNotIn(b"routes", bytes(got.body))
