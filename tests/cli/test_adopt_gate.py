"""The gate that ``corsgate adopt`` starts."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from corsgate.cli.adopt_gate import GateFailed, free_port, running


class GateTests(SynchronousTestCase):
    """Its port and its start."""

    def test_free_port(self) -> None:
        """A port that is taken is left out."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            self.assertGreater(free_port(port), port)

    def test_failed(self) -> None:
        """A gate that ends at once is reported with what it said."""
        path = Path(self.mktemp())
        path.write_text("listen = 5\n", "utf-8")
        stack = ExitStack()
        self.addCleanup(stack.close)
        port = free_port(40_000)
        error = self.assertRaises(
            GateFailed, stack.enter_context, running(str(path), port, {}, 50.0)
        )
        self.assertIn("listen", str(error))
