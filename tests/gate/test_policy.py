"""What a policy's further keys do through the gate: debug, cors_report_only, auto, siblings."""

from __future__ import annotations

import json

from twisted.internet.testing import MemoryReactorClock
from twisted.logger import LogEvent, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from corsgate.gate import report_only
from corsgate.gate.runtime import make_runtime
from corsgate.message.headers import Header
from corsgate.message.host import is_loopback_address
from corsgate.transport.deadlines import Deadlines
from tests.gate.test_access_log import observed
from tests.peers import Upstream, response
from tests.support import APP, BASIC, FROM_APP, FROM_FOREIGN, LISTEN, Gate, GateTestCase, parse

CORS = 'allow_origins = ["https://app.example"]'
PATCH = (b"Access-Control-Request-Method", b"PATCH")


class PolicyTestCase(GateTestCase):
    """A test case whose gates have one route with a policy of their own."""

    def gate(self, upstream: Upstream, policy: str, *, line: str = "", more: str = "") -> Gate:
        """Return a gate.

        Args:
            upstream: What its route leads to.
            policy: The keys of the policy.
            line: A further line of the upstream.
            more: Further lines of the route.
        """
        return self.serve(
            f'[upstreams.a]\nservers = ["{upstream.url}"]\n{line}\n'
            f'[routes."/v1"]\nupstream = "a"\ncors = {{ {policy} }}\n{more}\n'
        )


class Debug(PolicyTestCase):
    """A refused client is told why, if it may know."""

    async def test_off(self) -> None:
        """By itself the gate tells nobody."""
        gate = self.gate(await self.upstream(), CORS)
        for headers in ([FROM_FOREIGN], [FROM_APP, PATCH]):
            answer = await self.ask(gate, b"OPTIONS", headers=headers)
            self.assertNotIn(b"corsgate-reason", answer.fields)

    async def test_on_this_machine(self) -> None:
        """A client on the gate's machine is told; what passes has no reason."""
        gate = self.gate(await self.upstream(), f"{CORS}, debug = true")
        answer = await self.ask(gate, headers=[FROM_FOREIGN])
        self.assertEqual(answer.status, 403)
        self.assertEqual(
            answer.one(b"Corsgate-Reason"), b"origin 'http://evil.example' is not allowed"
        )
        self.assertNotIn(b"access-control-allow-origin", answer.fields)
        self.assertEqual(answer.one(b"Vary"), b"Origin")
        answer = await self.ask(gate, headers=[FROM_APP])
        self.assertEqual(answer.status, 200)
        self.assertNotIn(b"corsgate-reason", answer.fields)

    async def test_elsewhere(self) -> None:
        """Another client is told only where it comes from one of the origins."""
        proxied = 'trusted_proxies = ["127.0.0.0/8"]'
        upstream = await self.upstream()
        gate = self.serve(
            f'[[listener]]\nendpoint = "tcp:0:interface=127.0.0.1"\n{proxied}\n'
            f'[upstreams.a]\nservers = ["{upstream.url}"]\n'
            f'[routes."/v1"]\nupstream = "a"\n'
            f'cors = {{ {CORS}, debug = true, debug_origins = ["https://*.dev.example"] }}\n'
        )
        far = (b"X-Forwarded-For", b"192.0.2.1")
        for headers, told in (
            ([FROM_FOREIGN], True),
            ([FROM_FOREIGN, far], False),
            ([(b"Origin", b"https://me.dev.example"), far], True),
            ([(b"Origin", b"https://dev.example"), far], False),
            ([(b"Origin", b"https://me.dev.example"), FROM_FOREIGN, far], False),
        ):
            answer = await self.ask(gate, headers=headers)
            self.assertEqual(answer.status, 403)
            self.assertEqual(b"corsgate-reason" in answer.fields, told, headers)

    async def test_preflight(self) -> None:
        """A preflight of an allowed origin gets what is allowed, so that its browser says why."""
        upstream = await self.upstream()
        gate = self.gate(upstream, f'{CORS}, allow_methods = ["PUT"], debug = true')
        answer = await self.ask(gate, b"OPTIONS", headers=[FROM_APP, PATCH])
        self.assertEqual(answer.status, 204)
        self.assertEqual(answer.one(b"Access-Control-Allow-Methods"), b"PUT")
        self.assertEqual(answer.one(b"Access-Control-Allow-Origin"), APP)
        reason = "method 'PATCH' is not in allow_methods"
        self.assertEqual(answer.one(b"Corsgate-Reason"), reason.encode())
        self.assertEqual(json.loads(gate.lines[0])["outcome"], reason)
        self.assertEqual([each.reason for each in gate.service.refusals.last("/v1")], [reason])
        answer = await self.ask(gate, b"OPTIONS", headers=[FROM_FOREIGN, PATCH])
        self.assertEqual(answer.status, 403)
        self.assertIn(b"corsgate-reason", answer.fields)
        self.assertNotIn(b"access-control-allow-methods", answer.fields)
        self.assertEqual(upstream.requests, [])


