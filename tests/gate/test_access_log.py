"""The access log: a line for each request, and nothing in it that a log must not have."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from zope.interface import provider

from corsgate.errors import ConfigError
from corsgate.gate.access_log import open_log
from corsgate.gate.refusals import KEPT, KEPT_PER_SECOND, Refusal, Refusals
from corsgate.gate.service import GateService
from corsgate.server.fields_memo import FieldsMemo
from corsgate.server.request_log import RequestLog
from tests.peers import reactor, request, response
from tests.support import (
    BASIC,
    DIGEST,
    FROM_APP,
    FROM_FOREIGN,
    LISTEN,
    PASSWORD,
    GateTestCase,
    parse,
)

COMBINED = re.compile(
    r"127\.0\.0\.1 - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\] "
    r'"(?P<line>.*)" (?P<status>\d{3}) (?P<bytes>\d+) "(?P<referer>.*)" "(?P<agent>.*)"'
)


def observed(case: GateTestCase) -> list[LogEvent]:
    """Return what the daemon's log is told, from now on."""
    events: list[LogEvent] = []

    @provider(ILogObserver)
    def observe(event: LogEvent) -> None:
        events.append(event)

    globalLogPublisher.addObserver(observe)
    case.addCleanup(globalLogPublisher.removeObserver, observe)
    return events


