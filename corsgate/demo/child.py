"""The demo's gate: the real daemon, in a child process."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from signal import SIGINT, SIGTERM
from typing import Final

import attrs
from twisted.internet.defer import Deferred, TimeoutError, succeed
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IProcessTransport, IReactorProcess, IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

TAIL_BYTES: Final = 4000
STOP_TIMEOUT_S: Final = 10.0
_COLOR = rb"(?:\x1b\[[0-9;]*m)*"
_STATUS: Final = re.compile(
    rb"(?:status and metrics: |Status +" + _COLOR + rb")(http://[^\s\x1b]+)[\s\x1b]"
)
"""The status page's address in a log, and in the summary on a terminal."""

_ROOT = Path(__file__).resolve().parents[2]


@attrs.frozen(kw_only=True)
class Ports:
    """The TCP ports of the three servers; 0 means any free port."""

    box: int = 8000
    gate: int = 5555
    app: int = 4200


def checkout_config() -> Path | None:
    """Return the path of ``etc/demo.toml`` in a checkout; None in an installed package."""
    path = _ROOT / "etc" / "demo.toml"
    return path if path.is_file() else None


def config_text(ports: Ports) -> str:
    """Return the gate's configuration, with the default ports replaced.

    Args:
        ports: The ports to use, none of them 0.
    """
    path = checkout_config() or resources.files("corsgate.demo") / "demo.toml"
    usual = attrs.asdict(Ports())
    wanted = {str(usual[name]): str(port) for name, port in attrs.asdict(ports).items()}
    # All ports are replaced in one pass. Otherwise a new port could be replaced like a default.
    pattern = rf"\b({'|'.join(wanted)})\b"
    return re.sub(pattern, lambda match: wanted[match[0]], path.read_text(encoding="utf-8"))


class GateProcess(ProcessProtocol):
    """The gate's process. It stores or relays the log, and reports the end of the process.

    Attributes:
        tail: The end of the log.
        status_url: The address of the gate's status page; empty until the log contains it.
        is_running: Whether the process was started and has not ended.
        was_told_to_end: Whether SIGINT or SIGTERM ended the process.
    """

    transport: IProcessTransport

    def __init__(self) -> None:
        self.tail = b""
        self.status_url = ""
        self.is_running = False
        self.was_told_to_end = False
        self._is_on_terminal = False
        self._relay: Callable[[bytes], None] | None = None
        self._waiting: list[Deferred[None]] = []

    def start(self, reactor: IReactorProcess, config: Path, *, on_terminal: bool = False) -> None:
        """Start ``corsgate run`` with the same interpreter and the same package.

        Args:
            reactor: Spawns the process.
            config: The gate's configuration.
            on_terminal: Whether its lines are shown on a terminal. Then it gets a terminal of its
                own, so that they are short and coloured, and only the demo gets a Ctrl-C.
        """
        self._is_on_terminal = on_terminal
        # The console script may use another interpreter.
        arguments = ["-m", "corsgate", "run", "--config", str(config)]
        path = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
        command = [sys.executable, *arguments]
        reactor.spawnProcess(self, sys.executable, command, env=environment, usePTY=on_terminal)

    def pass_log_to(self, relay: Callable[[bytes], None]) -> None:
        """Relay the log from now on.

        Args:
            relay: Receives the bytes as they arrive.
        """
        self._relay = relay

    def connectionMade(self) -> None:
        """Record that the process is running."""
        self.is_running = True

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """Receive a part of the log, from standard output or error."""
        if self._is_on_terminal:
            # Its terminal has added the carriage returns; that of the demo adds them again.
            data = data.replace(b"\r\n", b"\n")
        self.tail = (self.tail + data)[-TAIL_BYTES:]
        found = None if self.status_url else _STATUS.search(self.tail)
        if found is not None:
            self.status_url = found[1].decode("ascii", "replace")
        if self._relay is not None:
            self._relay(data)

    def processEnded(self, reason: Failure) -> None:
        """Record how the process ended, and notify all waiters."""
        self.is_running = False
        self.was_told_to_end = getattr(reason.value, "signal", None) in (SIGINT, SIGTERM)
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.callback(None)

    def when_ended(self) -> Deferred[None]:
        """Return a new Deferred that fires when the process ends. It may be cancelled."""
        if not self.is_running:
            return succeed(None)
        deferred: Deferred[None] = Deferred()
        self._waiting.append(deferred)
        return deferred

    async def stop(self, clock: IReactorTime) -> None:
        """End the process with SIGTERM, or with SIGKILL if that takes too long.

        Args:
            clock: The clock for the timeout.
        """
        for signal in ("TERM", "KILL"):
            if not self.is_running:
                return
            try:
                self.transport.signalProcess(signal)
            except ProcessExitedAlready:
                await self.when_ended()
                return
            try:
                await self.when_ended().addTimeout(STOP_TIMEOUT_S, clock)
            except TimeoutError:
                continue
