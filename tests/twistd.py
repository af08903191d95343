"""The gate as twistd runs it, in a process of its own."""

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
        arguments: What follows ``corsgate``.
        prepare: Python statements that the process runs before anything of Twisted's.
        twist: Whether ``twist`` runs it instead.
        environ: Environment variables on top of the test's.
        sockets: Listening sockets that it is handed as systemd does, with their names.
        log_format: The log format of ``twist``.
        command: Another command that becomes a daemon.

    Attributes:
        said: What it wrote to standard output and standard error.
        errors: What it wrote to standard error.
        status: Its exit status, or minus the signal that ended it; None while it runs.
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
        """The daemon's own messages, as they are before JSON has escaped their quotes."""
        lines = [line for line in self.said.split("\n")[:-1] if line.startswith('{"time": ')]
        found = [json.loads(line) for line in lines]
        return [each["message"] for each in found if "message" in each]

    @property
    def process(self) -> Any:
        """Its IProcessTransport."""
        return self.transport

    def outReceived(self, data: bytes) -> None:
        """Keep what it writes."""
        self.said += data.decode("utf-8", "replace")
        self.changed()

    def errReceived(self, data: bytes) -> None:
        """Keep it, also apart."""
        self.errors += data.decode("utf-8", "replace")
        self.outReceived(data)

    def processEnded(self, reason: Failure) -> None:
        """Keep its status."""
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

        def told() -> int:
            found = _LISTENS.search(self.said)
            if found is None and self.status is not None:
                raise AssertionError(f"it ended with {self.status}:\n{self.said}")
            return int(found[1]) if found else 0

        return self.when(told)

    def signal(self, name: str) -> None:
        """Send it ``TERM``, ``INT`` or another signal."""
        self.process.signalProcess(name)

    def kill(self) -> Deferred[int]:
        """End it, whatever it does, and wait for its end."""
        if self.status is None:
            self.signal("KILL")
        return self.ended()


class DaemonTestCase(GateTestCase):
    """A test case whose daemons end with it."""

    # On a busy machine, each of several processes takes seconds to start.
    timeout = 120

    def daemon(
        self, *arguments: str, prepare: str = "", sockets: Sequence[tuple[str, socket]] = ()
    ) -> Daemon:
        """Return a daemon that is on its way up."""
        daemon = Daemon(*arguments, prepare=prepare, sockets=sockets)
        self.addCleanup(daemon.kill)
        return daemon

    def twisted(self, *arguments: str) -> Daemon:
        """Return a gate that ``twist`` runs, on its way up."""
        daemon = Daemon(*arguments, twist=True)
        self.addCleanup(daemon.kill)
        return daemon

    def configured(
        self, toml: str, prepare: str = "", sockets: Sequence[tuple[str, socket]] = ()
    ) -> Daemon:
        """Return a daemon with a file of this text."""
        path = Path(self.mktemp())
        path.write_text(toml, "utf-8")
        file = str(path.absolute())
        return self.daemon("--config", file, prepare=prepare, sockets=sockets)

    async def client(self, daemon: Daemon) -> Client:
        """Return a new connection to a daemon, once it listens."""
        return await self.connect_to(await daemon.port())