def trials(gate: Gate) -> list[report_only.ReportOnly]:
    """Return the second policies of a gate's routes."""
    routes = gate.service.runtime.table.routes
    return [each.report_only for each in routes if each.report_only is not None]


class ReportOnly(PolicyTestCase):
    """A second policy is tried, and nothing comes of it but words."""

    STRICT = f"cors_report_only = {{ {CORS} }}"

    def told(self, events: list[LogEvent]) -> list[str]:
        """Return what the log says of the second policy."""
        ours = [each for each in events if each["log_namespace"] == "corsgate.gate.report_only"]
        return [str(formatEvent(each)) for each in ours]

    async def test_told(self) -> None:
        """What it would change is told and counted; the answers are the live policy's."""
        events = observed(self)
        gate = self.gate(await self.upstream(), 'allow_origins = ["*"]', more=self.STRICT)
        plain = self.gate(await self.upstream(), 'allow_origins = ["*"]')
        for headers in ([FROM_APP], [FROM_FOREIGN], []):
            answer = await self.ask(gate, headers=headers)
            self.assertEqual(answer.status, 200)
            wanted = await self.ask(plain, headers=headers)
            self.assertEqual({**answer.fields, b"date": []}, {**wanted.fields, b"date": []})
        (line,) = self.told(events)
        self.assertIn(
            "on route /v1: origin http://evil.example: cors_report_only would refuse it: "
            "origin 'http://evil.example' is not allowed",
            line,
        )
        (trial,) = trials(gate)
        self.assertEqual((trial.tried, dict(trial.changes)), (3, {"would refuse it": 1}))

    async def test_absent(self) -> None:
        """Where there is none, nothing is tried."""
        gate = self.gate(await self.upstream(), CORS)
        await self.ask(gate, headers=[FROM_FOREIGN])
        self.assertEqual(trials(gate), [])

    async def test_without_a_live_policy(self) -> None:
        """It may be tried before there is a policy at all."""
        upstream = await self.upstream()
        gate = self.serve(
            f'[upstreams.a]\nservers = ["{upstream.url}"]\n'
            f'[routes."/v1"]\nupstream = "a"\n{self.STRICT}\n'
        )
        await self.ask(gate, headers=[FROM_APP])
        await self.ask(gate, headers=[FROM_FOREIGN])
        (trial,) = trials(gate)
        self.assertEqual(
            dict(trial.changes),
            {"would let the page read the response": 1, "would refuse it": 1},
        )

    async def test_floods(self) -> None:
        """A flood of changes is counted, and has a line per second at most."""
        events = observed(self)
        gate = self.gate(await self.upstream(), 'allow_origins = ["*"]', more=self.STRICT)
        client = await self.connect(gate)
        for _ in range(20):
            client.send(
                b"GET /v1/x HTTP/1.1\r\nHost: localhost\r\nOrigin: http://f.example\r\n\r\n"
            )
            await client.response()
        (trial,) = trials(gate)
        self.assertEqual(trial.changes["would refuse it"], 20)
        self.assertLess(len(self.told(events)), 20)


