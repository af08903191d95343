"""What an operator sets, adds and removes in requests and responses, on real sockets."""

from __future__ import annotations

import json

from corsgate.message.headers import Header
from tests.gate.test_health import HealthTestCase, health
from tests.peers import Message, Upstream, response
from tests.support import (
    APP,
    DIGEST,
    FROM_APP,
    FROM_FOREIGN,
    PASSWORD,
    POLICY,
    Gate,
    GateTestCase,
)

KEY = 'request_headers = { set = { X-Gate-Key = { env = "PASSWORD" } } }'
SWITCH = b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


class Requests(GateTestCase):
    """``request_headers`` of an upstream."""

    async def sent(self, rules: str, headers: list[Header]) -> Message:
        """Return what an upstream gets of a request."""
        upstream = await self.upstream()
        gate = self.front(upstream, upstream=f"request_headers = {{ {rules} }}")
        self.assertEqual((await self.ask(gate, headers=headers)).status, 200)
        return upstream.requests[0]

    async def test_set_add_remove(self) -> None:
        """Set replaces, add appends, and remove takes away; all else passes."""
        rules = 'set = { X-A = "gate" }, add = { X-B = "gate" }, remove = ["Cookie", "X-C"]'
        sent = await self.sent(
            rules,
            [
                (b"x-a", b"client"),
                (b"X_A", b"client"),
                (b"X-B", b"client"),
                (b"Cookie", b"a=1"),
                (b"x_c", b"client"),
                (b"X-D", b"client"),
            ],
        )
        fields = sent.fields
        self.assertEqual(fields[b"x-a"], [b"gate"])
        self.assertEqual(fields[b"x-b"], [b"client", b"gate"])
        self.assertEqual(fields[b"x-d"], [b"client"])
        for name in (b"x_a", b"cookie", b"x_c", b"x-c"):
            self.assertNotIn(name, fields)

    async def test_identity(self) -> None:
        """A field that clients can't set may be the operator's."""
        forged = [(b"X-Real-IP", b"10.9.9.9"), (b"X-Forwarded-Port", b"1")]
        sent = await self.sent('set = { X-Real-IP = "{client_ip}" }', forged)
        self.assertEqual(sent.fields[b"x-real-ip"], [b"127.0.0.1"])
        self.assertNotIn(b"x-forwarded-port", sent.fields)

    async def test_named(self) -> None:
        """Each request has its own id, which is that of the access log."""
        upstream = await self.upstream()
        rules = 'set = { X-Request-ID = "{request_id}", X-Where = "{route} {host}" }'
        gate = self.front(upstream, upstream=f"request_headers = {{ {rules} }}")
        client = await self.connect(gate)
        for _ in range(3):
            client.send(b"GET /v1/x HTTP/1.1\r\nHost: localhost:5555\r\n\r\n")
            await client.response()
        await gate.logged(3)
        ids = [each.one(b"x-request-id").decode() for each in upstream.requests]
        self.assertEqual(ids, [json.loads(line)["id"] for line in gate.lines])
        self.assertEqual(len(set(ids)), 3)
        self.assertEqual(upstream.requests[0].one(b"x-where"), b"/v1 localhost:5555")

    async def test_routes_apart(self) -> None:
        """Two routes to one upstream tell it apart, over one connection of a client too."""
        upstream = await self.upstream()
        gate = self.serve(
            f'[upstreams.a]\nservers = ["{upstream.url}"]\n'
            'request_headers = { set = { X-Route = "{route}" } }\n'
            '[routes."/v1"]\nupstream = "a"\n[routes."/v2"]\nupstream = "a"\nstrip_prefix = true\n'
            '[routes."/v3"]\nupstream = "a"\nstrip_prefix = true\n'
        )
        client = await self.connect(gate)
        for prefix in (b"/v1", b"/v2", b"/v3") * 2:
            client.send(b"GET %b/x HTTP/1.1\r\nHost: localhost\r\n\r\n" % prefix)
            await client.response()
        routes = [each.one(b"x-route") for each in upstream.requests]
        self.assertEqual(routes, [b"/v1", b"/v2", b"/v3"] * 2)
        prefixes = [each.fields.get(b"x-forwarded-prefix") for each in upstream.requests]
        self.assertEqual(prefixes, [None, [b"/v2"], [b"/v3"]] * 2)

    async def test_trailers(self) -> None:
        """What is set or removed doesn't come in behind a body either."""
        upstream = await self.upstream()
        rules = 'set = { X-A = "gate" }, remove = ["X-B"]'
        gate = self.front(upstream, upstream=f"request_headers = {{ {rules} }}")
        await self.send(
            gate,
            b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"1\r\nx\r\n0\r\nX-A: client\r\nX_A: client\r\nX-B: client\r\nReferer: x\r\n\r\n",
        )
        self.assertNotIn(b"client", upstream.data)
        self.assertNotIn(b"Referer", upstream.data)


