"""``corsgate explain``: a configuration, a console's message, a live server."""

from __future__ import annotations

import shlex

from corsgate.cli.explain import _EXAMPLE
from tests.cli.commands import CommandTestCase, Done, corsgate
from tests.explain.test_console import FIREFOX as FIREFOX_MESSAGES
from tests.explain.test_console import URL as CONSOLE_URL
from tests.explain.test_console import firefox
from tests.explain.test_explanation import CONFIG

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

    def test_policy_with_a_header(self) -> None:
        """What to write to a policy below a header of its own goes below that header."""
        done = self.explain("--origin", ORIGIN, "http://localhost:5555/table")
        self.assertIn(
            '    [routes."/table".cors]\n'
            f'    allow_origins = ["https://app.example", "{ORIGIN}"]\n',
            done.out,
        )
        done = self.explain("--origin", ORIGIN, "http://localhost:5555/inline")
        self.assertIn('    [routes."/inline"]\n    cors = { allow_origins = [', done.out)

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
        self.assertIn("add the --method and --header", done.err)
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
