"""How much is read of a socket at once."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.protocol import Protocol
from twisted.internet.tcp import Connection
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.transport.read_size import MOST_BYTES, PROVEN_READS, USUAL_BYTES, ReadSize
from tests.server.support import Wire


class ReadSizeTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Make a connection."""
        unconnected = socket.socket()
        self.addCleanup(unconnected.close)
        self.tcp: Any = Connection(unconnected, Protocol(), MemoryReactorClock())
        self.size = ReadSize(self.tcp)

    def test_usual(self) -> None:
        """As much as usual is read, as long as no read brings all that it could."""
        self.size.grow(USUAL_BYTES - 1)
        self.assertEqual(self.tcp.bufferSize, USUAL_BYTES)

    def test_more(self) -> None:
        """Behind several full reads more is read, until it is put back."""
        for _ in range(2):
            for _ in range(PROVEN_READS):
                self.assertEqual(self.tcp.bufferSize, USUAL_BYTES)
                self.size.grow(USUAL_BYTES)
            self.assertEqual(self.tcp.bufferSize, MOST_BYTES)
            self.size.reset()

    def test_others(self) -> None:
        """Any other transport reads as it does."""
        wire = Wire()
        size = ReadSize(wire)
        size.grow(USUAL_BYTES)
        size.reset()
        self.assertFalse(hasattr(wire, "bufferSize"))