class Secrets(GateTestCase):
    """A field that is a secret is confined like credentials."""

    async def test_sent(self) -> None:
        """Its upstream alone gets it, also with an upgrade; a client's own field does not pass."""
        upstream = await self.upstream()
        upstream.answer = lambda got: SWITCH if b"upgrade" in got.fields else response(body=b"ok")
        gate = self.front(upstream, upstream=KEY)
        forged = [FROM_APP, (b"X-Gate-Key", b"mine"), (b"x_gate_key", b"mine")]
        answer = await self.ask(gate, headers=forged)
        offer = [*forged, (b"Connection", b"Upgrade"), (b"Upgrade", b"websocket")]
        client = await self.connect(gate)
        client.send(
            b"GET /v1/x HTTP/1.1\r\nHost: localhost\r\n"
            + b"".join(b"%b: %b\r\n" % field for field in offer)
            + b"\r\n"
        )
        switched = await client.response(bodiless=True)
        self.assertEqual((answer.status, switched.status), (200, 101))
        for sent in upstream.requests:
            self.assertEqual(sent.fields[b"x-gate-key"], [PASSWORD.encode()])
            self.assertNotIn(b"x_gate_key", sent.fields)
        for shown in (answer.raw, switched.raw):
            self.assertNotIn(PASSWORD.encode(), shown)
        await client.close()
        await gate.logged(2)
        self.assertNotIn(PASSWORD, "".join(gate.lines))

    async def test_session_cookie(self) -> None:
        """A server that renews the gate's own session does not show it to clients."""
        renewed = (b"Set-Cookie", b"sid=secret; Path=/")
        secret = '{ env = "PASSWORD" }'
        for lines, shown in (
            (f"request_headers = {{ set = {{ Cookie = {secret} }} }}", False),
            (f'credentials = {{ type = "header", name = "Cookie", value = {secret} }}', False),
            (KEY, True),
        ):
            upstream = await self.upstream(response(200, [renewed], b"ok"))
            gate = self.front(upstream, upstream=lines)
            answer = await self.ask(gate, headers=[FROM_APP, (b"Cookie", b"sid=mine")])
            self.assertEqual((answer.status, b"set-cookie" in answer.fields), (200, shown))

    async def test_redirect(self) -> None:
        """No redirect is followed with it, and none carries it."""
        other = await self.upstream()
        away = (b"Location", b"http://" + other.authority + b"/")
        upstream = await self.upstream(response(302, [away]))
        answer = await self.ask(self.front(upstream, upstream=KEY), headers=[FROM_APP])
        self.assertEqual((answer.status, other.data), (302, b""))
        self.assertNotIn(PASSWORD.encode(), answer.raw)

    async def test_other_sites(self) -> None:
        """What other sites send without CORS is refused, as where there are credentials."""
        upstream = await self.upstream()
        gate = self.front(upstream, upstream=KEY)
        embedded = [(b"Sec-Fetch-Site", b"cross-site"), (b"Sec-Fetch-Mode", b"no-cors")]
        self.assertEqual((await self.ask(gate, headers=embedded)).status, 403)
        self.assertEqual((await self.ask(gate, headers=[FROM_FOREIGN])).status, 403)
        self.assertEqual(upstream.data, b"")
        plain = self.front(upstream, upstream='request_headers = { set = { X-A = "1" } }')
        self.assertEqual((await self.ask(plain, headers=embedded)).status, 200)

    async def test_without_policy(self) -> None:
        """A page of another origin can't act with it on a route that has no policy."""
        upstream = await self.upstream()
        gate = self.serve(
            f'[upstreams.a]\nservers = ["{upstream.url}"]\n{KEY}\n[routes."/"]\nupstream = "a"\n'
        )
        self.assertEqual((await self.ask(gate, b"POST", headers=[FROM_APP])).status, 403)

    async def test_own_authorization(self) -> None:
        """A client's own Authorization passes beside it, and the challenge for it too."""
        basic = (b"WWW-Authenticate", b"Basic")
        upstream = await self.upstream(response(401, [basic]))
        gate = self.front(upstream, upstream=KEY)
        mine = (b"Authorization", b"Basic bWluZTptaW5l")
        answer = await self.ask(gate, headers=[FROM_APP, mine])
        self.assertEqual(answer.one(b"WWW-Authenticate"), b"Basic")
        self.assertEqual(upstream.requests[0].fields[b"authorization"], [mine[1]])

    async def test_every_attempt(self) -> None:
        """It goes with each request to the upstream, also with one that only meets a challenge."""
        challenge = (b"WWW-Authenticate", b'Digest realm="box", nonce="n", qop="auth"')
        upstream = await self.upstream(response(401, [challenge]), response(body=b"ok"))
        gate = self.front(upstream, upstream=f"{KEY}\n{DIGEST}")
        answer = await self.ask(gate, b"PUT", headers=[FROM_APP], body=b"x" * 1_000)
        self.assertEqual(answer.status, 200)
        self.assertEqual([each.method for each in upstream.requests], [b"PUT", b"PUT"])
        for sent in upstream.requests:
            self.assertEqual(sent.fields[b"x-gate-key"], [PASSWORD.encode()])


