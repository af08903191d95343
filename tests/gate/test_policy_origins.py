"""Who is allowed by which kind of entry, and by what status a preflight passes, on the wire."""

from __future__ import annotations

from tests.gate.test_policy import CORS, PATCH, PolicyTestCase
from tests.peers import request
from tests.support import APP, FROM_APP, FROM_FOREIGN


class Origins(PolicyTestCase):
    """Who is allowed by what kind of entry, and what the gate's credentials do to that."""

    KEY = 'credentials = { type = "bearer", token = "s3cret" }'

    async def test_preflight_status(self) -> None:
        """A preflight may pass with 200, which has a length; the connection goes on."""
        upstream = await self.upstream()
        gate = self.gate(upstream, f"{CORS}, preflight_status = 200, allow_methods = ['PATCH']")
        client = await self.connect(gate)
        for _ in range(2):
            client.send(request(b"OPTIONS", headers=[FROM_APP, PATCH]))
            answer = await client.response()
            self.assertEqual((answer.start, answer.body), (b"HTTP/1.1 200 OK", b""))
            self.assertEqual(answer.one(b"Content-Length"), b"0")
            self.assertEqual(answer.one(b"Access-Control-Allow-Methods"), b"PATCH")
        self.assertEqual(upstream.requests, [])
        answer = await self.ask(gate, b"OPTIONS", headers=[FROM_FOREIGN, PATCH])
        self.assertEqual(answer.status, 403)

    async def test_previews(self) -> None:
        """Deploy previews are allowed by one pattern, others of the same domain are not."""
        upstream = await self.upstream()
        gate = self.gate(upstream, 'allow_origins = ["https://pr-*.app.example"]', line=self.KEY)
        for origin, status in (
            (b"https://pr-17.app.example", 200),
            (b"https://pr-.app.example", 403),
            (b"https://admin.app.example", 403),
            (b"https://pr-17.app.example.evil.test", 403),
        ):
            answer = await self.ask(gate, headers=[(b"Origin", origin)])
            self.assertEqual((origin, answer.status), (origin, status))
            allowed = answer.fields.get(b"access-control-allow-origin")
            self.assertEqual(allowed, [origin] if status == 200 else None)
        self.assertEqual(len(upstream.requests), 1)

    async def test_null_does_not_vouch_for_a_form(self) -> None:
        """By CORS it may read; what comes without CORS has no credentials of the gate's own."""
        upstream = await self.upstream()
        any_origin = "dangerously_allow_any_origin_to_use_upstream_credentials = true"
        null = "dangerously_allow_null_origin = true"
        gate = self.gate(
            upstream,
            f'allow_origins = ["null", "{APP.decode()}"], {null}, {any_origin}',
            line=self.KEY,
        )
        for origin, mode, status in (
            (b"null", b"cors", 200),
            (b"null", b"navigate", 403),
            (b"null", b"no-cors", 403),
            (APP, b"navigate", 200),
            (APP, b"no-cors", 200),
        ):
            fields = [
                (b"Origin", origin),
                (b"Sec-Fetch-Site", b"cross-site"),
                (b"Sec-Fetch-Mode", mode),
            ]
            answer = await self.ask(gate, b"POST", headers=fields, body=b"")
            self.assertEqual((origin, mode, answer.status), (origin, mode, status))
            self.assertEqual(answer.one(b"Access-Control-Allow-Origin"), origin)
        self.assertEqual(len(upstream.requests), 3)

    async def test_extensions(self) -> None:
        """One is allowed by name; all of a browser's where their risk is named."""
        upstream = await self.upstream()
        any_extension = "dangerously_allow_any_browser_extension = true"
        mine = b"chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb"
        other = b"chrome-extension://bbpbdbdomjkkjkaonfhkkikfgjllcleb"
        named = self.gate(upstream, f'allow_origins = ["{mine.decode()}"]')
        every = self.gate(upstream, f'allow_origins = ["chrome-extension://*"], {any_extension}')
        for gate, origin, status in (
            (named, mine, 200),
            (named, other, 403),
            (every, mine, 200),
            (every, other, 200),
            (every, b"moz-extension://2c127fa4-62c7-7e4f-90e5-472b45eecfdc", 403),
        ):
            answer = await self.ask(gate, headers=[(b"Origin", origin)])
            self.assertEqual((origin, answer.status), (origin, status))
