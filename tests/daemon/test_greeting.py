"""What the log says of a gate when it has started."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.quick import quick_config
from corsgate.daemon.greeting import Greeting
from tests.gate.fakes import logged


class GreetingTests(SynchronousTestCase):
    """`Greeting`."""

    def greet(self, *addresses: Any, has_file: bool) -> list[str]:
        """Return what is logged of a gate with these addresses."""
        said = logged(self)
        config = quick_config(
            upstream="http://box:8000", allow_origins=["http://app"], auth="basic:a:hunter2"
        )
        ports = [SimpleNamespace(getHost=lambda at=each: at) for each in addresses]
        gate: Any = SimpleNamespace(ports=ports)
        Greeting(config, gate, "gate.toml", has_file=has_file).startService()
        return said()

    def test_file(self) -> None:
        """It lists routes and upstreams."""
        self.assertEqual(
            self.greet(IPv4Address("TCP", "127.0.0.1", 1), has_file=True),
            [
                "route /: http://app may call, forwarded to api",
                "upstream api: http://box:8000, basic credentials",
            ],
        )

    def test_quick(self) -> None:
        """Without a file it also has the URL for the app, which a browser can use."""
        for address, url in (
            (IPv4Address("TCP", "127.0.0.1", 5555), "http://localhost:5555"),
            (IPv6Address("TCP", "::", 5555), "http://localhost:5555"),
            (IPv6Address("TCP", "2001:db8::1", 5555), "http://[2001:db8::1]:5555"),
        ):
            told = self.greet(address, has_file=False)[-1]
            self.assertEqual(told, f"http://app may call {url}, which forwards to http://box:8000")
