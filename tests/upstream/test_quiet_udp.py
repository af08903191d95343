"""UDP ports that say nothing in the log, and work all the same."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.trial.unittest import TestCase
from zope.interface import provider

from corsgate.upstream.quiet_udp import QuietReactor

reactor: Any = _reactor


class Heard(DatagramProtocol):
    """Takes one datagram."""

    def __init__(self) -> None:
        self.came: Deferred[bytes] = Deferred()
        self.stopped = False

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Take it."""
        self.came.callback(datagram)

    def stopProtocol(self) -> None:
        """Note it."""
        self.stopped = True


class QuietTests(TestCase):
    async def test_quiet(self) -> None:
        """A port that opens, gets a datagram and closes leaves no line."""
        lines: list[LogEvent] = []

        @provider(ILogObserver)
        def observe(event: LogEvent) -> None:
            lines.append(event)

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        quiet, heard = QuietReactor(reactor), Heard()
        port: Any = quiet.listenUDP(0, heard, interface="127.0.0.1")
        sender: Any = quiet.listenUDP(0, DatagramProtocol(), interface="127.0.0.1")
        sender.write(b"hello", ("127.0.0.1", port.getHost().port))
        self.assertEqual(await heard.came, b"hello")
        for each in (port, sender):
            await each.stopListening()
        self.assertTrue(heard.stopped)
        self.assertEqual(lines, [])

    async def test_taken(self) -> None:
        """A port that is taken is an error, as with any reactor."""
        quiet = QuietReactor(reactor)
        port: Any = quiet.listenUDP(0, DatagramProtocol(), interface="127.0.0.1")
        number = port.getHost().port
        with self.assertRaises(CannotListenError):
            quiet.listenUDP(number, DatagramProtocol(), interface="127.0.0.1")
        await port.stopListening()

    def test_all_else(self) -> None:
        """All else is the reactor's own."""
        self.assertEqual(QuietReactor(reactor).callLater, reactor.callLater)