class ByUrl(GateTestCase):
    """A route whose requests name their server by its URL."""

    async def test_its_own_upstream_alone(self) -> None:
        """The secret goes to its own upstream, and confines the whole route."""
        one, other = await self.upstream(), await self.upstream()
        gate = self.serve(
            f'[upstreams.one]\nservers = ["{one.url}"]\n{KEY}\n'
            f'[upstreams.other]\nservers = ["{other.url}"]\norigin = "drop"\n{POLICY}\n'
            '[routes."/proxy"]\nby_url = ["one", "other"]\ncors = "app"\n'
        )
        for server in (one, other):
            target = b"/proxy?" + server.url.encode() + b"/x"
            self.assertEqual((await self.ask(gate, target=target, headers=[FROM_APP])).status, 200)
        (mine,), (theirs,) = one.requests, other.requests
        self.assertEqual(mine.fields[b"x-gate-key"], [PASSWORD.encode()])
        self.assertEqual(mine.fields[b"origin"], [one.url.encode()])
        for name in (b"x-gate-key", b"origin", b"x-forwarded-prefix"):
            self.assertNotIn(name, theirs.fields)
        embedded = [(b"Sec-Fetch-Site", b"cross-site"), (b"Sec-Fetch-Mode", b"no-cors")]
        target = b"/proxy?" + other.url.encode() + b"/x"
        self.assertEqual((await self.ask(gate, target=target, headers=embedded)).status, 403)

    async def test_redirect(self) -> None:
        """A server doesn't lead a page to where the gate would add the secret."""
        one, other = await self.upstream(), await self.upstream()
        gate = self.serve(
            f'[upstreams.one]\nservers = ["{one.url}"]\n{KEY}\n'
            f'[upstreams.other]\nservers = ["{other.url}"]\n{POLICY}\n'
            '[routes."/proxy"]\nby_url = ["one", "other"]\ncors = "app"\n'
        )
        secret_url, plain_url = one.url.encode() + b"/x", other.url.encode() + b"/x"
        for server, asked, named, wanted in (
            (other, plain_url, secret_url, secret_url),
            (one, secret_url, plain_url, b"/proxy?" + plain_url),
        ):
            server.script(response(302, [(b"Location", named)]))
            answer = await self.ask(gate, target=b"/proxy?" + asked, headers=[FROM_APP])
            self.assertEqual((answer.status, answer.one(b"location")), (302, wanted))


