"""``corsgate run`` as a process of its own, also on a terminal."""

from __future__ import annotations

import http.client
import re
import signal
import sys
import tempfile
import threading
from base64 import b64encode
from pathlib import Path
from typing import Any

import pexpect
from twisted.trial.unittest import SynchronousTestCase

from tests.cli.servers import Server
from tests.peers import request
from tests.programs import output
from tests.running import PATIENCE_S
from tests.support import APP, FROM_APP, LISTEN
from tests.tree import ROOT, outside
from tests.twistd import Daemon, DaemonTestCase

COMMAND = (sys.executable, "-m", "corsgate", "run")
ANYWHERE = "tcp:0:interface=127.0.0.1"
ORIGIN = APP.decode()
SECRET = "hunter2:x"


class RunTestCase(DaemonTestCase):
    """A test case whose gates are started by ``corsgate run``."""

    def run_gate(self, *arguments: str, environ: dict[str, str] | None = None) -> Daemon:
        """Return a gate on its way up."""
        daemon = Daemon(command=[*COMMAND, *arguments], environ=environ)
        self.addCleanup(daemon.kill)
        return daemon


class FileTests(RunTestCase):
    """With a configuration file."""

    async def test_serves_a_file(self) -> None:
        """It serves a file, named by ``--config`` or as the argument, and ends at SIGTERM."""
        upstream = await self.upstream()
        path = Path(self.mktemp() + ".toml").absolute()
        path.write_text(
            f'{LISTEN}[upstreams.a]\nservers = ["{upstream.url}"]\n[routes."/"]\nupstream = "a"\n'
            f'cors = {{ allow_origins = ["{ORIGIN}"] }}\n',
            "utf-8",
        )
        for arguments in (("--config", str(path)), (str(path),)):
            gate = self.run_gate(*arguments)
            client = await self.client(gate)
            client.send(request(headers=[FROM_APP]))
            self.assertEqual((await client.response()).status, 200)
            gate.signal("TERM")
            self.assertEqual(await gate.ended(), 0, gate.said)
            self.assertIn("stopping: no new connections", gate.said)

    async def test_reload(self) -> None:
        """``corsgate reload --pid`` has it read the file again."""
        path = Path(self.mktemp() + ".toml").absolute()
        text = (
            f'{LISTEN}[upstreams.a]\nservers = ["http://127.0.0.1:1"]\n'
            '[routes."/v1"]\nupstream = "a"\n'
        )
        path.write_text(text, "utf-8")
        gate = self.run_gate(str(path))
        await gate.port()
        path.write_text(text.replace("/v1", "/v2"), "utf-8")
        ask = ["-m", "corsgate", "reload", "--pid", str(gate.process.pid)]
        shown = await output(sys.executable, ask)
        self.assertIn('routes."/v2"', shown)


class QuickTests(RunTestCase):
    """Without a file."""

    async def test_password_from_the_environment(self) -> None:
        """``--auth-env`` completes ``--auth``; the secret is in no line of the output."""
        upstream = await self.upstream()
        for auth, value in (
            (("--auth", "basic:me"), SECRET),
            (("--auth", "basic"), f"me:{SECRET}"),
            ((), f"basic:me:{SECRET}"),
        ):
            gate = self.run_gate(
                *(upstream.url, "--allow", ORIGIN, "--listen", ANYWHERE),
                *(*auth, "--auth-env", "BOX"),
                environ={"BOX": value},
            )
            client = await self.client(gate)
            client.send(request(b"PROPFIND", headers=[FROM_APP]))
            answer = await client.response()
            self.assertEqual(answer.status, 200)
            self.assertEqual(answer.one(b"Access-Control-Allow-Origin"), APP)
            encoded = b64encode(f"me:{SECRET}".encode())
            self.assertEqual(upstream.requests[-1].one(b"Authorization"), b"Basic " + encoded)
            gate.signal("TERM")
            self.assertEqual(await gate.ended(), 0, gate.said)
            self.assertNotIn("hunter2", gate.said)
            self.assertNotIn(encoded.decode(), gate.said)

    async def test_taken_port(self) -> None:
        """A port that another process has ends it with status 1 and one fault."""
        upstream = await self.upstream()
        listen = f"tcp:{upstream.port}:interface=127.0.0.1"
        gate = self.run_gate(upstream.url, "--allow", ORIGIN, "--listen", listen)
        self.assertEqual(await gate.ended(), 1)
        self.assertIn(str(upstream.port), gate.errors)
        self.assertNotIn("Traceback", gate.said)


