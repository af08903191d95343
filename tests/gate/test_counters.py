"""What is counted: by the counters alone, and by a whole gate."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from corsgate.errors import (
    BadUpstreamResponse,
    ConnectFailed,
    ConnectTimedOut,
    NoServer,
    QueueFull,
    UpstreamBusy,
    UpstreamTimedOut,
)
from corsgate.gate.counters import (
    BUCKETS_S,
    CODES,
    CUT,
    FAILURES,
    REFUSALS,
    VERDICTS,
    Counters,
    RouteCounters,
    ServerCounters,
    failure_cause,
    refusal_kind,
)
from tests.peers import Upstream, request, response
from tests.support import FROM_APP, FROM_FOREIGN, Gate, GateTestCase

ADMIN = '[admin]\nlisten = "tcp:0:interface=127.0.0.1"\n'
PREFLIGHT = (FROM_APP, (b"Access-Control-Request-Method", b"PUT"))


def requests(counters: RouteCounters) -> dict[tuple[str, str], int]:
    """Return how many requests were counted, by class and verdict, without zeros."""
    return {
        (CODES[at // len(VERDICTS)], VERDICTS[at % len(VERDICTS)]): count
        for at, count in enumerate(counters.requests)
        if count
    }


class KindTests(GateTestCase):
    """The labels, of which there are few."""

    def test_failure_cause(self) -> None:
        """Each error has a cause; the most specific one counts."""
        for error, cause in (
            (ConnectFailed(), "connect"),
            (ConnectTimedOut(), "connect_timeout"),
            (UpstreamTimedOut(), "timeout"),
            (QueueFull(), "queue_full"),
            (UpstreamBusy(), "queue_timeout"),
            (BadUpstreamResponse(), "bad_response"),
            (NoServer(), "other"),
            (ValueError(), "other"),
        ):
            self.assertEqual(failure_cause(error), cause)
            self.assertIn(cause, FAILURES)

    def test_refusal_kind(self) -> None:
        """The reasons of the CORS decision, whatever a client puts into them."""
        for reason, kind in (
            ("origin 'http://evil.example' is not allowed", "origin"),
            ("origin 'null' (of a local file) is not allowed", "origin"),
            ("2 Origin fields instead of one", "origin"),
            ("an Origin of 9000 bytes, more than 512", "origin"),
            ("origin 'x is not a method' is not allowed", "origin"),
            ("method 'PUT' is not in allow_methods", "method"),
            ("'P(' is not a method", "method"),
            ("'TRACE' is a method that scripts can't send", "method"),
            ("more than one Access-Control-Request-Method", "method"),
            ("request header 'x-a' is not in allow_headers", "header"),
            ("Access-Control-Request-Headers is too long", "header"),
            ("'x(' is not a header name", "header"),
            ("preflight on a route that has no CORS policy", "no_policy"),
            ("cross-site request in mode no-cors, where credentials are injected", "site"),
            ("same-site navigation into 'iframe' (allow_framing is false)", "site"),
            ("whatever else", "other"),
        ):
            self.assertEqual(refusal_kind(reason), kind, reason)
            self.assertIn(kind, REFUSALS)

    def test_buckets(self) -> None:
        """A duration is in the first bucket whose bound is not below it."""
        counters = ServerCounters()
        for took_s in (0.0, 0.005, 0.006, 30.0, 31.0):
            counters.responded(200, took_s)
        first, second, *_, last_bound, rest = counters.buckets
        self.assertEqual((first, second, last_bound, rest), (2, 1, 1, 1))
        self.assertEqual(len(counters.buckets), len(BUCKETS_S) + 1)
        self.assertAlmostEqual(counters.sum_s, 61.011)

    def test_keep(self) -> None:
        """What is gone is forgotten, unless a request still counts there; the rest stays."""
        counters = Counters()
        kept, busy = counters.route("/kept"), counters.route("/busy")
        counters.route("/gone").own[404] += 1
        counters.route("/gone").revoked = 3
        busy.in_flight = 1
        server = counters.server("a", "http://a:1")
        counters.server("a", "http://b:1")
        counters.keep(["/kept"], [("a", "http://a:1")])
        self.assertEqual(counters.routes, {"/kept": kept, "/busy": busy})
        self.assertEqual(counters.servers, {("a", "http://a:1"): server})
        self.assertEqual(counters.route("/gone").own, {})
        self.assertEqual(counters.revoked, 3)


class GateCountersTests(GateTestCase):
    """What a whole gate counts."""

    async def start(self, *answers: bytes | None, upstream: str = "", rest: str = "") -> Upstream:
        """Start a gate that counts, before an upstream with these answers."""
        box = await self.upstream(*answers)
        self.gate = self.front(box, upstream=upstream, rest=ADMIN + rest)
        self.route = self.gate.service.counters.route("/v1")
        self.server = self.gate.service.counters.server("a", box.url)
        return box

    def when_counted(self, gate: Gate, count: int = 1) -> Deferred[str]:
        """Return a Deferred that fires once as many requests have been recorded."""
        return gate.logged(count)

    async def test_off(self) -> None:
        """Without [admin] nothing on the way of a request counts."""
        gate = self.front(await self.upstream())
        await self.ask(gate)
        self.assertEqual(gate.service.counters.routes, {})
        self.assertEqual(gate.service.counters.servers, {})

    async def test_verdicts(self) -> None:
        """Each request counts once, by the class of its status and the CORS verdict."""
        await self.start(response(200), response(404), response(500), response(200))
        await self.ask(self.gate)
        await self.ask(self.gate, headers=[FROM_APP])
        await self.ask(self.gate, headers=[FROM_APP])
        await self.ask(self.gate, b"PATCH", headers=[FROM_APP], body=b"")
        await self.ask(self.gate, b"OPTIONS", headers=PREFLIGHT)
        await self.ask(self.gate, headers=[FROM_FOREIGN])
        await self.ask(self.gate, b"OPTIONS", headers=[FROM_FOREIGN, PREFLIGHT[1]])
        found = requests(self.route)
        refused = {code: n for (code, verdict), n in found.items() if verdict == "refused"}
        self.assertEqual(sum(refused.values()), 2)
        self.assertEqual(
            {key: n for key, n in found.items() if key[1] != "refused"},
            {
                ("2xx", "none"): 1,
                ("4xx", "allowed"): 1,
                ("5xx", "allowed"): 1,
                ("2xx", "ungranted"): 1,
                ("2xx", "preflight"): 1,
            },
        )
        self.assertEqual(self.route.refusals, {"origin": 2})
        self.assertEqual(self.route.in_flight, 0)
        self.assertEqual(sum(self.route.buckets), 7)
        self.assertEqual(self.server.responses, [0, 0, 2, 0, 1, 1])

    async def test_status_above_599(self) -> None:
        """A status beyond HTTP's passes as it does without [admin], and counts as 5xx."""
        await self.start(response(600), response(999))
        self.assertEqual((await self.ask(self.gate)).status, 600)
        self.assertEqual((await self.ask(self.gate)).status, 999)
        self.assertEqual(requests(self.route), {("5xx", "none"): 2})
        self.assertEqual(self.server.responses, [0, 0, 0, 0, 0, 2])
        self.assertEqual(self.route.in_flight, 0)

    async def test_bytes(self) -> None:
        """Bytes of bodies, both ways."""
        await self.start(response(body=b"12345"))
        await self.ask(self.gate, b"PUT", body=b"123")
        self.assertEqual((self.route.received_bytes, self.route.sent_bytes), (3, 5))

    async def test_in_flight(self) -> None:
        """A request is in flight until it has ended; a client that leaves counts as such."""
        box = await self.start(None)
        client = await self.connect(self.gate)
        client.send(request())
        await box.arrived()
        self.assertEqual(self.route.in_flight, 1)
        await client.close()
        await self.when_counted(self.gate)
        self.assertEqual(self.route.in_flight, 0)
        self.assertEqual(requests(self.route), {("client_left", "none"): 1})

    async def test_unrouted(self) -> None:
        """Requests that belong to no route are counted apart."""
        await self.start()
        await self.ask(self.gate, target=b"/elsewhere")
        await self.ask(self.gate, host=b"evil.example")
        unrouted = self.gate.service.counters.unrouted
        self.assertEqual(unrouted.own, {404: 1, 421: 1})
        self.assertEqual((unrouted.total, unrouted.in_flight), (2, 0))
        self.assertEqual(self.route.total, 0)

    async def test_own_responses(self) -> None:
        """Responses that the gate makes instead of the upstream are counted by status."""
        box = await self.start(rest="[limits]\nmax_body_bytes = 2\n")
        await self.ask(self.gate, b"PUT", body=b"123")
        await box.stop()
        await self.ask(self.gate)
        self.assertEqual(self.route.own, {413: 1, 502: 1})
        self.assertEqual(self.server.failures, {"connect": 1})

    async def test_cut(self) -> None:
        """A response that its server cuts short is a failure of the server."""
        box = await self.start(response(body=b"12345", length=10))
        client = await self.connect(self.gate)
        client.send(request())
        await box.arrived()
        box.requests[0].connection.finish()
        await client.gone()
        self.assertEqual(self.server.failures, {CUT: 1})

    async def test_retries(self) -> None:
        """A request that goes to another server is a retry there, and a failure of the first."""
        first, second = await self.upstream(), await self.upstream()
        await first.refuse()
        gate = self.front(first, second, rest=ADMIN)
        for _ in range(2):
            self.assertEqual((await self.ask(gate)).status, 200)
        counters = gate.service.counters
        self.assertEqual(counters.server("a", first.url).failures, {"connect": 1})
        self.assertEqual(counters.server("a", second.url).retries, 1)
        self.assertEqual(counters.server("a", second.url).responses[2], 2)
        self.assertEqual(sum(counters.server("a", second.url).buckets), 2)

    async def test_timeout(self) -> None:
        """A server that lets the route's timeout pass has failed by that."""
        await self.start(None, rest="[limits]\ntimeout = '200ms'\n")
        self.assertEqual((await self.ask(self.gate)).status, 504)
        self.assertEqual(self.server.failures, {"timeout": 1})

    async def test_discovery(self) -> None:
        """A server that comes later is counted from then on."""
        box = await self.start()
        other = await self.upstream()
        upstream = self.gate.service.upstreams["a"]
        (state,) = upstream.balancer.states.values()
        upstream.change([state.server.__class__(scheme="http", host="127.0.0.1", port=other.port)])
        await self.ask(self.gate)
        counters = self.gate.service.counters
        self.assertEqual(counters.server("a", other.url).responses[2], 1)
        # The one that is gone is forgotten, also if nobody asks for metrics.
        self.assertEqual(list(counters.servers), [("a", other.url)])
        self.assertEqual(box.requests, [])
