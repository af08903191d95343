"""A wrong password must not lock the account: how often a server gets it, and what clients get."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import Clock, deferLater

from corsgate.balance.health import Standing
from corsgate.credentials.guard import Guard
from corsgate.credentials.lockout import MAX_FAILURES
from tests.apache import ApacheDigest
from tests.gate.fakes import logged
from tests.gate.test_health import HealthTestCase, health
from tests.gate.test_reload import toml
from tests.peers import Message, reactor, request, response
from tests.support import APP, BASIC, DIGEST, FROM_APP, PASSWORD, POLICY, Gate, GateTestCase

WRONG = "an-older-password"
AT_ONCE = 64
ASKS_BASIC = (b"WWW-Authenticate", b'Basic realm="box"')
REFUSED = response(401, [ASKS_BASIC])


def guard_of(gate: Gate) -> Guard:
    """Return the guard of a gate's upstream."""
    guard = gate.service.runtime.upstreams["a"].guard
    assert guard is not None, "it has credentials"
    return guard


def wrong(credentials: str) -> str:
    """Return credentials with a password that the server rejects."""
    return credentials.replace('{ env = "PASSWORD" }', f'"{WRONG}"')


class BeforeApache(GateTestCase):
    """Apache counts the failed logins, and its log has them."""

    def apache(self) -> ApacheDigest:
        """Return a server that asks for Digest, but below /basic for Basic."""
        more = (
            '<Location "/basic">\nAuthType Basic\nAuthBasicProvider file\n'
            "AuthUserFile files/basic/users\n</Location>"
        )
        apache = ApacheDigest(users={"admin": PASSWORD}, files={"x": b"{}"}, more=more)
        self.addCleanup(apache.stop)
        hashed = base64.b64encode(hashlib.sha1(PASSWORD.encode()).digest()).decode()
        (apache.files / "basic").mkdir()
        (apache.files / "basic" / "users").write_text(f"admin:{{SHA}}{hashed}\n")
        (apache.files / "basic" / "x").write_bytes(b"{}")
        return apache

    def gate(self, apache: ApacheDigest, credentials: str) -> Gate:
        """Return a gate before it."""
        gate = self.serve(
            f'[upstreams.a]\nservers = ["{apache.origin}"]\n{credentials}\n{POLICY}\n'
            '[routes."/"]\nupstream = "a"\ncors = "app"\n'
        )
        # However slow Apache is here, no second passes.
        guard_of(gate).clock = Clock()
        return gate

    async def ask_all(self, gate: Gate, target: bytes) -> list[Message]:
        """Return the responses to many requests at once, the lowest status first."""
        asked = [self.ask_one(gate, target) for _ in range(AT_ONCE)]
        return sorted(await gatherResults(asked), key=lambda each: each.status)

    def ask_one(self, gate: Gate, target: bytes) -> Any:
        """Return a Deferred of a response."""
        return Deferred.fromCoroutine(self.ask(gate, target=target, headers=[FROM_APP]))

    def check(self, answers: list[Message]) -> None:
        """Check that few requests were rejected, and all others responded to at once."""
        statuses = [each.status for each in answers]
        rejected = statuses.count(401)
        self.assertEqual(statuses, [401] * rejected + [502] * (AT_ONCE - rejected))
        self.assertLessEqual(rejected, 2)
        for each in answers[rejected:]:
            self.assertEqual(each.one(b"access-control-allow-origin"), APP)
            self.assertEqual(each.one(b"retry-after"), b"5")
            self.assertIn("rejects the gate's credentials", json.loads(each.body)["detail"])

    async def test_basic(self) -> None:
        """Of 64 requests with a wrong Basic password two reach Apache, and none that follow."""
        apache = self.apache()
        gate = self.gate(apache, wrong(BASIC))
        self.check(await self.ask_all(gate, b"/basic/x"))
        self.assertEqual({each.status for each in await self.ask_all(gate, b"/basic/x")}, {502})
        self.assertEqual(apache.statuses(2), [401, 401])
        self.assertEqual(apache.failed_logins(2), 2)

    async def test_digest(self) -> None:
        """Of 64 requests with a wrong Digest password at most four are signed."""
        apache = self.apache()
        gate = self.gate(apache, wrong(DIGEST))
        self.check(await self.ask_all(gate, b"/x"))
        failed = apache.failed_logins(2)
        self.assertLessEqual(failed, MAX_FAILURES)
        self.assertEqual({each.status for each in await self.ask_all(gate, b"/x")}, {502})
        self.assertEqual(apache.failed_logins(failed), failed)

    async def test_right(self) -> None:
        """With the right password all 64 are served."""
        apache = self.apache()
        for credentials, target in ((BASIC, b"/basic/x"), (DIGEST, b"/x")):
            gate = self.gate(apache, credentials)
            answers = await self.ask_all(gate, target)
            self.assertEqual({each.status for each in answers}, {200})
        self.assertEqual(apache.failed_logins(), 0)


