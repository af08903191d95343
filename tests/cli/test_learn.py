"""``corsgate learn --from LOG|URL``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from threading import Thread

from corsgate.config.model.values import Cors
from tests.cli.commands import CommandTestCase, corsgate
from tests.cli.servers import Server
from tests.learn.test_minimal import APP, CHROME, LOG, RECORD, config_of, entry, har
from tests.support import APP as APP_BYTES
from tests.support import FROM_APP, FROM_FOREIGN, POLICY, GateTestCase

APP_ORIGIN = APP_BYTES.decode()


class FileTests(CommandTestCase):
    """From a record."""

    def test_written(self) -> None:
        """The output passes `corsgate check`, and names its source."""
        for text in (RECORD, LOG, "\ufeff" + RECORD):
            source = self.file(text, "recorded.har")
            done = corsgate("learn", "--from", source)
            self.assertEqual(done.status, 0, done.err)
            self.assertTrue(done.out.startswith(f"# Learned from {source} by corsgate learn.\n"))
            self.assertEqual(corsgate("check", self.file(done.out)).status, 0)
        self.assertEqual(corsgate("learn", "--from", "-", stdin=RECORD).status, 0)

    def test_filters(self) -> None:
        """The calls can be limited to one server or one origin."""
        source = self.file(RECORD)
        done = corsgate("learn", "--from", source, "--origin", APP)
        self.assertNotIn("https://app.example", done.out)
        self.assertEqual(corsgate("learn", "--from", source, "--only", "http://x").status, 2)

    def test_no_file(self) -> None:
        """A record may be a FIFO, but not a device or a directory."""
        for source, why in (("/dev/zero", "it is a device"), ("/", "Is a directory")):
            done = corsgate("learn", "--from", source)
            self.assertEqual((done.status, done.out), (2, ""))
            self.assertIn(f"it can't be read: {why}", done.err)
        fifo = self.mktemp()
        os.mkfifo(fifo)
        writer = Thread(target=Path(fifo).write_text, args=(RECORD,))
        writer.start()
        self.assertEqual(corsgate("learn", "--from", fifo).status, 0)
        writer.join()

    def test_trouble(self) -> None:
        """Nothing to learn is 2; a call that can't be allowed is 1."""
        for source in ("/no/such.har", self.file("x"), self.file(har())):
            done = corsgate("learn", "--from", source)
            self.assertEqual((done.status, done.out), (2, ""))
            self.assertIn(source, done.err)
        self.assertEqual(corsgate("learn").status, 2)
        self.assertEqual(corsgate("learn", "--from", "http://x/").status, 2)
        bad = entry("GET", "http://h/a", {**CHROME, "origin": "http://a.example"}, cookies=1)
        done = corsgate("learn", "--from", self.file(har(bad, entry("GET", "http://h/a", CHROME))))
        self.assertEqual(done.status, 1)
        self.assertIn("http://a.example", done.err)
        config_of(done.out)


class LiveTests(CommandTestCase):
    """From a live server."""

    def test_no_secrets(self) -> None:
        """A possible password or key in a server's URL is not in the output."""
        server = Server(lambda method, path: (200, {"Access-Control-Allow-Origin": APP}))
        self.addCleanup(server.stop)
        url = server.url.replace("//", "//user:s3cret@") + "/v1?key=s3cret"
        for origin, status in ((APP, 0), ("http://other.example", 2)):
            done = corsgate("learn", "--from", url, "--origin", origin)
            self.assertEqual(done.status, status, done.err)
            self.assertNotIn("s3cret", done.out + done.err)
            self.assertIn(f"{server.url}/v1", done.out + done.err)

    def test_server(self) -> None:
        """The policy allows what the server allows, and nothing that could act is sent."""
        fields = {
            "Access-Control-Allow-Origin": APP,
            "Access-Control-Allow-Credentials": "true",
            "Access-Control-Allow-Methods": "PUT, DELETE",
            "Access-Control-Allow-Headers": "content-type",
            "Access-Control-Expose-Headers": "X-Total",
            "Access-Control-Max-Age": "600",
        }
        server = Server(lambda method, path: (200, fields))
        self.addCleanup(server.stop)
        done = corsgate("learn", "--from", f"{server.url}/v1", "--origin", APP)
        self.assertEqual((done.status, done.err), (0, ""))
        config = config_of(done.out)
        policy = config.routes[0].cors
        assert policy is not None
        self.assertEqual(policy.allow_origins, (APP,))
        self.assertEqual(policy.allow_methods, ("PUT", "DELETE"))
        self.assertEqual(policy.allow_headers, ("Content-Type",))
        self.assertEqual(policy.expose_headers, ("X-Total",))
        self.assertEqual((policy.allow_credentials, policy.max_age_s), (True, 600))
        self.assertEqual({seen[0] for seen in server.seen}, {"GET", "OPTIONS"})
        self.assertEqual([seen[0] for seen in server.seen].count("GET"), 1)

    def test_closed(self) -> None:
        """A server that allows nothing, or doesn't respond, is 2."""
        server = Server(lambda method, path: (200, {}))
        self.addCleanup(server.stop)
        done = corsgate("learn", "--from", server.url, "--origin", APP)
        self.assertEqual((done.status, done.out), (2, ""))
        self.assertIn("does not allow", done.err)


