"""A real dnsmasq on a high port, whose answers a test changes."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from tests.peers import Watched, reactor
from tests.ports import free_port
from tests.programs import require

STARTS = 5
TTL_S = 1


class Dnsmasq(ProcessProtocol, Watched):
    """A DNS server for given names.

    Args:
        directory: The directory for its file of hosts.
        more: More arguments of dnsmasq.

    Attributes:
        port: Its port on 127.0.0.1.
    """

    def __init__(self, directory: Path, *more: str) -> None:
        Watched.__init__(self)
        directory.mkdir(exist_ok=True)
        self._hosts = directory / "hosts"
        self._more = more
        self._said = ""
        self._ended = False
        self.port = 0

    async def start(self, hosts: Mapping[str, Sequence[str]]) -> Dnsmasq:
        """Start it with these addresses for each name."""
        program = require("dnsmasq", "dnsmasq-base")
        self._write(hosts)
        for _ in range(STARTS):
            self.port = free_port()
            self._said, self._ended = "", False
            arguments = [
                *("dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--pid-file="),
                *("--listen-address=127.0.0.1", "--bind-interfaces", f"--port={self.port}"),
                *("--no-resolv", "--no-hosts", f"--addn-hosts={self._hosts}"),
                *(f"--local-ttl={TTL_S}", "--user=", "--local=/test/", *self._more),
            ]
            reactor.spawnProcess(self, program, arguments, env={})
            await self.when(lambda: self._hosts.name in self._said or self._ended)
            if not self._ended:
                return self
        raise AssertionError(f"dnsmasq does not start; it says:\n{self._said}")

    async def change(self, hosts: Mapping[str, Sequence[str]]) -> None:
        """Use other addresses from now on."""
        self._write(hosts)
        process: Any = self.transport
        before = self._said.count("read ")
        process.signalProcess(signal.SIGHUP)
        await self.when(lambda: self._said.count("read ") > before)

    def stop(self) -> Deferred[bool]:
        """End it."""
        process: Any = self.transport
        if process is not None and not self._ended:
            process.signalProcess(signal.SIGTERM)
        return self.when(lambda: self._ended or process is None)

    def errReceived(self, data: bytes) -> None:
        """Add to its output."""
        self._said += data.decode("utf-8", "replace")
        self.changed()

    def processEnded(self, reason: Failure) -> None:
        """Note it."""
        self._ended = True
        self.changed()

    def _write(self, hosts: Mapping[str, Sequence[str]]) -> None:
        lines = [f"{address} {name}\n" for name, each in hosts.items() for address in each]
        self._hosts.write_text("".join(lines), encoding="utf-8")
