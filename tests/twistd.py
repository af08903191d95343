"""The gate in a process, run by twistd."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from socket import socket
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from tests.peers import Client, Watched, reactor
from tests.support import GateTestCase
from tests.tree import ROOT, outside

TWISTD = "from twisted.scripts.twistd import run; run()"
TWIST = "import runpy; runpy.run_module('twisted', run_name='__main__')"
ADOPT = "import os; os.environ['LISTEN_PID'] = str(os.getpid())"
_LISTENS = re.compile(r"listens on 127\.0\.0\.1:(\d+)")


class Daemon(ProcessProtocol, Watched):
    """A ``twistd -n corsgate``.

    Args:
        arguments: The arguments after ``corsgate``.
        prepare: Python statements that the process runs before it imports Twisted.
        twist: Whether ``twist`` runs it instead of ``twistd``.
        environ: Environment variables in addition to the test's.
        sockets: Listening sockets that it inherits, as from systemd, with their names.
        log_format: The log format of ``twist``.
        command: A command to run instead.

    Attributes:
        said: Its standard output and standard error so far.
        errors: Its standard error so far.
        status: Its exit status, or the negative number of the signal that ended it; None while it
            runs.
    """

    def __init__(
        self,
        *arguments: str,
        prepare: str = "",
        twist: bool = False,
        environ: Mapping[str, str] | None = None,
        sockets: Sequence[tuple[str, socket]] = (),
        log_format: str = "text",
        command: Sequence[str] | None = None,
    ) -> None:
        Watched.__init__(self)
        self.said = self.errors = ""
        self.status: int | None = None
        listening = ADOPT if sockets else ""
        program = f"{prepare}\n{listening}\n{TWIST if twist else TWISTD}"
        options = [f"--log-format={log_format}"] if twist else ["-n", "--pidfile="]
        if command is None:
            command = [sys.executable, "-c", program, *options, "corsgate", *arguments]
        given = {**outside(), "PYTHONPATH": str(ROOT), **(environ or {})}
        files: dict[int, int | str] = {0: "w", 1: "r", 2: "r"}
        files.update((3 + index, each.fileno()) for index, (_, each) in enumerate(sockets))
        if sockets:
            given["LISTEN_FDS"] = str(len(sockets))
            given["LISTEN_FDNAMES"] = ":".join(name for name, _ in sockets)
        reactor.spawnProcess(self, command[0], command, env=given, path=str(ROOT), childFDs=files)

    @property
    def messages(self) -> list[str]:
        """The messages of its log, without the escapes of JSON."""
        lines = [line for line in self.said.split("\n")[:-1] if line.startswith('{"time": ')]
        found = [json.loads(line) for line in lines]
        return [each["message"] for each in found if "message" in each]

    @property
    def process(self) -> Any:
        """Its IProcessTransport."""
        return self.transport

    def outReceived(self, data: bytes) -> None:
        """Add to the output."""
        self.said += data.decode("utf-8", "replace")
        self.changed()

    def errReceived(self, data: bytes) -> None:
        """Add to the errors and to the output."""
        self.errors += data.decode("utf-8", "replace")
        self.outReceived(data)

    def processEnded(self, reason: Failure) -> None:
        """Set the exit status."""
        ended: Any = reason.value
        self.status = ended.exitCode if ended.signal is None else -ended.signal
        self.changed()

    def ended(self) -> Deferred[int]:
        """Return a Deferred of its exit status."""

        def status() -> int:
            assert self.status is not None
            return self.status

        return self.when(lambda: self.status is not None).addCallback(lambda _: status())

    def port(self) -> Deferred[int]:
        """Return a Deferred of the port that it listens on."""

        def find() -> int:
            found = _LISTENS.search(self.said)
            if found is None and self.status is not None:
                raise AssertionError(f"it ended with {self.status}:\n{self.said}")
            return int(found[1]) if found else 0

        return self.when(find)

    async def started(self) -> None:
        """Return once it has started, which is a moment after it listens."""
        await self.port()
        # The summary of the configuration comes last.
        await self.when(lambda: "upstream " in self.said)

    def signal(self, name: str) -> None:
        """Send it ``TERM``, ``INT`` or another signal."""
        self.process.signalProcess(name)

    def kill(self) -> Deferred[int]:
        """Kill it if it still runs, and wait for its end."""
        if self.status is None:
            self.signal("KILL")
        return self.ended()


class DaemonTestCase(GateTestCase):
    """A test case that ends its daemons."""

    # On a busy machine, each of several processes takes seconds to start.
    timeout = 120

    def daemon(
        self, *arguments: str, prepare: str = "", sockets: Sequence[tuple[str, socket]] = ()
    ) -> Daemon:
        """Start a daemon; return it before it listens."""
        daemon = Daemon(*arguments, prepare=prepare, sockets=sockets)
        self.addCleanup(daemon.kill)
        return daemon

    def twisted(self, *arguments: str) -> Daemon:
        """Start a gate by ``twist``; return it before it listens."""
        daemon = Daemon(*arguments, twist=True)
        self.addCleanup(daemon.kill)
        return daemon

    def configured(
        self, toml: str, prepare: str = "", sockets: Sequence[tuple[str, socket]] = ()
    ) -> Daemon:
        """Start a daemon with a configuration file of this text."""
        path = Path(self.mktemp())
        path.write_text(toml, "utf-8")
        file = str(path.absolute())
        return self.daemon("--config", file, prepare=prepare, sockets=sockets)

    async def client(self, daemon: Daemon) -> Client:
        """Return a new connection to a daemon, once it listens."""
        return await self.connect_to(await daemon.port())
