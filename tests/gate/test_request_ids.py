"""The id of a request, as client, server and log get it; and its trace. On real sockets."""

from __future__ import annotations

import json

from corsgate.message.headers import Header
from tests.gate.test_http2 import Http2TestCase
from tests.peers import Message, Upstream, response
from tests.support import APP, BASIC, DIGEST, FROM_APP, FROM_FOREIGN, Gate, GateTestCase

MADE = "^[0-9a-f]{32}$"
CHOSEN = (b"x-request-id", b"chosen-by-the-client")
TRACED: list[Header] = [
    (b"traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    (b"tracestate", b"rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"),
]
ROUTE = '[upstreams.a]\nservers = ["{}"]\n[routes."/v1"]\nupstream = "a"\n'
PROXIES = """
[[listener]]
endpoint = "tcp:0:interface=127.0.0.1"
trusted_proxies = ["127.0.0.1"]
"""


def id_of(message: Message) -> str:
    """Return the one id in a message."""
    return message.one(b"x-request-id").decode()


class Ids(GateTestCase):
    """One id for client, server and log."""

    async def check(self, gate: Gate, upstream: Upstream, client_sent: list[Header]) -> str:
        """Check that all have the same id, and return it."""
        before = len(gate.lines)
        answer = await self.ask(gate, headers=client_sent)
        line = json.loads(await gate.logged(before + 1))
        self.assertEqual(answer.status, 200)
        self.assertEqual(id_of(answer), line["id"])
        self.assertEqual(id_of(upstream.requests[-1]), line["id"])
        return str(line["id"])

    async def test_made(self) -> None:
        """The gate makes it, whatever a client sends or a server responds."""
        upstream = await self.upstream(response(200), response(200, [CHOSEN]), response(200))
        gate = self.front(upstream)
        ids = [await self.check(gate, upstream, sent) for sent in ([], [CHOSEN], [CHOSEN, CHOSEN])]
        for each in ids:
            self.assertRegex(each, MADE)
        self.assertEqual(len(set(ids)), 3)

    async def test_spelled(self) -> None:
        """No other spelling reaches a server that reads `_` as `-`."""
        upstream = await self.upstream()
        gate = self.front(upstream)
        await self.check(gate, upstream, [(b"X_Request_Id", b"1"), (b"x-request_ID", b"2")])
        self.assertEqual(
            [n for n in upstream.requests[0].fields if b"request" in n], [b"x-request-id"]
        )

    async def test_kept_connections(self) -> None:
        """Requests with the very same bytes over kept connections have ids of their own."""
        upstream = await self.upstream()
        gate = self.front(upstream, upstream=BASIC)
        client = await self.connect(gate)
        answers = []
        for _ in range(5):
            client.send(b"GET /v1/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answers.append(await client.response())
        await gate.logged(5)
        ids = [json.loads(line)["id"] for line in gate.lines]
        self.assertEqual(len(set(ids)), 5)
        self.assertEqual([id_of(each) for each in answers], ids)
        self.assertEqual([id_of(each) for each in upstream.requests], ids)
        self.assertEqual(len({each.one(b"authorization") for each in upstream.requests}), 1)

    async def test_bodies(self) -> None:
        """A request with a body has one, and so has one whose body can be sent twice."""
        upstream = await self.upstream()
        gate = self.front(upstream)
        for method in (b"PUT", b"POST"):
            answer = await self.ask(gate, method, headers=[FROM_APP, CHOSEN], body=b"hello")
            self.assertEqual(id_of(answer), id_of(upstream.requests[-1]))

    async def test_made_here(self) -> None:
        """Preflights, refusals and error pages have it; where there is a page, it shows it too."""
        gate = self.front(await self.upstream())
        asked = (b"Access-Control-Request-Method", b"PUT")
        for method, target, headers, status in (
            (b"OPTIONS", b"/v1/x", [FROM_APP, asked], 204),
            (b"GET", b"/v1/x", [FROM_FOREIGN], 403),
            (b"GET", b"/none", [], 404),
            (b"TRACE", b"/v1/x", [], 405),
            (b"GET", b"/v1/%2e%2e/x", [], 400),
        ):
            answer = await self.ask(gate, method, target, [*headers, CHOSEN])
            self.assertEqual(answer.status, status)
            self.assertEqual(id_of(answer), json.loads(gate.lines[-1])["id"])
            if status != 204:
                self.assertEqual(json.loads(answer.body)["request_id"], id_of(answer))
        self.assertEqual(len(set(gate.lines)), 5)

    async def test_down(self) -> None:
        """So has the page for a server that is down, and the response that `on_down` sets."""
        on_down = 'on_down = { status = 503, body = "later" }'
        for lines in ("", on_down):
            upstream = await self.upstream()
            gate = self.front(upstream, upstream=lines)
            await upstream.stop()
            answer = await self.ask(gate)
            self.assertIn(answer.status, (502, 503))
            self.assertEqual(id_of(answer), json.loads(gate.lines[-1])["id"])

    async def test_trusted_proxy(self) -> None:
        """A trusted proxy's id is taken over; one that isn't valid is never passed on or logged."""
        upstream = await self.upstream()
        gate = self.serve(ROUTE.format(upstream.url) + PROXIES)
        self.assertEqual(await self.check(gate, upstream, [CHOSEN]), CHOSEN[1].decode())
        self.assertRegex(await self.check(gate, upstream, []), MADE)
        for bad in (b"<script>", b"x" * 129, b'a"b', b"caf\xc3\xa9"):
            self.assertRegex(await self.check(gate, upstream, [(b"X-Request-Id", bad)]), MADE)
            self.assertNotIn(bad.decode(), gate.lines[-1])
        self.assertRegex(await self.check(gate, upstream, [CHOSEN, CHOSEN]), MADE)

    async def test_left_alone(self) -> None:
        """With `pass_headers`, client and server see each other's; errors have the gate's."""
        upstream = await self.upstream(response(200, [(b"X-Request-ID", b"box")]), response(200))
        gate = self.front(upstream, route='pass_headers = ["X-Request-Id"]')
        answer = await self.ask(gate, headers=[CHOSEN])
        self.assertEqual((id_of(answer), id_of(upstream.requests[0])), ("box", CHOSEN[1].decode()))
        answer = await self.ask(gate)
        self.assertNotIn(b"x-request-id", answer.fields)
        self.assertNotIn(b"x-request-id", upstream.requests[1].fields)
        answer = await self.ask(gate, b"TRACE", headers=[CHOSEN])
        self.assertRegex(id_of(answer), MADE)

    async def test_rules(self) -> None:
        """An operator's rule for the field takes its place."""
        for rules, sent in (
            ('remove = ["x-request-id"]', None),
            ('set = { X-Request-Id = "mine" }', [b"mine"]),
            ('add = { X-Request-ID = "mine" }', [b"mine"]),
        ):
            upstream = await self.upstream(response(200, [CHOSEN]))
            gate = self.front(
                upstream,
                upstream=f"request_headers = {{ {rules} }}",
                route=f"response_headers = {{ {rules} }}",
            )
            answer = await self.ask(gate, headers=[CHOSEN])
            self.assertEqual(answer.fields.get(b"x-request-id"), sent)
            self.assertEqual(upstream.requests[0].fields.get(b"x-request-id"), sent)

    async def test_digest(self) -> None:
        """A request that is signed anew has the same id; the next one has another."""
        challenge = b'Digest realm="r", nonce="n", qop="auth", algorithm=MD5'
        refusal = response(401, [(b"WWW-Authenticate", challenge)])
        upstream = await self.upstream(refusal, response(200), response(200))
        gate = self.front(upstream, upstream=DIGEST)
        first = await self.check(gate, upstream, [CHOSEN])
        second = await self.check(gate, upstream, [CHOSEN])
        sent = upstream.requests
        self.assertEqual([id_of(each) for each in sent], [first, first, second])
        self.assertEqual([b"authorization" in each.fields for each in sent], [False, True, True])

    async def test_digest_upload(self) -> None:
        """So has an upload that is sent again."""
        challenge = b'Digest realm="r", nonce="n", qop="auth", algorithm=MD5'
        refusal = response(401, [(b"WWW-Authenticate", challenge)])
        upstream = await self.upstream(refusal, response(200))
        gate = self.front(upstream, upstream=DIGEST)
        answer = await self.ask(gate, b"PUT", headers=[FROM_APP], body=b"x" * 2_000)
        self.assertEqual(answer.status, 200)
        self.assertEqual([each.method for each in upstream.requests], [b"PUT", b"PUT"])
        self.assertEqual({id_of(each) for each in upstream.requests}, {id_of(answer)})


class Traces(Http2TestCase):
    """traceparent and tracestate."""

    async def test_pass(self) -> None:
        """They pass unchanged, and the log has the trace."""
        back = (b"traceresponse", TRACED[0][1])
        upstream = await self.upstream(response(200, [back]), response(200))
        gate = self.front(upstream)
        answer = await self.ask(gate, headers=TRACED)
        self.assertEqual(answer.fields[b"traceresponse"], [back[1]])
        for name, value in TRACED:
            self.assertEqual(upstream.requests[0].fields[name], [value])
        line = json.loads(await gate.logged())
        self.assertEqual(line["trace"], "4bf92f3577b34da6a3ce929d0e0e4736")
        await self.ask(gate, headers=[(b"traceparent", b"00-none")])
        self.assertEqual(upstream.requests[1].fields[b"traceparent"], [b"00-none"])
        self.assertNotIn("trace", json.loads(await gate.logged(2)))

    async def test_cors(self) -> None:
        """A page may send them where its policy lists them."""
        upstream = await self.upstream()
        asked = [
            FROM_APP,
            (b"Access-Control-Request-Method", b"GET"),
            (b"Access-Control-Request-Headers", b"traceparent"),
        ]
        answer = await self.ask(self.front(upstream), b"OPTIONS", headers=asked)
        self.assertEqual(answer.status, 403)
        listed = f'cors = {{ allow_origins = ["{APP.decode()}"], allow_headers = ["traceparent"] }}'
        gate = self.serve(ROUTE.format(upstream.url) + listed)
        answer = await self.ask(gate, b"OPTIONS", headers=asked)
        self.assertEqual(answer.one(b"access-control-allow-origin"), APP)

    async def test_http2(self) -> None:
        """HTTP/2 is no different: ids of each stream's own, traces that pass."""
        upstream = await self.upstream()
        gate = self.over_tls(upstream)
        peer = await self.peer(gate)
        numbers = [peer.ask(headers=[*TRACED, CHOSEN]) for _ in range(4)]
        ids = []
        for number in numbers:
            answer = await peer.whole(number)
            ids.append(dict(answer.headers)[b"x-request-id"].decode())
        self.assertEqual(len(set(ids)), 4)
        self.assertEqual(sorted(id_of(each) for each in upstream.requests), sorted(ids))
        self.assertEqual(sorted(json.loads(line)["id"] for line in gate.lines), sorted(ids))
        for name, value in TRACED:
            self.assertEqual(upstream.requests[0].fields[name], [value])