class Lines(GateTestCase):
    """What a line says."""

    async def test_json(self) -> None:
        """A JSON line has the whole story."""
        upstream = await self.upstream(response(201, body=b"abc"))
        gate = self.front(upstream)
        sent = [FROM_APP, (b"User-Agent", b"app/1")]
        await self.ask(gate, b"POST", b"/v1/x?y", headers=sent, body=b"")
        event = json.loads(gate.lines[0])
        self.assertRegex(event.pop("time"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertRegex(event.pop("id"), r"^[0-9a-f]{32}$")
        self.assertGreaterEqual(event.pop("duration_ms"), 0)
        self.assertEqual(
            event,
            {
                "client": "127.0.0.1",
                "method": "POST",
                "host": "localhost",
                "target": "/v1/x?y",
                "status": 201,
                "bytes": 3,
                "route": "/v1",
                "server": upstream.url,
                "origin": "https://app.example",
                "user_agent": "app/1",
            },
        )

    async def test_combined(self) -> None:
        """A combined line is what Apache's readers know."""
        gate = self.serve(
            'log_format = "combined"\n[upstreams.a]\nservers = ["http://127.0.0.1:1"]\n'
            '[routes."/v1"]\nupstream = "a"\n'
        )
        await self.ask(gate, headers=[(b"Referer", b"https://app.example/")])
        found = COMBINED.fullmatch(gate.lines[0])
        assert found is not None, gate.lines
        self.assertEqual(found["line"], "GET /v1/x HTTP/1.1")
        self.assertEqual((found["status"], found["agent"]), ("502", "-"))
        self.assertEqual(found["referer"], "https://app.example/")

    async def test_one_each(self) -> None:
        """Each request has one line, answered here or not."""
        upstream = await self.upstream()
        gate = self.front(upstream, route='methods = ["GET"]')
        preflight = [FROM_APP, (b"Access-Control-Request-Method", b"GET")]
        await self.ask(gate)
        await self.ask(gate, b"OPTIONS", headers=preflight)
        await self.ask(gate, headers=[FROM_FOREIGN])
        await self.ask(gate, b"PUT", body=b"x")
        await self.ask(gate, target=b"/none")
        await self.ask(gate, host=b"evil.example")
        await self.send(gate, b"GET nonsense\r\n\r\n")
        await self.ask(gate, target=b"/v1/..")
        statuses = [json.loads(line)["status"] for line in gate.lines]
        self.assertEqual(statuses, [200, 204, 403, 405, 404, 421, 400, 400])
        ids = {json.loads(line)["id"] for line in gate.lines}
        self.assertEqual(len(ids), len(statuses))
        self.assertIn("http://evil.example", json.loads(gate.lines[2])["outcome"])
        outcomes = [json.loads(line).get("outcome") for line in gate.lines]
        self.assertEqual(outcomes[:2], [None, None])
        self.assertEqual(
            outcomes[3:6],
            [
                "This route does not allow this method.",
                "Nothing is served at this path.",
                "This host is not served here.",
            ],
        )
        self.assertIn("not well-formed", outcomes[6])
        self.assertEqual(outcomes[7], "The path has a dot segment.")

    async def test_no_credentials(self) -> None:
        """Neither the client's nor the gate's credentials are in any line, whatever happens."""
        sent = [
            (b"Authorization", b"Basic Y2xpZW50"),
            (b"Proxy-Authorization", b"Basic Y2xpZW50"),
            (b"Cookie", b"sid=client-cookie"),
            (b"X-Api-Key", b"client-key"),
        ]
        challenge = [(b"WWW-Authenticate", b'Digest realm="r", nonce="n", qop="auth"')]
        for credentials in (BASIC, DIGEST, 'credentials = { type = "bearer", token = "secret-t" }'):
            upstream = await self.upstream(response(401, challenge), response(), b"bad\r\n\r\n")
            for log_format in ("json", "combined"):
                gate = self.serve(
                    f'log_format = "{log_format}"\n[upstreams.a]\nservers = ["{upstream.url}"]\n'
                    f'{credentials}\n[routes."/"]\nupstream = "a"\n'
                )
                for _ in range(4):
                    await self.ask(gate, headers=sent)
                shown = "\n".join(gate.lines)
                self.assertEqual(len(gate.lines), 4)
                for secret in (PASSWORD, "Y2xpZW50", "client-", "secret-t", "Basic", "Digest "):
                    self.assertNotIn(secret, shown)

    async def test_no_injection(self) -> None:
        """What a client sends can't end a line or a part of it."""
        evil = b'x" 200 0 "\\" \xff\xc2\x85\xe2\x80\xa8\t{a}'
        for log_format in ("json", "combined"):
            gate = self.serve(
                f'log_format = "{log_format}"\n[upstreams.a]\nservers = ["http://127.0.0.1:1"]\n'
                '[routes."/"]\nupstream = "a"\n'
            )
            sent = [(b"User-Agent", evil), (b"Referer", evil), (b"Origin", evil)]
            await self.ask(gate, target=b'/v1/"\\{a}?"', headers=sent)
            (line,) = gate.lines
            self.assertTrue(line.isascii() and line.isprintable(), line)
            if log_format == "json":
                self.assertEqual(json.loads(line)["user_agent"], evil.decode("latin-1"))
            else:
                self.assertIn(r'"GET /v1/\"\\{a}?\" HTTP/1.1" 502', line)
                self.assertIn(r'"x\" 200 0 \"\\\" \xff\xc2\x85\xe2\x80\xa8\x09{a}"', line)


class Places(GateTestCase):
    """Where the lines go."""

    def serve_logging(self, access_log: str) -> tuple[GateService, int]:
        """Return a gate whose access log is what its configuration says."""
        config = parse(
            f'{LISTEN}{access_log}[upstreams.a]\nservers = ["http://127.0.0.1:1"]\n'
            '[routes."/"]\nupstream = "a"\n'
        )
        service = GateService(config, reactor, rng=os.urandom, file="gate.toml")
        service.privilegedStartService()
        service.startService()
        self.addCleanup(service.stopService)
        address = service.ports[0].getHost()
        return service, address.port  # type: ignore[attr-defined]  # an IPv4Address has a port

    async def ask_port(self, port: int) -> None:
        """Send a request and wait for its answer."""
        client = await self.connect_to(port)
        client.send(request())
        self.assertEqual((await client.response()).status, 502)

    async def test_file(self) -> None:
        """Into a file, which only its owner and group may read, and which is appended to."""
        path = Path(self.mktemp()).absolute()
        path.write_text("before\n")
        path.unlink()
        service, port = self.serve_logging(f"access_log = {json.dumps(str(path))}\n")
        await self.ask_port(port)
        await self.ask_port(port)
        await service.stopService()
        lines = path.read_text().splitlines()
        self.assertEqual([json.loads(line)["status"] for line in lines], [502, 502])
        self.assertEqual(path.stat().st_mode & 0o037, 0)

    async def test_daemon_log(self) -> None:
        """Where there is no standard output into the daemon's log, one event each."""
        events = observed(self)
        _, port = self.serve_logging("")
        await self.ask_port(port)
        lines = [each["line"] for each in events if each["log_namespace"] == "corsgate.access"]
        self.assertEqual([json.loads(line)["status"] for line in lines], [502])

    async def test_off(self) -> None:
        """Nowhere."""
        events = observed(self)
        _, port = self.serve_logging('access_log = "off"\n')
        await self.ask_port(port)
        self.assertEqual([e for e in events if e["log_namespace"] == "corsgate.access"], [])
        self.assertIsNone(open_log("off", None, 0, reactor.callFromThread))

    async def test_no_file(self) -> None:
        """A FIFO that nobody reads is a fault, and not waited for."""
        path = Path(self.mktemp()).absolute()
        os.mkfifo(path)
        with self.assertRaises(ConfigError) as caught:
            self.serve_logging(f"access_log = {json.dumps(str(path))}\n")
        self.assertIn("it is a FIFO without a reader", str(caught.exception))


def refused(
    origin: bytes = b"http://a.example",
    *,
    route: str = "/a",
    method: bytes = b"GET",
    reason: str = "because",
) -> Any:
    """Return a request that the CORS decision refused."""
    log = RequestLog()
    log.id, log.route, log.refused = "i", route, reason
    return SimpleNamespace(
        log=log,
        method=method,
        uri=b"/a/x?secret",
        authority=b"localhost",
        index={b"origin": [origin]},
        memo=FieldsMemo(),
    )


class Refused(GateTestCase):
    """The daemon's log has a warning of what CORS refused."""

    def warnings(self, events: list[LogEvent]) -> list[str]:
        """Return the warnings of refusals, as they are shown."""
        ours = [each for each in events if each["log_namespace"] == "corsgate.gate.refusals"]
        self.assertEqual({each["log_level"].name for each in ours} - {"warn"}, set())
        return [str(formatEvent(each)) for each in ours]

    async def test_warned(self) -> None:
        """It names the request, the origin and the reason, which a combined line doesn't."""
        events = observed(self)
        gate = self.front(await self.upstream())
        await self.ask(gate, headers=[FROM_FOREIGN])
        (warning,) = self.warnings(events)
        self.assertIn(f"request {json.loads(gate.lines[0])['id']} refused on route /v1", warning)
        self.assertIn(": origin 'http://evil.example' is not allowed", warning)
        # With credentials, an origin without TLS is not one to allow.
        self.assertNotIn("to allow it", warning)

    async def test_remedy(self) -> None:
        """It has the TOML that would allow the call."""
        events = observed(self)
        gate = self.front(await self.upstream())
        await self.ask(gate, headers=[(b"Origin", b"https://other.test")])
        (warning,) = self.warnings(events)
        self.assertTrue(
            warning.endswith(
                "origin 'https://other.test' is not allowed; to allow it, write in [cors.app]: "
                'allow_origins = ["https://app.example", "https://other.test"]'
            ),
            warning,
        )

    async def test_throttled(self) -> None:
        """Only the lines that are written are explained."""
        gate = self.front(await self.upstream())
        asked: list[Refusal] = []

        def look(refusal: Refusal, now: float) -> str:
            asked.append(refusal)
            return "fix"

        gate.service.refusals.remedy = look
        for _ in range(9):
            await self.ask(gate, headers=[FROM_FOREIGN])
        self.assertLess(len(asked), 9)

    async def test_others_are_not(self) -> None:
        """Neither what is served nor an upstream's own 403 is a refusal."""
        events = observed(self)
        gate = self.front(await self.upstream(response(200), response(403)))
        await self.ask(gate)
        await self.ask(gate)
        await self.ask(gate, target=b"/none")
        self.assertEqual(self.warnings(events), [])

    def test_bounded(self) -> None:
        """A route has a line per second, whatever the origins; the next one counts the others."""
        events = observed(self)
        refusals = Refusals(lambda: 0.0)
        for now, route, origin in (
            (0.0, "/a", b"http://1.example"),
            (0.5, "/a", b"http://2.example"),
            (0.9, "/a", b"http://3.example"),
            (0.9, "/b", b"http://4.example"),
            (1.0, "/a", b"http://5.example"),
            (2.0, "/a", b"http://6.example/\n\x9b" + b"x" * 9999),
        ):
            refusals.record(refused(origin, route=route), now)
        warnings = self.warnings(events)
        self.assertEqual(len(warnings), 4)
        self.assertTrue(
            warnings[2].endswith(
                "because (from http://5.example) (2 more since the last such line)"
            )
        )
        self.assertIn(r"6.example/\n\x9bxx", warnings[3])
        self.assertLess(len(warnings[3]), 500)


class Kept(GateTestCase):
    """The last refusals of each route are kept in memory."""

    async def test_through_the_gate(self) -> None:
        """Each has its time, origin, method and reason; what is served is none."""
        gate = self.front(await self.upstream(response(403)))
        await self.ask(gate)
        await self.ask(gate, headers=[FROM_FOREIGN])
        asked = (b"Access-Control-Request-Method", b"PATCH")
        await self.ask(gate, b"OPTIONS", headers=[FROM_APP, asked])
        refusals = gate.service.refusals
        last = refusals.last("/v1")
        self.assertEqual(
            [(each.method, each.origin, each.count) for each in last],
            [("OPTIONS", "https://app.example", 1), ("GET", "http://evil.example", 1)],
        )
        self.assertIn("method 'PATCH' is not in allow_methods", last[0].reason)
        self.assertEqual((last[0].gate_origin, last[0].path), ("http://localhost", "/v1/x"))
        self.assertEqual((last[0].asked_method, last[0].asked_headers), ("PATCH", None))
        self.assertEqual((last[0].is_preflight, last[1].is_preflight), (True, False))
        self.assertGreater(last[0].time_s, 1.7e9)
        self.assertEqual((refusals.total("/v1"), refusals.total("/none")), (2, 0))
        self.assertEqual(refusals.last("/none"), [])

    def test_bounded(self) -> None:
        """So many are kept at most, the newest first, cut short and without control characters."""
        refusals = Refusals(lambda: 7.0)
        for number in range(3 * KEPT):
            origin = b"http://%d.example\n" % number + b"x" * 9999
            refusals.record(refused(origin, reason="y" * 9999), float(number))
        last = refusals.last("/a")
        self.assertEqual((len(last), refusals.total("/a")), (KEPT, 3 * KEPT))
        self.assertTrue(last[0].origin.startswith(rf"http://{3 * KEPT - 1}.example\nxx"))
        self.assertLess(max(len(each.origin) + len(each.reason) for each in last), 1000)

    def test_floods(self) -> None:
        """Of a flood a few are kept each second, and what is alike is only counted."""
        times = iter(range(1000))
        refusals = Refusals(lambda: float(next(times)))
        for number in range(1000):
            refusals.record(refused(b"http://%d.example" % number), 0.0)
        self.assertEqual(len(refusals.last("/a")), KEPT_PER_SECOND)
        self.assertEqual(next(times), KEPT_PER_SECOND)
        for second in range(1, 9):
            refusals.record(refused(b"http://same.example"), float(second))
        last = refusals.last("/a")
        self.assertEqual((len(last), last[0].count), (KEPT_PER_SECOND + 1, 8))
        self.assertEqual(refusals.total("/a"), 1008)

    def test_routes_are_apart(self) -> None:
        """A flood on one route drives nothing out of another."""
        refusals = Refusals(lambda: 7.0)
        refusals.record(refused(route="/b"), 0.0)
        for number in range(1000):
            refusals.record(refused(b"http://%d.example" % number), float(number))
        self.assertEqual(len(refusals.last("/b")), 1)
