"""``/api/status``."""

from __future__ import annotations

import json
from typing import Any

import attrs

from corsgate.admin.status import begin, parts
from corsgate.admin.turns import json_pieces
from corsgate.admin.view import View
from corsgate.balance.circuit import CircuitState
from corsgate.balance.health import Standing
from corsgate.daemon.reload import ReloadOutcome
from tests.admin.support import ADMIN, AdminTestCase, view_of
from tests.admin.test_masked_config import marked
from tests.certificates import Authority
from tests.peers import response
from tests.support import APP, BASIC, FROM_APP, FROM_FOREIGN, Gate

KEYS = {
    "gate": "version python twisted pid started_s now_s state",
    "config": "file since_s warnings watch last_reload reloads",
    "listeners": "endpoint addresses tls http2 connections",
    "certificates": "where names file not_after_s",
    "routes": "label upstreams origins in_flight requests verdicts refusals own_responses "
    "received_bytes sent_bytes duration",
    "upstreams": "name credentials credentials_by_origin login_failure running max_requests "
    "servers",
    "servers": "origin state reason until_s weight backup in_flight requests failures retries "
    "ejections duration pool credentials_refused credentials_blocked",
    "pool": "connections idle max waiting max_waiting tunnels max_tunnels",
    "refusals": "time_s id route origin method path url reason count asked_method asked_headers "
    "credentials option advice "
    "near_miss toml explained",
    "bounds": "connections max_connections clients buffered_bytes max_buffered_bytes memory_cuts "
    "connections_refused connections_refused_per_client idle_connections_closed "
    "descriptors_short revoked log_lines_lost",
}
"""The members of each object."""


class Reloaded:
    """Reloads, of which the last was rejected."""

    last = ReloadOutcome(time_s=5.0, trigger="SIGHUP", faults=("a fault",))
    succeeded = 3
    failed = 1


def status(view: View) -> Any:
    """Return the status as a client gets it."""
    return json.loads(b"".join(begin(view)[1]))


