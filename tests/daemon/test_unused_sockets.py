"""Warnings about sockets that no listener uses."""

from __future__ import annotations

import os
import socket
from typing import Any, cast

import attrs
from twisted.internet import endpoints
from twisted.logger import ILogObserver, formatEvent, globalLogPublisher
from twisted.python.systemd import ListenFDs
from twisted.trial.unittest import SynchronousTestCase

from corsgate.config.model.values import Config, Listener
from corsgate.config.parse import parse_config
from corsgate.cors.check import CORS_RULES
from corsgate.daemon.reload import ReloadOutcome
from corsgate.daemon.unused_sockets import UnusedSockets
from tests.peers import reactor

OUTCOME = ReloadOutcome(time_s=0.0, trigger="SIGHUP")
TOML = (
    'listen = ["systemd:name=web"]\n[upstreams.a]\nservers = ["http://127.0.0.1:1"]\n'
    '[routes."/"]\nupstream = "a"\n'
)


@attrs.define
class FakeGate:
    """As much of a gate and its reloader as is asked for."""

    config: Config
    ended: list[Any] = attrs.Factory(list)


class UnusedSocketsTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Hand over two sockets, and keep what is logged."""
        web, other = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
        self.addCleanup(web.close)
        self.addCleanup(other.close)
        parser: Any = endpoints._SystemdParser
        fds = ListenFDs([web.fileno(), other.fileno()], ["web", "other"])
        self.patch(parser, "_sddaemon", fds)
        os.environ["LISTEN_FDNAMES"] = "web:other"
        self.addCleanup(os.environ.pop, "LISTEN_FDNAMES")
        self.said: list[str] = []

        observer = cast(ILogObserver, lambda event: self.said.append(formatEvent(event)))
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def test_warned_of(self) -> None:
        """Once at the start; and after a reload that leaves another one unused."""
        config = parse_config(
            TOML, file="x", environ={}, read_file=lambda _: b"", cors_rules=CORS_RULES
        )
        gate: Any = FakeGate(config)
        UnusedSockets(reactor, gate, gate).startService()
        (said,) = self.said
        self.assertIn('handed over the socket "other" (127.0.0.1:', said)
        self.assertIn('listen on "systemd:name=other"', said)
        (ended,) = gate.ended
        ended(OUTCOME)
        self.assertEqual(len(self.said), 1)
        gate.config = attrs.evolve(config, listeners=(Listener(endpoint="systemd:name=other"),))
        ended(OUTCOME)
        self.assertIn('handed over the socket "web"', self.said[1])
        gate.config = config
        ended(OUTCOME)
        self.assertIn('handed over the socket "other"', self.said[2])
