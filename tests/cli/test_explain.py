"""``corsgate explain``: a configuration, a console's message, a live server."""

from __future__ import annotations

import shlex
import socket

from twisted.internet.threads import deferToThread

from corsgate.cli.explain import _EXAMPLE
from tests.cli.commands import CommandTestCase, Done, corsgate
from tests.cli.servers import Answering, Server
from tests.explain.test_console import FIREFOX as FIREFOX_MESSAGES
from tests.explain.test_console import URL as CONSOLE_URL
from tests.explain.test_console import firefox
from tests.explain.test_explanation import CONFIG
from tests.support import APP, POLICY, GateTestCase

URL = "http://localhost:5555/v1/x"
ORIGIN = "http://localhost:4200"
BLOCKED = (
    f"Access to fetch at '{URL}' from origin '{ORIGIN}' has been blocked by CORS policy: Request"
    " header field x-app is not allowed by Access-Control-Allow-Headers in preflight response."
)
UNKNOWN = f"Access to fetch at '{URL}' from origin 'o' has been blocked by CORS policy: The moon."
FIREFOX = firefox(FIREFOX_MESSAGES[5][0]).replace(CONSOLE_URL, URL)


class Configured(CommandTestCase):
    """``--config``."""

    def explain(self, *arguments: str) -> Done:
        """Explain a call by `CONFIG`."""
        return corsgate("explain", "--config", self.file(CONFIG), *arguments)

    def test_allowed(self) -> None:
        """An allowed call is 0."""
        done = self.explain("--origin", ORIGIN, "--method", "PUT", "--header", "Content-Type", URL)
        self.assertEqual((done.status, done.err), (0, ""))
        self.assertIn("from http://localhost:4200: allowed\nroute /v1, [cors.spa]\n", done.out)

    def test_blocked(self) -> None:
        """A blocked call is 1, and the output names the file to change."""
        done = self.explain("--origin", ORIGIN, "--header", "X-App: 1", "--credentials", URL)
        self.assertEqual((done.status, done.err), (1, ""))
        self.assertIn(
            'gate.toml:\n\n    [cors.spa]\n    allow_headers = ["Content-Type", "X-App"]\n'
            "    allow_credentials = true\n",
            done.out,
        )

    def test_json(self) -> None:
        """--json has the same facts."""
        found = self.explain("--origin", "http://localhost:4201", "--json", URL)
        self.assertEqual(found.status, 1)
        self.assertFalse(found.json["allowed"])
        self.assertIn("port", found.json["near_misses"][0])

    def test_did_you_mean(self) -> None:
        """An origin that no browser sends is not explained; the intended one is named."""
        for origin in ("localhost:4200", f"{ORIGIN}/", f"{ORIGIN}/app", ORIGIN.upper()):
            for arguments in (("--config", self.file(CONFIG)), ("--live",)):
                done = corsgate("explain", *arguments, "--origin", origin, URL)
                self.assertEqual((done.status, done.out), (2, ""))
                self.assertIn(f'did you mean "{ORIGIN}"?', done.err)

    def test_header_values(self) -> None:
        """A header may have a value, which affects the result."""
        for header, status in (("Content-Type: text/plain", 0), ("Accept", 0), ("X-A: 1", 1)):
            done = self.explain("--origin", ORIGIN, "--header", header, URL)
            self.assertEqual((header, done.status), (header, status))

    def test_without_secrets(self) -> None:
        """The command works without the gate's secrets and certificates."""
        toml = CONFIG.replace('token = "t"', 'token = { env = "NO_SUCH_VARIABLE" }').replace(
            'listen = ["tcp:5555:interface=127.0.0.1"]',
            '[[listener]]\nendpoint = "tcp:5555"\ncertificates = ['
            '{ chain = "/no/a.pem", key = "/no/a.key" }, '
            '{ chain = "/no/b.pem", key = "/no/b.key" }]',
        )
        done = corsgate("explain", "--config", self.file(toml), "--origin", ORIGIN, URL)
        self.assertEqual((done.status, done.err), (0, ""))

    def test_trouble(self) -> None:
        """If there is no decision, the status is 2, with one line for each fault."""
        for arguments, told in (
            (("--origin", ORIGIN, "ftp://h/"), "not an http or https URL"),
            (("--origin", ORIGIN, "--method", "a b", URL), "is not a method"),
            (("--origin", ORIGIN, "--header", "a b: c", URL), "is not a header name"),
            (("--origin", "http://b\u2192", URL), "Punycode"),
        ):
            done = self.explain(*arguments)
            self.assertEqual((done.status, done.out, done.err.count("\n")), (2, "", 1))
            self.assertIn(told, done.err)
        faulty = self.file(CONFIG.replace('upstream = "b"', 'upstream = "c"'))
        done = corsgate("explain", "--config", faulty, "--origin", ORIGIN, URL)
        self.assertEqual((done.status, done.out), (2, ""))
        self.assertIn("gate.toml:", done.err)

    def test_usage(self) -> None:
        """Bad usage is 2."""
        for arguments in (
            (),
            (URL,),
            ("--origin", ORIGIN, URL),
            ("--live", "--origin", ORIGIN),
            ("--live", "--config", "x", "--origin", ORIGIN),
            ("--live", "--error", "x"),
            ("--config", "x", URL),
        ):
            done = corsgate("explain", *arguments)
            self.assertEqual((arguments, done.status, done.out), (arguments, 2, ""))

    def test_help(self) -> None:
        """The example of the help runs as it is."""
        self.assertIn(_EXAMPLE, corsgate("explain", "--help").out)
        done = corsgate(
            *shlex.split(
                _EXAMPLE.replace("corsgate ", "", 1).replace("etc/minimal.toml", self.file(CONFIG))
            )
        )
        self.assertEqual(done.status, 1)
        self.assertIn("X-App", done.out)


