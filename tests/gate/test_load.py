"""A configuration read from its file."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.errors import ConfigError
from corsgate.gate.load import load_config

TEXT = """listen = ["tcp:0:interface=127.0.0.1"]
access_log = "{log}"
[upstreams.a]
servers = ["http://10.0.0.1"]
[routes."/"]
upstream = "a"
"""


class LoadTests(SynchronousTestCase):
    """`load_config`."""

    def write(self, text: str) -> str:
        """Return the path of a new file with a text."""
        path = Path(self.mktemp())
        path.write_text(text)
        return str(path)

    def test_fine(self) -> None:
        """What can be served is returned; nothing is listened on."""
        reactor = MemoryReactorClock()
        config = load_config(self.write(TEXT.format(log="off")), reactor)
        self.assertEqual(config.access_log, "off")
        self.assertEqual(reactor.tcpServers, [])

    def test_faults(self) -> None:
        """A fault of the file, and one of this machine, name the file and the line."""
        for text, place in (
            (TEXT.format(log="off") + "cors = 1\n", ":7: "),
            (TEXT.format(log="/none/a.log"), ":2: access_log: "),
        ):
            path = self.write(text)
            error = self.assertRaises(ConfigError, load_config, path, MemoryReactorClock())
            self.assertIn(f"{path}{place}", str(error))

    def test_no_file(self) -> None:
        """One that is not there is a fault like any other."""
        self.assertRaises(ConfigError, load_config, self.mktemp(), MemoryReactorClock())

    def test_read_otherwise(self) -> None:
        """The file itself may come from elsewhere."""
        text = TEXT.format(log="off").encode()
        config = load_config("-", MemoryReactorClock(), read=lambda _: text)
        self.assertEqual(list(config.upstreams), ["a"])