class TerminalTests(SynchronousTestCase):
    """On a terminal, where it asks and is stopped by keys."""

    def setUp(self) -> None:
        """Start a server that wants a password, and holds some responses back."""
        self.held = threading.Event()
        self.arrived = threading.Event()

        def answer(method: str, path: str) -> tuple[int, dict[str, str]]:
            if path == "/held":
                self.arrived.set()
                self.held.wait(PATIENCE_S)
            return 200, {"Content-Length": "0"}

        self.server = Server(answer)
        self.addCleanup(self.server.stop)
        self.addCleanup(self.held.set)

    def spawn(self, *arguments: str) -> Any:
        """Start the command on a terminal of its own."""
        environ = {**outside(), "PYTHONPATH": str(ROOT), "TERM": "xterm", "NO_COLOR": "1"}
        child = pexpect.spawn(
            COMMAND[0],
            [*COMMAND[1:], *arguments],
            env=environ,
            encoding="utf-8",
            timeout=PATIENCE_S,
            dimensions=(40, 120),
        )
        child.logfile_read = self.seen = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115
        self.addCleanup(self.seen.close)
        self.addCleanup(child.close, force=True)
        return child

    def quick(self, *arguments: str) -> Any:
        """Start a gate without a file on a terminal."""
        return self.spawn(self.server.url, "--allow", ORIGIN, "--listen", ANYWHERE, *arguments)

    def said(self) -> str:
        """Return all that the terminal has shown."""
        self.seen.seek(0)
        return self.seen.read()

    def started(self, child: Any) -> int:
        """Wait until the start is shown; return the gate's port."""
        child.expect(r"Gate +http://localhost:(\d+)")
        port = int(child.match[1])
        child.expect(r"Upstreams +api .*  reachable")
        child.expect("Ctrl-C stops the gate")
        return port

    def ended(self, child: Any) -> int:
        """Wait for the end; return the exit status."""
        child.expect(pexpect.EOF)
        child.close()
        self.assertIsNone(child.signalstatus)
        self.assertNotIn("Traceback", self.said())
        return int(child.exitstatus)

    def ask(self, port: int, target: str) -> int:
        """Send a request of the app; return the status of the response."""
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        self.addCleanup(client.close)
        client.request("GET", target, headers={"Origin": ORIGIN})
        return client.getresponse().status

    def test_no_password_is_given(self) -> None:
        """Ctrl-D at the question for a password ends the command, which says what is missing."""
        child = self.quick("--auth", "digest:admin")
        child.expect("Password for admin at")
        child.sendeof()
        child.expect("no password was given")
        self.assertEqual(self.ended(child), 2)

    def test_asks(self) -> None:
        """It asks for the name and the password, which is not echoed, and signs with them."""
        child = self.quick("--auth", "basic")
        child.expect(f"User name for {re.escape(self.server.url)}: ")
        child.sendline("me")
        child.expect(f"Password for me at {re.escape(self.server.url)}: ")
        child.waitnoecho(PATIENCE_S)
        child.sendline(SECRET)
        port = self.started(child)
        self.assertEqual(self.ask(port, "/"), 200)
        encoded = b64encode(f"me:{SECRET}".encode()).decode()
        self.assertEqual(self.server.seen[-1][2]["Authorization"], f"Basic {encoded}")
        child.sendintr()
        self.assertEqual(self.ended(child), 0)
        self.assertNotIn("hunter2", self.said())

    def test_asks_only_for_what_is_missing(self) -> None:
        """With the name given it asks for the password; a token has no name."""
        for auth, prompt in (("digest:me", "Password for me at"), ("bearer", "Token for http")):
            child = self.quick("--auth", auth)
            child.expect(prompt)
            child.waitnoecho(PATIENCE_S)
            child.sendline("secret")
            self.started(child)
            child.sendintr()
            self.assertEqual(self.ended(child), 0)

    def test_ctrl_c_at_the_prompt(self) -> None:
        """Ctrl-C and Ctrl-D at the prompt end it without a traceback."""
        for end, status in (("sendintr", 130), ("sendeof", 2)):
            child = self.quick("--auth", "digest:me")
            child.expect("Password for me at ")
            child.waitnoecho(PATIENCE_S)
            getattr(child, end)()
            self.assertEqual(self.ended(child), status)

    def test_faults_come_first(self) -> None:
        """A fault of another option is reported instead of a question."""
        child = self.quick("--auth", "digest:me", "--allow", "nonsense")
        self.assertEqual(self.ended(child), 78)
        self.assertIn("command line: --allow: ", self.said())
        self.assertNotIn("assword", self.said())

    def test_ctrl_c(self) -> None:
        """Ctrl-C waits for the request that runs, and ends with status 0."""
        child = self.quick()
        port = self.started(child)
        status: list[int] = []
        asking = threading.Thread(target=lambda: status.append(self.ask(port, "/held")))
        asking.start()
        self.assertTrue(self.arrived.wait(PATIENCE_S))
        child.sendintr()
        child.expect(r"stopping: .*\(Ctrl-C again cuts them\)")
        self.held.set()
        self.assertEqual(self.ended(child), 0)
        asking.join(PATIENCE_S)
        self.assertEqual(status, [200])

    def test_second_ctrl_c(self) -> None:
        """A second Ctrl-C cuts the request that runs."""
        child = self.quick()
        port = self.started(child)
        failed: list[Exception] = []

        def ask() -> None:
            try:
                self.ask(port, "/held")
            except (OSError, http.client.HTTPException) as error:
                failed.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        self.assertTrue(self.arrived.wait(PATIENCE_S))
        child.sendintr()
        child.expect("stopping: ")
        child.sendintr()
        child.expect("stopping at once")
        self.assertEqual(self.ended(child), 0)
        asking.join(PATIENCE_S)
        self.assertEqual(len(failed), 1)

    def test_closed_terminal(self) -> None:
        """A gate whose terminal is closed ends, so that no gate holds the port unnoticed."""
        child = self.quick()
        self.started(child)
        child.kill(signal.SIGHUP)
        child.expect(pexpect.EOF)
        child.close()
        self.assertEqual(child.signalstatus, signal.SIGHUP)

    def test_prints_without_a_secret(self) -> None:
        """``--print-config`` asks for the user, but not for the password."""
        child = self.quick("--auth", "digest", "--print-config")
        child.expect("User name for ")
        child.sendline("me")
        child.expect('username = "me"')
        self.assertEqual(self.ended(child), 0)
        self.assertNotIn("assword for", self.said())