class Pasted(CommandTestCase):
    """``--error``."""

    def test_cause(self) -> None:
        """Without a configuration, the output has the cause and the fix."""
        for done in (
            corsgate("explain", "--error", BLOCKED),
            corsgate("explain", "--error", "-", stdin=BLOCKED + "\n"),
        ):
            self.assertEqual((done.status, done.err), (1, ""))
            self.assertIn(f"url: {URL}\norigin: {ORIGIN}\nheader: x-app\ncause: ", done.out)
            self.assertIn('allow_headers = ["x-app"]', done.out)

    def test_whole_fix(self) -> None:
        """The proposed keys are all that is needed, and none is useless."""
        start = BLOCKED[: BLOCKED.index("Request header")]
        origins = f'allow_origins = ["{ORIGIN}"]'
        star = (
            "The value of the 'Access-Control-Allow-Origin' header in the response must not be the"
        )
        star += " wildcard '*' when the request's credentials mode is 'include'."
        patch = "Method patch is not allowed by Access-Control-Allow-Methods in preflight response."
        missing = "No 'Access-Control-Allow-Origin' header is present on the requested resource."
        redirected = start.replace(f"'{URL}'", f"'http://login.example/' (redirected from '{URL}')")
        for said, toml, fix in (
            (start + star, f"{origins}\nallow_credentials = true", "Send the page's origin"),
            (start + patch, None, 'Write "PATCH" in the script'),
            (redirected + missing, None, f"Find out why {URL} redirects"),
            (start + missing, origins, "Send the page's origin in that"),
        ):
            found = corsgate("explain", "--json", "--error", said).json
            self.assertEqual(found["toml"], toml)
            self.assertIn(fix, found["fix"])
            self.assertIn(f"fix: {found['fix']}\n", corsgate("explain", "--error", said).out)

    def test_configured(self) -> None:
        """With a configuration, the output has the exact change."""
        config = self.file(CONFIG)
        done = corsgate("explain", "--config", config, "--error", BLOCKED)
        self.assertEqual((done.status, done.err), (1, ""))
        self.assertIn('[cors.spa]\n    allow_headers = ["Content-Type", "x-app"]', done.out)
        found = corsgate("explain", "--config", config, "--json", "--error", BLOCKED).json
        self.assertEqual(found["message"]["cause"], "header-not-allowed")
        self.assertEqual(found["route"], "/v1")

    def test_firefox(self) -> None:
        """The user must add what a message of Firefox lacks."""
        config = self.file(CONFIG)
        done = corsgate("explain", "--config", config, "--error", FIREFOX)
        self.assertEqual((done.status, done.out), (2, ""))
        self.assertIn("add --origin", done.err)
        done = corsgate(
            "explain", "--config", config, "--origin", "http://b.example", "--error", FIREFOX
        )
        self.assertEqual(done.status, 1)
        self.assertIn('"http://b.example"]', done.out)
        self.assertEqual(corsgate("explain", "--error", FIREFOX).status, 1)

    def test_allowed_now(self) -> None:
        """If the configuration allows the blocked call, the message is about another call."""
        done = corsgate(
            "explain",
            "--config",
            self.file(CONFIG),
            "--error",
            BLOCKED.replace("x-app", "content-type"),
        )
        self.assertEqual(done.status, 0)
        self.assertIn("the message is about a different call", done.err)

    def test_what_was_asked(self) -> None:
        """If the message does not contain the preflight's request, the user must add it."""
        config = self.file(CONFIG)
        said = BLOCKED[: BLOCKED.index("Request header")]
        said += "Response to preflight request doesn't pass access control check: It does not have"
        done = corsgate("explain", "--config", config, "--error", f"{said} HTTP ok status.")
        self.assertEqual((done.status, done.out), (2, ""))
        self.assertIn("add --method and --header", done.err)
        arguments = ("--config", config, "--method", "DELETE", "--error", f"{said} HTTP ok status.")
        done = corsgate("explain", *arguments)
        self.assertEqual(done.status, 1)
        self.assertIn('allow_methods = ["PUT", "DELETE"]', done.out)

    def test_unknown(self) -> None:
        """An unknown message is 2."""
        for said in (UNKNOWN, "TypeError: x is not a function"):
            done = corsgate("explain", "--error", said)
            self.assertEqual(done.status, 2)
            self.assertNotEqual(done.err, "")

    def test_json(self) -> None:
        """--json has the same facts."""
        found = corsgate("explain", "--json", "--error", BLOCKED)
        self.assertEqual((found.status, found.json["header"]), (1, "x-app"))
        self.assertEqual(found.json["toml"], 'allow_headers = ["x-app"]')


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
        self.assertIn(f"--upstream {server.url}", done.out)
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
            (APP.decode(), "/v1/picky", 0, "server", "without Origin gets 200"),
            (APP.decode(), "/v1/hidden", 0, "server", "without Origin gets 200"),
            (APP.decode(), "/v1/none", 0, None, None),
            (APP.decode(), "/v1/closed", 0, "server", "Without Origin it gets 403"),
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