class GateLogTests(GateTestCase):
    """From a gate's access log."""

    async def test_asked(self) -> None:
        """The log has what preflights ask for, but no further details of other requests."""
        gate = self.front(await self.upstream())
        asked = (b"Access-Control-Request-Method", b"PUT")
        names = (b"Access-Control-Request-Headers", b"content-type")
        more = (b"Access-Control-Request-Headers", b"content-type")
        await self.ask(gate, b"OPTIONS", headers=[FROM_APP, asked, names, more])
        await self.ask(gate, b"OPTIONS", headers=[FROM_APP])
        await self.ask(gate, headers=[FROM_APP, asked])
        events = [json.loads(line) for line in gate.lines]
        self.assertEqual(events[0]["asked_method"], "PUT")
        self.assertEqual(events[0]["asked_headers"], "content-type, content-type")
        for event in events[1:]:
            self.assertNotIn("asked_method", event)
            self.assertNotIn("asked_headers", event)
        policy = config_of(_learn("\n".join(gate.lines))).routes[0].cors
        assert policy is not None
        self.assertEqual(
            (policy.allow_methods, policy.allow_headers), (("PUT",), ("content-type",))
        )

    async def test_hostile(self) -> None:
        """No request on any route leads to a policy that allows more than was granted."""
        server = await self.upstream()
        gate = self.serve(
            f'[upstreams.a]\nservers = ["http://127.0.0.1:{server.port}"]\n{POLICY}\n'
            '[routes."/v1"]\nupstream = "a"\ncors = "app"\n'
            '[routes."/lax"]\nupstream = "a"\n'
            f'cors = {{ allow_origins = ["{APP_ORIGIN}"], enforce_origin = false, debug = true }}\n'
            '[routes."/none"]\nupstream = "a"\n'
            '[routes."/some"]\nupstream = "a"\ncors = "app"\nmethods = ["GET"]\n'
        )
        count = 0
        for path in (b"/v1/x", b"/lax/x", b"/none/x", b"/some/x"):
            await self.ask(gate, target=path, headers=[FROM_APP])
            for origin in (FROM_APP, FROM_FOREIGN):
                for method in (b"GET", b"POST", b"PURGE"):
                    await self.ask(gate, method, path, headers=[origin])
                    asked = (b"Access-Control-Request-Method", method)
                    for name in (b"x-evil", b"x-evil, content-type"):
                        names = (b"Access-Control-Request-Headers", name)
                        await self.ask(gate, b"OPTIONS", path, headers=[origin, asked, names])
                await self.ask(gate, b"OPTIONS", path, headers=[FROM_APP, origin, asked])
                await self.ask(gate, b"OPTIONS", path, headers=[origin, FROM_APP, asked])
            count += 1 + 2 * (3 * 3 + 2)
        await gate.logged(count)
        config = config_of(_learn("\n".join(gate.lines)))
        policies = {route.prefix: route.cors for route in config.routes}
        expected = Cors(allow_origins=(APP_ORIGIN,))
        self.assertEqual(policies, dict.fromkeys(("/v1", "/lax", "/some"), expected))


def _learn(text: str) -> str:
    return corsgate("learn", "--from", "-", stdin=text).out