class Auto(PolicyTestCase):
    """``expose_headers = "auto"`` names what an answer has."""

    async def test_answers(self) -> None:
        """All that a script needs leave to read is named, on answers and errors, and no more."""
        headers: list[Header] = [
            (b"ETag", b'"1"'),
            (b"X-Total", b"5"),
            (b"x-total", b"6"),
            (b"Set-Cookie", b"a=b"),
            (b"Server", b"box"),
            (b"X-Powered-By", b"box"),
            (b"Content-Type", b"text/plain"),
            (b"WWW-Authenticate", b"Basic"),
            (b"Connection", b"X-Hop"),
            (b"X-Hop", b"1"),
            (b"Access-Control-Expose-Headers", b"X-Theirs"),
            (b"Vary", b"Accept"),
        ]
        upstream = await self.upstream(
            response(200, headers), response(304, headers), response(200), response(200, headers)
        )
        gate = self.gate(upstream, f'{CORS}, expose_headers = "auto", allow_credentials = true')
        for status in (200, 304):
            answer = await self.ask(gate, headers=[FROM_APP])
            self.assertEqual(answer.status, status)
            self.assertEqual(
                answer.fields[b"access-control-expose-headers"], [b"ETag, X-Request-Id, X-Total"]
            )
            self.assertEqual(answer.fields[b"vary"], [b"Accept, Origin"])
        answer = await self.ask(gate, headers=[FROM_APP])
        self.assertEqual(answer.one(b"access-control-expose-headers"), b"X-Request-Id")
        self.assertEqual(answer.one(b"Access-Control-Allow-Origin"), APP)
        answer = await self.ask(gate)
        self.assertNotIn(b"access-control-expose-headers", answer.fields)

    async def test_errors(self) -> None:
        """An error made here is no different."""
        more = 'methods = ["GET"]'
        gate = self.gate(await self.upstream(), f'{CORS}, expose_headers = "auto"', more=more)
        answer = await self.ask(gate, b"DELETE", headers=[FROM_APP])
        self.assertEqual(answer.status, 405)
        self.assertEqual(answer.one(b"Access-Control-Expose-Headers"), b"Allow, X-Request-Id")


class Siblings(PolicyTestCase):
    """A page of another port or subdomain embeds nothing with the gate's credentials."""

    async def test_embedded(self) -> None:
        """It may where its origin is allowed, by Referer; else it gets 403."""
        upstream = await self.upstream()
        gate = self.gate(upstream, CORS, line=BASIC)
        embedded = [(b"Sec-Fetch-Site", b"same-site"), (b"Sec-Fetch-Mode", b"no-cors")]
        for referer, status in (
            (b"https://app.example/", 200),
            (b"https://app.example/a/b?c", 200),
            (b"https://app.example", 200),
            (b"https://app.example.evil/", 403),
            (b"http://app.example/", 403),
            (b"https://evil.example/https://app.example/", 403),
            (None, 403),
        ):
            more = [] if referer is None else [(b"Referer", referer)]
            answer = await self.ask(gate, headers=[*embedded, *more])
            self.assertEqual(answer.status, status, referer)
            self.assertIn(b"Referer", answer.one(b"Vary"))
        self.assertEqual(len(upstream.requests), 3)

    async def test_without_credentials(self) -> None:
        """Where the gate adds none, the page could ask the upstream itself."""
        gate = self.gate(await self.upstream(), CORS)
        embedded = [(b"Sec-Fetch-Site", b"same-site"), (b"Sec-Fetch-Mode", b"no-cors")]
        self.assertEqual((await self.ask(gate, headers=embedded)).status, 200)


class Own(PolicyTestCase):
    """A page of the gate's own origin is no stranger."""

    async def test_spellings(self) -> None:
        """It is known by Host, default ports and IPv6 too, and by a trusted proxy's word."""
        upstream = await self.upstream()
        gate = self.serve(
            'hosts = ["localhost", "[::1]", "api.example"]\n'
            '[[listener]]\nendpoint = "tcp:0:interface=127.0.0.1"\n'
            'trusted_proxies = ["127.0.0.1"]\n'
            f'[upstreams.a]\nservers = ["{upstream.url}"]\n{BASIC}\n'
            f'[routes."/v1"]\nupstream = "a"\ncors = {{ {CORS} }}\n'
        )
        https = (b"X-Forwarded-Proto", b"https")
        standard = (b"Forwarded", b"for=192.0.2.1;proto=https;host=api.example")
        for host, origin, more, status in (
            (b"localhost", b"http://localhost", [], 200),
            (b"localhost:80", b"http://localhost", [], 200),
            (b"LOCALHOST:5555", b"http://localhost:5555", [], 200),
            (b"localhost:5555", b"http://localhost", [], 403),
            (b"localhost", b"https://localhost", [], 403),
            (b"[::1]:5555", b"http://[::1]:5555", [], 200),
            (b"[::1]:80", b"http://[::1]", [], 200),
            (b"[::1]", b"http://[::1]:5555", [], 403),
            (b"localhost", b"https://localhost", [https], 200),
            (b"localhost:443", b"https://localhost", [https], 200),
            (b"localhost", b"http://localhost", [https], 403),
            (b"localhost", b"https://api.example", [standard], 200),
            (b"localhost", b"http://localhost", [standard], 403),
        ):
            headers = [(b"Origin", origin), *more]
            answer = await self.ask(gate, b"POST", headers=headers, body=b"", host=host)
            self.assertEqual(answer.status, status, (host, origin, more))
            self.assertNotIn(b"access-control-allow-origin", answer.fields)


