"""The daemon's log on a terminal, in the journal and elsewhere, as a process writes it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, ClassVar

from twisted.internet.task import Clock
from twisted.logger import Logger, LogLevel
from twisted.trial.unittest import SynchronousTestCase

from corsgate.daemon.log_observer import LogObserver
from corsgate.daemon.output import Output
from tests.running import PATIENCE_S
from tests.support import LISTEN, parse
from tests.tree import ROOT, TWIST, TWISTD, outside

_LISTENS = re.compile(rb"(?:listens on 127\.0\.0\.1|Gate +\S*http://localhost):(\d+)")
_NOISE = ("starting up", "reactor class", "Server Shut Down", "Main loop", "Starting reactor")


class ProcessTests(SynchronousTestCase):
    """One gate each, which gets a request, a refused one and a signal."""

    command: ClassVar[Sequence[str]] = (*TWISTD, "-n", "--pidfile=")

    def gate(
        self,
        reading: int,
        writing: int,
        *,
        toml: str = "",
        environ: Mapping[str, str] | None = None,
    ) -> str:
        """Return what a gate writes to a descriptor until it ends.

        Args:
            reading: Where the output can be read.
            writing: The gate's standard output and error; it is closed here.
            toml: Further lines of its configuration.
            environ: Further variables of its environment.
        """
        file = Path(self.mktemp()).absolute()
        file.write_text(
            f'{toml}listen = ["tcp:0:interface=127.0.0.1"]\n[upstreams.a]\n'
            'servers = ["http://127.0.0.1:1"]\n[routes."/"]\nupstream = "a"\n'
            'cors = { allow_origins = ["http://app.example"] }\n'
        )
        gate = subprocess.Popen(
            [*self.command, "corsgate", "--config", str(file)],
            env={**outside(), "PYTHONPATH": str(ROOT), **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=writing,
        )
        os.close(writing)
        self.addCleanup(gate.wait)
        self.addCleanup(gate.kill)
        self.addCleanup(os.close, reading)
        said = b""
        while (port := _LISTENS.search(said)) is None:
            piece = os.read(reading, 65536)
            self.assertNotEqual(piece, b"", said)
            said += piece
        client = http.client.HTTPConnection("127.0.0.1", int(port[1]), timeout=PATIENCE_S)
        for origin in ("http://app.example", "http://evil.example"):
            client.request("GET", "/x?%1b", headers={"Origin": origin})
            client.getresponse().read()
        client.close()
        gate.send_signal(signal.SIGTERM)
        # A terminal that nobody has open any more is an error rather than an end.
        with contextlib.suppress(OSError):
            while piece := os.read(reading, 65536):
                said += piece
        self.assertEqual(gate.wait(PATIENCE_S), 0, said)
        text = said.decode()
        for words in (*_NOISE, "[-]", "#info"):
            self.assertNotIn(words, text)
        return text

    def piped(self, toml: str = "") -> list[str]:
        """Return the lines that a gate writes to a pipe."""
        reading, writing = os.pipe()
        return self.gate(reading, writing, toml=toml).splitlines()

    def assert_all(self, lines: Sequence[str], *begins: str) -> None:
        """Assert that a line begins so for the start, the requests and the end, in order."""
        found = iter(lines)
        for begin in begins:
            self.assertTrue(any(re.match(begin, line) for line in found), (begin, lines))

    def test_pipe(self) -> None:
        """Into a pipe each line is a JSON object, of the daemon or of a request."""
        found = [json.loads(line) for line in self.piped()]
        daemon = [each for each in found if "message" in each]
        requests = [each for each in found if "message" not in each]
        self.assertEqual([each["status"] for each in requests], [502, 403])
        self.assertTrue(all("level" not in each for each in requests))
        messages = [(each["level"], each["message"]) for each in daemon]
        self.assertIn(("info", "upstream a: http://127.0.0.1:1, no credentials"), messages)
        refused = next(each for each in daemon if each["logger"] == "corsgate.gate.refusals")
        self.assertEqual((refused["level"], refused["route"]), ("warning", "/"))
        self.assertEqual(refused["id"], requests[1]["id"])

    def test_terminal(self) -> None:
        """A terminal gets coloured lines; a refused request has one, with its reason."""
        controller, terminal = os.openpty()
        said = self.gate(controller, terminal, environ={"TERM": "xterm", "NO_COLOR": ""})
        time = r"\x1b\[2m\d\d:\d\d:\d\d\x1b\[0m "
        self.assert_all(
            said.splitlines(),
            r"\x1b\[1mcorsgate \d",
            r"\x1b\[2m  Gate .*\x1b\[36mhttp://localhost:",
            r"\x1b\[2m  Routes .*http://app.example  .*GET, HEAD, POST",
            r"\x1b\[2m  Upstreams .*\x1b\[31mconnection refused",
            time + r"\x1b\[33mwarning: request .* on route /: http://127.0.0.1:1: ",
            time + r"\x1b\[31m502\x1b\[0m GET /x\?%1b  ",
            time + r"\x1b\[33m403\x1b\[0m GET .*refused: origin 'http://evil.example' is not"
            r' allowed\x1b\[0m\x1b\[36m; to allow it, write in \[routes."/"\]: cors = .*\x1b\[0m$',
            time + "stopping: ",
        )
        self.assertEqual(said.count("refused: origin"), 1)

    def test_no_color(self) -> None:
        """With NO_COLOR there is no escape sequence."""
        controller, terminal = os.openpty()
        said = self.gate(controller, terminal, environ={"TERM": "xterm", "NO_COLOR": "1"})
        self.assertNotIn("\x1b", said)
        self.assert_all(said.splitlines(), "  Gate  ", r"\d\d:\d\d:\d\d 403 GET")

    def journal(self, toml: str = "") -> list[str]:
        """Return the lines that a gate writes to what it takes for the journal."""
        ours, journal = socket.socketpair()
        found = os.fstat(journal.fileno())
        environ = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}", "TERM": "xterm"}
        reading, writing = ours.detach(), journal.detach()
        return self.gate(reading, writing, toml=toml, environ=environ).splitlines()

    def test_journal(self) -> None:
        """The journal gets a priority with each line, and no time, which it has itself."""
        lines = self.journal()
        self.assert_all(
            lines,
            "<6>corsgate listens on 127",
            "<6>route /: ",
            "<4>request .* on route /: http://127.0.0.1:1: ",
            r"<6>502 GET /x\?%1b  ",
            "<4>request .* refused on route /: origin 'http://evil.example' is not allowed",
            "<6>403 GET ",
            "<6>stopping: ",
        )
        self.assertTrue(all(re.match(r"<[2346]>\D|<6>\d{3} ", line) for line in lines), lines)

    def test_faults_in_the_journal(self) -> None:
        """What keeps it from starting is there as errors."""
        ours, journal = socket.socketpair()
        self.addCleanup(ours.close)
        found = os.fstat(journal.fileno())
        stream = f"{found.st_dev}:{found.st_ino}"
        with journal:
            done = subprocess.run(
                [*self.command, "corsgate", "--upstream", "ftp://x", "--allow-origin", "nonsense"],
                env={**outside(), "PYTHONPATH": str(ROOT), "JOURNAL_STREAM": stream},
                stdout=journal.fileno(),
                stderr=journal.fileno(),
                timeout=PATIENCE_S,
                check=False,
            )
        self.assertNotEqual(done.returncode, 0)
        with ours.makefile() as said:
            lines = said.read().splitlines()
        self.assertEqual(len(lines), 2, lines)
        self.assertTrue(all(line.startswith("<3>command line: --") for line in lines), lines)

    def test_json_in_the_journal(self) -> None:
        """With ``log_format = "json"`` each entry there is an object."""
        lines = self.journal('log_format = "json"\n')
        found = [json.loads(re.sub(r"^<[0-7]>", "", line)) for line in lines]
        self.assertEqual([each["status"] for each in found if "status" in each], [502, 403])
        self.assertTrue(all(re.match("<[0-7]>", line) for line in lines))

    def test_text(self) -> None:
        """With ``log_format = "text"`` a pipe gets text without colours, with date and time."""
        lines = self.piped(toml='log_format = "text"\n')
        time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z "
        self.assert_all(lines, time + "corsgate listens", time + "502 GET", time + "stopping")
        self.assertTrue(all(re.match(time, line) for line in lines), lines)

    def test_combined(self) -> None:
        """With ``log_format = "combined"`` requests are that, and the daemon's lines are text."""
        lines = self.piped(toml='log_format = "combined"\n')
        self.assert_all(
            lines, r"20.* corsgate listens", r'127\.0\.0\.1 - - \[.*"GET /x', "20.* stopp"
        )


