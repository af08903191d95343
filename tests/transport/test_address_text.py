"""Addresses of sockets as people write them."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.trial.unittest import SynchronousTestCase

from corsgate.transport.address_text import address_text


class AddressTests(SynchronousTestCase):
    """`address_text`."""

    def test_addresses(self) -> None:
        """Each kind of address, as Twisted and as the operating system has it."""
        cases: tuple[tuple[Any, str], ...] = (
            (IPv4Address("TCP", "127.0.0.1", 5555), "127.0.0.1:5555"),
            (IPv6Address("TCP", "::1", 5555), "[::1]:5555"),
            (UNIXAddress(b"/run/gate.sock"), "unix:/run/gate.sock"),
            (UNIXAddress(b"\0gate"), "unix:@gate"),
            (UNIXAddress(b"/run/\xff"), "unix:/run/\ufffd"),
            (UNIXAddress(None), "UNIXAddress(None)"),
            (("0.0.0.0", 80), "0.0.0.0:80"),  # Nothing is bound here.
            (("fe80::1%lo", 80, 0, 1), "[fe80::1%lo]:80"),
            ("/run/gate.sock", "unix:/run/gate.sock"),
            (b"\0gate", "unix:@gate"),
        )
        for address, text in cases:
            self.assertEqual(address_text(address), text)

    def test_real(self) -> None:
        """A bound socket of each family."""
        path = Path(self.mktemp())
        path.parent.mkdir(parents=True, exist_ok=True)
        with socket.socket(socket.AF_UNIX) as opened:
            opened.bind(str(path))
            self.assertEqual(address_text(opened.getsockname()), f"unix:{path}")
        with socket.socket() as opened:
            opened.bind(("127.0.0.1", 0))
            name = opened.getsockname()
            self.assertEqual(address_text(name), f"127.0.0.1:{name[1]}")
