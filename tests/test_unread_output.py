"""A gate whose standard output nobody reads, or that others read with it."""

from __future__ import annotations

import fcntl
import http.client
import json
import re
import signal
import subprocess
from pathlib import Path
from threading import Timer
from typing import ClassVar

from twisted.trial.unittest import SynchronousTestCase

from tests.running import PATIENCE_S
from tests.tree import ROOT, TWIST, TWISTD, outside

_LISTENS = re.compile(rb"listens on 127\.0\.0\.1:(\d+)")


class StandardOutputTests(SynchronousTestCase):
    """Access lines and the daemon's own go to standard output, and the gate waits for neither."""

    command: ClassVar[list[str]] = [*TWISTD, "-n", "--pidfile="]
    begins: ClassVar[tuple[str, ...]] = ("{",)

    def start(self, toml: str = "") -> None:
        """Start a gate whose upstream is not there, and read what it says until it listens."""
        file = Path(self.mktemp()).absolute()
        file.write_text(
            f'{toml}listen = ["tcp:0:interface=127.0.0.1"]\n[upstreams.a]\n'
            'servers = ["http://127.0.0.1:1"]\n[routes."/"]\nupstream = "a"\n'
        )
        self.gate = subprocess.Popen(
            [*self.command, "corsgate", "--config", str(file)],
            env={**outside(), "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        watchdog = Timer(PATIENCE_S, self.gate.kill)
        watchdog.start()
        self.addCleanup(watchdog.cancel)
        self.addCleanup(self.gate.wait)
        self.addCleanup(self.gate.kill)
        assert self.gate.stdout is not None
        self.output = self.gate.stdout
        self.addCleanup(self.output.close)
        port = None
        while port is None:
            line = self.output.readline()
            self.assertNotEqual(line, b"", "it has ended")
            port = _LISTENS.search(line)
        self.client = http.client.HTTPConnection("127.0.0.1", int(port[1]), timeout=PATIENCE_S)
        self.addCleanup(self.client.close)

    def ask(self, target: str) -> None:
        """Send a request and take its answer."""
        self.client.request("GET", target)
        answer = self.client.getresponse()
        answer.read()
        self.assertEqual(answer.status, 502)

    def end(self) -> list[str]:
        """End the gate; return what is still in its output."""
        self.client.close()
        self.gate.send_signal(signal.SIGTERM)
        self.assertEqual(self.gate.wait(PATIENCE_S), 0)
        return self.output.read().decode().splitlines()

    def test_unread(self) -> None:
        """With the pipe full for long, every request is answered, and the gate ends when told."""
        self.start()
        fcntl.fcntl(self.output, fcntl.F_SETPIPE_SZ, 4096)
        for number in range(200):
            self.ask(f"/{number}")
        lines = self.end()
        self.assertLess(sum(map(len, lines)), 20_000)

    def test_lines(self) -> None:
        """Without ``access_log`` each line is JSON; all are there at the end."""
        self.start()
        for number in range(50):
            self.ask(f"/{number}")
        lines = self.end()
        found = [json.loads(line) for line in lines if line.startswith("{")]
        targets = [each["target"] for each in found if "target" in each]
        self.assertEqual(targets, [f"/{number}" for number in range(50)])
        self.assertIn("stopping: no new connections", lines[-2])
        self.assertIn("nothing was cut", lines[-1])
        self.assertTrue(all(line.startswith(self.begins) for line in lines), lines)


class OutputOfTwist(StandardOutputTests):
    """The same for ``twist``, which looks its standard output up before the gate is made.

    Its own option wins for the daemon's lines.
    """

    command: ClassVar[list[str]] = [*TWIST, "--log-format=text"]
    begins: ClassVar[tuple[str, ...]] = ("{", "20")