class OutputOfTwist(ProcessTests):
    """The same under ``twist``, which has the log's options before the gate is made."""

    command = TWIST


class OptionsTests(SynchronousTestCase):
    """`Output.take_over`: what a user chose for the log holds."""

    def take_over(self, parent: dict[str, Any]) -> LogObserver | None:
        """Return what twistd is to log with."""
        config = parse(
            f'{LISTEN}[upstreams.a]\nservers = ["http://h"]\n[routes."/"]\nupstream = "a"'
        )
        return Output(Clock(), config).take_over(parent)

    def setUp(self) -> None:
        """Keep the process's own standard output."""
        self.stdout = StringIO()
        self.patch(sys, "stdout", self.stdout)

    def test_twistd(self) -> None:
        """A file, syslog or an observer of the user's wins; standard output is ours."""
        usual: dict[str, Any] = {"nodaemon": True, "logfile": None, "syslog": False, "logger": None}
        for name, value in (("logfile", "x.log"), ("syslog", True), ("logger", print)):
            self.assertIsNone(self.take_over({**usual, name: value}), name)
        for logfile in (None, "-"):
            self.assertIsNotNone(self.take_over({**usual, "logfile": logfile}))

    def test_twist(self) -> None:
        """A file of the user's wins; on standard output his format and level do."""
        elsewhere = StringIO()
        usual = {"logFormat": "json", "logLevel": LogLevel.info, "fileLogObserverFactory": print}
        parent = {**usual, "logFile": elsewhere}
        self.assertIsNone(self.take_over(parent))
        self.assertEqual((parent["logFile"], parent["fileLogObserverFactory"]), (elsewhere, print))
        for chosen, level, begins in (
            ("json", LogLevel.info, ['{"time"']),
            ("text", LogLevel.info, ["20"]),
            ("text", LogLevel.debug, ["20", "20"]),
        ):
            stdout = sys.stdout = self.stdout = StringIO()
            self.patch(sys, "__stdout__", stdout)
            parent = {**usual, "logFile": stdout, "logFormat": chosen, "logLevel": level}
            self.assertIsNone(self.take_over(parent))
            observer = parent["fileLogObserverFactory"](parent["logFile"])
            Logger(namespace="corsgate.x", observer=observer).info("words")
            Logger(namespace="twisted.x", observer=observer).info("noise")
            lines = stdout.getvalue().splitlines()
            self.assertEqual(len(lines), len(begins))
            for line, begin in zip(lines, begins, strict=True):
                self.assertTrue(line.startswith(begin), line)