class OverSockets(GateTestCase):
    """What a client gets, and what a server sees."""

    async def test_block(self) -> None:
        """The log says what happened and what to do; a foreign page learns nothing more."""
        said = logged(self)
        box = await self.upstream(REFUSED)
        gate = self.front(box, upstream=BASIC)
        for status in (401, 401, 502, 502):
            self.assertEqual((await self.ask(gate, headers=[FROM_APP])).status, status)
        self.assertEqual(len(box.requests), 2)
        (line,) = [line for line in said() if "nothing is signed" in line]
        self.assertIn(f"upstream a, server {box.url}: the server rejected", line)
        self.assertFalse([line for line in said() if line.startswith("request ")])
        outcome = json.loads(gate.lines[2])["outcome"]
        self.assertIn("rejected the gate's credentials 2 times", outcome)
        for text in (*said(), *gate.lines):
            self.assertNotIn(PASSWORD, text)

    async def test_reload(self) -> None:
        """Equal credentials keep the block over a reload; a changed secret is tried at once."""
        box = await self.upstream(REFUSED, REFUSED, response())
        gate = self.serve_config(toml(box, upstream=wrong(BASIC)))
        for status in (401, 401, 502):
            self.assertEqual((await self.ask(gate, headers=[FROM_APP])).status, status)
        await gate.reload(toml(box, upstream=f"{wrong(BASIC)}\nmax_requests = 9"))
        self.assertEqual((await self.ask(gate, headers=[FROM_APP])).status, 502)
        await gate.reload(toml(box, upstream=BASIC))
        self.assertEqual((await self.ask(gate, headers=[FROM_APP])).status, 200)
        self.assertEqual(len(box.requests), 3)

    async def test_other_server_is_not_tried(self) -> None:
        """A server that rejects is neither ejected nor made up for by a try at another one."""
        boxes = [await self.upstream(REFUSED), await self.upstream(REFUSED)]
        gate = self.front(*boxes, upstream=BASIC)
        statuses = [(await self.ask(gate, headers=[FROM_APP])).status for _ in range(12)]
        self.assertEqual(statuses, [401] * 4 + [502] * 8)
        self.assertEqual([len(box.requests) for box in boxes], [2, 2])
        for state in gate.service.runtime.upstreams["a"].balancer.states.values():
            self.assertEqual((state.ejections, state.circuit.failures), (0, 0))

    async def test_two_upstreams(self) -> None:
        """Upstreams that use the same account at the same server don't add up."""
        box = await self.upstream(REFUSED)
        more = (
            f'[upstreams.b]\nservers = ["{box.url}"]\n{BASIC}\n'
            '[routes."/v2"]\nupstream = "b"\ncors = "app"\n'
        )
        gate = self.front(box, upstream=BASIC, rest=more)
        for target, status in ((b"/v1/x", 401), (b"/v2/x", 401), (b"/v1/x", 502), (b"/v2/x", 502)):
            answer = await self.ask(gate, target=target, headers=[FROM_APP])
            self.assertEqual(answer.status, status)
        self.assertEqual(len(box.requests), 2)

    async def test_websocket(self) -> None:
        """A handshake that gets 401 counts, and one is refused during a block."""
        offer = [(b"Connection", b"Upgrade"), (b"Upgrade", b"websocket"), FROM_APP]
        box = await self.upstream(REFUSED)
        gate = self.front(box, upstream=BASIC)
        statuses = [(await self.ask(gate, headers=offer)).status for _ in range(3)]
        self.assertEqual((statuses, len(box.requests)), ([401, 401, 502], 2))

    async def test_upload(self) -> None:
        """An upload that waits for its turn arrives whole; 100 Continue is sent once it may go."""
        box = await self.upstream(None)
        gate = self.front(box, upstream=BASIC, rest='[limits]\nmax_buffered_bytes = "64KiB"')
        first = [await self.connect(gate) for _ in range(2)]
        for client in first:
            client.send(request(headers=[FROM_APP]))
        await box.arrived(2)
        large, patient = await self.connect(gate), await self.connect(gate)
        body = bytes(range(256)) * 4096
        large.send(request(b"PUT", headers=[FROM_APP], body=body))
        head = request(b"PUT", headers=[FROM_APP, (b"Expect", b"100-continue")], body=b"abc")
        patient.send(head[:-3])
        await self.when_waiting(gate, 2)
        self.assertEqual(patient.data, b"")
        box.answer = lambda _: response()
        box.requests[0].connection.send(response())
        self.assertEqual((await large.response()).status, 200)
        patient.send(b"abc")
        answer = await patient.response()
        if answer.status == 100:
            answer = await patient.response()
        self.assertEqual(answer.status, 200)
        self.assertEqual(sorted(len(each.body) for each in box.requests[2:]), [3, len(body)])
        self.assertIn(body, [each.body for each in box.requests])

    async def test_client_leaves(self) -> None:
        """A client that leaves while its request waits, or is under way, makes room."""
        box = await self.upstream(None)
        gate = self.front(box, upstream=BASIC)
        clients = [await self.connect(gate) for _ in range(4)]
        for client in clients:
            client.send(request(headers=[FROM_APP]))
        await self.when_waiting(gate, 2)
        await box.arrived(2)
        first = box.requests[0]
        for client in clients:
            await client.close()
        await first.connection.gone()
        box.answer = lambda _: response()
        self.assertEqual((await self.ask(gate, headers=[FROM_APP])).status, 200)

    async def when_waiting(self, gate: Gate, count: int) -> None:
        """Wait until a number of requests wait for their turn."""
        while sum(len(each.line) for each in guard_of(gate)._servers.values()) < count:
            await deferLater(reactor, 0.01)


class Probes(HealthTestCase):
    """Probes send the credentials too."""

    async def test_probes(self) -> None:
        """Probes stop during a block, and a server is not down because of that."""
        box, other = await self.probed(), await self.probed()
        box.well = lambda _: REFUSED
        check = health().replace("fall = 2", "fall = 3")
        gate = self.front(box, other, upstream=f"{check}\n{BASIC}")
        await other.judged(20)
        self.assertEqual(len(box.probes), 2)
        states = gate.service.runtime.upstreams["a"].balancer.states
        self.assertNotEqual(states[box.url].health.standing, Standing.DOWN)
        self.assertEqual((await self.ask(gate, headers=[FROM_APP])).status, 502)