class StatusTests(AdminTestCase):
    """`/api/status`."""

    async def start(self, *answers: bytes, upstream: str = "", rest: str = ADMIN) -> Gate:
        """Return a gate with a server."""
        return self.front(await self.upstream(*answers), upstream=upstream, rest=rest)

    def of_gate(self, gate: Gate) -> Any:
        """Return the status as a client of it gets it."""
        return status(view_of(gate))

    async def test_members(self) -> None:
        """Every object has the members that the page expects."""
        gate = self.serve_config(marked())
        await self.ask(gate, target=b"/basic", headers=[FROM_FOREIGN])
        found = self.of_gate(gate)
        self.assertEqual(set(found), {*KEYS} - {"servers", "pool"})
        (server, *_) = found["upstreams"][0]["servers"]
        found = {**found, "servers": server, "pool": server["pool"]}
        for name, keys in KEYS.items():
            each = found[name][0] if isinstance(found[name], list) else found[name]
            self.assertEqual(set(each), set(keys.split()), name)

    async def test_address(self) -> None:
        """The address responds with the same."""
        gate = await self.start()
        answer = await self.get(self.whole(gate), b"/api/status")
        self.assertEqual(answer.one(b"content-type"), b"application/json")
        found, expected = json.loads(answer.body), self.of_gate(gate)
        del found["gate"]["now_s"], expected["gate"]["now_s"]
        self.assertEqual(found, expected)

    async def test_routes(self) -> None:
        """What a route has served."""
        gate = await self.start(response(body=b"123"), response(404))
        await self.ask(gate, headers=[FROM_APP])
        await self.ask(gate, headers=[FROM_APP])
        await self.ask(gate, headers=[FROM_FOREIGN])
        (route,) = self.of_gate(gate)["routes"]
        self.assertEqual(route["label"], "/v1")
        self.assertEqual(route["upstreams"], ["a"])
        self.assertEqual(route["origins"], ["https://app.example"])
        self.assertEqual({k: n for k, n in route["requests"].items() if n}, {"2xx": 1, "4xx": 2})
        self.assertEqual(
            {k: n for k, n in route["verdicts"].items() if n}, {"allowed": 2, "refused": 1}
        )
        self.assertEqual(route["refusals"], {"origin": 1})
        self.assertEqual(route["own_responses"], {"403": 1})
        self.assertEqual(route["duration"]["count"], 3)
        self.assertEqual(route["duration"]["buckets"][-1], [30.0, 3])

    async def test_blocked_credentials(self) -> None:
        """A server that rejects the credentials repeatedly: until when nothing is signed."""
        gate = await self.start(response(401), upstream=BASIC)
        for rejections in (0, 0, 2):
            (server,) = self.of_gate(gate)["upstreams"][0]["servers"]
            blocked = server["credentials_blocked"]
            if rejections:
                now_s = self.of_gate(gate)["gate"]["now_s"]
                self.assertEqual((blocked["rejections"], blocked["origins"]), (rejections, []))
                self.assertLess(abs(blocked["until_s"] - now_s), 6)
                self.assertEqual(server["state"], "up")
            else:
                self.assertIsNone(blocked)
            await self.ask(gate, headers=[FROM_APP])
        (server,) = self.of_gate(gate)["upstreams"][0]["servers"]
        self.assertEqual(server["failures"], {"credentials": 1})

    async def test_blocked_account_of_an_origin(self) -> None:
        """A block of the credentials of an origin is shown too."""
        named = f'credentials_by_origin = {{ "{APP.decode()}" = "dev" }}'
        dev = f"{ADMIN}\n[credentials]\ndev = {BASIC.partition(' = ')[2]}\n"
        gate = await self.start(response(401), upstream=named, rest=dev)
        for _ in range(2):
            await self.ask(gate, headers=[FROM_APP])
        (server,) = self.of_gate(gate)["upstreams"][0]["servers"]
        self.assertEqual(server["credentials_blocked"]["rejections"], 2)

    async def test_accounts(self) -> None:
        """An account of a single origin that is blocked, or can't log in, is shown as well."""
        login, box = await self.upstream(response(503)), await self.upstream(response(401))
        lines = 'credentials_by_origin = { "https://app.example" = "one" }\n'
        tokens = f'grant = "client_credentials"\nclient_id = "g"\ntoken_url = "{login.url}/t"\n'
        for kind, more in (
            ("bearer", 'token = "s3"\n'),
            ("oauth2", f'{tokens}client_secret = "s3"\n'),
        ):
            account = f'[credentials.one]\ntype = "{kind}"\n{more}'
            gate = self.front(box, upstream=lines, rest=account + ADMIN)
            for _ in range(2):
                await self.ask(gate, headers=[FROM_APP])
            (upstream,) = self.of_gate(gate)["upstreams"]
            accounts = upstream["credentials_by_origin"]
            self.assertEqual(accounts, {"https://app.example": kind})
            (server,) = upstream["servers"]
            if kind == "bearer":
                for member in ("credentials_blocked", "credentials_refused"):
                    self.assertEqual(server[member]["origins"], ["https://app.example"])
                self.assertEqual(server["credentials_blocked"]["rejections"], 2)
            else:
                self.assertIn("no token for client", upstream["login_failure"]["words"])

    async def test_login_failure(self) -> None:
        """Why there is no token is said of the upstream, in words without a secret."""
        login = await self.upstream(response(503))
        gate = await self.start(
            upstream='credentials = { type = "oauth2", grant = "client_credentials",'
            f' token_url = "{login.url}/t", client_id = "gate", client_secret = "s3" }}'
        )
        (upstream,) = self.of_gate(gate)["upstreams"]
        self.assertEqual((upstream["credentials"], upstream["login_failure"]), ("oauth2", None))
        self.assertEqual((await self.ask(gate)).status, 502)
        (upstream,) = self.of_gate(gate)["upstreams"]
        failure = upstream["login_failure"]
        self.assertEqual(failure["count"], 1)
        self.assertIn('no token for client "gate": http://127.0.0.1:', failure["words"])
        self.assertNotIn("s3", failure["words"])

    async def test_login_failure_of_others(self) -> None:
        """Credentials in a list, and those of an origin, fail to log in like others."""
        login = await self.upstream(response(503), response(503))
        oauth2 = (
            '[credentials.o]\ntype = "oauth2"\ngrant = "client_credentials"\n'
            f'token_url = "{login.url}/t"\nclient_id = "gate"\nclient_secret = "s3"\n'
            '[credentials.k]\ntype = "header"\nname = "X-Key"\nvalue = "k"\n'
        )
        by_origin = f'credentials_by_origin = {{ "{FROM_APP[1].decode()}" = "o" }}'
        for lines in ('credentials = ["o", "k"]', by_origin):
            gate = await self.start(upstream=f"{lines}\n{oauth2}")
            self.assertEqual((await self.ask(gate, headers=[FROM_APP])).status, 502)
            (upstream,) = self.of_gate(gate)["upstreams"]
            self.assertEqual(upstream["login_failure"]["count"], 1, lines)

    async def test_server(self) -> None:
        """The state of a server, its reason, and when an ejection ends."""
        gate = await self.start(upstream=f"max_requests = 9\n{BASIC}")
        await self.ask(gate)
        (upstream,) = self.of_gate(gate)["upstreams"]
        self.assertEqual((upstream["credentials"], upstream["max_requests"]), ("basic", 9))
        (server,) = upstream["servers"]
        self.assertEqual((server["state"], server["reason"]), ("up", None))
        self.assertEqual(server["requests"]["2xx"], 1)
        self.assertEqual((server["pool"]["connections"], server["pool"]["idle"]), (1, 1))
        (state,) = gate.service.upstreams["a"].balancer.states.values()
        view = view_of(gate)
        before_s = view.wall_clock()
        state.circuit.state = CircuitState.OPEN
        state.circuit.until_s, state.reason = view.clock() + 60, "its requests fail"
        (server,) = self.of_gate(gate)["upstreams"][0]["servers"]
        self.assertEqual((server["state"], server["reason"]), ("ejected", "its requests fail"))
        self.assertTrue(59 < server["until_s"] - before_s < 90)
        state.health.standing, state.reason = Standing.DOWN, "status 500"
        (server,) = self.of_gate(gate)["upstreams"][0]["servers"]
        self.assertEqual((server["state"], server["reason"]), ("down", "status 500"))

    async def test_refusals(self) -> None:
        """The last refusals, the newest first, with those that belong to no route."""
        gate = await self.start()
        await self.ask(gate, headers=[FROM_FOREIGN])
        await self.ask(gate, headers=[(b"Origin", b"null")])
        first, second = self.of_gate(gate)["refusals"]
        self.assertEqual((first["origin"], second["origin"]), ("null", "http://evil.example"))
        self.assertEqual((first["route"], first["method"], first["count"]), ("/v1", "GET", 1))
        self.assertTrue(second["advice"] or second["toml"])

    async def test_listeners_and_certificates(self) -> None:
        """Where the gate listens, and when its certificates end, also after they were renewed."""
        gate = self.serve_config(marked())
        found = self.of_gate(gate)
        plain, tls = found["listeners"]
        self.assertEqual((plain["tls"], tls["tls"]), (False, True))
        self.assertEqual(plain["addresses"], [f"127.0.0.1:{gate.port}"])
        self.assertEqual(
            [each["where"] for each in found["certificates"]],
            [
                "listener tcp:0:interface=127.0.0.2",
                "upstream basic (client certificate)",
                "upstream oauth2 (certificate for the token server)",
            ],
        )
        config = gate.service.config
        renewed = (Authority.make().issue("new.example").certified,)
        other = attrs.evolve(config.listeners[1], certificates=renewed)
        await gate.reload(attrs.evolve(config, listeners=(config.listeners[0], other)))
        self.assertEqual(self.of_gate(gate)["certificates"][0]["names"], ["new.example"])

    async def test_reload(self) -> None:
        """What the last reload said."""
        found = status(view_of(await self.start(), Reloaded))["config"]
        self.assertEqual(found["reloads"], {"succeeded": 3, "failed": 1})
        last = {"time_s": 5.0, "trigger": "SIGHUP", "faults": ["a fault"], "changes": []}
        self.assertEqual(found["last_reload"], last)

    async def test_without_admin(self) -> None:
        """A gate that counts nothing has a status with zeros."""
        gate = self.front(await self.upstream())
        await self.ask(gate)
        found = self.of_gate(gate)
        self.assertEqual(sum(found["routes"][0]["requests"].values()), 0)
        self.assertEqual(found["upstreams"][0]["servers"][0]["requests"], {})

    async def test_reload_meanwhile(self) -> None:
        """A reload between two pieces, which removes an upstream, spoils nothing."""
        more = '[upstreams.b]\nservers = ["http://127.0.0.1:1"]\n[routes."/b"]\nupstream = "b"\n'
        upstream = await self.upstream()
        gate = self.front(upstream, rest=more + ADMIN)
        pieces = json_pieces(parts(view_of(gate)))
        begun = next(pieces)
        await gate.reload(self.front(upstream, rest=ADMIN).service.config)
        found = json.loads(begun + b"".join(pieces))
        self.assertEqual([each["name"] for each in found["upstreams"]], ["a", "b"])
        self.assertEqual([each["label"] for each in found["routes"]], ["/v1", "/b"])
