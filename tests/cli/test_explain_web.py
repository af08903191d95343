"""Tests of ``corsgate explain --web``: the server around the explainer."""

from __future__ import annotations

import atexit
import functools
import json
import signal
import socket
import subprocess
import sys
from http.client import HTTPConnection
from typing import IO

from twisted.trial.unittest import SynchronousTestCase

from corsgate.cli.explain_web import MAX_BODY_BYTES, explained
from tests.cli.commands import CommandTestCase, corsgate
from tests.tree import ROOT, outside

PASTE = {"paste": "curl http://h/x -H 'Origin: http://a'"}


class WebServer:
    """The command as a process, on a port of its own."""

    def __init__(self, *arguments: str) -> None:
        """Start it, and wait for its URL."""
        command = [sys.executable, "-m", "corsgate", "explain", "--web", "--no-browser"]
        self.process = subprocess.Popen(
            [*command, *(arguments or ("--port", "0"))],
            cwd=ROOT,
            env=outside(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.output = self._stream(self.process.stdout)
        self.first = self.output.readline()
        # Two lines, unless it ends with a fault.
        self.second = self.output.readline()
        self.url = self.first.partition(" at ")[2].strip()
        self.port = int(self.url.rpartition(":")[2].strip("/") or 0)

    def _stream(self, stream: IO[str] | None) -> IO[str]:
        assert stream is not None
        return stream

    def end(self, number: int = signal.SIGINT) -> tuple[int, str, str]:
        """End it by a signal; return its status and output."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        out, errors = self.process.communicate(timeout=30)
        return self.process.returncode, out, errors

    def ask(
        self, method: str, path: str, body: bytes | None = None, **fields: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Return status, fields and body of a response."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            headers = {name.replace("_", "-"): value for name, value in fields.items()}
            connection.request(method, path, body, {"Host": "localhost", **headers})
            response = connection.getresponse()
            return response.status, dict(response.headers), response.read()
        finally:
            connection.close()


@functools.cache
def web_server() -> WebServer:
    """Return a server for all tests of a process that don't end it."""
    server = WebServer()
    atexit.register(server.end)
    return server


class ServerTests(SynchronousTestCase):
    """What the server responds."""

    def setUp(self) -> None:
        """Find the server."""
        self.server = web_server()

    def post(self, form: object, **fields: str) -> tuple[int, bytes]:
        """Return status and body of the response to a form."""
        body = json.dumps(form).encode()
        fields = {"Content_Type": "application/json", **fields}
        status, _, text = self.server.ask("POST", "/explain", body, **fields)
        return status, text

    def test_page(self) -> None:
        """The page's files may load nothing from elsewhere, and no other page may read them."""
        for path in ("/", "/app.js", "/app.css", "/icon.svg"):
            status, fields, body = self.server.ask("GET", path)
            self.assertEqual(status, 200, path)
            self.assertTrue(body)
            policy = fields["Content-Security-Policy"]
            self.assertTrue(policy.startswith("default-src 'none'; script-src 'self'"), policy)
            self.assertEqual(fields["Cross-Origin-Resource-Policy"], "same-origin")
            self.assertEqual(fields["Cache-Control"], "no-store")
            self.assertNotIn("Access-Control-Allow-Origin", fields)
        self.assertEqual(self.server.ask("GET", "/nothing")[0], 404)

    def test_forms(self) -> None:
        """A form gets its explanation; a faulty one 422; what is no form 400 or 415."""
        status, text = self.post(PASTE)
        self.assertEqual((status, json.loads(text)["verdict"]), (200, "unknown"))
        self.assertEqual(self.post({})[0], 422)
        self.assertEqual(self.post(PASTE, Content_Type="text/plain")[0], 415)
        fields = {"Content_Type": "application/json"}
        self.assertEqual(self.server.ask("POST", "/explain", b"[" * 100_000, **fields)[0], 400)
        self.assertEqual(self.server.ask("GET", "/explain")[0], 405)

    def test_strangers(self) -> None:
        """Neither another name (DNS rebinding) nor a page of another origin gets anything."""
        self.assertEqual(self.post(PASTE, Host="evil.example")[0], 421)
        self.assertEqual(
            self.server.ask("GET", "/", Host=f"evil.example:{self.server.port}")[0], 421
        )
        for origin in ("http://evil.example", "null", f"http://127.0.0.1:{self.server.port}"):
            self.assertEqual(self.post(PASTE, Origin=origin)[0], 403, origin)
        self.assertEqual(self.post(PASTE, Sec_Fetch_Site="cross-site")[0], 403)
        status, fields, _ = self.server.ask(
            "OPTIONS",
            "/explain",
            Origin="http://evil.example",
            Access_Control_Request_Method="POST",
        )
        self.assertEqual(status, 403)
        self.assertNotIn("Access-Control-Allow-Origin", fields)
        own = {
            "Host": f"localhost:{self.server.port}",
            "Origin": f"http://localhost:{self.server.port}",
        }
        self.assertEqual(self.post(PASTE, **own)[0], 200)

    def test_too_much(self) -> None:
        """More than a HAR file may have is refused before it is read."""
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=30) as sock:
            length = MAX_BODY_BYTES + 1
            sock.sendall(
                b"POST /explain HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n" % length
            )
            said = sock.recv(65536)
        self.assertIn(b"413", said.split(b"\r\n")[0])

    def test_end(self) -> None:
        """Ctrl-C and SIGTERM end it cleanly, and nothing of a form is printed."""
        for number in (signal.SIGINT, signal.SIGTERM):
            server = WebServer()
            self.addCleanup(server.end)
            self.assertTrue(server.url.startswith("http://localhost:"), server.first)
            body = json.dumps({"paste": "hunter2 is no message"}).encode()
            server.ask("POST", "/explain", body, Content_Type="application/json")
            status, out, errors = server.end(number)
            self.assertEqual((status, errors), (0, ""))
            self.assertNotIn("hunter2", out)
            self.assertIn("Nothing that you paste leaves this machine", server.second)

    def test_port_in_use(self) -> None:
        """A port that is given but taken is reported; nothing else is listened on."""
        other = WebServer("--port", str(self.server.port))
        self.addCleanup(other.end)
        self.assertEqual(other.process.wait(30), 2)
        _, _, errors = other.end()
        self.assertIn(f"port {self.server.port} of 127.0.0.1 can't be used", errors)

    def test_loopback_only(self) -> None:
        """It listens on 127.0.0.1 alone."""
        with socket.socket() as sock:
            sock.bind(("127.0.0.2", 0))  # So that the next address differs from the server's.
        self.assertRaises(
            ConnectionRefusedError, socket.create_connection, ("127.0.0.2", self.server.port), 5
        )


class ExplainedTests(CommandTestCase):
    """The parts without a server."""

    def test_usage(self) -> None:
        """Options that don't go together are reported."""
        for words, said in (
            (("--web", "--config", "x"), "--web can't be combined with a call"),
            (("--web", "--live"), "--web can't be combined with a call"),
            (("--web", "--header", "X"), "--web can't be combined with a call"),
            (("--web", "http://h/"), "--web can't be combined with a call"),
            (("--web", "--port", "65536"), "must be from 0 to 65535"),
            (("--port", "5", "--live", "http://h/"), "need --web"),
            (("--no-browser",), "need --web"),
        ):
            done = corsgate("explain", *words)
            self.assertEqual(done.status, 2, words)
            self.assertIn(said, done.err)

    def test_not_json(self) -> None:
        """What is no JSON gets 400."""
        for data in (b"", b"{", b"\xff", b"[" * 100_000):
            self.assertEqual(explained(data)[0], 400)
        self.assertEqual(explained(b"5")[0], 422)
