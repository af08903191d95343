"""Tests for ``corsgate demo`` as a process of its own, on ports of its own."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Final
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pexpect
from twisted.trial.unittest import SynchronousTestCase

import corsgate
from corsgate.demo.box import FIRST_DOCUMENT

PATIENCE_S: Final = 60.0
TARGET: Final = "/v1/documents?uri=/test.json"
_ROOT: Final = Path(corsgate.__file__).resolve().parents[1]


def _fetch(url: str, **headers: str) -> tuple[int, bytes, str | None]:
    """Return status, body and Access-Control-Allow-Origin of a GET, whatever its status."""
    opener = build_opener(ProxyHandler({}))
    try:
        response = opener.open(Request(url, headers=headers), timeout=PATIENCE_S)
    except HTTPError as error:
        response = error
    with response:
        allowed: str | None = response.headers["Access-Control-Allow-Origin"]
        return response.status, response.read(), allowed


def _is_open(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(PATIENCE_S)
        return client.connect_ex(("127.0.0.1", port)) == 0


class DemoProcess:
    """The demo, started as its user does."""

    def __init__(self, *arguments: str) -> None:
        self.temporary = tempfile.mkdtemp(prefix="corsgate-test-")
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed in `close`)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "corsgate", "demo", *arguments],
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=self.temporary,
            env={**os.environ, "PYTHONPATH": str(_ROOT), "TMPDIR": self.temporary},
            # As a shell would: a signal to the group is what Ctrl-C sends.
            start_new_session=True,
        )
        # Whatever goes wrong, reading its output comes to an end.
        self._watchdog = threading.Timer(PATIENCE_S, self._kill)
        self._watchdog.start()

    def _kill(self) -> None:
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return

    def read_until(self, text: str) -> str:
        """Return what it prints up to a line that contains this text."""
        assert self.process.stdout is not None
        lines = []
        for line in self.process.stdout:
            lines.append(line.decode())
            if text in lines[-1]:
                return "".join(lines)
        raise AssertionError(f"{text!r} never came: {''.join(lines)}{self.errors()}")

    def finish(self) -> tuple[int, str]:
        """Wait for the end; return the exit code and the remaining output."""
        rest, _ = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, rest.decode()

    def errors(self) -> str:
        """Return what it has written to standard error."""
        self._errors.seek(0)
        return self._errors.read().decode()

    def group_is_empty(self) -> bool:
        """Return whether the demo and all its processes have ended."""
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return True
        return False

    def close(self) -> None:
        """End the remaining processes."""
        self._watchdog.cancel()
        self._kill()
        self.process.communicate(timeout=PATIENCE_S)
        self._errors.close()
        left = list(Path(self.temporary).iterdir())
        for path in left:
            path.unlink()
        Path(self.temporary).rmdir()


class RunTests(SynchronousTestCase):
    """From its start to its end."""

    def start(self, *arguments: str) -> DemoProcess:
        """Start the demo, to be ended with the test."""
        demo = DemoProcess(*arguments)
        self.addCleanup(demo.close)
        return demo

    def start_ready(self) -> tuple[DemoProcess, dict[str, int]]:
        """Start it on free ports, and wait until it says what to open."""
        demo = self.start("--box-port", "0", "--gate-port", "0", "--app-port", "0")
        said = demo.read_until("Ctrl-C")
        found = re.findall(r"the (box|gate|page) +http://localhost:(\d+)", said)
        ports = {name: int(port) for name, port in found}
        self.assertEqual(ports.keys(), {"box", "gate", "page"}, said)
        self.assertIn(f"Open  http://localhost:{ports['page']}\n", said)
        return demo, ports

    def assert_ended_well(self, demo: DemoProcess, ports: dict[str, int]) -> None:
        """Assert exit code 0, no remaining process, and no error output."""
        code, rest = demo.finish()
        self.assertEqual(code, 0, demo.errors())
        self.assertNotIn("Traceback", rest)
        self.assertEqual(demo.errors(), "")
        self.assertTrue(demo.group_is_empty())
        for port in ports.values():
            self.assertFalse(_is_open(port))
        self.assertEqual(list(Path(demo.temporary).glob("*.toml")), [])

    def test_all_three(self) -> None:
        """Page, gate and box respond correctly; SIGINT to the demo ends all."""
        demo, ports = self.start_ready()
        page = f"http://localhost:{ports['page']}"
        status, body, _ = _fetch(page)
        self.assertEqual(status, 200)
        self.assertIn(b"<title>corsgate", body)
        status, _, allowed = _fetch(f"http://localhost:{ports['box']}{TARGET}", Origin=page)
        self.assertEqual((status, allowed), (401, None))
        gate = f"http://localhost:{ports['gate']}{TARGET}"
        self.assertEqual(_fetch(gate, Origin=page), (200, FIRST_DOCUMENT, page))
        status, body, allowed = _fetch(gate, Origin="http://localhost:1")
        self.assertEqual((status, allowed), (403, None))
        self.assertNotIn(FIRST_DOCUMENT, body)
        demo.process.send_signal(signal.SIGINT)
        self.assert_ended_well(demo, ports)

    def test_ctrl_c(self) -> None:
        """SIGINT to the whole group, as from a terminal, ends all silently."""
        demo, ports = self.start_ready()
        os.killpg(demo.process.pid, signal.SIGINT)
        self.assert_ended_well(demo, ports)

    def test_sigterm(self) -> None:
        """SIGTERM ends all."""
        demo, ports = self.start_ready()
        demo.process.send_signal(signal.SIGTERM)
        self.assert_ended_well(demo, ports)

    def test_terminal(self) -> None:
        """On a terminal, the gate's lines are short and coloured, and Ctrl-C ends all silently."""
        arguments = ["-m", "corsgate", "demo", "--box-port=0", "--gate-port=0", "--app-port=0"]
        environ = {**os.environ, "PYTHONPATH": str(_ROOT), "TERM": "xterm"}
        environ.pop("NO_COLOR", None)
        child = pexpect.spawn(
            sys.executable, arguments, env=environ, encoding="utf-8", timeout=PATIENCE_S
        )
        self.addCleanup(child.close, force=True)
        child.expect(r"the gate +(http://localhost:\d+)")
        gate = child.match[1]
        child.expect(r"status +(http://127\.0\.0\.1:\d+/)\r\n")
        self.assertEqual(_fetch(child.match[1])[0], 200)
        child.expect("Press Ctrl-C to stop all three")
        _fetch(gate + TARGET, Origin="http://localhost:1")
        child.expect(r"\d\d:\d\d:\d\d.*403.* GET /v1/documents\?uri=/test.json .*\x1b.*refused: ")
        self.assertNotIn("id ", child.after)
        child.expect("to allow it, write in ")
        child.sendintr()
        child.expect(pexpect.EOF)
        child.close()
        self.assertEqual((child.exitstatus, child.signalstatus), (0, None))
        for word in ("Traceback", "warning", "stopping", "\r\r"):
            self.assertNotIn(word, child.before)

    def test_port_taken(self) -> None:
        """A port in use is reported in one line, and nothing keeps running."""
        options = ("--box-port", "--gate-port", "--app-port")
        for option in options:
            with self.subTest(option), socket.create_server(("127.0.0.1", 0)) as server:
                port = server.getsockname()[1]
                others = [word for name in options if name != option for word in (name, "0")]
                demo = self.start(option, str(port), *others)
                code, said = demo.finish()
                self.assertEqual((code, said), (1, ""))
                errors = demo.errors()
                self.assertEqual(errors.count("\n"), 1, errors)
                self.assertIn(f"port {port}", errors)
                self.assertIn("in use", errors)
                self.assertIn(option, errors)
                self.assertTrue(demo.group_is_empty())

    def test_bad_port(self) -> None:
        """An invalid port is rejected with the usage."""
        for value in ("65536", "-1", "http"):
            with self.subTest(value):
                demo = self.start("--gate-port", value)
                code, _ = demo.finish()
                self.assertEqual(code, 2)
                self.assertIn("usage: corsgate demo", demo.errors())
                self.assertNotIn("Traceback", demo.errors())