class Probes(HealthTestCase):
    """Probes have the fields that the upstream wants of each request."""

    async def test_probes(self) -> None:
        """Those without a placeholder; none with a secret where probes are anonymous."""
        rules = (
            'request_headers = { set = { X-Gate-Key = { env = "PASSWORD" }, User-Agent = "me",'
            ' X-Ip = "{client_ip}" } }'
        )
        for more, wanted in (("", [PASSWORD.encode()]), (", anonymous = true", None)):
            server = await self.probed()
            self.front(server, upstream=f"{health(more)}\n{rules}")
            await server.judged(1)
            fields = server.probes[0].fields
            self.assertEqual(fields.get(b"x-gate-key"), wanted)
            self.assertEqual(fields[b"user-agent"], [b"me"])
            self.assertNotIn(b"x-ip", fields)


class Responses(GateTestCase):
    """``response_headers`` of a route."""

    async def got(self, rules: str, theirs: list[Header], **more: str) -> Message:
        """Return what a client gets of a response."""
        upstream = await self.upstream(response(200, theirs, b"ok"))
        gate = self.front(upstream, route=f"response_headers = {{ {rules} }}", **more)
        return await self.ask(gate, headers=[FROM_APP])

    async def test_set_add_remove(self) -> None:
        """Set replaces, add appends and remove takes away; CORS is as it was."""
        theirs = [
            (b"x-frame-options", b"SAMEORIGIN"),
            (b"Link", b"</a>"),
            (b"Server", b"box"),
            (b"Vary", b"Accept"),
            (b"Date", b"Sun, 29 Nov 2026 06:00:00 GMT"),
        ]
        rules = 'set = { X-Frame-Options = "DENY" }, add = { Link = "</b>" }, remove = ["server"]'
        fields = (await self.got(rules, theirs)).fields
        self.assertEqual(fields[b"x-frame-options"], [b"DENY"])
        self.assertEqual(fields[b"link"], [b"</a>", b"</b>"])
        self.assertNotIn(b"server", fields)
        self.assertEqual(fields[b"access-control-allow-origin"], [APP])
        self.assertEqual(len(fields[b"vary"]), 1)
        self.assertIn(b"Accept, Origin", fields[b"vary"][0])

    async def test_named(self) -> None:
        """Values may name the client, the host, the route and the request."""
        upstream = await self.upstream()
        rules = 'set = { X-Id = "{request_id}", X-To = "{client_ip} {host} {route}" }'
        gate = self.front(upstream, route=f"response_headers = {{ {rules} }}")
        for number in (1, 2):
            answer = await self.ask(gate, host=b"localhost:5555")
            line = await gate.logged(number)
            self.assertEqual(answer.one(b"x-id").decode(), json.loads(line)["id"])
            self.assertEqual(answer.one(b"x-to"), b"127.0.0.1 localhost:5555 /v1")

    async def test_beside_a_sticky_cookie(self) -> None:
        """The cookie of the gate's own stays where the server's are removed."""
        answer = await self.got(
            'remove = ["Set-Cookie"], set = { X-A = "1" }',
            [(b"Set-Cookie", b"theirs=1")],
            upstream='sticky = { cookie = "node" }',
        )
        self.assertTrue(answer.one(b"set-cookie").startswith(b"node="))
        self.assertEqual(answer.one(b"x-a"), b"1")

    async def test_exposed(self) -> None:
        """Where a policy exposes all, the operator's fields are among it."""
        upstream = await self.upstream(response(200, [(b"X-B", b"1")]))
        gate: Gate = self.serve(
            f'[upstreams.a]\nservers = ["{upstream.url}"]\n[routes."/v1"]\nupstream = "a"\n'
            'cors = { allow_origins = ["https://app.example"], expose_headers = "auto" }\n'
            'response_headers = { set = { X-A = "1" } }\n'
        )
        answer = await self.ask(gate, headers=[FROM_APP])
        self.assertEqual(answer.one(b"access-control-expose-headers"), b"X-A, X-B, X-Request-Id")


class Untouched(GateTestCase):
    """What the gate itself responds with has no fields of the operator's."""

    async def test_errors(self) -> None:
        """An error page and a refusal are as they were."""
        upstream: Upstream = await self.upstream()
        gate = self.front(upstream, route='response_headers = { set = { X-A = "1" } }')
        refused = await self.ask(gate, headers=[FROM_FOREIGN])
        await upstream.stop()
        failed = await self.ask(gate, headers=[FROM_APP])
        self.assertEqual((refused.status, failed.status), (403, 502))
        for answer in (refused, failed):
            self.assertNotIn(b"x-a", answer.fields)
