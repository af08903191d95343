"""``corsgate explain --live``: third-party servers, and a gate."""

from __future__ import annotations

import socket

from twisted.internet.threads import deferToThread

from tests.cli.commands import CommandTestCase, corsgate
from tests.cli.servers import Answering, Server
from tests.support import APP, POLICY, GateTestCase

ORIGIN = "http://localhost:4200"


class Live(CommandTestCase):
    """``--live``, against third-party servers."""

    def serve(self, answer: Answering) -> Server:
        """Start a server for the length of the test."""
        server = Server(answer)
        self.addCleanup(server.stop)
        return server

    def test_allowed(self) -> None:
        """The preflight and the request are both sent, as a browser would."""
        fields = {
            "Access-Control-Allow-Origin": ORIGIN,
            "Access-Control-Allow-Methods": "PUT",
            "Access-Control-Allow-Headers": "x-app",
        }
        server = self.serve(lambda method, path: (204 if method == "OPTIONS" else 200, fields))
        done = corsgate(
            "explain",
            "--live",
            "--origin",
            ORIGIN,
            "--method",
            "PUT",
            "--header",
            "X-App: 7",
            f"{server.url}/a?b",
        )
        self.assertEqual((done.status, done.err), (0, ""), done.out)
        (_, _, preflight), (_, _, actual) = server.seen
        self.assertEqual([seen[:2] for seen in server.seen], [("OPTIONS", "/a?b"), ("PUT", "/a?b")])
        self.assertEqual(preflight["Access-Control-Request-Headers"], "x-app")
        self.assertEqual(preflight["Origin"], ORIGIN)
        self.assertEqual((actual["X-App"], actual["Origin"]), ("7", ORIGIN))

    def test_blocked(self) -> None:
        """If the preflight fails, no request is sent, and the fix is for that server."""
        server = self.serve(lambda method, path: (405, {"Server": "nginx"}))
        done = corsgate("explain", "--live", "--origin", ORIGIN, "--method", "PUT", server.url)
        self.assertEqual((done.status, done.err), (1, ""))
        self.assertEqual([seen[0] for seen in server.seen], ["OPTIONS"])
        self.assertIn("FAIL #cors-check", done.out)
        self.assertIn(f'add_header Access-Control-Allow-Origin "{ORIGIN}" always;', done.out)
        self.assertIn(f"corsgate run {server.url} --allow http:", done.out)
        found = corsgate("explain", "--live", "--json", "--origin", ORIGIN, server.url).json
        self.assertEqual([each["title"] for each in found["servers"]][1], "nginx")

    def test_redirect(self) -> None:
        """A redirect to another origin is followed with Origin null."""
        there = self.serve(lambda method, path: (200, {"Access-Control-Allow-Origin": ORIGIN}))
        here = self.serve(
            lambda method, path: (302, {"Access-Control-Allow-Origin": "*", "Location": there.url})
        )
        done = corsgate("explain", "--live", "--json", "--origin", ORIGIN, here.url)
        self.assertEqual(done.status, 1)
        self.assertEqual(there.seen[0][2]["Origin"], "null")
        self.assertEqual(done.json["cause"], "other-allow-origin")

    def test_redirected_preflight(self) -> None:
        """No header fixes a redirected preflight, so none is proposed."""
        server = self.serve(lambda method, path: (308, {"Location": "/b"}))
        arguments = ("explain", "--live", "--json", "--origin", ORIGIN, "--method", "PUT")
        found = corsgate(*arguments, server.url).json
        self.assertEqual((found["cause"], found["servers"]), ("preflight-redirect", []))

    def test_no_answer(self) -> None:
        """A server that is down, or uses another protocol, is 2 and one line."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            free = taken.getsockname()[1]
        server = self.serve(lambda method, path: (200, {}))
        for url, told in (
            (f"http://127.0.0.1:{free}/", "refuses connections"),
            (server.url.replace("http:", "https:"), "does not use TLS"),
            ("http://no-such-host.invalid/", "can't be found"),
        ):
            done = corsgate("explain", "--live", "--origin", "null", url)
            self.assertEqual((done.status, done.out, done.err.count("\n")), (2, "", 1), url)
            self.assertIn(told, done.err)


class LiveGate(GateTestCase):
    """``--live`` and ``--config`` agree about a real gate."""

    async def test_agree(self) -> None:
        """The explanation of a configuration matches the real gate's responses."""
        upstream = await self.upstream()
        gate = self.front(upstream)
        for origin, method, names in (
            (APP.decode(), "GET", ()),
            (APP.decode(), "PUT", ("Content-Type",)),
            (APP.decode(), "PATCH", ()),
            (APP.decode(), "DELETE", ("X-App",)),
            ("http://evil.example", "GET", ()),
            ("http://evil.example", "PUT", ()),
        ):
            arguments = ["explain", "--json", "--origin", origin, "--method", method]
            for name in names:
                arguments += ["--header", name]
            url = f"http://localhost:{gate.port}/v1/x"
            live = await deferToThread(corsgate, *arguments, "--live", url)
            config = self.mktemp()
            with open(config, "w", encoding="utf-8") as file:
                file.write(
                    'listen = ["tcp:1:interface=127.0.0.1"]\n[upstreams.a]\n'
                    f'servers = ["{upstream.url}"]\n{POLICY}\n'
                    '[routes."/v1"]\nupstream = "a"\ncors = "app"\n'
                )
            said = await deferToThread(corsgate, *arguments, "--config", config, url)
            self.assertEqual(live.status, said.status, (origin, method))
            self.assertEqual(live.json["cause"], said.json["cause"])
            self.assertEqual(_cors_of(live.json), _cors_of(said.json))

    async def test_explains_the_policy_of_a_gate(self) -> None:
        """A gate is known for one; its policy is explained, and no second gate proposed."""
        upstream = await self.upstream()
        text = (
            f'[upstreams.a]\nservers = ["{upstream.url}"]\n'
            '[cors.app]\nallow_origins = ["https://app.example"]\nallow_methods = ["PUT"]\n'
            'debug = true\n[routes."/v1"]\nupstream = "a"\ncors = "app"\n'
            'allow_paths = ["/v1/x"]\n'
        )
        gate = self.serve(text)
        file = self.mktemp()
        with open(file, "w", encoding="utf-8") as written:
            written.write(f'listen = ["tcp:{gate.port}:interface=127.0.0.1"]\n{text}')
        for origin, more, keys, said in (
            ("http://b.example", (), 'allow_origins = ["http://b.example"]', "is not allowed"),
            ("https://app.example", ("--method", "DELETE"), 'allow_methods = ["DELETE"]', "DELETE"),
            ("https://app.example", ("--header", "X-A"), 'allow_headers = ["x-a"]', "'x-a'"),
            ("https://app.example", ("--credentials",), "allow_credentials = true", "credentials"),
        ):
            url = f"http://localhost:{gate.port}/v1/x"
            arguments = ("explain", "--live", "--json", "--origin", origin, *more, url)
            done = await deferToThread(corsgate, *arguments)
            found = done.json
            self.assertEqual((done.status, found["refused_by"]), (1, "gate"), arguments)
            self.assertEqual((found["gate_toml"], found["servers"]), (keys, []))
            self.assertIn(said, found["reason"])
            found = (await deferToThread(corsgate, *arguments, "--config", file)).json
            self.assertEqual((found["refused_by"], found["route"]), ("gate", "/v1"))
            self.assertIn("allow_", found["toml"])

    async def test_readable_refusal_of_a_gate(self) -> None:
        """A 403 of the gate that the page may read is no success."""
        upstream = await self.upstream()
        gate = self.serve(
            f'[upstreams.a]\nservers = ["{upstream.url}"]\n{POLICY}\n'
            '[routes."/v1"]\nupstream = "a"\ncors = "app"\nallow_paths = ["/v1/x"]\n'
        )
        url = f"http://localhost:{gate.port}/v1/y"
        done = await deferToThread(corsgate, "explain", "--live", "--origin", APP.decode(), url)
        self.assertEqual(done.status, 1)
        self.assertIn("refused by the gate with 403\n", done.out)
        self.assertIn("reason: ", done.out)

    async def test_statuses_of_the_server(self) -> None:
        """CORS is fine, but the server's status is part of the verdict."""
        box = Server(lambda method, path: (int(path[-3:]), {}))
        self.addCleanup(box.stop)
        gate = self.serve(
            f'[upstreams.a]\nservers = ["{box.url}"]\n{POLICY}\n'
            '[routes."/v1"]\nupstream = "a"\ncors = "app"\n'
        )
        for status in (200, 401, 404, 500):
            url = f"http://localhost:{gate.port}/v1/{status}"
            arguments = ("explain", "--live", "--origin", APP.decode(), url)
            done = await deferToThread(corsgate, *arguments)
            self.assertEqual(done.status, 0)
            first = done.out.splitlines()[0]
            if status == 200:
                self.assertTrue(first.endswith(": allowed"), first)
                continue
            self.assertTrue(first.endswith(f"but the server responds with {status}"), first)
            self.assertIn(f"\nstatus: {status}: ", done.out)
            found = (await deferToThread(corsgate, *arguments, "--json")).json
            self.assertEqual((found["allowed"], found["status"]), (True, status))

    async def test_who_refused(self) -> None:
        """A 403 of the gate is told from one of the box, which may be for the Origin alone."""

        def answer(_method: str, path: str) -> tuple[int, dict[str, str]]:
            statuses = {"/v1/closed": 403, "/v1/none": 404}
            if "Origin" in box.seen[-1][2]:
                statuses |= {"/v1/picky": 403, "/v1/hidden": 404}
            return statuses.get(path, 200), {}

        box = Server(answer)
        self.addCleanup(box.stop)
        gate = self.serve(
            f'[upstreams.a]\nservers = ["{box.url}"]\n{POLICY}\n'
            '[routes."/v1"]\nupstream = "a"\ncors = "app"\n'
        )
        for origin, path, status, who, said in (
            (APP.decode(), "/v1/open", 0, None, None),
            (APP.decode(), "/v1/picky", 0, "server", "Without Origin, the same request gets 200"),
            (APP.decode(), "/v1/hidden", 0, "server", "Without Origin, the same request gets 200"),
            (APP.decode(), "/v1/none", 0, None, None),
            (APP.decode(), "/v1/closed", 0, "server", "Without Origin, it gets 403"),
            ("http://evil.example", "/v1/picky", 1, "gate", "The gate itself responded with 403"),
        ):
            url = f"http://localhost:{gate.port}{path}"
            arguments = ("explain", "--live", "--json", "--origin", origin, url)
            done = await deferToThread(corsgate, *arguments)
            found = done.json
            self.assertEqual((path, done.status, found["refused_by"]), (path, status, who))
            self.assertIn(said or "", "".join(found["advice"]))
            self.assertEqual(found["servers"], [])
            text = await deferToThread(corsgate, "explain", "--live", "--origin", origin, url)
            self.assertIn(f"note: {found['advice'][0]}" if said else "allowed", text.out)


def _cors_of(found: dict[str, list[dict[str, object]]]) -> list[object]:
    """Return the status and CORS headers of each response."""
    return [
        (
            each["status"],
            [
                field
                for field in each["response_headers"]  # type: ignore[attr-defined]  # JSON
                if field[0].lower().startswith("access-control-") or field[0] == "Vary"
            ],
        )
        for each in found["exchanges"]
    ]
