"""Real servers with a session: Transmission and Syncthing of Debian, on loopback only."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from tests.peers import Watched, reactor
from tests.ports import free_port
from tests.programs import output, require
from tests.support import PASSWORD

STARTS = 3


class Server(ProcessProtocol, Watched):
    """A server's process.

    Args:
        home: Its directory; it is made.

    Attributes:
        port: Where it serves, on 127.0.0.1.
        said: What it printed.
    """

    ready = ""
    """What it prints when it serves."""

    def __init__(self, home: Path) -> None:
        Watched.__init__(self)
        self.home = home.resolve()
        self.home.mkdir()
        self.port = 0
        self.said = ""
        self.ended = True

    async def command(self) -> Sequence[str]:
        """Return what starts it; its port is new at the first start."""
        raise NotImplementedError

    async def start(self) -> None:
        """Start, and wait until it serves."""
        for _ in range(STARTS):
            command = await self.command()
            self.said, self.ended = "", False
            # Without a process that watches over Syncthing, which would outlive it.
            environ = {"HOME": str(self.home), "PATH": "/usr/bin:/bin", "STMONITORED": "yes"}
            reactor.spawnProcess(self, command[0], command, env=environ)
            await self.when(lambda: re.search(self.ready, self.said) or self.ended)
            if not self.ended:
                return
            self.port = 0
        raise AssertionError(f"it does not start; it says:\n{self.said}")

    async def stop(self) -> None:
        """End, and wait for the end."""
        if not self.ended:
            with suppress(ProcessExitedAlready):
                process: Any = self.transport
                process.signalProcess(signal.SIGKILL)
            await self.gone()

    def gone(self) -> Deferred[bool]:
        """Return a Deferred that fires when it has ended."""
        return self.when(lambda: self.ended)

    def outReceived(self, data: bytes) -> None:
        """Keep what it prints."""
        self.said += data.decode("utf-8", "replace")
        self.changed()

    errReceived = outReceived

    def processEnded(self, reason: Failure) -> None:
        """Note its end."""
        self.ended = True
        self.changed()


class Transmission(Server):
    """transmission-daemon, whose RPC wants Basic and a token."""

    ready = "RPC|Serving RPC"

    async def command(self) -> Sequence[str]:
        """Return what starts it."""
        program = require("transmission-daemon", "transmission-daemon")
        self.port = self.port or free_port()
        return [
            *(program, "--foreground", "--config-dir", str(self.home)),
            *("--port", str(self.port), "--rpc-bind-address", "127.0.0.1"),
            *("--bind-address-ipv4", "127.0.0.1", "--peerport", str(free_port())),
            *("--auth", "--username", "gate", "--password", PASSWORD),
            *("--no-portmap", "--no-dht", "--no-lpd", "--log-info"),
        ]


class Syncthing(Server):
    """Syncthing with a GUI password.

    Attributes:
        device: The part of its ID that the names of its cookies have.
    """

    ready = "GUI and API listening on"
    device = ""

    async def command(self) -> Sequence[str]:
        """Return what starts it."""
        program = require("syncthing", "syncthing")
        if not self.port:
            self.port = free_port()
            home = f"--home={self.home}/syncthing"
            user, password = "--gui-user=gate", f"--gui-password={PASSWORD}"
            said = await output(program, ["generate", home, "--no-default-folder", user, password])
            config = self.home / "syncthing" / "config.xml"
            text = config.read_text("utf-8") if config.exists() else said
            self.device = re.findall(r'<device id="([A-Z0-9]{5})', text)[0]
            for name in ("globalAnnounceEnabled", "localAnnounceEnabled", "relaysEnabled"):
                text = text.replace(f"<{name}>true", f"<{name}>false")
            text = text.replace("<natEnabled>true", "<natEnabled>false")
            text = text.replace("<crashReportingEnabled>true", "<crashReportingEnabled>false")
            text = text.replace(
                "<listenAddress>default", f"<listenAddress>tcp://127.0.0.1:{free_port()}"
            )
            # It may have looked for a free port by itself.
            gui = r"127\.0\.0\.1:\d+(?=</address>\s*<user)"
            text = re.sub(gui, f"127.0.0.1:{self.port}", text)
            config.write_text(text, "utf-8")
        return [
            *(program, "serve", f"--home={self.home}/syncthing", "--no-browser"),
            *("--no-restart", "--no-upgrade", "--no-default-folder"),
        ]
