"""``twistd corsgate`` without ``-n``: it leaves the terminal, or says there why it can't."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import select
import signal
import socket
import subprocess
from pathlib import Path
from threading import Timer

from twisted.trial.unittest import SynchronousTestCase

from tests.running import PATIENCE_S
from tests.tree import ROOT, TWISTD, outside, run


class Daemonized(SynchronousTestCase):
    """A real start, in the background."""

    def setUp(self) -> None:
        """Make a directory for what twistd leaves."""
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.pid_file = self.directory / "pid"
        self.log = self.directory / "log"

    def start(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Return what became of the command on the terminal."""
        command = [*TWISTD, f"--pidfile={self.pid_file}", f"--logfile={self.log}"]
        quick = ["--upstream", "http://127.0.0.1:1", "--allow-origin", "http://app.example"]
        return run(
            [*command, "corsgate", *quick, *options],
            self.directory,
            {"PYTHONPATH": str(ROOT)},
            timeout_s=PATIENCE_S,
        )

    def test_port_in_use(self) -> None:
        """It fails on the terminal with status 1, the log says why, and no process stays."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            endpoint = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
            done = self.start("--listen", endpoint)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(f"can't listen on '{endpoint}'", done.stderr)
        fault = f"--listen: can't listen on '{endpoint}': Address already in use; stop process"
        self.assertIn(fault, self.log.read_text())
        # The terminal hears of the failure before the child has cleared up behind itself.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
            daemon = os.pidfd_open(int(self.pid_file.read_text()))
            self.addCleanup(os.close, daemon)
            select.select([daemon], [], [], PATIENCE_S)
        self.assertFalse(self.pid_file.exists())

    def test_bad_configuration(self) -> None:
        """What shows before it leaves the terminal is said there in full."""
        done = self.start("--listen", "foo:1")
        self.assertEqual(done.returncode, os.EX_CONFIG)
        self.assertIn("command line: --listen: Twisted can't listen on 'foo:1'", done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        self.assertFalse(self.pid_file.exists())

    def test_starts_and_ends(self) -> None:
        """It is up once the command has ended with 0; SIGTERM ends it, its pid file is gone."""
        done = self.start("--listen", "tcp:0:interface=127.0.0.1")
        self.assertEqual(done.returncode, 0, done.stderr)
        daemon = os.pidfd_open(int(self.pid_file.read_text()))
        self.addCleanup(os.close, daemon)
        self.addCleanup(self.kill, daemon)
        found = re.search(r"listens on 127\.0\.0\.1:(\d+)", self.log.read_text())
        assert found is not None, self.log.read_text()
        client = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=PATIENCE_S)
        self.addCleanup(client.close)
        client.request("GET", "/")
        self.assertEqual(client.getresponse().status, 502)
        client.close()
        signal.pidfd_send_signal(daemon, signal.SIGTERM)
        ended, _, _ = select.select([daemon], [], [], PATIENCE_S)
        self.assertEqual(ended, [daemon])
        self.assertFalse(self.pid_file.exists())
        log = self.log.read_text()
        self.assertIn("stopping: no new connections", log)
        self.assertIn("Server Shut Down", log)
        self.assertNotIn("Traceback", log)

    def kill(self, daemon: int) -> None:
        """End it, whatever it does."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(daemon, signal.SIGKILL)


class OnATerminal(SynchronousTestCase):
    """In the foreground, with a terminal as its standard input."""

    def test_closed(self) -> None:
        """A terminal that closes ends the gate, which would else hold its port unseen."""
        file = Path(self.mktemp()).absolute()
        file.write_text(
            'listen = ["tcp:0:interface=127.0.0.1"]\n[upstreams.a]\n'
            'servers = ["http://127.0.0.1:1"]\n[routes."/"]\nupstream = "a"\n'
        )
        controller, terminal = os.openpty()
        self.addCleanup(os.close, controller)
        gate = subprocess.Popen(
            [*TWISTD, "-n", "--pidfile=", "corsgate", "--config", str(file)],
            env={**outside(), "PYTHONPATH": str(ROOT)},
            stdin=terminal,
            stdout=subprocess.PIPE,
            text=True,
        )
        os.close(terminal)
        watchdog = Timer(PATIENCE_S, gate.kill)
        watchdog.start()
        self.addCleanup(watchdog.cancel)
        self.addCleanup(gate.wait)
        self.addCleanup(gate.kill)
        assert gate.stdout is not None
        self.addCleanup(gate.stdout.close)
        self.assertTrue(any("listens on" in line for line in gate.stdout))
        gate.send_signal(signal.SIGHUP)
        self.assertEqual(gate.wait(PATIENCE_S), -signal.SIGHUP)
