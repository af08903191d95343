"""What corsgate promises to its users, a class for each promise, on real sockets."""

from __future__ import annotations

import gzip
import json

from corsgate.errors import ConfigError
from tests.peers import ABORTED, Message, request, response
from tests.support import (
    APP,
    BASIC,
    FOREIGN,
    FROM_APP,
    FROM_FOREIGN,
    LISTEN,
    PASSWORD,
    POLICY,
    GateTestCase,
    parse,
)

PREFLIGHT = [FROM_APP, (b"Access-Control-Request-Method", b"PUT")]


class CorsIsOutermost(GateTestCase):
    """Every response on a route carries its CORS headers, and no one else's."""

    def assert_cors(self, answer: Message, status: int) -> None:
        """Assert a status, and that the allowed origin may read the answer."""
        self.assertEqual(answer.status, status, answer.raw)
        self.assertEqual(answer.fields[b"access-control-allow-origin"], [APP])
        self.assertEqual(answer.fields[b"access-control-allow-credentials"], [b"true"])
        self.assertEqual(answer.fields[b"vary"], [b"Origin"])

    async def test_upstream_answers(self) -> None:
        """An upstream's answers have them, whatever their status."""
        statuses = (200, 204, 301, 304, 401, 404, 429, 500, 503)
        upstream = await self.upstream(*(response(status) for status in statuses))
        gate = self.front(upstream)
        for status in statuses:
            self.assert_cors(await self.ask(gate, headers=[FROM_APP]), status)

    async def test_upstream_cors_removed(self) -> None:
        """An upstream's own CORS headers are removed, and its Vary is kept with ours."""
        theirs = [
            (b"access-control-allow-origin", b"*"),
            (b"Access-Control-Allow-Origin", FOREIGN),
            (b"Access-Control-Allow-Headers", b"X-Theirs"),
            (b"Access-Control-Max-Age", b"99"),
            (b"Vary", b"Accept"),
            (b"Vary", b"origin, Cookie"),
        ]
        gate = self.front(await self.upstream(response(200, theirs)))
        answer = await self.ask(gate, headers=[FROM_APP])
        self.assertEqual(answer.fields[b"access-control-allow-origin"], [APP])
        self.assertEqual(answer.fields[b"vary"], [b"Accept, origin, Cookie"])
        self.assertNotIn(b"access-control-allow-headers", answer.fields)
        self.assertNotIn(b"access-control-max-age", answer.fields)

    async def test_errors_made_here(self) -> None:
        """Refusals of the gate's own have them: 400, 405, 413, 414, 431."""
        limits = "[limits]\nmax_body_bytes = 10\nmax_headers = 9\nmax_target_bytes = 100"
        upstream = await self.upstream()
        gate = self.front(upstream, route='methods = ["GET", "PUT"]', rest=limits)
        origin = b"Origin: %b\r\n" % APP
        start = b"PUT /v1/x HTTP/1.1\r\nHost: localhost\r\n" + origin
        many = b"".join(b"X-%d: 1\r\n" % number for number in range(20))
        cases = (
            (405, request(b"DELETE", headers=[FROM_APP])),
            (405, request(b"TRACE", headers=[FROM_APP])),
            (413, request(b"PUT", headers=[FROM_APP], body=b"x" * 11)),
            (414, request(target=b"/v1/" + b"x" * 200, headers=[FROM_APP])),
            (431, start + many + b"\r\n"),
            (400, start + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n"),
        )
        for status, data in cases:
            self.assert_cors(await self.send(gate, data), status)
            await self.assert_serves(gate)

    async def test_errors_of_upstreams(self) -> None:
        """502 and 504 have them."""
        refusing = await self.upstream()
        await refusing.refuse()
        gate = self.front(refusing)
        self.assert_cors(await self.ask(gate, headers=[FROM_APP]), 502)
        broken = self.front(await self.upstream(b"no HTTP at all\r\n\r\n"))
        self.assert_cors(await self.ask(broken, headers=[FROM_APP]), 502)
        silent = await self.upstream(None)
        slow = self.front(silent, rest='[limits]\nfirst_byte_timeout = "200ms"')
        self.assert_cors(await self.ask(slow, headers=[FROM_APP]), 504)

    async def test_vary_without_origin(self) -> None:
        """An answer to a request without Origin says that another Origin changes it."""
        gate = self.front(await self.upstream())
        answer = await self.ask(gate)
        self.assertEqual(answer.one(b"Vary"), b"Origin")

    async def test_preflight_stays_here(self) -> None:
        """A preflight is answered here, even where the upstream asks for credentials."""
        upstream = await self.upstream(response(401))
        gate = self.front(upstream, upstream=BASIC)
        answer = await self.ask(gate, b"OPTIONS", headers=PREFLIGHT)
        self.assertEqual(answer.status, 204)
        self.assertEqual(answer.one(b"Access-Control-Allow-Origin"), APP)
        self.assertIn(b"PUT", answer.one(b"Access-Control-Allow-Methods"))
        refused = [FROM_FOREIGN, (b"Access-Control-Request-Method", b"PUT")]
        answer = await self.ask(gate, b"OPTIONS", headers=refused)
        self.assertEqual(answer.status, 403)
        self.assertNotIn(b"access-control-allow-origin", answer.fields)
        self.assertEqual(upstream.connections, [])

    async def test_other_options_go_on(self) -> None:
        """OPTIONS that is no preflight reaches the upstream, and gets CORS headers."""
        upstream = await self.upstream(response(200, [(b"Allow", b"GET")]))
        gate = self.front(upstream)
        answer = await self.ask(gate, b"OPTIONS", headers=[FROM_APP])
        self.assert_cors(answer, 200)
        self.assertEqual(answer.one(b"Allow"), b"GET")
        await self.ask(gate, b"OPTIONS", headers=PREFLIGHT[1:])
        self.assertEqual([each.method for each in upstream.requests], [b"OPTIONS"] * 2)


class ForeignOriginsChangeNothing(GateTestCase):
    """A request from an origin that is not allowed gets 403, and no upstream sees it."""

    async def test_refused(self) -> None:
        """Foreign, null, several and lookalike origins are refused, whatever the method."""
        upstream = await self.upstream()
        gate = self.front(upstream)
        near = (b"null", b"https://app.example.evil", b"http://app.example", b"https://APP.example")
        for origin in (FOREIGN, *near):
            for method in (b"GET", b"POST", b"DELETE"):
                answer = await self.ask(gate, method, headers=[(b"Origin", origin)])
                self.assertEqual(answer.status, 403, origin)
                self.assertNotIn(b"access-control-allow-origin", answer.fields)
                self.assertEqual(answer.one(b"Vary"), b"Origin")
        both = await self.ask(gate, headers=[FROM_APP, FROM_FOREIGN])
        self.assertEqual(both.status, 403)
        self.assertEqual(upstream.connections, [])
        await self.assert_serves(gate)

    async def test_upload_refused(self) -> None:
        """A foreign upload is refused before its body is read."""
        upstream = await self.upstream()
        gate = self.front(upstream)
        head = request(b"PUT", headers=[FROM_FOREIGN, (b"Content-Length", b"1000000")])
        answer = await self.send(gate, head)
        self.assertEqual(answer.status, 403)
        self.assertEqual(upstream.connections, [])

    async def test_websocket_refused(self) -> None:
        """A foreign page's WebSocket handshake is refused too."""
        upstream = await self.upstream()
        gate = self.front(upstream)
        offer = [(b"Connection", b"Upgrade"), (b"Upgrade", b"websocket")]
        answer = await self.ask(gate, headers=[FROM_FOREIGN, *offer])
        self.assertEqual(answer.status, 403)
        self.assertEqual(upstream.connections, [])

    async def test_not_enforced(self) -> None:
        """With ``enforce_origin = false`` the request goes on; the page still can't read."""
        upstream = await self.upstream()
        cors = 'cors = { allow_origins = ["https://app.example"], enforce_origin = false }'
        gate = self.serve(
            f'[upstreams.a]\nservers = ["{upstream.url}"]\n[routes."/v1"]\nupstream = "a"\n{cors}'
        )
        answer = await self.ask(gate, headers=[FROM_FOREIGN])
        self.assertEqual(answer.status, 200)
        self.assertNotIn(b"access-control-allow-origin", answer.fields)

    async def test_cross_site_without_cors(self) -> None:
        """Where the gate adds credentials, a cross-site image or form is refused."""
        upstream = await self.upstream()
        gate = self.front(upstream, upstream=BASIC)

        def fetched(site: bytes, mode: bytes) -> list[tuple[bytes, bytes]]:
            metadata = [(b"Sec-Fetch-Site", site), (b"Sec-Fetch-Mode", mode)]
            return [*metadata, (b"Sec-Fetch-Dest", b"document")]

        image = await self.ask(gate, headers=fetched(b"cross-site", b"no-cors"))
        form = await self.ask(gate, b"POST", headers=fetched(b"cross-site", b"navigate"), body=b"")
        self.assertEqual((image.status, form.status), (403, 403))
        self.assertEqual(upstream.connections, [])
        for method, site, mode in (
            (b"GET", b"same-origin", b"no-cors"),
            (b"GET", b"cross-site", b"navigate"),
            (b"GET", b"none", b"navigate"),
        ):
            self.assertEqual(
                (await self.ask(gate, method, headers=fetched(site, mode))).status, 200
            )
        plain = self.front(upstream)
        image = await self.ask(plain, headers=fetched(b"cross-site", b"no-cors"))
        self.assertEqual(image.status, 200)


class CredentialsAreConfined(GateTestCase):
    """The gate's credentials go to their own upstream's servers, and nowhere else."""

    async def test_own_upstream_only(self) -> None:
        """Another upstream never sees them."""
        trusted, other = await self.upstream(), await self.upstream()
        gate = self.serve(
            f'[upstreams.a]\nservers = ["{trusted.url}"]\n{BASIC}\n'
            f'[upstreams.b]\nservers = ["{other.url}"]\n{POLICY}'
            '[routes."/v1"]\nupstream = "a"\ncors = "app"\n[routes."/v2"]\nupstream = "b"\n'
        )
        await self.ask(gate)
        await self.ask(gate, target=b"/v2/x")
        self.assertIn(b"authorization", trusted.requests[0].fields)
        self.assertNotIn(b"authorization", other.requests[0].fields)

    async def test_not_along_a_redirect(self) -> None:
        """A redirect is the client's to follow: nothing goes to where it points."""
        elsewhere = await self.upstream()
        location = elsewhere.url.encode() + b"/stolen"
        upstream = await self.upstream(response(302, [(b"Location", location)]))
        gate = self.front(upstream, upstream=BASIC)
        answer = await self.ask(gate)
        self.assertEqual((answer.status, answer.one(b"Location")), (302, location))
        self.assertEqual(elsewhere.connections, [])

    async def test_client_authorization_dropped(self) -> None:
        """The client's own Authorization stays here, but only where the gate has its own."""
        upstream = await self.upstream()
        theirs = [(b"Authorization", b"Bearer client"), (b"authorization", b"Basic client")]
        await self.ask(self.front(upstream, upstream=BASIC), headers=theirs)
        await self.ask(self.front(upstream), headers=theirs[:1])
        self.assertTrue(upstream.requests[0].one(b"Authorization").startswith(b"Basic "))
        self.assertNotIn(b"client", upstream.requests[0].raw)
        self.assertEqual(upstream.requests[1].one(b"Authorization"), b"Bearer client")

    async def test_no_password_popup(self) -> None:
        """An upstream's WWW-Authenticate is withheld, but only where the gate has its own."""
        challenge = [(b"WWW-Authenticate", b'Basic realm="box"')]
        upstream = await self.upstream(response(401, challenge))
        answer = await self.ask(self.front(upstream, upstream=BASIC))
        self.assertEqual(answer.status, 401)
        self.assertNotIn(b"www-authenticate", answer.fields)
        plain = await self.ask(self.front(upstream))
        self.assertEqual(plain.one(b"WWW-Authenticate"), b'Basic realm="box"')

    async def test_never_shown(self) -> None:
        """No error page, no log line and no repr has them."""
        upstream = await self.upstream(b"garbage\r\n\r\n")
        gate = self.front(upstream, upstream=BASIC)
        sent = [(b"Authorization", b"Bearer client-token"), (b"Cookie", b"sid=client-cookie")]
        answer = await self.ask(gate, headers=sent)
        self.assertEqual(answer.status, 502)
        config = parse(
            f'{LISTEN}[upstreams.a]\nservers = ["{upstream.url}"]\n{BASIC}\n'
            '[routes."/"]\nupstream = "a"\n'
        )
        shown = [answer.raw.decode(), *gate.lines, repr(config), repr(gate.service)]
        encoded = upstream.requests[0].one(b"Authorization").split()[1].decode()
        for secret in (PASSWORD, encoded, "client-token", "client-cookie"):
            self.assertNotIn(secret, "\n".join(shown))
        self.assertNotIn("127.0.0.1", answer.raw.decode())


class BytesAreFaithful(GateTestCase):
    """What passes the gate keeps its bytes."""

    async def test_targets(self) -> None:
        """Odd targets arrive as they were sent."""
        upstream = await self.upstream()
        gate = self.front(upstream)
        targets = [
            b"/v1/a%2Fb;c//d?",
            b"/v1/;",
            b"/v1//",
            b"/v1?",
            b"/v1/x?a=b&a=b;c=%20+&&",
            b'/v1/%7euser/%C3%A9?q=[]|{}"<>',
            b"/v1/x?/../y",
            b"/%76%31/x",
        ]
        for target in targets:
            self.assertEqual((await self.ask(gate, target=target)).status, 200, target)
        self.assertEqual([each.target for each in upstream.requests], targets)

    async def test_fields(self) -> None:
        """Repeated fields stay apart, in their order and spelling, both ways."""
        fields = [
            (b"X-B", b"1"),
            (b"x-a", b"2"),
            (b"X-B", b"3, 4"),
            (b"x-\xc3a".replace(b"\xc3", b"z"), b"\xe9"),
        ]
        upstream = await self.upstream(response(200, fields))
        answer = await self.ask(self.front(upstream), headers=fields)
        self.assertEqual(answer.headers[: len(fields)], fields)
        self.assertEqual(upstream.requests[0].headers[1 : len(fields) + 1], fields)

    async def test_bodies(self) -> None:
        """A compressed body passes as it is; no Accept-Encoding is made up."""
        packed = gzip.compress(b"data" * 1000)
        coding = [(b"Content-Encoding", b"gzip")]
        upstream = await self.upstream(response(200, coding, packed))
        answer = await self.ask(self.front(upstream), b"PUT", headers=coding, body=packed)
        self.assertEqual((answer.body, answer.one(b"Content-Encoding")), (packed, b"gzip"))
        self.assertEqual(answer.one(b"Content-Length"), b"%d" % len(packed))
        self.assertEqual(upstream.requests[0].body, packed)
        self.assertEqual(upstream.requests[0].one(b"Content-Encoding"), b"gzip")
        self.assertNotIn(b"accept-encoding", upstream.requests[0].fields)


class ClientsAreKeptApart(GateTestCase):
    """No client sees another's data."""

    async def test_no_shared_cookies(self) -> None:
        """A cookie that was set for one client never goes out for another."""
        upstream = await self.upstream(response(200, [(b"Set-Cookie", b"sid=alice; Path=/")]))
        gate = self.front(upstream)
        first = await self.ask(gate)
        self.assertEqual(first.one(b"Set-Cookie"), b"sid=alice; Path=/")
        await self.ask(gate)
        await self.ask(gate, headers=[(b"Cookie", b"sid=bob")])
        self.assertNotIn(b"cookie", upstream.requests[1].fields)
        self.assertEqual(upstream.requests[2].fields[b"cookie"], [b"sid=bob"])

    async def test_no_connection_in_doubt(self) -> None:
        """Bytes behind a response are nobody's: the next request has its own connection."""
        upstream = await self.upstream(response(body=b"one") + response(body=b"two"), response())
        gate = self.front(upstream)
        await self.ask(gate)
        self.assertEqual((await self.ask(gate)).body, b"")
        self.assertEqual(len(upstream.connections), 2)

    async def test_gone_client(self) -> None:
        """What was meant for a client that left reaches no other."""
        upstream = await self.upstream(None, response(body=b"second"))
        gate = self.front(upstream)
        client = await self.connect(gate)
        client.send(request())
        await upstream.arrived()
        await client.close()
        await upstream.connections[0].gone()
        self.assertEqual((await self.ask(gate)).body, b"second")


class NothingTwiceOrCutShort(GateTestCase):
    """Nothing is sent twice that could act twice; nothing cut short looks whole."""

    async def test_post_once(self) -> None:
        """A POST whose server died is not sent again."""
        first, second = await self.upstream(None), await self.upstream(None)
        for upstream in (first, second):
            upstream.answer = lambda each: each.connection.close() and None
        answer = await self.ask(self.front(first, second), b"POST", body=b"pay")
        self.assertEqual(answer.status, 502)
        self.assertEqual(len(first.requests) + len(second.requests), 1)

    async def test_short_body(self) -> None:
        """A body that its upstream cut short ends in a cut connection."""
        chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
        for cut in (response(body=b"abc", length=9), chunked):
            upstream = await self.upstream(cut)
            gate = self.front(upstream)
            client = await self.connect(gate)
            client.send(request())
            await client.when(lambda client=client: b"abc" in client.data)  # type: ignore[misc]
            await upstream.connections[0].close()
            self.assertEqual(await client.gone(), ABORTED)
            self.assertFalse(client.data.endswith(b"0\r\n\r\n"))
            upstream.script(response())
            await self.assert_serves(gate)


class WrongConfigurationsNeverStart(GateTestCase):
    """All faults at once, each with its place and its fix; nothing listens."""

    def test_all_faults(self) -> None:
        """Each fault has file, line, key, the bad value and the fix."""
        with self.assertRaises(ConfigError) as caught:
            parse(
                'listen = ["tcp:99999"]\n[upstreams.a]\nservers = ["ftp://x"]\n'
                '[routes."/v1"]\nupstream = "b"\ncors = { allow_origins = ["http://x/"] }\n'
            )
        shown = [str(fault) for fault in caught.exception.faults]
        self.assertEqual(len(shown), 4, shown)
        for fault, part in zip(
            shown, ("gate.toml:1: listen", "ftp", "upstreams.b", "http://x/"), strict=True
        ):
            self.assertIn(part, fault)

    async def test_one_bad_endpoint(self) -> None:
        """Where one endpoint can't be had, none is listened on."""
        upstream = await self.upstream()
        taken = upstream.authority.rpartition(b":")[2].decode()
        listen = json.dumps(["tcp:0:interface=127.0.0.1", f"tcp:{taken}:interface=127.0.0.1"])
        with self.assertRaises(ConfigError) as caught:
            self.serve(
                f'listen = {listen}\n[upstreams.a]\nservers = ["{upstream.url}"]\n'
                '[routes."/"]\nupstream = "a"\n'
            )
        (fault,) = caught.exception.faults
        self.assertIn("Address already in use", str(fault))
        self.assertEqual(fault.key, "listen[1]")