class Varying(PolicyTestCase):
    """A cache between may give no answer to another origin that it isn't for."""

    async def test_every_answer(self) -> None:
        """Vary names Origin on answers and errors, from here and the upstream, to all alike."""
        statuses = (200, 204, 301, 304, 404, 500)
        origins: tuple[list[Header], ...] = ([], [FROM_APP], [FROM_FOREIGN])
        more = [(b"Vary", b"Accept"), (b"Cache-Control", b"max-age=60")]
        upstream = await self.upstream(
            *(response(status, more) for _ in (0, 1) for status in statuses)
        )
        gate = self.gate(upstream, CORS, more='methods = ["GET"]')
        for headers in origins[:2]:
            for status in statuses:
                answer = await self.ask(gate, headers=headers)
                self.assertEqual(answer.status, status)
                self.assertEqual(answer.fields[b"vary"], [b"Accept, Origin"])
        await upstream.stop()
        for headers, method, status in (
            *((headers, b"DELETE", 405) for headers in origins[:2]),
            *((headers, b"GET", 502) for headers in origins[:2]),
            (origins[2], b"GET", 403),
        ):
            answer = await self.ask(gate, method, headers=headers)
            self.assertEqual(answer.status, status)
            self.assertEqual(answer.fields[b"vary"], [b"Origin"])

    async def test_where_all_get_the_same(self) -> None:
        """Where every origin is allowed, no answer depends on it."""
        gate = self.gate(await self.upstream(response(200), response(200)), 'allow_origins = ["*"]')
        for headers in ([], [FROM_FOREIGN]):
            answer = await self.ask(gate, headers=headers)
            self.assertEqual(answer.one(b"Access-Control-Allow-Origin"), b"*")
            self.assertNotIn(b"vary", answer.fields)


class Starting(PolicyTestCase):
    """What is doubtful is logged at the start."""

    async def test_warned(self) -> None:
        """A line for each warning, with its place in the file."""
        events = observed(self)
        self.gate(await self.upstream(), f'{CORS}, max_age = "24h"')
        (caution,) = [event["caution"] for event in events if "caution" in event]
        self.assertIn('routes."/v1".cors.max_age: only Firefox', caution)
        self.assertRegex(caution, r"^gate.toml:[0-9]+: ")

    async def test_shared(self) -> None:
        """Routes that name the same policy share what was compiled of it."""
        upstream = await self.upstream()
        config = parse(
            f'{LISTEN}[upstreams.a]\nservers = ["{upstream.url}"]\n[cors.app]\n{CORS}\n'
            '[routes."/a"]\nupstream = "a"\ncors = "app"\n'
            '[routes."/b"]\nupstream = "a"\ncors = "app"\n'
            f'[routes."/c"]\nupstream = "a"\ncors = {{ {CORS}, max_age = "5s" }}\n'
        )
        deadlines = Deadlines(MemoryReactorClock())
        plan = make_runtime(
            config,
            reactor=MemoryReactorClock(),
            deadlines=deadlines,
            rng=bytes,
            file="gate.toml",
            pseudonym=b"corsgate-0",
        )
        policies = {each.label: each.policy for each in plan.table.routes}
        self.assertIs(policies["/a"], policies["/b"])
        self.assertIsNot(policies["/a"], policies["/c"])


class Addresses(SynchronousTestCase):
    """`is_loopback_address`."""

    def test_addresses(self) -> None:
        """This machine's own, in every spelling; what is no address is elsewhere."""
        for text in ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"):
            self.assertTrue(is_loopback_address(text), text)
        for text in ("10.0.0.1", "::2", "::ffff:10.0.0.1", "unknown", "", "localhost", "127.0.0"):
            self.assertFalse(is_loopback_address(text), text)
