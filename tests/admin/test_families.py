"""The metrics: what they say, and that their labels are bounded."""

from __future__ import annotations

from corsgate.admin.families import NO_ROUTE, families
from corsgate.admin.view import View
from corsgate.balance.circuit import CircuitState
from corsgate.balance.health import Standing
from corsgate.config.model.values import Server
from corsgate.gate.counters import FAILURES, REFUSALS, VERDICTS
from tests.admin.support import ADMIN, AdminTestCase, view_of
from tests.admin.test_masked_config import MARK, marked
from tests.admin.test_status import Reloaded
from tests.peers import request, response
from tests.support import APP, BASIC, FROM_APP, FROM_FOREIGN, LISTEN, POLICY, parse

Found = dict[tuple[str, tuple[str, ...]], float]


def samples(view: View) -> Found:
    """Return all samples, by name and the values of their labels in the labels' order."""
    found: Found = {}
    for family in families(view):
        for sample in family.samples:
            key = (sample.name, tuple(value for _, value in sorted(sample.labels.items())))
            assert key not in found, f"{key} comes twice"
            found[key] = sample.value
    return found


class FamiliesTests(AdminTestCase):
    """`families`."""

    async def test_requests(self) -> None:
        """Requests by status class and verdict, durations, bytes, refusals and own errors."""
        box = await self.upstream(response(body=b"12345"), response(500))
        gate = self.front(box, rest=ADMIN)
        await self.ask(gate, b"PUT", headers=[FROM_APP], body=b"123")
        await self.ask(gate)
        await self.ask(gate, headers=[FROM_FOREIGN])
        await self.ask(gate, target=b"/none")
        found = samples(view_of(gate))
        for name, labels, value in (
            ("corsgate_requests_total", ("2xx", "/v1", "allowed"), 1),
            ("corsgate_requests_total", ("5xx", "/v1", "none"), 1),
            ("corsgate_requests_total", ("4xx", "/v1", "refused"), 1),
            ("corsgate_requests_total", ("4xx", NO_ROUTE, "none"), 1),
            ("corsgate_requests_in_flight", ("/v1",), 0),
            ("corsgate_request_body_bytes_total", ("/v1",), 3),
            ("corsgate_request_duration_seconds_bucket", ("+Inf", "/v1"), 3),
            ("corsgate_request_duration_seconds_count", ("/v1",), 3),
            ("corsgate_refusals_total", ("origin", "/v1"), 1),
            ("corsgate_gate_responses_total", ("/v1", "403"), 1),
            ("corsgate_gate_responses_total", (NO_ROUTE, "404"), 1),
            ("corsgate_upstream_responses_total", ("2xx", box.url, "a"), 1),
            ("corsgate_upstream_responses_total", ("5xx", box.url, "a"), 1),
            ("corsgate_upstream_response_duration_seconds_count", (box.url, "a"), 2),
            ("corsgate_upstream_connections", (box.url, "a"), 1),
            ("corsgate_upstream_idle_connections", (box.url, "a"), 1),
            ("corsgate_upstream_servers_usable", ("a",), 1),
            ("corsgate_ready", (), 1),
        ):
            self.assertEqual(found.get((name, labels)), value, (name, labels))
        buckets = [
            value
            for (name, labels), value in found.items()
            if name == "corsgate_request_duration_seconds_bucket" and labels[1] == "/v1"
        ]
        self.assertEqual(buckets, sorted(buckets))

    async def test_health(self) -> None:
        """A server that is down or ejected, and how often it was."""
        box = await self.upstream()
        gate = self.front(box, rest=ADMIN)
        (state,) = gate.service.upstreams["a"].balancer.states.values()
        state.health.standing, state.circuit.state = Standing.DOWN, CircuitState.OPEN
        state.ejections = 2
        found = samples(view_of(gate))
        for name, value in (("server_up", 0), ("server_ejected", 1), ("ejections_total", 2)):
            self.assertEqual(found[f"corsgate_upstream_{name}", (box.url, "a")], value)
        self.assertEqual(found["corsgate_upstream_servers_usable", ("a",)], 0)
        self.assertEqual(found["corsgate_ready", ()], 0)

    async def test_bounds(self) -> None:
        """What the bounds refused or cut."""
        limits = "[limits]\nmax_connections = 1\n"
        box = await self.upstream(None)
        gate = self.front(box, rest=ADMIN + limits)
        client = await self.connect(gate)
        client.send(request())
        await box.arrived()
        refused = await self.connect(gate)
        await refused.gone()
        gate.service.memory.cuts = 4
        found = samples(view_of(gate))
        self.assertEqual(found["corsgate_bounds_hit_total", ("max_connections",)], 1)
        self.assertEqual(found["corsgate_connections", ()], 1)
        self.assertEqual(found["corsgate_requests_in_flight", ("/v1",)], 1)
        self.assertEqual(found["corsgate_bounds_hit_total", ("memory",)], 4)
        self.assertEqual(found["corsgate_connections_max", ()], 1)

    async def test_reloads_and_certificates(self) -> None:
        """Reloads by result, and when each certificate expires."""
        gate = self.serve_config(marked())
        found = samples(view_of(gate, Reloaded))
        self.assertEqual(found["corsgate_config_reloads_total", ("succeeded",)], 3)
        self.assertEqual(found["corsgate_config_reloads_total", ("failed",)], 1)
        self.assertEqual(found["corsgate_config_last_reload_successful", ()], 0)
        expiry = [key for key in found if "certificate" in key[0]]
        self.assertEqual(len(expiry), 3)
        self.assertNotIn(MARK, str(found))

    async def test_credentials_refused(self) -> None:
        """It counts on when the server accepts again, and over a change of the credentials."""
        name = "corsgate_upstream_credentials_refused_total"
        statuses = (401, 403, 200, 401, 403, 200, 401)
        box = await self.upstream(*(response(status) for status in (*statuses, *statuses)))
        gate = self.front(box, upstream=BASIC, rest=ADMIN)
        found = samples(view_of(gate))
        self.assertEqual(found[name, (box.url, "401", "a")], 0)
        seen = []
        for round_ in range(2):
            for _ in statuses:
                await self.ask(gate, headers=[FROM_APP])
                found = samples(view_of(gate))
                seen.append([found[name, (box.url, of, "a")] for of in ("401", "403")])
            text = f'[upstreams.a]\nservers = ["{box.url}"]\n{BASIC}\n{POLICY}\n'
            text = text.replace("admin", f"admin{round_}")
            await gate.reload(
                parse(f'{LISTEN}{text}[routes."/v1"]\nupstream = "a"\ncors = "app"\n{ADMIN}')
            )
            found = samples(view_of(gate))
            self.assertEqual([found[name, (box.url, of, "a")] for of in ("401", "403")], seen[-1])
        once = [[1, 0], [1, 1], [1, 1], [2, 1], [2, 2], [2, 2], [3, 2]]
        self.assertEqual(seen, [*once, *([a + 3, b + 2] for a, b in once)])

    async def test_credentials_blocked(self) -> None:
        """A server that rejects the credentials twice in a row is blocked."""
        name = "corsgate_upstream_credentials_blocked"
        box = await self.upstream(response(401))
        gate = self.front(box, upstream=BASIC, rest=ADMIN)
        for blocked in (0, 0, 1):
            self.assertEqual(samples(view_of(gate))[name, (box.url, "a")], blocked)
            await self.ask(gate, headers=[FROM_APP])
        named = f'credentials_by_origin = {{ "{APP.decode()}" = "dev" }}'
        dev = f"{ADMIN}\n[credentials]\ndev = {BASIC.partition(' = ')[2]}\n"
        gate = self.front(box, upstream=named, rest=dev)
        for blocked in (0, 0, 1):
            self.assertEqual(samples(view_of(gate))[name, (box.url, "a")], blocked)
            await self.ask(gate, headers=[FROM_APP])
        plain = self.front(box, rest=ADMIN)
        self.assertNotIn((name, (box.url, "a")), samples(view_of(plain)))

    async def test_blocked_account(self) -> None:
        """The account of a single origin counts too."""
        name = "corsgate_upstream_credentials_blocked"
        box = await self.upstream(response(401))
        account = '[credentials.one]\ntype = "bearer"\ntoken = "t1"\n'
        lines = 'credentials_by_origin = { "https://app.example" = "one" }\n'
        gate = self.front(box, upstream=lines, rest=account + ADMIN)
        for blocked in (0, 0, 1):
            self.assertEqual(samples(view_of(gate))[name, (box.url, "a")], blocked)
            await self.ask(gate, headers=[FROM_APP])

    async def test_labels_are_bounded(self) -> None:
        """Whatever clients send, a route has so many samples and no more."""
        gate = self.front(await self.upstream(), rest=ADMIN)
        for number in range(30):
            origin = (b"Origin", b"http://e%d.example" % number)
            target = b"/v1/%d?%d" % (number, number)
            host = b"localhost:%d" % (number + 1)
            await self.ask(gate, target=target, headers=[origin], host=host)
            await self.ask(gate, b"M%d" % number, b"/v1/x")
        shown = str(list(samples(view_of(gate))))
        self.assertNotIn("e1", shown)
        self.assertNotIn("M1", shown)
        per_route = 6 * len(VERDICTS) + 15 + 3 + len(REFUSALS) + 20
        of_route = [key for key in samples(view_of(gate)) if "/v1" in key[1]]
        self.assertLess(len(of_route), per_route)
        self.assertLess(len(FAILURES), 20)

    async def test_discovery(self) -> None:
        """A server that discovery took has no samples, and its counters are forgotten."""
        box = await self.upstream()
        gate = self.front(box, rest=ADMIN)
        await self.ask(gate)
        view = view_of(gate)
        for number in range(20):
            server = Server(scheme="http", host="127.0.0.1", port=1000 + number)
            gate.service.upstreams["a"].change([server])
            view.keep_counters()
        servers = {key[1] for key in samples(view) if "upstream" in key[0] and len(key[1]) > 1}
        self.assertEqual({labels[-2] for labels in servers}, {"http://127.0.0.1:1019"})
        self.assertEqual(list(gate.service.counters.servers), [("a", "http://127.0.0.1:1019")])

    def test_many_routes(self) -> None:
        """Routes without requests cost a line, and no piece has more than its share of samples."""
        routes = "".join(f'[routes."/r{at}"]\nupstream = "a"\n' for at in range(200))
        text = f'[upstreams.a]\nservers = ["http://h"]\n{routes}{ADMIN}'
        view = view_of(self.serve_config(parse('listen = ["tcp:0:interface=127.0.0.1"]\n' + text)))
        pieces = [len(family.samples) for family in families(view)]
        self.assertLess(max(pieces), 60)
        self.assertLess(sum(pieces), 300)
