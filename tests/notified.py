"""The messages of a process to systemd (sd_notify), received by a test."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from typing import Any

from twisted.internet.protocol import DatagramProtocol
from twisted.trial.unittest import TestCase

from tests.peers import Watched, reactor


class Notified(DatagramProtocol, Watched):
    """The socket that NOTIFY_SOCKET names.

    Args:
        case: The test that closes it.

    Attributes:
        environ: The variable for the process.
        messages: The fields of each message.
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
        """Store a message."""
        lines = datagram.decode().split("\n")
        self.messages.append(dict(line.split("=", 1) for line in lines))
        self.changed()

    def with_field(self, name: str) -> list[dict[str, str]]:
        """Return the messages with a field."""
        return [message for message in self.messages if name in message]

    @property
    def names(self) -> list[tuple[str, ...]]:
        """The field names of each message, except for messages with only WATCHDOG or STATUS."""
        alone = (("WATCHDOG",), ("STATUS",))
        return [tuple(one) for one in self.messages if tuple(one) not in alone]
