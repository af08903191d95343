"""Signals that come while twistd starts the gate, or that mean nothing to it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from threading import Timer

from twisted.trial.unittest import SynchronousTestCase

from tests.running import PATIENCE_S
from tests.tree import ROOT, TWISTD, outside

HARMLESS = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
QUICK = ("--upstream", "http://127.0.0.1:1", "--allow-origin", "http://app.example")
ANYWHERE = ("--listen", "tcp:0:interface=127.0.0.1")

# Sends itself all three whenever something is imported or opened, from the import of the plugin's
# module up to the moment that it listens.
UNDER_FIRE = """
import os, signal, sys
state = "before"

def hook(event, arguments):
    global state
    if event == "import" and arguments[0] == "corsgate.tap":
        state = "during"
    if state == "during" and event in ("import", "open", "socket.bind"):
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            os.kill(os.getpid(), number)
    if event == "socket.bind":
        state = "after"

sys.addaudithook(hook)
from twisted.scripts.twistd import run
run()
"""


# Sends itself SIGTERM right after a handler of SIGTERM has been set that is not the gate's.
AS_THE_REACTOR_STARTS = """
import os, signal
set_handler = signal.signal

def and_send(number, handler):
    set_handler(number, handler)
    if number == signal.SIGTERM and not handler.__module__.startswith("corsgate."):
        print("SIGTERM now", flush=True)
        os.kill(os.getpid(), number)

signal.signal = and_send
from twisted.scripts.twistd import run
run()
"""


class EarlySignals(SynchronousTestCase):
    """None of them ends a gate."""

    def start(self, command: list[str], *options: str) -> subprocess.Popen[str]:
        """Return a gate that listens, started without a terminal."""
        gate = subprocess.Popen(
            [*command, "-n", "--pidfile=", *options, "corsgate", *QUICK, *ANYWHERE],
            env={**outside(), "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        # No test waits for ever for what the gate does not say: at its end, its output ends too.
        watchdog = Timer(PATIENCE_S, gate.kill)
        watchdog.start()
        self.addCleanup(watchdog.cancel)
        self.addCleanup(gate.wait)
        self.addCleanup(gate.kill)
        assert gate.stdout is not None
        self.addCleanup(gate.stdout.close)
        return gate

    def wait_for(self, gate: subprocess.Popen[str], text: str) -> None:
        """Read what it says up to this."""
        assert gate.stdout is not None
        said = []
        for line in gate.stdout:
            said.append(line)
            if re.search(text, line):
                return
        self.fail(f"it ended with {gate.wait(PATIENCE_S)}: {''.join(said)}")

    def end(self, gate: subprocess.Popen[str]) -> None:
        """Assert that it ends as it should when it is told."""
        gate.send_signal(signal.SIGTERM)
        self.assertEqual(gate.wait(PATIENCE_S), 0)

    def test_while_it_starts(self) -> None:
        """They wait until it runs; SIGHUP is acted on then."""
        gate = self.start([sys.executable, "-P", "-c", UNDER_FIRE])
        self.wait_for(gate, "corsgate listens on ")
        self.wait_for(gate, r"reload \(SIGHUP\): there is no configuration file")
        self.end(gate)

    def test_while_it_runs(self) -> None:
        """Nor does it end by one later; without a configuration file either."""
        gate = self.start([*TWISTD])
        self.wait_for(gate, "corsgate listens on ")
        for _ in range(2):
            for number in HARMLESS:
                gate.send_signal(number)
            self.wait_for(gate, r"reload \(SIGHUP\): there is no configuration file")
        self.end(gate)

    def test_as_the_reactor_starts(self) -> None:
        """SIGTERM drains and ends with 0, even while the reactor's own handlers are in place."""
        gate = self.start([sys.executable, "-P", "-c", AS_THE_REACTOR_STARTS])
        self.wait_for(gate, "SIGTERM now")
        self.wait_for(gate, "stopping: no new connections")
        self.assertEqual(gate.wait(PATIENCE_S), 0)

    def test_log_is_rotated(self) -> None:
        """SIGUSR1 goes on to rotate a log that twistd has in a file."""
        log = Path(self.mktemp()).absolute()
        gate = self.start([*TWISTD], "--logfile", str(log))
        self.assertTrue(self.listens(log, gate))
        gate.send_signal(signal.SIGUSR1)
        self.end(gate)
        self.assertIn("listens on", log.with_name(f"{log.name}.1").read_text())
        self.assertIn("Server Shut Down", log.read_text())

    def listens(self, log: Path, gate: subprocess.Popen[str]) -> bool:
        """Wait until a gate says in its log that it listens; return whether it does."""
        while gate.poll() is None:
            if log.exists() and "may call" in log.read_text():
                return True
        return False
