"""Names that are known without DNS."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from corsgate.upstream.hosts import LOOPBACK, Hosts, parse_hosts


class ParseTests(SynchronousTestCase):
    def test_lines(self) -> None:
        """A line has an address and its names, whatever stands between and behind them."""
        text = "10.0.0.1 box.lan box\n\t10.0.0.2\tOther.LAN.  # a comment\n\n#10.0.0.3 off.lan\n"
        self.assertEqual(
            parse_hosts(text),
            {"box.lan": ("10.0.0.1",), "box": ("10.0.0.1",), "other.lan": ("10.0.0.2",)},
        )

    def test_several_addresses(self) -> None:
        """A name has the addresses of all its lines, each once, in their order."""
        text = "10.0.0.2 box\nfd00::1 box\n10.0.0.1 box\n10.0.0.2 box\n"
        self.assertEqual(parse_hosts(text), {"box": ("10.0.0.2", "fd00::1", "10.0.0.1")})

    def test_no_such_lines(self) -> None:
        """What has no address, or one that can't be connected to as it is, has no effect."""
        for line in ("box.lan 10.0.0.1", "10.0.0 box", "10.0.0.256 box", "fe80::1%eth0 box", "::"):
            self.assertEqual(parse_hosts(line), {})


class HostsTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Have a file."""
        self.path = self.mktemp()
        self.hosts = Hosts(self.path)

    def write(self, text: str, mtime: float) -> None:
        """Write the file at a time."""
        Path(self.path).write_text(text, encoding="utf-8")
        os.utime(self.path, (mtime, mtime))

    def test_read_again(self) -> None:
        """A file that has changed, or has come, is read; one that is gone has no names."""
        self.assertEqual(self.hosts.addresses("box"), ())
        for number in (1, 2):
            self.write(f"10.0.0.{number} box\n", number)
            self.assertEqual(self.hosts.addresses("box"), (f"10.0.0.{number}",))
        os.unlink(self.path)
        self.assertEqual(self.hosts.addresses("box"), ())

    def test_localhost(self) -> None:
        """What is below localhost is loopback, whatever the file says; nothing else is."""
        self.write("10.0.0.1 localhost api.localhost\n10.0.0.2 localhost.lan\n", 1)
        for name in ("localhost", "api.localhost", "a.b.localhost"):
            self.assertEqual(self.hosts.addresses(name), LOOPBACK)
        self.assertEqual(self.hosts.addresses("localhost.lan"), ("10.0.0.2",))
        self.assertEqual(self.hosts.addresses("mylocalhost"), ())

    def test_unreadable(self) -> None:
        """A directory in its place has no names."""
        self.assertEqual(Hosts("/").addresses("box"), ())
