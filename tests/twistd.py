"""The gate as twistd runs it, in a process of its own."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from tests.peers import Client, Watched, reactor
from tests.support import GateTestCase
from tests.tree import ROOT, outside

TWISTD = "from twisted.scripts.twistd import run; run()"
TWIST = "import runpy; runpy.run_module('twisted', run_name='__main__')"
_LISTENS = re.compile(r"listens on 127\.0\.0\.1:(\d+)")


class Daemon(ProcessProtocol, Watched):
    """A ``twistd -n corsgate``.

    Args:
        arguments: What follows ``corsgate``.
        prepare: Python statements that the process runs before anything of Twisted's.
        twist: Whether ``twist`` runs it instead.
        descriptors: Ours that it inherits, by the number that it knows each by.

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
        descriptors: Mapping[int, int] | None = None,
    ) -> None:
        Watched.__init__(self)
        self.said = self.errors = ""
        self.status: int | None = None
        program = f"{prepare}\n{TWIST if twist else TWISTD}"
        options = ["--log-format=text"] if twist else ["-n", "--pidfile="]
        command = [sys.executable, "-c", program, *options, "corsgate", *arguments]
        environ = {**outside(), "PYTHONPATH": str(ROOT)}
        files: dict[int, str | int] = {0: "w", 1: "r", 2: "r", **(descriptors or {})}
        reactor.spawnProcess(self, command[0], command, env=environ, path=str(ROOT), childFDs=files)

    @property
    def process(self) -> Any:
        """Its IProcessTransport."""
        return self.transport

    def outReceived(self, data: bytes) -> None:
        """Keep what it writes."""
        self.said += data.decode("utf-8", "replace")
        self.changed()

    def errReceived(self, data: bytes) -> None:
        """Keep it apart, too."""
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

    def daemon(
        self,
        *arguments: str,
        prepare: str = "",
        descriptors: Mapping[int, int] | None = None,
    ) -> Daemon:
        """Return a daemon that is on its way up."""
        daemon = Daemon(*arguments, prepare=prepare, descriptors=descriptors)
        self.addCleanup(daemon.kill)
        return daemon

    def twisted(self, *arguments: str) -> Daemon:
        """Return a gate that ``twist`` runs, on its way up."""
        daemon = Daemon(*arguments, twist=True)
        self.addCleanup(daemon.kill)
        return daemon

    def configured(
        self,
        toml: str,
        prepare: str = "",
        descriptors: Mapping[int, int] | None = None,
    ) -> Daemon:
        """Return a daemon with a file of this text."""
        path = Path(self.mktemp())
        path.write_text(toml, "utf-8")
        arguments = ("--config", str(path.absolute()))
        return self.daemon(*arguments, prepare=prepare, descriptors=descriptors)

    async def client(self, daemon: Daemon) -> Client:
        """Return a new connection to a daemon, once it listens."""
        return await self.connect_to(await daemon.port())
