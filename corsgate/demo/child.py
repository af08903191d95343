"""The demo's gate: the real one, by twistd, in a process of its own."""

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

_ROOT = Path(__file__).resolve().parents[2]


@attrs.frozen(kw_only=True)
class Ports:
    """The TCP ports of the three; 0 asks for any free one."""

    box: int = 8000
    gate: int = 5555
    app: int = 4200


def checkout_config() -> Path | None:
    """Return the path of ``etc/demo.toml`` in a checkout, or None in an installed package."""
    path = _ROOT / "etc" / "demo.toml"
    return path if path.is_file() else None


def config_text(ports: Ports) -> str:
    """Return the gate's configuration with these ports in the place of the usual ones.

    Args:
        ports: None of them 0.
    """
    path = checkout_config() or resources.files("corsgate.demo") / "demo.toml"
    usual = attrs.asdict(Ports())
    wanted = {str(usual[name]): str(port) for name, port in attrs.asdict(ports).items()}
    # All at once: one after the other, a port that is put in could be taken for a usual one.
    pattern = rf"\b({'|'.join(wanted)})\b"
    return re.sub(pattern, lambda match: wanted[match[0]], path.read_text(encoding="utf-8"))


class GateProcess(ProcessProtocol):
    """The gate's process: keeps its log or passes it on, and tells when it has ended.

    Attributes:
        tail: The end of its log.
        is_running: Whether it was started, and is there or has left something to be read.
        was_told_to_end: Whether it ended by SIGINT or SIGTERM, whoever sent it.
    """

    transport: IProcessTransport

    def __init__(self) -> None:
        self.tail = b""
        self.is_running = False
        self.was_told_to_end = False
        self._relay: Callable[[bytes], None] | None = None
        self._waiting: list[Deferred[None]] = []

    def start(self, reactor: IReactorProcess, config: Path) -> None:
        """Start twistd by this very interpreter, with this very package.

        Args:
            reactor: Spawns the process.
            config: The gate's configuration.
        """
        # The console script may be another interpreter's, and twistd has no `python -m`.
        twistd = "from twisted.scripts.twistd import run; run()"
        arguments = ["-n", "--pidfile=", "corsgate", "--config", str(config)]
        path = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
        command = [sys.executable, "-c", twistd, *arguments]
        reactor.spawnProcess(self, sys.executable, command, env=environment)

    def pass_log_to(self, relay: Callable[[bytes], None]) -> None:
        """Hand on what it writes from now on.

        Args:
            relay: Takes the bytes as they come.
        """
        self._relay = relay

    def connectionMade(self) -> None:
        """Note that the process is there."""
        self.is_running = True

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """Take in some of its log, from standard output or error."""
        self.tail = (self.tail + data)[-TAIL_BYTES:]
        if self._relay is not None:
            self._relay(data)

    def processEnded(self, reason: Failure) -> None:
        """Note how it ended, and tell all who wait."""
        self.is_running = False
        self.was_told_to_end = getattr(reason.value, "signal", None) in (SIGINT, SIGTERM)
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.callback(None)

    def when_ended(self) -> Deferred[None]:
        """Return a Deferred of its own to each caller, who may cancel it."""
        if not self.is_running:
            return succeed(None)
        deferred: Deferred[None] = Deferred()
        self._waiting.append(deferred)
        return deferred

    async def stop(self, clock: IReactorTime) -> None:
        """End it: by SIGTERM, or by SIGKILL where that takes too long.

        Args:
            clock: Measures how long.
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
