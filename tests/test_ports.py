"""Tests of `tests.ports`."""

from __future__ import annotations

import socket

from twisted.trial.unittest import SynchronousTestCase

from tests.ports import free_port


class FreePortTests(SynchronousTestCase):
    """`free_port`."""

    def test_apart(self) -> None:
        """It can be used, and is none that the system would hand out for port 0."""
        port = free_port()
        with socket.socket() as used, socket.socket() as other:
            used.bind(("127.0.0.1", port))
            other.bind(("127.0.0.1", 0))
            self.assertLess(port, other.getsockname()[1])
