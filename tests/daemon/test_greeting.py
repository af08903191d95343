"""What a gate shows when it has started."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Config
from corsgate.config.quick import quick_config
from corsgate.daemon.greeting import LOOK_S, Greeting
from corsgate.gate.log_style import OutputLines, Place
from tests.gate.fakes import logged

HERE = IPv4Address("TCP", "127.0.0.1", 5555)


def config() -> Config:
    """Return the configuration of a gate."""
    return quick_config(
        upstream="http://127.0.0.1:8000", allow_origins=["http://app"], auth="basic:a:hunter2"
    )


def fake_gate(served: Config, *addresses: Any) -> Any:
    """Return a gate that listens at addresses."""
    ports = [SimpleNamespace(getHost=lambda at=each: at) for each in addresses]
    sites = [SimpleNamespace(listener=each) for each in served.listeners]
    return SimpleNamespace(ports=ports, listeners=sites, warnings=lambda: ["be careful"])


class LogTests(SynchronousTestCase):
    """Lines in the log."""

    def greet(self, *addresses: Any, has_file: bool) -> list[str]:
        """Return what is logged of a gate with these addresses."""
        said = logged(self)
        gate = fake_gate(config(), *addresses)
        Greeting(None, config(), gate, "gate.toml", has_file=has_file).startService()
        return said()

    def test_file(self) -> None:
        """It lists routes and upstreams."""
        self.assertEqual(
            self.greet(IPv4Address("TCP", "127.0.0.1", 1), has_file=True),
            [
                "route /: http://app may call, forwarded to api",
                "upstream api: http://127.0.0.1:8000, basic credentials",
            ],
        )

    def test_quick(self) -> None:
        """Without a file it also has the URL for the app, which a browser can use."""
        for address, url in (
            (HERE, "http://localhost:5555"),
            (IPv4Address("TCP", "127.0.0.1", 80), "http://localhost"),
            (IPv6Address("TCP", "::", 5555), "http://localhost:5555"),
            (IPv6Address("TCP", "2001:db8::1", 5555), "http://[2001:db8::1]:5555"),
        ):
            told = self.greet(address, has_file=False)[-1]
            expected = f"http://app may call {url}, which forwards to http://127.0.0.1:8000"
            self.assertEqual(told, expected)


class TerminalTests(SynchronousTestCase):
    """A table on a terminal, once it is known which servers can be reached."""

    def setUp(self) -> None:
        """Start a gate on a terminal."""
        self.reactor: Any = MemoryReactorClock()
        self.shown: list[str] = []
        self.said = logged(self)
        self.greeting = Greeting(
            self.reactor,
            config(),
            fake_gate(config(), HERE),
            "gate.toml",
            has_file=False,
            status_url=lambda: "http://127.0.0.1:9901/",
            terminal=OutputLines(self.shown.append, Place.TERMINAL),
        )
        self.greeting.startService()
        self.reactor.run()

    def test_slow_server(self) -> None:
        """It waits for a server, but not for long; nothing is logged besides."""
        (host, port, *_), *others = self.reactor.tcpClients
        self.assertEqual(((host, port), others), (("127.0.0.1", 8000), []))
        self.assertEqual(self.shown, [])
        self.reactor.advance(LOOK_S)
        text = "\n".join(self.shown)
        for part in (
            "  Gate       http://localhost:5555",
            "  Status     http://127.0.0.1:9901/",
            "api  http://127.0.0.1:8000  basic credentials",
            "no connection in time",
            "  Warning    be careful",
            "In your app, call http://localhost:5555 instead of http://127.0.0.1:8000.",
        ):
            self.assertIn(part, text)
        self.assertNotIn("hunter2", text)
        self.assertEqual(self.said(), [])

    def test_stopped_before(self) -> None:
        """A gate that is stopped meanwhile shows nothing any more."""
        self.greeting.stopService()
        self.reactor.advance(LOOK_S)
        self.assertEqual((self.shown, self.said()), ([], []))
