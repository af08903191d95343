"""What a process tells systemd, received in systemd's place."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from typing import Any

from twisted.internet.protocol import DatagramProtocol
from twisted.trial.unittest import TestCase

from tests.peers import Watched, reactor


class Notified(DatagramProtocol, Watched):
    """A NOTIFY_SOCKET.

    Args:
        case: It is closed when this ends.

    Attributes:
        environ: The variable for the process.
        messages: Each message's fields.
    """

    def __init__(self, case: TestCase) -> None:
        Watched.__init__(self)
        # Its path must be short enough for a socket.
        directory = tempfile.mkdtemp(prefix="corsgate-")
        case.addCleanup(shutil.rmtree, directory)
        self.environ: Mapping[str, str] = {"NOTIFY_SOCKET": f"{directory}/notify"}
        self.messages: list[dict[str, str]] = []
        port: Any = reactor.listenUNIXDatagram(self.environ["NOTIFY_SOCKET"], self)
        case.addCleanup(port.stopListening)

    def datagramReceived(self, datagram: bytes, addr: object) -> None:
        """Keep a message."""
        lines = datagram.decode().split("\n")
        self.messages.append(dict(line.split("=", 1) for line in lines))
        self.changed()

    def with_field(self, name: str) -> list[dict[str, str]]:
        """Return the messages with a field."""
        return [message for message in self.messages if name in message]

    @property
    def names(self) -> list[tuple[str, ...]]:
        """The fields' names of each message, without those of the watchdog and of states alone."""
        alone = (("WATCHDOG",), ("STATUS",))
        return [tuple(one) for one in self.messages if tuple(one) not in alone]
