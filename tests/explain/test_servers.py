"""The configuration that is proposed for common servers."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.quick import quick_config
from corsgate.cors.check import CORS_RULES
from corsgate.explain.call import Call
from corsgate.explain.explanation import explain
from corsgate.explain.servers import all_fixes, needs_preflight, server_fixes
from corsgate.explain.url import Url
from tests.support import parse

CALL = Call(
    origin=b"https://app.example",
    method=b"PUT",
    url=Url.parse("http://localhost:8000/v1/x?y"),
    headers=((b"X-App", b"1"), (b"Content-Type", b"application/json")),
    credentials=True,
)


class ServerTests(SynchronousTestCase):
    """`server_fixes`."""

    def test_known(self) -> None:
        """A server that identifies itself gets its own complete fix."""
        for name, value, title in (
            (b"Server", b"nginx/1.27", "nginx"),
            (b"server", b"openresty", "nginx"),
            (b"Server", b"Apache/2.4 (Debian)", "Apache"),
            (b"Server", b"Caddy", "Caddy"),
            (b"X-Powered-By", b"Express", "Express"),
            (b"Server", b"Microsoft-IIS/10.0", "IIS"),
        ):
            fixes = server_fixes(CALL, [(b"Date", b"x"), (name, value)])
            self.assertEqual(len(fixes), 3)
            self.assertEqual(fixes[1][0], title)
            for part in ("https://app.example", "PUT", "content-type", "x-app", "redential"):
                self.assertIn(part, fixes[1][1])

    def test_unknown(self) -> None:
        """Any other server gets the list of fields, and the proposal of a gate."""
        (_, fields), (_, gate) = server_fixes(CALL, [(b"Server", b"MarkLogic")])
        self.assertEqual(
            fields.splitlines(),
            [
                "Access-Control-Allow-Origin: https://app.example",
                "Vary: Origin",
                "Access-Control-Allow-Credentials: true",
                "Access-Control-Allow-Methods: PUT",
                "Access-Control-Allow-Headers: content-type, x-app",
            ],
        )
        self.assertIn('servers = ["http://localhost:8000"]', gate)

    def test_no_gate_before_itself(self) -> None:
        """A server at the gate's own address gets no gate, which would forward to itself."""
        for host in ("localhost", "127.0.0.1", "[::1]", "127.0.0.9", "app.localhost", "0.0.0.0"):
            call = attrs.evolve(CALL, url=Url.parse(f"http://{host}:5555/v1"))
            self.assertEqual(len(server_fixes(call, [])), 1, host)
        for server in ("http://localhost:5556", "http://10.0.0.1:5555", "https://localhost"):
            call = attrs.evolve(CALL, url=Url.parse(f"{server}/v1"))
            self.assertEqual(len(server_fixes(call, [])), 2, server)

    def test_replaced(self) -> None:
        """Fields that the response already has are removed: two origins would be invalid."""
        for server, line in (
            (b"nginx", "proxy_hide_header Access-Control-Allow-Origin;"),
            (b"apache", "Header onsuccess unset Access-Control-Allow-Origin"),
            (b"caddy", "defer"),
        ):
            fields = [(b"Server", server), (b"access-control-allow-ORIGIN", b"*")]
            self.assertIn(line, server_fixes(CALL, fields)[1][1])
            self.assertNotIn(line, server_fixes(CALL, fields[:1])[1][1])

    def test_gate(self) -> None:
        """The proposed gate allows the call, by options if they suffice, or by a file."""
        for method, credentials in ((b"PUT", False), (b"PUT", True), (b"PROPFIND", False)):
            call = attrs.evolve(CALL, method=method, credentials=credentials)
            gate = server_fixes(call, [])[-1][1]
            options = "corsgate run http://localhost:8000 --allow https://app.example\n"
            if options in gate:
                config = quick_config(
                    upstream="http://localhost:8000",
                    allow_origins=["https://app.example"],
                    cors_rules=CORS_RULES,
                )
            else:
                config = parse(gate)
            url = Url.parse("http://localhost:5555/v1/x?y")
            self.assertTrue(explain(config, {}, attrs.evolve(call, url=url)).allowed, gate)
            self.assertEqual(options in gate, not credentials, method)
        null = attrs.evolve(CALL, origin=b"null")
        self.assertEqual(len(server_fixes(null, [])), 1)

    def test_no_more_than_needed(self) -> None:
        """A simple call needs only its origin, and no response to OPTIONS."""
        simple = Call(origin=b"https://app.example", method=b"GET", url=CALL.url)
        for server in (b"nginx", b"apache", b"caddy"):
            _, (_, text), _ = server_fixes(simple, [(b"Server", server)])
            self.assertNotIn("OPTIONS", text)
            self.assertNotIn("Allow-Methods", text)


class AllFixesTests(SynchronousTestCase):
    """`all_fixes`."""

    def test_order(self) -> None:
        """A gate comes first, then the server that the response names, then the others."""
        names = [fix.name for fix in all_fixes(CALL)]
        self.assertEqual(names[:5], ["corsgate", "nginx", "Caddy", "Express", "Apache"])
        self.assertEqual(len(names), 11)
        for value, name in ((b"Kestrel", "ASP.NET Core"), (b"uvicorn", "FastAPI and Starlette")):
            found = all_fixes(CALL, [(b"Server", value)])
            self.assertEqual([fix.name for fix in found if fix.is_likely], [name])
            self.assertEqual(found[1].name, name)

    def test_complete(self) -> None:
        """Each has the origin, the method, the headers and credentials; and a note."""
        for fix in all_fixes(CALL):
            for part in ("https://app.example", "credentials", "x-app"):
                self.assertIn(part, fix.text.lower(), fix.name)
            self.assertTrue(fix.note.endswith("."), fix.name)

    def test_a_known_preflight(self) -> None:
        """A call that was preflighted gets an answer to OPTIONS, even if it seems simple."""
        simple = Call(origin=b"https://app.example", method=b"GET", url=CALL.url)
        self.assertEqual((needs_preflight(CALL), needs_preflight(simple)), (True, False))
        for asked in (False, True):
            fixes = {fix.name: fix.text for fix in all_fixes(simple, preflight=asked)}
            for name in ("nginx", "Caddy", "Apache"):
                self.assertEqual("OPTIONS" in fixes[name], asked, name)
